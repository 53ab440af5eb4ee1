//! Who was turned away, as the operator learns of it: a line in the log, said once a minute however
//! often somebody tries, and how many wrong passwords there were. Never a password, never an address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::basic::Credentials;
use super::head::Head;

/// The same line is not said again within this time.
const SAID_FOR: Duration = Duration::from_secs(60);
/// So many lines are remembered; while all of them are younger than that, no other is said.
const LINES_MAX: usize = 64;
/// Of a name that somebody gives, and of a path, no more is repeated.
const NAME_CHARS_MAX: usize = 80;

static LATELY: Mutex<Lately> = Mutex::new(Lately::new());
static N_WRONG_PASSWORDS: AtomicU64 = AtomicU64::new(0);

/// Says that somebody was turned away, and why, unless that was said a moment ago.
pub fn say(line: &str) {
    let mut lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    let said = lately.is_to_be_said(line, Instant::now());
    drop(lately);
    match said {
        Some(0) => warn!("{line}"),
        Some(n_more) => warn!("{line} (and {n_more} times more since that was said last)"),
        None => {}
    }
}

/// Counts a wrong password, and says whose: see [`say`].
pub fn wrong_password(line: &str) {
    N_WRONG_PASSWORDS.fetch_add(1, Ordering::Relaxed);
    say(line);
}

/// Who asks for something with a wrong password, and which one would be right.
pub(super) fn wrong_password_of(head: &Head) {
    let (who, path) = (user(head.header("authorization")), shortened(&head.path));
    wrong_password(&match head.method.as_str() {
        "PUT" | "SOURCE" => format!(
            "refused a source: user {who} at {path}, wrong user or password: compare what the \
             encoder has with [[source]]"
        ),
        method => format!(
            "refused {method} of {path} by user {who}, wrong user or password: compare with \
             [relay] and [admin]"
        ),
    });
}

/// How many wrong passwords there were, but for those of listeners.
pub(super) fn n_wrong_passwords() -> u64 {
    N_WRONG_PASSWORDS.load(Ordering::Relaxed)
}

/// The user that somebody says he is, as it may stand in a line.
pub fn user(authorization: Option<&str>) -> String {
    match authorization.and_then(Credentials::parse) {
        Some(given) => format!("{:?}", shortened(&given.user)),
        None => "(not named)".to_owned(),
    }
}

/// What somebody sent, as it may stand in a line.
pub fn shortened(text: &str) -> String {
    let text = text.chars().filter(|c| !c.is_control());
    text.take(NAME_CHARS_MAX).collect()
}

/// The lines that were said lately.
#[derive(Debug)]
struct Lately(BTreeMap<String, Said>);

#[derive(Debug)]
struct Said {
    at: Instant,
    /// How often it would have been said since.
    n_more: u64,
}

impl Lately {
    const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// How often the line was left out before; `None`: it is left out now.
    fn is_to_be_said(&mut self, line: &str, now: Instant) -> Option<u64> {
        let is_young = |said: &Said| now.saturating_duration_since(said.at) < SAID_FOR;
        if let Some(said) = self.0.get_mut(line) {
            if is_young(said) {
                said.n_more += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.n_more));
        }
        if self.0.len() >= LINES_MAX {
            self.0.retain(|_, said| is_young(said));
        }
        if self.0.len() >= LINES_MAX {
            return None;
        }
        self.0.insert(line.to_owned(), Said { at: now, n_more: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_a_minute_with_how_often_it_was_left_out() {
        let (mut lately, now) = (Lately::new(), Instant::now());
        assert_eq!(lately.is_to_be_said("a", now), Some(0));
        for seconds in [0, 1, 59] {
            let now = now + Duration::from_secs(seconds);
            assert_eq!(lately.is_to_be_said("a", now), None);
        }
        assert_eq!(lately.is_to_be_said("b", now), Some(0));
        let later = now + SAID_FOR;
        assert_eq!(lately.is_to_be_said("a", later), Some(3));
        assert_eq!(lately.is_to_be_said("a", later), None);
    }

    #[test]
    fn a_flood_of_different_lines_stays_within_the_limit_and_ends() {
        let (mut lately, now) = (Lately::new(), Instant::now());
        let said = |lately: &mut Lately, now| {
            let lines = (0..10 * LINES_MAX).map(|n| format!("user {n}"));
            lines
                .filter(|line| lately.is_to_be_said(line, now).is_some())
                .count()
        };
        assert_eq!(said(&mut lately, now), LINES_MAX);
        assert_eq!(lately.is_to_be_said("new", now), None);
        assert!(lately.0.len() <= LINES_MAX);
        assert_eq!(lately.is_to_be_said("new", now + SAID_FOR), Some(0));
    }

    #[test]
    fn a_line_names_the_user_and_the_mount_and_never_the_password() {
        let shown = Credentials::header("an\nna", "secret words");
        assert_eq!(user(Some(&shown)), "\"anna\"");
        assert_eq!(user(Some("Bearer secret")), "(not named)");
        let long = Credentials::header(&"x".repeat(500), "secret words");
        assert_eq!(user(Some(&long)).len(), NAME_CHARS_MAX + 2);
    }
}
