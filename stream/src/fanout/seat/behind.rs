//! What becomes of one who fell behind.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Closed, JUMP_EVERY, Seat};

impl Seat {
    /// Moves one who fell behind to the live edge, once a minute.
    pub(super) fn jump(&mut self, now: Instant) -> Result<(), Closed> {
        let behind_skip = self.log.behind_skip(self.offset);
        if let Some(offset) = behind_skip.filter(|_| !self.is_relay()) {
            // He has all there was.
            self.offset = offset;
            return Ok(());
        }
        self.mount
            .counts()
            .n_fell_behind
            .fetch_add(1, Ordering::Relaxed);
        if self.is_relay() {
            // He counts the bytes: after a jump that he is not told of, all his offsets are wrong.
            return Err(Closed::TooSlow);
        }
        if self
            .last_jump
            .is_some_and(|last| now.saturating_duration_since(last) < JUMP_EVERY)
        {
            return Err(Closed::TooSlow);
        }
        self.last_jump = Some(now);
        let (offset, prefix) = self.log.live_edge(self.link_start);
        self.offset = offset;
        self.push_first(&[prefix]);
        Ok(())
    }
}
