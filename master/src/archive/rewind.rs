//! One listener who wants to hear a mount from an earlier moment on. He is served from the disk by
//! a task of his own, as fast as he takes it within bounds, until he has come so near to now that
//! the ring has the rest; then his connection goes to a shard, as everybody's does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use stream::fanout::{Joiner, Stay};
use stream::http::answer::Answer;
use stream::http::date::http_date;
use stream::http::head::Head;
use stream::http::listener::{self, Service};
use stream::http::serving::Serving;
use stream::http::{Caller, Line};
use stream::log::resume::{Answer as Decision, FOR_EVER, Wish};
use stream::log::{Cursor, Epoch, Log};
use stream::mount::{Audience, Class, Mount, Slot};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::list::timestamp;
use super::start::Start;
use super::tape::Tape;
use super::{Archive, Moment, STALL_MAX};
use crate::disk::folder;

/// So much he gets at once …
const BURST: Duration = Duration::from_secs(20);
/// … and then so many times as fast as time goes.
const SPEED: u32 = 8;
/// So near to now he may be handed on: far enough from the ring's end, and from the disk's.
const NEAR: Duration = Duration::from_secs(10);
/// The disk is asked so often for what has not come yet.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// What the ring has lost and the disk does not have is waited for no longer.
const LATE_MAX: Duration = Duration::from_secs(3);

/// Somebody on his way.
struct Traveller {
    line: Line,
    mount: Arc<Mount>,
    log: Arc<Log>,
    holds: (Slot, Audience),
    /// The next byte of the log that he wants.
    at: u64,
}

/// How his way through the disk came to its end.
enum Arrived {
    /// He goes on at this cursor, after these bytes.
    At(Cursor, Bytes),
    /// He is gone, or there is nothing more to be had.
    Gone,
}

/// Serves somebody who wants to hear `mount` from this moment on.
pub(crate) async fn rewind(
    archive: &Archive,
    service: &Service,
    (head, mut caller): (Head, Caller),
    mount: Arc<Mount>,
    moment: Moment,
) {
    let log = mount.log();
    let now_ms = Timestamp::now().as_millisecond();
    let from_ms = moment.ms(now_ms);
    let age = now_ms.saturating_sub(from_ms);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
    let Ok(permit) = Arc::clone(&archive.rewinds).try_acquire_owned() else {
        return caller.answer(&listener::no_slot(service, &head)).await;
    };
    let start = if is_in_ring(&log, age) {
        None
    } else {
        archive.start(&mount, log.epoch(), from_ms).await
    };
    let start = start.map_or_else(
        || from_ring(&log, age, now_ms),
        |start| Some(Begin::Disk(Box::new(start))),
    );
    let Some(start) = start else {
        let answer = Answer::new(head.version, StatusCode::NOT_FOUND, &http_date());
        return caller
            .answer(&answer.sentence("this mount has not begun yet"))
            .await;
    };
    let opening = start.opening(&head, &log, &mount, &service.serving);
    if head.method == "HEAD" {
        return caller.answer(&opening).await;
    }
    let Some(slot) = service.slots.take(Class::Listener) else {
        return caller.answer(&listener::no_slot(service, &head)).await;
    };
    let first = [&opening[..], start.prefix()].concat();
    let holds = (slot, mount.admit(Class::Listener));
    stream::fanout::socket::prepare(&caller.socket);
    let (traveller, arrived) = match start {
        Begin::Ring { cursor, .. } => {
            let traveller = Traveller::new(caller.socket, mount, log, holds, 0);
            (traveller, Arrived::At(cursor, first.into()))
        }
        Begin::Disk(start) => {
            if write(&mut caller.socket, &first).await.is_err() {
                return;
            }
            let mut traveller = Traveller::new(caller.socket, mount, log, holds, start.offset);
            let travel = traveller.travel(archive, start.tape);
            let arrived = archive.shutdown.unless_requested(travel).await;
            (traveller, arrived.unwrap_or(Arrived::Gone))
        }
    };
    drop(permit);
    traveller.join(service, &head, arrived);
}

/// Where he begins.
enum Begin {
    /// What he wants is in memory.
    Ring {
        cursor: Cursor,
        prefix: Bytes,
        first_ms: i64,
    },
    /// It is on the disk.
    Disk(Box<Start>),
}

impl Begin {
    fn prefix(&self) -> &[u8] {
        match self {
            Self::Ring { prefix, .. } => prefix,
            Self::Disk(start) => &start.prefix,
        }
    }

    /// The head of the answer, which also says when he begins.
    fn opening(&self, head: &Head, log: &Log, mount: &Mount, serving: &Serving) -> Vec<u8> {
        let (offset, first_ms) = match self {
            Self::Ring {
                cursor, first_ms, ..
            } => (cursor.offset(), *first_ms),
            Self::Disk(start) => (start.offset, start.first_ms),
        };
        let from = (log.epoch(), offset);
        let n_prefix = self.prefix().len();
        let opening = listener::opening(head, StatusCode::OK, from, n_prefix, &mount.facts());
        serving
            .dress(mount.path(), opening)
            .header("Stream-From", &timestamp(first_ms).to_string())
            .endless()
    }
}

/// Whether a join reaches back so far, without the disk.
fn is_in_ring(log: &Log, age: Duration) -> bool {
    let Some(then) = Instant::now().checked_sub(age) else {
        return false;
    };
    // A join does not reach back into an earlier link.
    let is_in_link = log
        .arrival(log.link_start())
        .is_none_or(|began| began <= then);
    is_in_link && log.oldest_arrival().is_some_and(|oldest| oldest <= then)
}

