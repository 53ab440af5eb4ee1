//! The pages that master and relay have in common: status, playlists, what is on air.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;

use super::metrics;
use crate::fanout::Fanout;
use crate::mount::{MountPath, MountTable, Slots};
use crate::status::Status;

/// A `Host` header longer than this is not repeated.
const HOST_BYTES_MAX: usize = 255;

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Such as `plenum-master`.
    pub program: &'static str,
    /// The mounts.
    pub table: Arc<MountTable>,
    /// The slots.
    pub slots: Slots,
    /// Who serves.
    pub fanout: Arc<Fanout>,
    /// The address that listeners use, without path; without one, the `Host` they sent.
    pub public_url: Option<String>,
    /// When the program started.
    pub started: (Instant, Timestamp),
}

/// The pages.
pub fn router(shown: Shown) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/status-json.xsl", get(icecast_status))
        .route("/metrics", get(metrics_page))
        .route("/health", get(|| async { "ok\n" }))
        .fallback(playlist_or_nothing)
        .with_state(shown)
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

async fn icecast_status(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let base = shown.base(&headers);
    let mut answer = Json(shown.status().icecast(&base, shown.started.1)).into_response();
    open_to_scripts(&mut answer);
    answer
}

/// `/live.ogg.m3u` for a mount `/live.ogg`; a list of what there is for everything else.
async fn playlist_or_nothing(State(shown): State<Shown>, headers: HeaderMap, uri: Uri) -> Response {
    let mount = uri
        .path()
        .strip_suffix(".m3u")
        .and_then(|path| MountPath::parse(path).ok());
    let mount = mount.and_then(|path| shown.table.find(&path));
    if let Some(mount) = mount {
        let link = format!("{}{}\r\n", shown.base(&headers), mount.path());
        let kind = [
            (header::CONTENT_TYPE, "audio/x-mpegurl"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        return (kind, link).into_response();
    }
    (StatusCode::NOT_FOUND, shown.nothing_here(uri.path())).into_response()
}

impl Shown {
    /// The sentence for somebody who asked for what does not exist.
    pub fn nothing_here(&self, path: &str) -> String {
        let path: String = path.chars().filter(|c| !c.is_control()).take(80).collect();
        let mounts: Vec<String> = self
            .table
            .all()
            .iter()
            .map(|mount| mount.path().to_string())
            .collect();
        match mounts.as_slice() {
            [] => format!("there is no {path} here, and nothing is on air\n"),
            mounts => format!("there is no {path} here; on air: {}\n", mounts.join(", ")),
        }
    }

    fn status(&self) -> Status {
        let now = Instant::now();
        let uptime = now.saturating_duration_since(self.started.0);
        Status::of(self.program, uptime, &self.table.all(), &self.slots, now)
    }

    /// The address that the caller used, if it looks like one.
    fn base(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let is_host = |host: &&str| {
            host.len() <= HOST_BYTES_MAX
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .filter(is_host);
        format!("http://{}", host.unwrap_or("localhost"))
    }
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
