//! The pages that master and relay have in common: status, playlists, what is on air.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};

use super::asked::Asked;
use super::icecast::playlists::Kind;
use super::icecast::{public, stats};
use super::metrics;
use super::shown::{Scheme, Shown};
use crate::mount::{Class, MountPath};

/// The pages.
pub fn router(shown: Shown) -> Router {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/status", get(status))
        .route("/status-json.xsl", get(icecast_status))
        .route("/metrics", get(metrics_page))
        .route("/health", get(|| async { "ok\n" }))
        .fallback(playlist_or_nothing)
        .with_state(shown.clone())
        .merge(public::router(shown))
}

/// What there is below `/api/v1`. Kept by hand; a test compares it with the routes.
async fn openapi() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut answer = (kind, include_str!("openapi.json")).into_response();
    open_to_scripts(&mut answer);
    answer
}

async fn status(State(shown): State<Shown>) -> Response {
    let mut answer = Json(shown.status()).into_response();
    open_to_scripts(&mut answer);
    answer
}

async fn metrics_page(State(shown): State<Shown>) -> Response {
    match metrics::page(&shown) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn icecast_status(
    State(shown): State<Shown>,
    Extension(scheme): Extension<Scheme>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let base = shown.base(&headers, scheme);
    let status = stats::asked(shown.status(), query.as_deref());
    let mut answer = Json(status.icecast(&base, shown.started.1)).into_response();
    open_to_scripts(&mut answer);
    answer
}

/// `/live.ogg.m3u` and its like for a mount `/live.ogg`, even a hidden one: who asks knows its name.
/// It may be a second name, or that of a mount for which another one stands in; the link is what was
/// asked for. For everything else a list of what there is.
async fn playlist_or_nothing(
    State(shown): State<Shown>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let status = shown.whole_status();
    let wanted = Kind::of(uri.path()).and_then(|(path, kind)| {
        let asked = Asked::by(&shown.rules, &shown.table, path)?;
        let played = asked.mount(Class::Listener)?;
        let mut mounts = status.mounts.iter();
        let mount = mounts.find(|mount| mount.path == played.path().as_str())?;
        Some((mount, MountPath::spelling_of(path), kind))
    });
    if let Some((mount, path, kind)) = wanted {
        let link = format!("{}{path}", shown.base(&headers, scheme));
        let head = [(header::CONTENT_TYPE, kind.media_type())];
        let mut answer = (head, kind.write(&link, mount)).into_response();
        open_to_scripts(&mut answer);
        return answer;
    }
    let mut answer = (StatusCode::NOT_FOUND, shown.nothing_here(uri.path())).into_response();
    open_to_scripts(&mut answer);
    answer
}

fn open_to_scripts(answer: &mut Response) {
    let headers = answer.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::HeaderValue::from_static("*"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
}
