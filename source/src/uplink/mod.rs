//! Gets the pages to the server, for ever: connects, sends, and connects again.
//!
//! Does not know what is in the pages. Each way to the master has an uplink of its own, and all
//! of them send the same pages. First `connection` (the way in), then `carry` (pages over a
//! connection), `others` (what uplinks know of each other), `request` and `answer` (what is said
//! before the pages flow), `complaint` (what the person at the laptop reads).

pub mod answer;
mod carry;
mod complaint;
mod connection;
mod others;
pub mod request;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::shutdown::Shutdown;
use tracing::{info, warn};

use crate::backlog::Shared;
use crate::config::Way;
use crate::spool::Spool;
use crate::spool::remains::Remains;
use crate::status::{Link, Status};
use carry::{Load, attempt};
use complaint::{Complaints, NOTHING_SENT, is_busy, refusal};
use connection::{Ended, Known};
use request::Stream;

/// A connection that lived this long was a good one: the next failure is a new one.
const GOOD: Duration = Duration::from_secs(5);

/// A mount that is in use is perhaps held by our own broken connection, which the server has
/// not noticed yet (Icecast notices after 10 s): for so long it is asked often.
const BUSY_MAX: Duration = Duration::from_secs(15);

/// That often.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The pause between attempts never gets longer: listeners hear silence meanwhile, and one
/// laptop is no crowd.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What an earlier run left waits this long for the first new sound, so that nothing but the
/// sound itself is between the two.
const FIRST_SOUND_MAX: Duration = Duration::from_secs(2);

/// What is needed to send.
pub struct Uplink {
    /// Where to, and how to get there: an uplink for each.
    pub ways: Vec<Way>,
    /// What is said about the stream.
    pub stream: Stream,
    /// The pages.
    pub backlog: Arc<Shared>,
    /// What others are shown.
    pub status: Arc<Status>,
    /// Where pages are kept, if they are.
    pub spool: Option<Arc<Spool>>,
    /// What earlier runs left, sent first.
    pub remains: Vec<Remains>,
    /// Remains older than this are not sent live any more.
    pub catch_up: Duration,
}

impl Uplink {
    /// Sends until the backlog ends and everything is sent (true). When the program is told
    /// to stop there is one more attempt to send what waits; false: it failed.
    pub async fn run(mut self, shutdown: Shutdown) -> bool {
        let remains = std::mem::take(&mut self.remains);
        let known = Known::default();
        if let Some(spool) = self.spool.clone()
            && !remains.is_empty()
        {
            let _ = tokio::time::timeout(FIRST_SOUND_MAX, self.backlog.filled()).await;
            for remains in remains {
                self.send_remains(&spool, remains, &known, &shutdown).await;
            }
        }
        let load = self.load(&self.stream, &self.backlog, &known);
        send(load, None, &shutdown).await
    }

    fn load<'a>(&'a self, stream: &'a Stream, backlog: &'a Shared, known: &'a Known) -> Load<'a> {
        Load {
            ways: &self.ways,
            known,
            uplink: 0,
            master: self.status.master(),
            stream,
            backlog,
            status: &self.status,
        }
    }

    /// Sends the end of a logical stream that an earlier run began.
    async fn send_remains(
        &self,
        spool: &Arc<Spool>,
        remains: Remains,
        known: &Known,
        shutdown: &Shutdown,
    ) {
        let (link, end, n_pages) = (remains.link, remains.end, remains.pages.len());
        let until = Instant::now() + self.catch_up.saturating_sub(remains.age);
        info!(
            n_pages,
            "{n_pages} pages of an earlier run are still to be sent: they go first"
        );
        let stream = Stream {
            serial: remains.serial,
            ..self.stream.clone()
        };
        let backlog = Shared::of_remains(spool.clone(), remains, self.ways.len());
        let load = self.load(&stream, &backlog, known);
        if !send(load, Some(until), shutdown).await && !shutdown.is_requested() {
            let n_pages = spool.give_up(link, end);
            warn!(
                n_pages,
                "{n_pages} pages of an earlier run have become too old to be sent live: they \
                 wait in the spool for an archive"
            );
        }
    }
}

/// Sends a logical stream to its end (true), over all uplinks at once. False: the program was told
/// to stop, or `until` has passed, and the last attempt failed.
async fn send(load: Load<'_>, until: Option<Instant>, shutdown: &Shutdown) -> bool {
    let uplinks = (0..load.ways.len()).map(|uplink| Load { uplink, ..load });
    let mut sending: Vec<Pin<Box<dyn Future<Output = bool> + Send + '_>>> = uplinks
        .map(|load| Box::pin(send_over(load, until, shutdown)) as Pin<Box<_>>)
        .collect();
    // The first one that has sent everything ends all.
    poll_fn(|context| {
        let mut is_complete = false;
        sending.retain_mut(|uplink| match uplink.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(is_sent) => {
                is_complete |= is_sent;
                false
            }
        });
        if is_complete || sending.is_empty() {
            Poll::Ready(is_complete)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// As [`send`], over one uplink.
async fn send_over(mut load: Load<'_>, until: Option<Instant>, shutdown: &Shutdown) -> bool {
    let (uplink, status) = (load.uplink, load.status);
    let mut backoff = Backoff::new();
    let mut complaints = Complaints::default();
    let mut opened = None;
    let mut last_good = Instant::now();
    let mut n_unanswered = 0;
    loop {
        if opened.is_none() {
            others::stand_by(load, shutdown).await;
            load.master = status.master();
        }
        let is_last = shutdown.is_requested();
        let started = Instant::now();
        let n_before = status.n_connections(uplink);
        let ended = attempt(load, opened.take()).await;
        status.set_link(uplink, Link::Waiting);
        let now = Instant::now();
        let was_on_air = status.n_connections(uplink) > n_before;
        if was_on_air {
            (last_good, n_unanswered) = (now, 0);
            complaints.forget();
        }
        if now - started > GOOD {
            backoff.reset();
        }
        let mut wait = backoff.next(fastrand::f64()).min(WAIT_MAX);
        let is_unanswered = ended.is_unanswered(was_on_air);
        let complaint = match ended {
            Ended::Complete => {
                info!("everything was sent to {load}");
                return true;
            }
            Ended::Replaced(second) => {
                info!("{load}: the second connection goes on");
                opened = Some(*second);
                continue;
            }
            Ended::Needless => {
                info!("{load} is not needed any more and stands by");
                backoff.reset();
                continue;
            }
            Ended::Refused(answer) => {
                if is_busy(answer.status, &answer.reason) && now - last_good < BUSY_MAX {
                    wait = wait.min(BUSY_WAIT);
                }
                refusal(answer.status, &answer.reason, &answer.said)
            }
            Ended::Untrusted(why) => {
                format!("{NOTHING_SENT}: {why}")
            }
            Ended::Broken(why) | Ended::Silent(why) => why,
        };
        complaints.say(load, &complaint, now);
        if is_last || until.is_some_and(|until| now >= until) {
            return false;
        }
        if is_unanswered && load.may_move_on() {
            let n_masters = load.way().targets.len();
            status.move_on(load.master, n_masters);
            // Each is asked at once; then comes a pause.
            n_unanswered += 1;
            if n_unanswered % n_masters != 0 {
                continue;
            }
        }
        shutdown.unless_requested(tokio::time::sleep(wait)).await;
    }
}

#[cfg(test)]
mod tests;
