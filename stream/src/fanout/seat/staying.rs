//! How long a listener stays, and how he goes to another mount in the middle of his answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{FOLLOW_BURST, Seat};
use crate::fanout::order::is_alike;
use crate::mount::{Class, Course};

/// How long somebody may stay, and where he is to be.
#[derive(Clone, Debug, Default)]
pub struct Stay {
    /// Until then; without it, for ever.
    pub until: Option<Instant>,
    /// What he asked for, if that has a fallback.
    pub course: Option<Arc<Course>>,
}

/// Whose time is over gets all there is and an end; when that takes longer, he is closed.
const OVERTIME_MAX: Duration = Duration::from_secs(10);

impl Seat {
    /// Whether his time was over long ago.
    pub(super) fn is_past_his_time(&self, now: Instant) -> bool {
        let until = self.stay.until;
        until.is_some_and(|until| now.saturating_duration_since(until) > OVERTIME_MAX)
    }

    /// He has all there is: if his time is over, what he hears is ended, and nothing follows.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        if self.stay.until.is_none_or(|until| now < until) {
            return false;
        }
        let farewell = self.log.farewell();
        if self.log.head() != self.offset {
            // A page has just come: it would be missing before the farewell.
            return false;
        }
        self.stay.until = None;
        self.push_first(&[farewell]);
        // One byte of the log more than he has would be too much.
        self.last = self.offset.saturating_sub(1);
        self.offset > 0
    }

    /// He has all there is: if those who asked for the same are somewhere else now, he goes there.
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        let Some(course) = &self.stay.course else {
            return false;
        };
        let version = course.version();
        if version == self.turn_seen {
            return false;
        }
        let Some(mount) = course.at() else {
            return false;
        };
        self.turn_seen = version;
        if Arc::ptr_eq(&mount, &self.mount) || !is_alike(&mount, &self.mount) {
            return false;
        }
        self.holds.1 = mount.admit(Class::Listener);
        self.mount = mount;
        // As much as his player has been waiting for.
        let silence = self.log.silence(now).unwrap_or_default();
        self.leads_to = Some(silence.min(FOLLOW_BURST));
        true
    }
}
