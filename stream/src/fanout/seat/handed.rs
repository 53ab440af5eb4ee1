//! A seat as it is handed over to another program.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Seat;
use crate::handover;
use crate::log::Ago;
use crate::mount::MountPath;
use crate::mpeg::icy::Icy;

/// Of a log that another one has followed, so much at most is handed over with one who still
/// hears it. He misses the rest.
const REST_BYTES_MAX: usize = 256 * 1024;
/// And so many pages.
const REST_PAGES_MAX: usize = 1024;

impl Seat {
    /// Another program serves him now.
    pub(in crate::fanout) fn is_another_programs(&self) {
        if let Some(departure) = self.holds.0.departure() {
            departure.is_another_programs();
        }
    }

    /// Whether only this program can go on with him.
    pub(in crate::fanout) fn has_to_stay(&self) -> bool {
        self.wire.is_tls() || self.mount.is_removed() || self.counts_another_log()
    }

    /// Whether he is a relay that only this program could go on with: it is let go, asks the other
    /// one from where it was, and misses nothing.
    pub(in crate::fanout) fn comes_back(&self) -> bool {
        self.is_relay() && (self.wire.is_tls() || self.counts_another_log())
    }

    /// Whether he is a relay, and has not heard yet that another log has followed his.
    fn counts_another_log(&self) -> bool {
        self.is_relay() && !Arc::ptr_eq(&self.mount.log(), &self.log)
    }

    /// All that is to be known of him, and what goes out to him first. `paths` are the mounts by
    /// their numbers; `mount` is the number of his.
    pub(in crate::fanout) fn hand_over(
        &mut self,
        mount: usize,
        paths: &[MountPath],
        now: Instant,
    ) -> (handover::Seat, Bytes) {
        self.settle();
        let asked = self.asked.as_ref();
        let seat = handover::Seat {
            mount,
            class: self.holds.1.class(),
            pace: self.pace,
            offset: self.offset,
            last: self.last,
            link_start: self.link_start,
            icy: self.icy.as_ref().map(Icy::n_sent),
            icy_interval: self.icy.as_ref().map(Icy::interval),
            n_first_bytes: self.first.len(),
            jumped: self.last_jump.map(|at| Ago::of(at, now)),
            came: self.came.map(|at| Ago::of(at, now)),
            until: self.stay.until.map(|at| Ago::of(at, now)),
            course: self
                .stay
                .course
                .as_ref()
                .map(|course| course.path().clone()),
            since: Some(Ago::of(self.since, now)),
            visitor: self.holds.0.departure().map(|departure| {
                let (visitor, since) = departure.visitor();
                (visitor.clone(), Ago::of(since, now))
            }),
            asked: asked.and_then(|asked| paths.iter().position(|path| path == asked)),
        };
        (seat, self.first.clone())
    }

    /// Only the log that is current is handed over: what he has not got of the one before goes out
    /// first.
    fn settle(&mut self) {
        let next = self.mount.log();
        if Arc::ptr_eq(&next, &self.log) {
            return;
        }
        let mut rest = Vec::new();
        // With titles between the frames it would have to be counted: he misses it.
        if self.icy.is_none()
            && let Ok(to) = self
                .log
                .read(self.offset, REST_BYTES_MAX, REST_PAGES_MAX, &mut rest)
        {
            self.offset = to;
            self.push_first(&rest);
        }
        if !self.follow() {
            self.push_first(&[self.log.farewell()]);
            (self.offset, self.link_start) = (next.head(), next.link_start());
            self.log = next;
        }
    }
}
