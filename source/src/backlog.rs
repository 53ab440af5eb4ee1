//! The last minute of pages, and which of them are sent. Shared by the encoder's thread,
//! which adds, and the uplink, which reads.
//!
//! A page's place is its sequence number in the logical stream, so that a master can say
//! where it wants the sender to go on.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stream::ogg::Page;
use tokio::sync::Notify;

use crate::encoder::RATE;
use crate::pages::Made;

/// So much sound is kept. Beyond it the oldest page goes, sent or not; unsent ones are
/// counted as lost.
pub const KEPT_MAX: Duration = Duration::from_secs(60);

/// An input that need not keep time pauses while so much sound waits to be sent.
const WAITING_MAX: Duration = Duration::from_secs(20);

/// Pages in order, from the oldest kept to the newest. Pure.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Sent first on every connection: a decoder needs them.
    headers: Vec<Page>,
    pages: VecDeque<Kept>,
    /// The sequence number of the oldest page kept.
    first: u64,
    /// The sequence number of the next page to send.
    next: u64,
    /// No more pages will come.
    is_ended: bool,
    n_lost: u64,
}

/// A page with sound.
#[derive(Debug)]
struct Kept {
    page: Page,
    /// The time at its end, in samples. Its own granule position, unless no packet ends
    /// on it.
    end: i64,
}

/// What there is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This page.
    Page(Page),
    /// Nothing yet.
    Wait,
    /// Everything is sent and nothing more will come.
    End,
}

impl Backlog {
    /// Adds the newest page.
    pub fn push(&mut self, made: Made) {
        let page = match made {
            Made::Header(page) => {
                self.headers.push(page);
                self.first = self.headers.len() as u64;
                self.next = self.first;
                return;
            }
            Made::Sound(page) => page,
        };
        let before = self.pages.back().map_or(0, |kept| kept.end);
        let end = before.max(page.stamp().granule);
        self.pages.push_back(Kept { page, end });
        while self
            .pages
            .front()
            .is_some_and(|oldest| oldest.end + samples(KEPT_MAX) < end)
        {
            self.pages.pop_front();
            self.first += 1;
            if self.next < self.first {
                self.next = self.first;
                self.n_lost += 1;
            }
        }
    }

    /// The header pages of the stream.
    pub fn headers(&self) -> &[Page] {
        &self.headers
    }

    /// The next page to send.
    pub fn next(&self) -> Next {
        let at = usize::try_from(self.next - self.first).unwrap_or(usize::MAX);
        match self.pages.get(at) {
            Some(kept) => Next::Page(kept.page.clone()),
            None if self.is_ended => Next::End,
            None => Next::Wait,
        }
    }

    /// The sequence number of the next page to send.
    pub fn place(&self) -> u64 {
        self.next
    }

    /// The next page was written wholly.
    pub fn sent(&mut self, page: &Page) {
        // While it was being written it may have become too old to keep.
        let sequence = u64::from(page.stamp().sequence);
        if sequence == self.next {
            self.next += 1;
        }
    }

    /// Goes to the page that the master wants next. Returns how many pages it wants that
    /// are no longer kept.
    pub fn go_to(&mut self, wanted: u32) -> u64 {
        let wanted = u64::from(wanted).max(self.headers.len() as u64);
        let newest = self.first + self.pages.len() as u64;
        if wanted > newest {
            // It has more than we ever made: it speaks of something else.
            return 0;
        }
        self.next = wanted.max(self.first);
        self.next - wanted
    }

    /// The sound from the next page to the newest.
    pub fn waiting(&self) -> Duration {
        let at = usize::try_from(self.next - self.first).unwrap_or(usize::MAX);
        let newest = self.pages.back().map_or(0, |kept| kept.end);
        let before = match at.checked_sub(1) {
            Some(before) => self.pages.get(before).map_or(newest, |kept| kept.end),
            None => self.pages.front().map_or(0, |kept| kept.end),
        };
        let n_samples = u64::try_from(newest.saturating_sub(before)).unwrap_or(0);
        Duration::from_micros(n_samples.saturating_mul(1_000_000) / u64::from(RATE))
    }

    /// How many pages were never sent and are no longer kept.
    pub fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// How many pages wait to be sent.
    pub fn n_waiting(&self) -> u64 {
        self.first + self.pages.len() as u64 - self.next
    }
}

/// A backlog that one thread fills and one task empties.
#[derive(Debug, Default)]
pub struct Shared {
    backlog: Mutex<Backlog>,
    /// Rung when a page was added or the end came.
    added: Notify,
    /// Rung when a page was sent.
    taken: Condvar,
}

impl Shared {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks into it. Never keep the guard over a wait.
    pub fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest page.
    pub fn push(&self, made: Made) {
        self.lock().push(made);
        self.added.notify_one();
    }

    /// Says that no more pages will come.
    pub fn end(&self) {
        self.lock().is_ended = true;
        self.added.notify_one();
    }

    /// The next page, as soon as there is one; `None`: everything is sent. Cancel safe.
    pub async fn next(&self) -> Option<Page> {
        loop {
            let next = self.lock().next();
            match next {
                Next::Page(page) => return Some(page),
                Next::End => return None,
                Next::Wait => self.added.notified().await,
            }
        }
    }

    /// The page was written wholly.
    pub fn sent(&self, page: &Page) {
        self.lock().sent(page);
        self.taken.notify_one();
    }

    /// Blocks the thread while much waits to be sent, at most `wait`. True: there is room.
    pub fn wait_for_room(&self, wait: Duration) -> bool {
        let is_full = |backlog: &mut Backlog| backlog.waiting() >= WAITING_MAX;
        let waited = self.taken.wait_timeout_while(self.lock(), wait, is_full);
        let (_guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

fn samples(length: Duration) -> i64 {
    i64::try_from(length.as_millis() * u128::from(RATE) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
