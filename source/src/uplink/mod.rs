//! Gets the pages to the server, for ever: connects, sends, and connects again.
//!
//! Does not know what is in the pages. First `connection` (the way in), then `carry` (pages
//! over a connection), `request` and `answer` (what is said before the pages flow).

pub mod answer;
mod carry;
mod connection;
pub mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::shutdown::Shutdown;
use tracing::{info, warn};

use crate::backlog::Shared;
use crate::config::Target;
use crate::spool::Spool;
use crate::spool::remains::Remains;
use crate::status::{Link, Status};
use carry::{Load, attempt};
use connection::Ended;
use request::Stream;

/// The same complaint is logged at most this often.
const REPEAT: Duration = Duration::from_secs(10);

/// A connection that lived this long was a good one: the next failure is a new one.
const GOOD: Duration = Duration::from_secs(5);

/// A mount that is in use is perhaps held by our own broken connection, which the server has
/// not noticed yet (Icecast notices after 10 s): for so long it is asked often.
const BUSY_MAX: Duration = Duration::from_secs(15);

/// That often.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// What an earlier run left waits this long for the first new sound, so that nothing but the
/// sound itself is between the two.
const FIRST_SOUND_MAX: Duration = Duration::from_secs(2);

/// What is needed to send.
pub struct Uplink {
    /// Where to.
    pub target: Target,
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
        if let Some(spool) = self.spool.clone()
            && !remains.is_empty()
        {
            let _ = tokio::time::timeout(FIRST_SOUND_MAX, self.backlog.filled()).await;
            for remains in remains {
                self.send_remains(&spool, remains, &shutdown).await;
            }
        }
        let load = Load {
            target: &self.target,
            stream: &self.stream,
            backlog: &self.backlog,
            status: &self.status,
        };
        send(load, None, &shutdown).await
    }

    /// Sends the end of a logical stream that an earlier run began.
    async fn send_remains(&self, spool: &Arc<Spool>, remains: Remains, shutdown: &Shutdown) {
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
        let backlog = Shared::of_remains(spool.clone(), remains);
        let load = Load {
            target: &self.target,
            stream: &stream,
            backlog: &backlog,
            status: &self.status,
        };
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

/// Sends a logical stream to its end (true). False: the program was told to stop, or `until`
/// has passed, and the last attempt failed.
async fn send(load: Load<'_>, until: Option<Instant>, shutdown: &Shutdown) -> bool {
    let Load {
        target,
        backlog,
        status,
        ..
    } = load;
    let mut backoff = Backoff::new();
    let mut complaints = Complaints::default();
    let mut opened = None;
    let mut last_good = Instant::now();
    loop {
        let is_last = shutdown.is_requested();
        let started = Instant::now();
        let n_before = status.n_connections();
        let ended = attempt(load, opened.take()).await;
        status.set_link(Link::Waiting);
        let now = Instant::now();
        if status.n_connections() > n_before {
            last_good = now;
            complaints.forget();
        }
        if now - started > GOOD {
            backoff.reset();
        }
        let mut wait = backoff.next(fastrand::f64());
        let complaint = match ended {
            Ended::Complete => {
                info!("everything was sent to {target}");
                return true;
            }
            Ended::Replaced(second) => {
                info!("{target}: the second connection goes on");
                opened = Some(*second);
                continue;
            }
            Ended::Refused(answer) => {
                if is_busy(answer.status, &answer.reason) && now - last_good < BUSY_MAX {
                    wait = wait.min(BUSY_WAIT);
                }
                refusal(answer.status, &answer.reason)
            }
            Ended::Broken(why) => why,
        };
        if let Some(n_unsaid) = complaints.add(&complaint, now) {
            let since = if n_unsaid > 0 {
                format!(" ({n_unsaid} more times since the last line)")
            } else {
                String::new()
            };
            let n_waiting = backlog.lock().n_waiting();
            warn!(
                n_waiting,
                "{target}: {complaint}{since}; trying again, {n_waiting} pages wait"
            );
        }
        if is_last || until.is_some_and(|until| now >= until) {
            return false;
        }
        shutdown.unless_requested(tokio::time::sleep(wait)).await;
    }
}

/// The mount is held by somebody, perhaps by our own last connection.
fn is_busy(status: u16, reason: &str) -> bool {
    status == 409 || (status == 403 && reason.to_lowercase().contains("in use"))
}

/// What a refusal means to the person at the laptop.
fn refusal(status: u16, reason: &str) -> String {
    let meaning = match status {
        401 => "wrong user or password",
        403 => "the mount is in use by another source, or not allowed for this user",
        404 | 405 => "this server takes no streams here: is the address right?",
        409 => "the mount is in use by another source",
        429 => "too many attempts, the server wants a pause",
        500..600 => "the server has a problem or no room",
        _ => "the server does not take the stream",
    };
    format!("{meaning} (answer {status} {reason})")
}

/// Keeps repeated complaints out of the log.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<(String, Instant)>,
    n_unsaid: u64,
}

impl Complaints {
    /// The stream was on air: whatever ended that is news.
    fn forget(&mut self) {
        self.last = None;
    }

    /// Whether to say it, and if so how often it went unsaid before.
    fn add(&mut self, complaint: &str, now: Instant) -> Option<u64> {
        let is_repeated = self
            .last
            .as_ref()
            .is_some_and(|(said, when)| said == complaint && now - *when < REPEAT);
        if is_repeated {
            self.n_unsaid += 1;
            return None;
        }
        self.last = Some((complaint.to_owned(), now));
        Some(std::mem::take(&mut self.n_unsaid))
    }
}

#[cfg(test)]
mod tests;
