//! Those who are no plain request: they shake hands, begin with a password, or are turned away.

use std::os::fd::{AsRawFd, OwnedFd};

use http::StatusCode;
use tracing::debug;

use super::waiting::Waiting;
use super::{Door, HEAD_TIME_MAX, House};
use crate::descriptors;
use crate::http::Caller;
use crate::http::answer::Answer;
use crate::http::date::http_date;
use crate::http::head::{BadHead, Version};

/// Seconds after which somebody for whom there was no socket may try again.
const RETRY_AFTER_SECONDS: &str = "5";
/// A longer first line is no password.
const PASSWORD_BYTES_MAX: usize = 256;

impl<H: House> Door<H> {
    /// What only a handshake begins with is no head: the head comes after it.
    pub(super) fn shake_hands(&self, waiting: Waiting) {
        let is_last = descriptors::is_among_last(waiting.socket.as_raw_fd(), self.n_descriptors);
        let Waiting {
            socket,
            read,
            came,
            from,
            ..
        } = waiting;
        let socket = std::net::TcpStream::from(OwnedFd::from(socket));
        if let Some(tls) = self.tls.clone()
            && !is_last
            && let Ok(caller) = Caller::met(socket, read, came)
        {
            let (house, shutdown) = (self.house.now(), self.shutdown.clone());
            self.shutdown.spawn("handshake", async move {
                let Some((head, mut caller)) = tls.meet(caller, &shutdown).await else {
                    return;
                };
                if let Some(known) = house.gate().came(from, &head) {
                    caller.known = known;
                    house.welcome(head, caller).await;
                }
            });
        }
    }

    /// What is no head may be a password.
    pub(super) fn take_password(&self, waiting: Waiting) {
        let is_last = descriptors::is_among_last(waiting.socket.as_raw_fd(), self.n_descriptors);
        let Waiting {
            socket, read, came, ..
        } = waiting;
        let socket = std::net::TcpStream::from(OwnedFd::from(socket));
        if !is_last && let Ok(caller) = Caller::met(socket, read, came) {
            let house = self.house.now();
            self.shutdown.spawn("password", async move {
                house.welcome_password(caller).await;
            });
        }
    }

    pub(super) fn refuse(&self, waiting: Waiting, status: StatusCode, why: &str) {
        debug!("turned a connection away: {why}");
        let Waiting {
            socket, read, came, ..
        } = waiting;
        let socket = std::net::TcpStream::from(OwnedFd::from(socket));
        if let Ok(caller) = Caller::met(socket, read, came) {
            let mut answer = Answer::new(Version::guessed(&caller.read), status, &http_date());
            if status == StatusCode::SERVICE_UNAVAILABLE {
                answer = answer.header("Retry-After", RETRY_AFTER_SECONDS);
            }
            let answer = answer.sentence(why);
            self.shutdown
                .spawn("refusal", async move { caller.answer(&answer).await });
        }
    }
}

/// Whether the first line may be a password: a word without a space.
pub(super) fn is_password(read: &[u8]) -> bool {
    let line = read.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii_end();
    let is_word = line.iter().all(|b| *b > b' ' && *b != 0x7f);
    is_word && !line.is_empty() && line.len() <= PASSWORD_BYTES_MAX
}

pub(in crate::http) fn late_head() -> String {
    let seconds = HEAD_TIME_MAX.as_secs();
    format!("the request head did not come within {seconds} s")
}

pub(in crate::http) fn status_of(bad: BadHead) -> StatusCode {
    match bad {
        BadHead::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        BadHead::Malformed | BadHead::Ambiguous => StatusCode::BAD_REQUEST,
    }
}
