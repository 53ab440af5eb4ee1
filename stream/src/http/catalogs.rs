//! What relays follow: the list of mounts, a line for each change and one a second besides.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tokio::time::timeout;

use crate::follow::trail::{STREAM_PATH, Trail};
use crate::mount::MountTable;
use crate::mount::catalog::{Catalog, HEARTBEAT};
use crate::shutdown::Shutdown;

/// Lines that wait for a relay to take them; then we wait, for this relay only.
const LINES_QUEUED_MAX: usize = 4;

/// What somebody is told who follows a node that follows him.
pub const LOOP: &str = "you are one of those whom this node follows";

/// The catalog of this node.
#[derive(Clone, Debug)]
pub struct Catalogs {
    /// The mounts.
    pub table: Arc<MountTable>,
    /// The name of this run, and who is above us.
    pub trail: Arc<Trail>,
    /// The end of the program.
    pub shutdown: Shutdown,
}

/// A body that lasts as long as somebody follows it.
type Lines = Channel<Bytes, std::convert::Infallible>;

/// `/api/v1/catalog`, for whoever may see it.
pub fn router(catalogs: Catalogs) -> Router {
    Router::new()
        .route("/api/v1/catalog", get(catalog))
        .with_state(catalogs)
}

/// `/api/v1/catalog` once, `/api/v1/catalog?follow` for as long as the relay likes.
async fn catalog(
    State(catalogs): State<Catalogs>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let stream_path = headers.get(STREAM_PATH).and_then(|v| v.to_str().ok());
    if stream_path.is_some_and(|path| catalogs.trail.has_met(path)) {
        return (StatusCode::LOOP_DETECTED, format!("{LOOP}\n")).into_response();
    }
    let body = match query.as_deref() {
        Some("follow" | "follow=1") => Body::new(catalogs.follow()),
        _ => Body::from(catalogs.line()),
    };
    let kind = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (kind, body).into_response()
}

impl Catalogs {
    /// The catalog now, as one line.
    fn line(&self) -> Bytes {
        let catalog = Catalog {
            reign: self.trail.reign(),
            trail: Some(self.trail.nodes()),
            ..Catalog::of(&self.table, self.trail.own())
        };
        let mut line = serde_json::to_vec(&catalog).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }

    /// A line at once, one for every change, and one a second when nothing changes.
    fn follow(&self) -> Lines {
        let (sender, lines) = Channel::new(LINES_QUEUED_MAX);
        self.shutdown.spawn("catalog", self.clone().tell(sender));
        lines
    }

    async fn tell(self, mut sender: Sender<Bytes, std::convert::Infallible>) {
        let mut version = self.table.version();
        loop {
            version.borrow_and_update();
            if self.shutdown.freeze().has_left() {
                // The program after this one knows better.
                return;
            }
            let told = self
                .shutdown
                .unless_requested(sender.send_data(self.line()))
                .await;
            if !matches!(told, Some(Ok(()))) {
                return;
            }
            let next = timeout(HEARTBEAT, version.changed());
            if self.shutdown.unless_requested(next).await.is_none() {
                return;
            }
        }
    }
}
