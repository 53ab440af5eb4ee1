//! Who is signed in at the operator's page. Pure.
//!
//! A session is a word by chance, which the browser keeps as a cookie; here only its digest
//! is kept. Sessions end with the program.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::token::TokenDigest;

/// Sessions at one time; for a further one the oldest ends.
pub const SESSIONS_MAX: usize = 16;
/// A session ends after this long, …
pub const SESSION_MAX: Duration = Duration::from_secs(12 * 3600);
/// … and when nothing was asked in it for this long.
pub const IDLE_MAX: Duration = Duration::from_secs(3600);

/// Everybody who is signed in.
#[derive(Debug, Default)]
pub struct Sessions {
    open: VecDeque<Session>,
}

#[derive(Debug)]
struct Session {
    digest: TokenDigest,
    opened: Instant,
    used: Instant,
}

impl Sessions {
    /// Somebody has signed in.
    pub fn open(&mut self, digest: TokenDigest, now: Instant) {
        self.sweep(now);
        while self.open.len() >= SESSIONS_MAX {
            self.open.pop_front();
        }
        self.open.push_back(Session {
            digest,
            opened: now,
            used: now,
        });
    }

    /// Whether this session is open. Being asked keeps it open.
    pub fn is_open(&mut self, digest: &TokenDigest, now: Instant) -> bool {
        self.sweep(now);
        let session = self.open.iter_mut().find(|one| one.digest == *digest);
        if let Some(session) = session {
            session.used = now;
            return true;
        }
        false
    }

    /// Somebody has signed out.
    pub fn close(&mut self, digest: &TokenDigest) {
        self.open.retain(|session| session.digest != *digest);
    }

    /// Everybody has to sign in again.
    pub fn close_all(&mut self) {
        self.open.clear();
    }

    fn sweep(&mut self, now: Instant) {
        self.open.retain(|session| {
            now.saturating_duration_since(session.opened) < SESSION_MAX
                && now.saturating_duration_since(session.used) < IDLE_MAX
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(word: &str) -> TokenDigest {
        TokenDigest::of(word)
    }

    #[test]
    fn a_session_ends_by_signing_out_by_idling_and_by_age() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        assert!(!sessions.is_open(&session("1"), start));
        sessions.open(session("1"), start);
        sessions.open(session("2"), start);
        sessions.close(&session("2"));
        assert!(sessions.is_open(&session("1"), start));
        assert!(!sessions.is_open(&session("2"), start));
        assert!(!sessions.is_open(&session("1"), start + IDLE_MAX));

        sessions.open(session("3"), start);
        let mut now = start;
        while now + IDLE_MAX / 2 < start + SESSION_MAX {
            now += IDLE_MAX / 2;
            assert!(sessions.is_open(&session("3"), now));
        }
        assert!(!sessions.is_open(&session("3"), start + SESSION_MAX));
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        for n in 0..=SESSIONS_MAX {
            sessions.open(session(&n.to_string()), start);
        }
        assert!(!sessions.is_open(&session("0"), start));
        assert!(sessions.is_open(&session("1"), start));
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
    }
}
