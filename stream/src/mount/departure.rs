//! Somebody else is told when a listener has gone about whom he was asked.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::path::MountPath;

/// A listener about whom somebody was asked. His address and his password are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The number under which was asked.
    pub number: u64,
    /// The mount.
    pub path: MountPath,
    /// What stood behind it in the address, with the question mark.
    pub query: String,
    /// By which name he came to this server.
    pub server: String,
    /// And by which port.
    pub port: String,
    /// The user that he showed.
    pub user: String,
}

/// Who tells it. Must not wait for anything.
pub trait Tells: Debug + Send + Sync {
    /// He has gone after this time.
    fn has_gone(&self, visitor: &Visitor, after: Duration);
}

/// Kept as long as somebody listens; what it tells is told when it is dropped.
#[derive(Debug)]
pub struct Departure {
    visitor: Visitor,
    since: Instant,
    tells: Arc<dyn Tells>,
    is_elsewhere: AtomicBool,
}

impl Departure {
    /// He listens since then.
    pub fn new(visitor: Visitor, since: Instant, tells: Arc<dyn Tells>) -> Arc<Self> {
        Arc::new(Self {
            visitor,
            since,
            tells,
            is_elsewhere: AtomicBool::new(false),
        })
    }

    /// Who it is, and since when, for the program that goes on with him.
    pub(crate) fn visitor(&self) -> (&Visitor, Instant) {
        (&self.visitor, self.since)
    }

    /// Another program goes on with him, and tells it.
    pub(crate) fn is_another_programs(&self) {
        self.is_elsewhere.store(true, Ordering::Relaxed);
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if !self.is_elsewhere.load(Ordering::Relaxed) {
            self.tells.has_gone(&self.visitor, self.since.elapsed());
        }
    }
}
