//! Which page is sent next, which the master has, and which it will not get live. Pure.
//!
//! A page's place is its sequence number in the logical stream, so that a master can say
//! where it wants the sender to go on. The last minute of pages is in memory; older ones
//! come back from the spool, if there is one. `shared` is what threads and tasks share.

pub mod shared;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use stream::ogg::Page;

use crate::encoder::RATE;
use crate::pages::Made;
use crate::spool::marks::Holes;
use crate::spool::segment::length;

pub use shared::Shared;

/// So much sound is kept in memory.
pub const KEPT_MAX: Duration = Duration::from_secs(60);

/// The times of so many pages are remembered, more than two hours of them. Older pages count
/// as being as old as the oldest that is remembered.
const TIMES_MAX: usize = 40_000;

/// Pages in order, from the oldest kept to the newest.
#[derive(Debug)]
pub struct Backlog {
    /// Sent first on every connection: a decoder needs them.
    headers: Vec<Page>,
    /// Those in memory, the first of them numbered `first`.
    pages: VecDeque<Page>,
    first: u64,
    /// Older ones that came back from the spool, up to the next to send.
    recalled: VecDeque<Page>,
    /// Where each page ends, in samples: its own granule position, unless no packet ends
    /// on it. The first of them is that of the page numbered `timed_from`.
    ends: VecDeque<i64>,
    timed_from: u64,
    /// The sequence number of the next page to send.
    next: u64,
    /// The server has everything before this one, but for the holes.
    acknowledged: u64,
    /// What it did not get and will not get live.
    holes: Holes,
    /// Sound older than this is not sent any more.
    catch_up: Duration,
    /// There is a spool.
    is_spooled: bool,
    /// No more pages will come.
    is_ended: bool,
}

/// What there is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This page.
    Page(Page),
    /// The page of this number, which memory does not hold any more.
    Spooled(u64),
    /// Nothing yet.
    Wait,
    /// Everything is sent and nothing more will come.
    End,
}

impl Default for Backlog {
    fn default() -> Self {
        Self::new(KEPT_MAX, false)
    }
}

impl Backlog {
    /// An empty one. Sound that is `catch_up` old when it could be sent is not sent any
    /// more; without a spool that is what memory holds at most.
    pub fn new(catch_up: Duration, is_spooled: bool) -> Self {
        Self {
            headers: Vec::new(),
            pages: VecDeque::new(),
            first: 0,
            recalled: VecDeque::new(),
            ends: VecDeque::new(),
            timed_from: 0,
            next: 0,
            acknowledged: 0,
            holes: Holes::default(),
            catch_up: if is_spooled {
                catch_up
            } else {
                catch_up.min(KEPT_MAX)
            },
            is_spooled,
            is_ended: false,
        }
    }

    /// The end of a logical stream that nothing will be added to. All of it is sent, however
    /// old it is.
    pub fn ended(headers: Vec<Page>, pages: Vec<Page>, holes: Holes) -> Self {
        let mut backlog = Self::new(Duration::MAX, true);
        let first = pages.first().map(Page::stamp);
        backlog.start_at(first.map_or(0, |stamp| u64::from(stamp.sequence)));
        backlog.ends = VecDeque::from([first.map_or(0, |stamp| stamp.granule.max(0))]);
        backlog.headers = headers;
        for page in pages {
            backlog.append(page);
        }
        backlog.holes = holes;
        backlog.is_ended = true;
        backlog
    }

    fn start_at(&mut self, first: u64) {
        self.first = first;
        self.next = first;
        self.acknowledged = first;
        self.timed_from = first.saturating_sub(1);
        self.ends = VecDeque::from([0]);
    }

    /// Adds the newest page.
    pub fn push(&mut self, made: Made) {
        match made {
            Made::Header(page) => {
                self.headers.push(page);
                self.start_at(self.headers.len() as u64);
            }
            Made::Sound(page) => {
                self.append(page);
                self.skip_to(self.next.max(self.young_from(self.catch_up)));
                self.let_go();
            }
        }
    }

    fn append(&mut self, page: Page) {
        let end = self.newest_end().max(page.stamp().granule);
        self.pages.push_back(page);
        self.ends.push_back(end);
        if self.ends.len() > TIMES_MAX {
            self.ends.pop_front();
            self.timed_from += 1;
        }
    }

    /// Lets pages go that are too old for memory.
    fn let_go(&mut self) {
        let kept_from = self.young_from(KEPT_MAX);
        while self.first < kept_from {
            self.pages.pop_front();
            self.first += 1;
        }
    }

    /// The header pages of the stream.
    pub fn headers(&self) -> &[Page] {
        &self.headers
    }

    /// The next page to send.
    pub fn next(&self) -> Next {
        if self.next < self.first {
            return match self.recalled.front() {
                Some(page) => Next::Page(page.clone()),
                None => Next::Spooled(self.next),
            };
        }
        let at = usize::try_from(self.next - self.first).unwrap_or(usize::MAX);
        match self.pages.get(at) {
            Some(page) => Next::Page(page.clone()),
            None if self.is_ended => Next::End,
            None => Next::Wait,
        }
    }

