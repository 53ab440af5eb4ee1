//! Numbers the clusters of a log of WebM, and lets time go on where a source begins anew. Pure.
//!
//! A source that comes back with the same tracks goes on in the same link: its head is left out and
//! its time moved, so that players notice nothing. With others a new link begins, which not every
//! player can follow; but time goes on there, too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ogg::{Link, Page, Stamp};
use crate::webm::{self, Head};

/// So long after the newest block of one run of an encoder the first of the next one comes: nobody
/// says how long that newest block lasts, and this is about a frame.
const JOINT: Duration = Duration::from_millis(40);

/// What was written last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Clusters {
    serial: u32,
    sequence_next: u32,
    /// The time of the newest block, in ticks.
    newest: Option<i64>,
    shift: Shift,
}

/// What the time of the log is ahead of the source's, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Shift {
    /// The next cluster will show it.
    #[default]
    Due,
    Known(i64),
}

impl Clusters {
    /// Of a log whose newest page has this stamp.
    pub(super) fn restored(newest: Option<Stamp>) -> Self {
        newest.map_or_else(Self::default, |stamp| Self {
            serial: stamp.serial,
            sequence_next: stamp.sequence.wrapping_add(1),
            newest: Some(stamp.granule),
            shift: Shift::Due,
        })
    }

    /// The page to write for the next one of a source, in this link. `None`: none; it is the head
    /// of what the link goes on with.
    pub(super) fn take(
        &mut self,
        page: &Page,
        link: Option<&Link>,
        mut chance: impl FnMut() -> u32,
    ) -> Option<Page> {
        let head = || Head::parse(&link?.prefix);
        let Some(time) = webm::page::time(page.bytes()) else {
            self.shift = Shift::Due;
            let (head, next) = (head(), Head::parse(page.bytes())?);
            if head.as_ref().is_some_and(|head| head.is_like(&next)) {
                return None;
            }
            if head.is_some_and(|head| !head.counts_like(&next)) {
                self.newest = None;
            }
            (self.serial, self.sequence_next) = (chance(), 0);
            return Some(self.written(page, 0));
        };
        let shift = match (self.shift, self.newest) {
            (Shift::Known(shift), _) => shift,
            (Shift::Due, None) => 0,
            (Shift::Due, Some(newest)) => {
                let joint = head().map_or(0, |head| head.ticks(JOINT));
                let begins = newest.saturating_add_unsigned(joint);
                begins.saturating_sub(i64::try_from(time).unwrap_or(i64::MAX))
            }
        };
        self.shift = Shift::Known(shift);
        let newest = page.stamp().granule.saturating_add(shift).max(0);
        self.newest = Some(newest.max(self.newest.unwrap_or_default()));
        Some(self.written(page, newest))
    }

    fn written(&mut self, page: &Page, granule: i64) -> Page {
        let stamp = Stamp {
            serial: self.serial,
            sequence: self.sequence_next,
            granule,
            ..page.stamp()
        };
        self.sequence_next = self.sequence_next.wrapping_add(1);
        page.restamped(stamp)
    }
}
