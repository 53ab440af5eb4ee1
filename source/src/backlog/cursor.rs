//! How far one uplink is in the backlog. Pure.

use std::collections::VecDeque;

use stream::ogg::Page;

/// The place of one uplink.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The sequence number of the next page to send.
    next: u64,
    /// The one it began with.
    began: u64,
    /// Pages that came back from the spool, from the next to send on.
    recalled: VecDeque<Page>,
    is_carrying: bool,
    /// What its server says may be from before it lost its memory.
    is_doubted: bool,
}

impl Cursor {
    /// The sequence number of the next page to send.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The page with which it began to carry.
    pub(super) fn began(&self) -> u64 {
        self.began
    }

    /// Whether a server takes pages from it.
    pub(super) fn is_carrying(&self) -> bool {
        self.is_carrying
    }

    pub(super) fn set_carrying(&mut self, is_carrying: bool) {
        self.is_carrying = is_carrying;
    }

    /// Whether what its server says may be out of date.
    pub(super) fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    pub(super) fn set_doubted(&mut self, is_doubted: bool) {
        self.is_doubted = is_doubted;
    }

    /// The next page, if it came back from the spool.
    pub(super) fn recalled(&self) -> Option<&Page> {
        self.recalled.front()
    }

    /// Begins with this page.
    pub(super) fn go_to(&mut self, sequence: u64) {
        self.next = sequence;
        self.began = sequence;
        self.is_doubted = false;
        self.recalled.clear();
    }

    /// The next page was sent.
    pub(super) fn step(&mut self) {
        self.next += 1;
        self.forget_recalled();
    }

    /// Goes on to this page, if it is not there yet.
    pub(super) fn lift(&mut self, sequence: u64) {
        if self.began == self.next {
            self.began = self.began.max(sequence);
        }
        self.next = self.next.max(sequence);
        self.forget_recalled();
    }

    pub(super) fn recall(&mut self, pages: Vec<Page>) {
        self.recalled = pages.into();
        self.forget_recalled();
    }

    fn forget_recalled(&mut self) {
        let is_past = |page: &Page| u64::from(page.stamp().sequence) < self.next;
        while self.recalled.front().is_some_and(is_past) {
            self.recalled.pop_front();
        }
    }
}
