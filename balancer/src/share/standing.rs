//! How it stands with what is shared: for the operator's page, the status and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::desk::keeping::seconds_now;

/// How it stands, and the bell that is rung when there is something to be shared.
#[derive(Debug)]
pub struct Standing {
    /// The operator has changed something here.
    pub news: Notify,
    now: Mutex<ShareStatus>,
    trouble: Mutex<Option<String>>,
}

/// What everybody may know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShareStatus {
    /// Redis answers.
    pub is_connected: bool,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Names what all have agreed on, in hexadecimal digits; null: nothing yet, or not with this one.
    pub revision: Option<String>,
    /// Other balancers that live.
    pub others: usize,
}

/// So much of a revision tells two apart.
const REVISION_SHOWN: usize = 12;

impl Default for Standing {
    fn default() -> Self {
        let now = ShareStatus {
            since: seconds_now(),
            ..ShareStatus::default()
        };
        Self {
            news: Notify::new(),
            now: Mutex::new(now),
            trouble: Mutex::new(None),
        }
    }
}

impl Standing {
    /// How it stands.
    pub fn status(&self) -> ShareStatus {
        own(&self.now).clone()
    }

    /// What is wrong, for the operator.
    pub fn trouble(&self) -> Option<String> {
        own(&self.trouble).clone()
    }

    /// Redis answers: all have agreed on this, and so many others live.
    pub(super) fn connected(&self, revision: Option<&str>, others: usize) {
        let mut now = own(&self.now);
        if !now.is_connected {
            now.since = seconds_now();
        }
        now.is_connected = true;
        now.revision = revision.map(|text| text.chars().take(REVISION_SHOWN).collect());
        now.others = others;
    }

    /// It does not.
    pub(super) fn cut_off(&self, others: usize) {
        let mut now = own(&self.now);
        if now.is_connected {
            now.since = seconds_now();
        }
        now.is_connected = false;
        now.others = others;
    }

    /// What is wrong; `None`: nothing. `true`: that is another than before.
    pub(super) fn set_trouble(&self, what: Option<String>) -> bool {
        let mut trouble = own(&self.trouble);
        let is_news = *trouble != what;
        *trouble = what;
        is_news
    }
}

fn own<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
