//! What goes wrong on the way, in words for the person at the laptop.

use std::time::{Duration, Instant};

use tracing::warn;

use super::carry::Load;

/// The same complaint is logged at most this often.
const REPEAT: Duration = Duration::from_secs(10);

/// So many complaints are told from each other.
const SAID_MAX: usize = 8;

/// A certificate does not mend itself: somebody has to do something.
pub(super) const NOTHING_SENT: &str = "YOU HAVE TO DO SOMETHING, nothing was sent to it";

/// The mount is held by somebody, perhaps by our own last connection.
pub(super) fn is_busy(status: u16, reason: &str) -> bool {
    status == 409 || (status == 403 && reason.to_lowercase().contains("in use"))
}

/// What a refusal means to the person at the laptop, and what to do.
pub(super) fn refusal(status: u16, reason: &str, said: &str) -> String {
    let text = reason.to_lowercase();
    let meaning = match status {
        401 => "wrong user or password (Icecast: user `source` and its `source-password`)",
        403 if text.contains("too many sources") => {
            "it takes no more sources: end one, or raise `sources` in the limits of icecast.xml"
        }
        403 if text.contains("content-type") => {
            "it takes no Ogg on this mount: does the mount's name end in .ogg?"
        }
        403 if text.contains("in use") => {
            "the mount is in use by another source; if that is our own broken connection, the \
             server lets go of it within some seconds"
        }
        403 => "the mount is in use by another source, or not allowed for this user",
        404 | 405 => "this server takes no streams here: is the address right?",
        409 => "the mount is in use by another source",
        429 => "too many attempts, the server wants a pause",
        503 => "the server takes no stream now",
        500..600 => "the server has a problem or no room",
        _ => "the server does not take the stream",
    };
    let words = if said.is_empty() {
        String::new()
    } else {
        format!("; it says: {said}")
    };
    format!("{meaning} (answer {status} {reason}){words}")
}

/// Keeps repeated complaints out of the log.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    said: Vec<(String, Instant)>,
    n_unsaid: u64,
}

impl Complaints {
    /// Logs a complaint, unless it was said a moment ago.
    pub(super) fn say(&mut self, load: Load<'_>, complaint: &str, now: Instant) {
        let complaint = format!("{load}: {complaint}");
        let Some(n_unsaid) = self.add(&complaint, now) else {
            return;
        };
        let since = if n_unsaid > 0 {
            format!(" ({n_unsaid} more times since the last line)")
        } else {
            String::new()
        };
        let n_waiting = load.backlog.lock().n_waiting();
        warn!(
            n_waiting,
            "{complaint}{since}; trying again, {n_waiting} pages wait"
        );
    }

    /// The stream was on air: whatever ended that is news.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }

    /// Whether to say it, and if so how often others went unsaid before.
    fn add(&mut self, complaint: &str, now: Instant) -> Option<u64> {
        self.said.retain(|(_, when)| now - *when < REPEAT);
        if self.said.iter().any(|(said, _)| said == complaint) {
            self.n_unsaid += 1;
            return None;
        }
        if self.said.len() == SAID_MAX {
            self.said.remove(0);
        }
        self.said.push((complaint.to_owned(), now));
        Some(std::mem::take(&mut self.n_unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_in_words() {
        assert!(refusal(401, "Unauthorized", "").starts_with("wrong user or password"));
        assert!(refusal(403, "Mountpoint in use", "").contains("in use by another source"));
        assert!(refusal(403, "Mountpoint in use", "").contains("403 Mountpoint in use"));
        assert!(refusal(403, "too many sources connected", "").contains("icecast.xml"));
        let said = refusal(400, "Bad Request", "it must begin with /");
        assert!(said.ends_with("(answer 400 Bad Request); it says: it must begin with /"));
    }

    #[test]
    fn a_repeated_complaint_is_said_once_in_ten_seconds_with_its_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut complaints = Complaints::default();
        assert_eq!(complaints.add("no", at(0)), Some(0));
        assert_eq!(complaints.add("no", at(3)), None);
        assert_eq!(complaints.add("other", at(5)), Some(1));
        assert_eq!(complaints.add("no", at(6)), None);
        assert_eq!(complaints.add("no", at(11)), Some(1));
        complaints.forget();
        assert_eq!(complaints.add("no", at(12)), Some(0));
    }
}
