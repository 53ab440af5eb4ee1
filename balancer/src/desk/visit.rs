//! One request to the operator's page: who asks, in which language, and how he is answered.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use stream::http::site::is_from_here;

use crate::asked::Asked;
use crate::balancer::Balancer;
use crate::base_url::{BaseUrl, Scheme};
use crate::desk::guard::{LANGUAGE_COOKIE, SESSION_COOKIE, cookie};
use crate::desk::page::{CONTENT_SECURITY_POLICY, Section, Stay, complaint, page};
use crate::desk::words::Words;
use crate::language::Language;
use crate::token::TokenDigest;

/// Remembers a language for a year.
const LANGUAGE_SECONDS: u32 = 365 * 24 * 3600;

/// A request, without its body.
#[derive(Debug)]
pub struct Visit {
    /// Everything there is.
    pub balancer: Arc<Balancer>,
    /// Its head.
    pub head: Parts,
    /// What he reads.
    pub language: Language,
    /// He has just chosen it.
    is_language_chosen: bool,
}

impl Visit {
    /// Looks at a request's head.
    pub fn new(balancer: Arc<Balancer>, head: Parts) -> Self {
        let query = head.uri.query().unwrap_or_default();
        let chosen = url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "lang")
            .and_then(|(_, tag)| Language::of_tag(&tag));
        let kept = || Language::of_tag(cookie(&head.headers, LANGUAGE_COOKIE)?);
        let accepted = || {
            let header = head.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            Some(Language::wanted(header))
        };
        Self {
            language: chosen.or_else(kept).or_else(accepted).unwrap_or_default(),
            is_language_chosen: chosen.is_some(),
            balancer,
            head,
        }
    }

    /// What is said to him.
    pub fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// The digest of the session that he claims to have.
    pub fn session(&self) -> Option<TokenDigest> {
        cookie(&self.head.headers, SESSION_COOKIE).map(TokenDigest::of)
    }

    /// Whether he is signed in.
    pub fn is_signed_in(&self) -> bool {
        let Some(session) = self.session() else {
            return false;
        };
        let mut sessions = self.balancer.desk().sessions();
        sessions.is_open(&session, Instant::now())
    }

    /// Whether no other site made his browser ask.
    pub fn is_from_here(&self) -> bool {
        let config = self.balancer.config();
        let public = config.public_url.as_ref();
        is_from_here(&self.head.headers, public.map(BaseUrl::as_str))
    }

    /// The cookie of a session that is just opened; an empty `word` ends it.
    pub fn session_cookie(&self, word: &str, seconds: u64) -> String {
        let is_https = Asked::of(&self.head).scheme(&self.balancer) == Scheme::Https;
        let secure = if is_https { "; Secure" } else { "" };
        format!(
            "{SESSION_COOKIE}={word}; Path=/desk; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        )
    }

    /// A whole page for him.
    pub fn page(
        &self,
        status: StatusCode,
        section: Section,
        title: &str,
        content: &str,
    ) -> Response<Body> {
        let stay = match self.head.method {
            Method::POST => Stay::Once,
            _ => Stay::Lasting,
        };
        let html = page(self.language, stay, section, title, content);
        let mut answer = typed(status, "text/html; charset=utf-8", html);
        set(
            &mut answer,
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY,
        );
        if self.is_language_chosen {
            let tag = self.language.tag();
            add_cookie(
                &mut answer,
                &format!(
                    "{LANGUAGE_COOKIE}={tag}; Path=/; Max-Age={LANGUAGE_SECONDS}; SameSite=Lax"
                ),
            );
        }
        answer
    }

    /// A page that says what went wrong.
    pub fn complaint(
        &self,
        status: StatusCode,
        section: Section,
        sentence: &str,
    ) -> Response<Body> {
        let w = self.words();
        self.page(status, section, w.mistake, &complaint(w, sentence))
    }
}

/// 303: look there now.
pub fn see(path: &str) -> Response<Body> {
    let mut answer = typed(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        String::new(),
    );
    match HeaderValue::from_str(path) {
        Ok(path) => drop(answer.headers_mut().insert(header::LOCATION, path)),
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}

/// Adds a cookie to an answer.
pub fn add_cookie(answer: &mut Response<Body>, cookie: &str) {
    // Our own words and base64: always a header.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// An answer that nobody keeps and no other site may read.
pub fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    set(&mut answer, header::CONTENT_TYPE, content_type);
    set(&mut answer, header::CACHE_CONTROL, "no-store, private");
    // Browsers say where a form comes from only if this allows it.
    set(&mut answer, header::REFERRER_POLICY, "same-origin");
    set(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn set(answer: &mut Response<Body>, name: header::HeaderName, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
