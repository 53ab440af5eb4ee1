//! What changes on the mounts, told as it happens: `/api/v1/events`, as Server-Sent Events
//! (HTML Living Standard §9.2).
//!
//! Whoever comes is told first how things stand, in the same words as of a change; from then on all
//! are told the same text, which is made once. `changes` says what is new; it is pure. `crowd` counts
//! how many come from where.

mod changes;
mod crowd;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::gate::Came;
use crate::descriptors;
use crate::mount::MountTable;
use crate::shutdown::Shutdown;
use changes::{Seen, states};
use crowd::{Crowd, Seat};

/// So many watch at once; a further one gets 503.
pub const WATCHERS_MAX: usize = 4096;
/// Portions of news that are kept for all together. Whoever is further behind is hung up on: he
/// comes again and is told how things stand.
const PORTIONS_KEPT_MAX: usize = 64;
/// Portions of news that are being written to a watcher.
const PORTIONS_QUEUED_MAX: usize = 4;
/// Who takes nothing for so long is not told any more.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often numbers of listeners are told at most.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// Between two portions passes so much time at least.
const PAUSE: Duration = Duration::from_millis(50);
/// When there is no news, so often a word shows that somebody is there.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// That word.
const IDLE: Bytes = Bytes::from_static(b":\n\n");

#[derive(Clone, Debug)]
struct Events(Arc<Hall>);

#[derive(Debug)]
struct Hall {
    table: Arc<MountTable>,
    shutdown: Shutdown,
    watchers: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    /// The news. Empty: the program after this one knows better.
    news: broadcast::Sender<Bytes>,
    told: Mutex<Told>,
}

/// What all have been told who watch.
#[derive(Debug, Default)]
struct Told {
    seen: Seen,
    /// Somebody looks for news.
    is_telling: bool,
}

/// A watcher's place among all, and among those from where he is.
type Places = (OwnedSemaphorePermit, Seat);

/// `/api/v1/events`.
pub fn router(table: Arc<MountTable>, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/api/v1/events", get(follow))
        .with_state(Events::new(table, shutdown))
}

async fn follow(State(events): State<Events>, Extension(came): Extension<Came>) -> Response {
    let watchers = Arc::clone(&events.0.watchers).try_acquire_owned();
    let (Ok(place), Some(seat)) = (watchers, events.0.crowd.take(came.from)) else {
        let later = [(header::RETRY_AFTER, "5")];
        let why = "too many watch already; try again in a few seconds\n";
        return (StatusCode::SERVICE_UNAVAILABLE, later, why).into_response();
    };
    let (sender, body) = Channel::new(PORTIONS_QUEUED_MAX);
    let (first, news) = events.join();
    let shutdown = events.0.shutdown.clone();
    shutdown.spawn(
        "events",
        tell(shutdown.clone(), sender, first, news, (place, seat)),
    );
    let kind = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (kind, Body::new(body)).into_response()
}

impl Events {
    fn new(table: Arc<MountTable>, shutdown: Shutdown) -> Self {
        Self(Arc::new(Hall {
            table,
            shutdown,
            watchers: Arc::new(Semaphore::new(descriptors::share(
                WATCHERS_MAX,
                descriptors::raise(),
            ))),
            crowd: Arc::default(),
            news: broadcast::Sender::new(PORTIONS_KEPT_MAX),
            told: Mutex::default(),
        }))
    }

    /// How things stand, and the news from then on.
    fn join(&self) -> (Bytes, Receiver<Bytes>) {
        let mut told = self.told();
        if !std::mem::replace(&mut told.is_telling, true) {
            let version = self.0.table.version();
            let _ = told.seen.changes(&states(&self.0.table), true);
            let looking = self.clone().look(version);
            self.0.shutdown.spawn("events", looking);
        }
        (told.seen.all().into(), self.0.news.subscribe())
    }

    /// Looks for news, until nobody watches any more or the program ends.
    async fn look(self, mut version: watch::Receiver<u64>) {
        let hall = &*self.0;
        let mut counted = Instant::now();
        loop {
            let next = async {
                sleep(PAUSE).await;
                timeout(COUNTS_EVERY, version.changed()).await
            };
            if hall.shutdown.unless_requested(next).await.is_none() {
                return;
            }
            version.borrow_and_update();
            if hall.shutdown.freeze().has_left() {
                self.told().is_telling = false;
                let _ = hall.news.send(Bytes::new());
                return;
            }
            let is_time = counted.elapsed() >= COUNTS_EVERY;
            if is_time {
                counted = Instant::now();
            }
            let now = states(&hall.table);
            // Held until it is sent, so that whoever comes hears of a change once.
            let mut told = self.told();
            let news = told.seen.changes(&now, is_time);
            if hall.news.receiver_count() == 0 {
                told.is_telling = false;
                return;
            }
            if !news.is_empty() {
                let _ = hall.news.send(news.into());
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one watcher, until he goes or the program ends.
async fn tell(
    shutdown: Shutdown,
    mut sender: Sender<Bytes, Infallible>,
    first: Bytes,
    mut news: Receiver<Bytes>,
    _places: Places,
) {
    let mut next = Some(first);
    while let Some(text) = next {
        if !text.is_empty() {
            let sent = timeout(STALL_MAX, sender.send_data(text));
            let sent = shutdown.unless_requested(sent).await;
            if !matches!(sent, Some(Ok(Ok(())))) {
                return;
            }
        }
        let more = shutdown.unless_requested(timeout(IDLE_MAX, news.recv()));
        next = match more.await {
            Some(Ok(Ok(text))) if !text.is_empty() => Some(text),
            Some(Err(_)) => Some(IDLE),
            Some(Ok(_)) | None => None,
        };
    }
}

#[cfg(test)]
mod tests;
