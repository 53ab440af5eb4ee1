//! What changes on the mounts, told as it happens: `/api/v1/events`, as Server-Sent Events
//! (HTML Living Standard §9.2).
//!
//! Whoever comes is told first how things stand, in the same words as of a change. `changes` says
//! what is new; it is pure.

mod changes;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::mount::MountTable;
use crate::shutdown::Shutdown;
use changes::{Seen, states};

/// So many watch at once; a further one gets 503.
pub const WATCHERS_MAX: usize = 64;
/// Portions of news that wait for a watcher; then we wait, for this one only.
const PORTIONS_QUEUED_MAX: usize = 4;
/// Who takes nothing for so long is not told any more.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often numbers of listeners are told at most.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// Between two portions passes so much time at least.
const PAUSE: Duration = Duration::from_millis(50);
/// When there is no news, so often a word shows that somebody is there.
const IDLE_MAX: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
struct Events {
    table: Arc<MountTable>,
    shutdown: Shutdown,
    watchers: Arc<Semaphore>,
}

/// `/api/v1/events`.
pub fn router(table: Arc<MountTable>, shutdown: Shutdown) -> Router {
    let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
    let events = Events {
        table,
        shutdown,
        watchers,
    };
    Router::new()
        .route("/api/v1/events", get(watch))
        .with_state(events)
}

async fn watch(State(events): State<Events>) -> Response {
    let Ok(place) = Arc::clone(&events.watchers).try_acquire_owned() else {
        let later = [(header::RETRY_AFTER, "5")];
        let why = format!("{WATCHERS_MAX} watch already; try again in a few seconds\n");
        return (StatusCode::SERVICE_UNAVAILABLE, later, why).into_response();
    };
    let (sender, body) = Channel::new(PORTIONS_QUEUED_MAX);
    let shutdown = events.shutdown.clone();
    shutdown.spawn("events", events.tell(sender, place));
    let kind = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (kind, Body::new(body)).into_response()
}

impl Events {
    /// Tells one watcher, until he goes or the program ends.
    async fn tell(self, mut sender: Sender<Bytes, Infallible>, _place: OwnedSemaphorePermit) {
        let (mut version, mut seen) = (self.table.version(), Seen::default());
        let (mut counted, mut told): (Option<Instant>, _) = (None, Instant::now());
        loop {
            version.borrow_and_update();
            if self.shutdown.freeze().has_left() {
                // The program after this one knows better.
                return;
            }
            let is_time = counted.is_none_or(|at| at.elapsed() >= COUNTS_EVERY);
            let mut news = seen.changes(&states(&self.table), is_time);
            if is_time {
                counted = Some(Instant::now());
            }
            if news.is_empty() && told.elapsed() >= IDLE_MAX {
                ":\n\n".clone_into(&mut news);
            }
            if !news.is_empty() {
                told = Instant::now();
                let sent = timeout(STALL_MAX, sender.send_data(news.into()));
                let sent = self.shutdown.unless_requested(sent).await;
                if !matches!(sent, Some(Ok(Ok(())))) {
                    return;
                }
            }
            let next = async {
                sleep(PAUSE).await;
                timeout(COUNTS_EVERY, version.changed()).await
            };
            if self.shutdown.unless_requested(next).await.is_none() {
                return;
            }
        }
    }
}
