//! Signing in and out at the operator's page.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use tracing::{error, info};

use crate::balancer::Balancer;
use crate::desk::form::{self, Form};
use crate::desk::page::{Section, complaint, field};
use crate::desk::sessions::SESSION_MAX;
use crate::desk::visit::{Visit, add_cookie, see};
use crate::desk::words::Words;
use crate::token;

/// A wrong password is answered after this many milliseconds, so that guessing is slow and
/// the time says nothing.
const WRONG_PASSWORD_DELAY_MS: std::ops::Range<u64> = 500..1_500;

/// The page with the form.
pub fn show(visit: &Visit) -> Response<Body> {
    let w = visit.words();
    visit.page(StatusCode::OK, Section::Outside, w.sign_in, &form_of(w))
}

/// Takes user and password.
pub async fn enter(visit: &Visit, body: Body) -> Response<Body> {
    let w = visit.words();
    if !visit.is_from_here() {
        return visit.complaint(StatusCode::FORBIDDEN, Section::Outside, w.other_site);
    }
    let form = match form::body(body).await {
        Ok(bytes) => Form::parse(&bytes),
        Err((status, sentence)) => return visit.complaint(status, Section::Outside, &sentence),
    };
    let is_right = visit.balancer.config().operator().is_some_and(|login| {
        login.password.matches(form.whole("password")) & (login.user == form.text("user"))
    });
    if !is_right {
        delay_wrong_password(&visit.balancer).await;
        let content = complaint(w, w.wrong_password) + &form_of(w);
        return visit.page(StatusCode::FORBIDDEN, Section::Outside, w.sign_in, &content);
    }
    let Some(word) = token::fresh() else {
        error!("nobody can sign in: the system has no random numbers");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return visit.complaint(status, Section::Outside, w.no_chance);
    };
    let digest = token::TokenDigest::of(&word);
    visit
        .balancer
        .desk()
        .sessions()
        .open(digest, Instant::now());
    info!("the operator signed in at /desk");
    let mut answer = see("/desk");
    add_cookie(
        &mut answer,
        &visit.session_cookie(&word, SESSION_MAX.as_secs()),
    );
    answer
}

/// Ends the session.
pub fn leave(visit: &Visit) -> Response<Body> {
    if let Some(session) = visit.session() {
        visit.balancer.desk().sessions().close(&session);
    }
    let mut answer = see("/desk/enter");
    add_cookie(&mut answer, &visit.session_cookie("", 0));
    answer
}

/// Counts somebody who does not know the password, and makes him wait.
pub async fn delay_wrong_password(balancer: &Balancer) {
    let counts = &balancer.counts;
    counts.wrong_passwords.fetch_add(1, Ordering::Relaxed);
    let delay = Duration::from_millis(fastrand::u64(WRONG_PASSWORD_DELAY_MS));
    tokio::time::sleep(delay).await;
}

fn form_of(w: &Words) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<p>{}</p>\n<form class=\"narrow\" method=\"post\" action=\"/desk/enter\">\n",
        w.sign_in_hint
    );
    let user = "autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required";
    field(&mut html, "user", w.user, "", "", user);
    let password = "type=\"password\" autocomplete=\"current-password\" required";
    field(&mut html, "password", w.password, "", "", password);
    let _ = write!(html, "<button>{}</button>\n</form>\n", w.sign_in);
    html
}
