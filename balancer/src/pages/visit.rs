//! Who asks for the public page, in which language, and for which of its files.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use serde::Serialize;
use stream::mount::MountPath;

use super::{CONTENT_SECURITY_POLICY, STATE, Wish, find, front};
use crate::answer;
use crate::asked::Asked;
use crate::balancer::Balancer;
use crate::language::Language;
use crate::status::{Status, Totals};

/// Its address changes with the file, so nobody ever has to ask again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// An address of another version: what is here now, for now.
const FOR_NOW: &str = "no-cache";

/// The page, its files, and the figures it keeps true.
pub fn routes() -> Router<Arc<Balancer>> {
    Router::new()
        .route("/", get(page))
        .route("/static/{state}/{name}", get(file))
        .route("/api/v1/places", get(places))
}

async fn page(State(balancer): State<Arc<Balancer>>, request: Request) -> Response<Body> {
    let (request, _) = request.into_parts();
    let base = Asked::of(&request)
        .public_base(&balancer)
        .unwrap_or_default();
    let wish = wish(&request, &base);
    let html = front(&Status::of(&balancer, Instant::now()), &wish);
    let mut answer = answer::typed(StatusCode::OK, "text/html; charset=utf-8", html);
    let policy = CONTENT_SECURITY_POLICY;
    answer::set(&mut answer, header::CONTENT_SECURITY_POLICY, policy);
    answer::set(&mut answer, header::CONTENT_LANGUAGE, wish.language.tag());
    answer::set(&mut answer, header::VARY, "Accept-Language");
    answer
}

/// `?lang=` is stronger than what the browser wants in general.
fn wish<'a>(request: &Parts, base: &'a str) -> Wish<'a> {
    let query = request.uri.query().unwrap_or_default();
    let asked = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    let accepted = || {
        let header = request.headers.get(header::ACCEPT_LANGUAGE);
        Language::wanted(header.and_then(|it| it.to_str().ok()).unwrap_or_default())
    };
    let language = asked("lang").and_then(|tag| Language::of_tag(&tag));
    Wish {
        language: language.unwrap_or_else(accepted),
        mount: asked("mount").and_then(|path| MountPath::parse(&path).ok()),
        base,
    }
}

async fn file(Path((state, name)): Path<(String, String)>, request: Request) -> Response<Body> {
    let Some(file) = find(&name) else {
        return answer::text(StatusCode::NOT_FOUND, "there is no such file\n");
    };
    let tag = format!("\"{}\"", *STATE);
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let is_known = known.iter().any(|it| it.as_bytes() == tag.as_bytes());
    let mut answer = if is_known {
        answer::text(StatusCode::NOT_MODIFIED, "")
    } else {
        answer::typed(StatusCode::OK, file.content_type, file.text.to_owned())
    };
    let keep = if state == *STATE { FOR_EVER } else { FOR_NOW };
    answer::set(&mut answer, header::CACHE_CONTROL, keep);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

/// What everybody who has the page open asks for again and again.
#[derive(Serialize)]
struct Places {
    slots: u64,
    listeners: u64,
    free: u64,
}

async fn places(State(balancer): State<Arc<Balancer>>) -> Response<Body> {
    let totals = Totals::of(&balancer, Instant::now());
    let places = Places {
        slots: totals.slots,
        listeners: totals.listeners,
        free: totals.free,
    };
    answer::json(StatusCode::OK, &places)
}
