//! A seat that goes on in another log: its mount got a new one, or its listener is transferred to
//! another mount.

use std::sync::Arc;

use super::{FOLLOW_BURST, Seat};
use crate::fanout::order::{Listening, Transfer, Whom};
use crate::log::resume::{FOR_EVER, Wish};
use crate::mount::Class;

impl Seat {
    /// What may be said of him.
    pub(in crate::fanout) fn listening(&self) -> Listening {
        Listening {
            id: self.id,
            since: self.since,
            class: self.holds.1.class(),
        }
    }

    /// Leads him to another mount, if he is one of those who are to go: he hears what there is of
    /// the present one first.
    pub(in crate::fanout) fn transfer(&mut self, transfer: &Transfer) -> Option<()> {
        let Transfer { from, to, .. } = transfer;
        let may_go = Arc::ptr_eq(&self.mount, from)
            && self.holds.1.class() == Class::Listener
            && self.last == FOR_EVER;
        let returns = self.asked.as_ref().is_some_and(|asked| asked == to.path());
        if !may_go || transfer.whom == Whom::Returning && !returns {
            return None;
        }
        let asked = self.asked.take().unwrap_or_else(|| from.path().clone());
        self.asked = (transfer.whom == Whom::ForNow && asked != *to.path()).then_some(asked);
        if transfer.whom == Whom::All {
            // What stands in for what he asked for is not his concern any more.
            self.stay.course = None;
        }
        self.mount = Arc::clone(to);
        self.holds.1 = to.admit(Class::Listener);
        self.leads_to = Some(transfer.burst);
        Some(())
    }

    /// Goes on in the log that followed: ends the link he hears, then starts as a joiner does.
    pub(super) fn follow(&mut self) -> bool {
        let next = self.mount.log();
        if Arc::ptr_eq(&next, &self.log) {
            // He came back before he had left.
            self.leads_to = None;
            return false;
        }
        let burst = self.leads_to.unwrap_or(FOLLOW_BURST);
        let Some((_, cursor, prefix)) = next.open(Wish::Join, burst) else {
            return false;
        };
        let farewell = self.log.farewell();
        if self.log.head() != self.offset {
            // A page has just come: it would be missing before the farewell.
            return false;
        }
        self.push_first(&[farewell, prefix]);
        self.offset = cursor.offset();
        self.link_start = cursor.link_start();
        self.log = next;
        self.leads_to = None;
        true
    }
}
