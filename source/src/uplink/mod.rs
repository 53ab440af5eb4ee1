//! Gets the pages to the server, for ever: connects, sends, and connects again.
//!
//! Does not know what is in the pages. First `connection` (one attempt), then `request`
//! and `answer` (what is said before the pages flow).

pub mod answer;
mod connection;
pub mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::shutdown::Shutdown;
use tracing::{info, warn};

use crate::backlog::Shared;
use crate::config::Target;
use crate::status::{Link, Status};
use connection::{Ended, attempt};
use request::Stream;

/// The same complaint is logged at most this often.
const REPEAT: Duration = Duration::from_secs(10);

/// A connection that lived this long was a good one: the next failure is a new one.
const GOOD: Duration = Duration::from_secs(5);

/// What is needed to send.
#[derive(Clone)]
pub struct Uplink {
    /// Where to.
    pub target: Target,
    /// What is said about the stream.
    pub stream: Stream,
    /// The pages.
    pub backlog: Arc<Shared>,
    /// What others are shown.
    pub status: Arc<Status>,
}

impl Uplink {
    /// Sends until the backlog ends and everything is sent (true). When the program is told
    /// to stop there is one more attempt to send what waits; false: it failed.
    pub async fn run(self, shutdown: Shutdown) -> bool {
        let mut backoff = Backoff::new();
        let mut complaints = Complaints::default();
        loop {
            let is_last = shutdown.is_requested();
            let started = Instant::now();
            let n_before = self.status.n_connections();
            let ended = attempt(&self.target, &self.stream, &self.backlog, &self.status).await;
            self.status.set_link(Link::Waiting);
            let complaint = match ended {
                Ended::Complete => {
                    info!("everything was sent to {}", self.target);
                    return true;
                }
                Ended::Refused(answer) => refusal(answer.status, &answer.reason),
                Ended::Broken(why) => why,
            };
            let now = Instant::now();
            if now - started > GOOD {
                backoff.reset();
            }
            if self.status.n_connections() > n_before {
                complaints.forget();
            }
            let wait = backoff.next(fastrand::f64());
            if let Some(n_unsaid) = complaints.add(&complaint, now) {
                let since = if n_unsaid > 0 {
                    format!(" ({n_unsaid} more times since the last line)")
                } else {
                    String::new()
                };
                let n_waiting = self.backlog.lock().n_waiting();
                warn!(
                    n_waiting,
                    "{}: {complaint}{since}; trying again, {n_waiting} pages wait", self.target
                );
            }
            if is_last {
                return false;
            }
            shutdown.unless_requested(tokio::time::sleep(wait)).await;
        }
    }
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