fn from_ring(log: &Arc<Log>, age: Duration, now_ms: i64) -> Option<Begin> {
    let now = Instant::now();
    // A burst is counted back from the newest page.
    let burst = age.saturating_sub(log.silence(now).unwrap_or_default());
    let burst = log.burst_from_key_frame(burst);
    let (_, cursor, prefix) = log.open(Wish::Join, burst)?;
    let arrived = log.arrival(cursor.offset()).unwrap_or(now);
    let age = now.saturating_duration_since(arrived).as_millis();
    Some(Begin::Ring {
        cursor,
        prefix,
        first_ms: now_ms.saturating_sub_unsigned(u64::try_from(age).unwrap_or(0)),
    })
}

impl Archive {
    /// Where on disk somebody begins. `None`: nothing is there, or it cannot be read.
    async fn start(&self, mount: &Mount, epoch: Epoch, from_ms: i64) -> Option<Start> {
        let log = folder::log_folder(&self.folder(mount.path())?, epoch);
        match spawn_blocking(move || Start::find(&log, from_ms)).await {
            Ok(Ok(start)) => start,
            Ok(Err(error)) => {
                warn!("{} cannot be read from the disk: {error}", mount.path());
                None
            }
            Err(_) => None,
        }
    }
}

impl Traveller {
    fn new(line: Line, mount: Arc<Mount>, log: Arc<Log>, holds: (Slot, Audience), at: u64) -> Self {
        Self {
            line,
            mount,
            log,
            holds,
            at,
        }
    }

    /// Sends what the disk has until he is near to now.
    async fn travel(&mut self, archive: &Archive, mut tape: Tape) -> Arrived {
        let began = Instant::now();
        let mut sent = Duration::ZERO;
        let mut stuck: Option<Instant> = None;
        loop {
            if self.mount.is_removed() {
                return Arrived::Gone;
            }
            if self.is_near()
                && let Some(cursor) = self.cursor(self.at)
            {
                return Arrived::At(cursor, Bytes::new());
            }
            let read = spawn_blocking(move || {
                let read = tape.next();
                (tape, read)
            });
            let Ok((back, read)) = read.await else {
                return Arrived::Gone;
            };
            tape = back;
            let portion = match read {
                Ok(Some(portion)) => portion,
                Ok(None) => {
                    let since = *stuck.get_or_insert_with(Instant::now);
                    if let Some(arrived) = self.wait_for_more(since).await {
                        return arrived;
                    }
                    continue;
                }
                Err(error) => {
                    // It was too old and was deleted under his eyes, or worse.
                    warn!("{} breaks off for one listener: {error}", self.mount.path());
                    return Arrived::Gone;
                }
            };
            stuck = None;
            archive.room().await;
            if write(&mut self.line, &portion.bytes).await.is_err() {
                return Arrived::Gone;
            }
            let counts = self.mount.counts();
            let n_bytes = portion.bytes.len();
            archive.fanout.uplink().spend(n_bytes);
            counts
                .n_bytes_sent
                .fetch_add(n_bytes as u64, std::sync::atomic::Ordering::Relaxed);
            if portion.from != self.at {
                debug!(
                    "{}: {} bytes are not on disk",
                    self.mount.path(),
                    portion.from - self.at
                );
            }
            self.at = portion.to;
            sent += Duration::from_millis(u64::try_from(portion.span_ms).unwrap_or(0));
            let due = sent.saturating_sub(BURST) / SPEED;
            sleep(due.saturating_sub(began.elapsed())).await;
        }
    }

    /// The disk has nothing more for now. If the ring has it, he goes on there; if neither has it,
    /// he goes on with what is newest.
    async fn wait_for_more(&self, since: Instant) -> Option<Arrived> {
        if let Some(cursor) = self.cursor(self.at) {
            return Some(Arrived::At(cursor, Bytes::new()));
        }
        if since.elapsed() > LATE_MAX {
            let (offset, prefix) = self.log.live_edge(self.log.link_start());
            return Some(match self.cursor(offset) {
                Some(cursor) => Arrived::At(cursor, prefix),
                None => Arrived::Gone,
            });
        }
        sleep(ASK_EVERY).await;
        None
    }

    /// Whether what he wants next came only a moment ago.
    fn is_near(&self) -> bool {
        let arrived = self.log.arrival(self.at);
        self.at == self.log.head() || arrived.is_some_and(|at| at.elapsed() < NEAR)
    }

    /// `None`: the ring does not have this offset.
    fn cursor(&self, offset: u64) -> Option<Cursor> {
        let wish = Wish::Resume {
            epoch: self.log.epoch(),
            first: offset,
            last: FOR_EVER,
        };
        match self.log.open(wish, Duration::ZERO)? {
            (Decision::Exact { .. }, cursor, _) => Some(cursor),
            _ => None,
        }
    }

    /// Goes to a shard.
    fn join(self, service: &Service, head: &Head, arrived: Arrived) {
        let Arrived::At(cursor, first) = arrived else {
            return;
        };
        let (_, pace) = listener::terms(service, head, &self.mount, Class::Listener);
        let Ok(wire) = self.line.into_wire() else {
            return;
        };
        let joiner = Joiner {
            icy: None,
            wire,
            mount: self.mount,
            cursor,
            first,
            last: FOR_EVER,
            pace,
            came: Some(Instant::now()),
            before: None,
            stay: Stay::default(),
            holds: self.holds,
        };
        // Too many wait for a shard: he comes again.
        let _ = service.fanout.take(joiner);
    }
}

async fn write(line: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), ()> {
    let work = async {
        line.write_all(bytes).await?;
        line.flush().await
    };
    match timeout(STALL_MAX, work).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}
