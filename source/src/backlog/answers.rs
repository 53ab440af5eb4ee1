//! What a server says of the pages it has and wants, and where uplinks go on by it. Pure.

use std::time::Duration;

use stream::ogg::Page;

use super::cursor::Cursor;
use super::{Backlog, DOUBTED_PAGES, Word};
use crate::spool::segment::samples;

impl Backlog {
    /// The server says over this uplink that it has everything before this page.
    pub fn acknowledge(&mut self, uplink: usize, next: u64) {
        self.word = Word::Given;
        if self.cursors[uplink].is_doubted() && next <= self.doubted {
            return;
        }
        if next > self.confirmed && next <= self.newest() {
            self.confirmed = next;
        }
        self.believe(next);
    }

    /// The server is believed to have everything before this page; it has not said so.
    pub fn believe(&mut self, next: u64) {
        if next > self.acknowledged && next <= self.newest() {
            self.acknowledged = next;
            // What one uplink has brought the others need not bring.
            self.lift(next);
            self.front = self.front.max(next);
        }
    }

    /// The server says over this uplink that it has everything.
    pub fn acknowledge_all(&mut self, uplink: usize) {
        self.acknowledge(uplink, self.newest());
    }

    /// Goes to the page that the master wants next. Returns how many pages it wants that it
    /// cannot get any more.
    pub fn go_to(&mut self, uplink: usize, wanted: u64) -> u64 {
        let wanted = wanted.max(self.headers.len() as u64);
        if wanted > self.newest() {
            // It has more than we ever made: it speaks of something else.
            return 0;
        }
        if wanted < self.acknowledged {
            // Older connections may still bring what was said before the memory was lost.
            self.doubted = self.front;
            self.cursors.iter_mut().for_each(|c| c.set_doubted(true));
        }
        self.acknowledged = wanted;
        self.confirmed = wanted;
        self.cursors[uplink].go_to(wanted);
        let others = self.others(uplink).map(Cursor::next);
        self.front = others.fold(wanted, u64::max);
        let kept_from = if self.is_spooled { 0 } else { self.first };
        self.skip_to(kept_from.max(self.young_from(self.catch_up)));
        let n_missing = self.place(uplink) - wanted;
        // One that carries already has begun where it had to: in the master's log nothing may
        // come between. Not so where that was before the memory was lost.
        let has_no_sound = wanted == self.headers.len() as u64;
        let others = self.others(uplink);
        let began = others.filter(|other| has_no_sound || !other.is_doubted());
        let began = began.map(Cursor::began).max().unwrap_or(0);
        self.cursors[uplink].lift(began);
        n_missing
    }

    /// Goes to the page that the master is known to have all before: it does not know the
    /// logical stream, for it lost its memory. What it was only believed to have may never have
    /// come. If the stream has only just begun, the master may have lost no more than that
    /// beginning: it gets it again.
    pub fn go_to_acknowledged(&mut self, uplink: usize) -> u64 {
        let beginning = self.headers.len() as u64;
        let has_just_begun = self.confirmed <= beginning + DOUBTED_PAGES;
        let wanted = if has_just_begun {
            beginning
        } else {
            self.confirmed
        };
        self.go_to(uplink, wanted)
    }

    /// Goes back over what was sent last: a page, so much sound and so many bytes at least, as far
    /// as memory reaches. A server that does not say what it has cannot have got them.
    pub fn go_back(&mut self, uplink: usize, length: Duration, n_bytes: usize) {
        let mut place = self.place(uplink);
        let until = self.times.beginning(place) - 1 - samples(length);
        let mut n_left = n_bytes;
        while place > self.first && (n_left > 0 || self.times.beginning(place) > until) {
            place -= 1;
            let at = usize::try_from(place - self.first).unwrap_or(usize::MAX);
            n_left = n_left.saturating_sub(self.pages.get(at).map_or(0, Page::len));
        }
        self.go_to(uplink, place);
    }
}