    /// The sequence number of the next page to send.
    pub fn place(&self) -> u64 {
        self.next
    }

    /// Pages came back from the spool.
    pub fn recall(&mut self, pages: Vec<Page>) {
        self.recalled = pages.into();
        self.forget_recalled();
    }

    /// The spool does not have the next page: goes on with the page of this number, or with
    /// the oldest that memory holds.
    pub fn go_past_gap(&mut self, there: Option<u64>) {
        let to = there.map_or(self.first, |there| there.min(self.first));
        self.skip_to(to.max(self.next));
    }

    /// The next page was written wholly.
    pub fn sent(&mut self, page: &Page) {
        // While it was being written it may have become too old to keep.
        let sequence = u64::from(page.stamp().sequence);
        if sequence == self.next {
            self.next += 1;
            self.forget_recalled();
        }
    }

    /// The server has everything before this page.
    pub fn acknowledge(&mut self, next: u64) {
        if next > self.acknowledged && next <= self.newest() {
            self.acknowledged = next;
        }
    }

    /// The server has everything.
    pub fn acknowledge_all(&mut self) {
        self.acknowledged = self.newest();
    }

    /// Goes to the page that the master wants next. Returns how many pages it wants that it
    /// cannot get any more.
    pub fn go_to(&mut self, wanted: u64) -> u64 {
        let wanted = wanted.max(self.headers.len() as u64);
        if wanted > self.newest() {
            // It has more than we ever made: it speaks of something else.
            return 0;
        }
        self.acknowledged = wanted;
        self.next = wanted;
        self.recalled.clear();
        let kept_from = if self.is_spooled { 0 } else { self.first };
        self.skip_to(wanted.max(kept_from).max(self.young_from(self.catch_up)));
        self.next - wanted
    }

    /// Goes to the page that the master is known to have all before: it does not know the
    /// logical stream, for it lost its memory.
    pub fn go_to_acknowledged(&mut self) -> u64 {
        self.go_to(self.acknowledged)
    }

    /// Leaves out at least so much sound from the page numbered `from` on, in whole pages, as far
    /// as there is any. Returns which pages that has cost.
    pub fn leave_out(&mut self, from: u64, length: Duration) -> Range<u64> {
        let until = self.beginning(from).saturating_add(samples(length));
        let n_before = self.ends.partition_point(|end| *end < until) as u64;
        let behind = (self.timed_from + n_before + 1).min(self.newest());
        let next = self.next;
        self.skip_to(next.max(behind));
        next..self.next
    }

    /// The pages before this one will not be sent.
    fn skip_to(&mut self, sequence: u64) {
        self.holes.add(self.next..sequence);
        self.next = self.next.max(sequence);
        self.forget_recalled();
    }

    fn forget_recalled(&mut self) {
        let is_past = |page: &Page| u64::from(page.stamp().sequence) < self.next;
        while self.recalled.front().is_some_and(is_past) {
            self.recalled.pop_front();
        }
    }

    /// The sound from the next page to the newest.
    pub fn waiting(&self) -> Duration {
        self.since(self.next)
    }

    /// The sound that the server has not confirmed.
    pub fn unacknowledged(&self) -> Duration {
        self.since(self.acknowledged)
    }

    /// The server has all that was sent.
    pub fn is_confirmed(&self) -> bool {
        self.acknowledged >= self.next
    }

    /// The server has everything before this page, but for the holes.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What the server will not get live.
    pub fn holes(&self) -> &Holes {
        &self.holes
    }

    /// How many pages were skipped.
    pub fn n_skipped(&self) -> u64 {
        self.holes.n_pages()
    }

    /// Nothing will be added.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// How many pages wait to be sent.
    pub fn n_waiting(&self) -> u64 {
        self.newest() - self.next
    }

    /// The number of the page that will be made next.
    fn newest(&self) -> u64 {
        self.first + self.pages.len() as u64
    }

    fn newest_end(&self) -> i64 {
        self.ends.back().copied().unwrap_or(0)
    }

    /// The sound from the beginning of this page to the newest.
    fn since(&self, sequence: u64) -> Duration {
        length(self.newest_end() - self.beginning(sequence))
    }

    /// Where this page begins, in samples.
    fn beginning(&self, sequence: u64) -> i64 {
        let at = sequence.saturating_sub(1).saturating_sub(self.timed_from);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let end = self.ends.get(at).copied();
        end.unwrap_or_else(|| self.newest_end())
    }

    /// The oldest page that is not older than this, from its end on.
    fn young_from(&self, age: Duration) -> u64 {
        let oldest = self.newest_end().saturating_sub(samples(age));
        let n_older = self.ends.partition_point(|end| *end < oldest);
        (self.timed_from + n_older as u64).min(self.newest())
    }
}

fn samples(length: Duration) -> i64 {
    i64::try_from(length.as_millis().saturating_mul(u128::from(RATE)) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
