//! Which page is sent next, which the master has, and which it will not get live. Pure.
//!
//! A page's place is its sequence number in the logical stream, so that a master can say
//! where it wants the sender to go on. The last minute of pages is in memory; older ones
//! come back from the spool, if there is one. Each uplink has a cursor of its own (`cursor`),
//! and sends every page from the one on that the master wanted, so that whichever is first
//! brings the master its next page. `answers` is what the master says of that, `shared` is what
//! threads and tasks share.

mod answers;
mod cursor;
pub mod shared;
mod times;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use stream::ogg::Page;

use crate::pages::Made;
use crate::spool::marks::Holes;
use crate::spool::segment::{length, samples};

use cursor::Cursor;
pub use shared::Shared;
use times::Times;

/// So much sound is kept in memory.
pub const KEPT_MAX: Duration = Duration::from_secs(60);

/// A server that has taken so much sound and has not answered yet is one that never does: no
/// network and no program that stands still takes as much.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// A master that is killed may lose what it acknowledged last, for its disk comes behind: so many
/// pages at most.
const DOUBTED_PAGES: u64 = 16;

/// Pages in order, from the oldest kept to the newest.
#[derive(Debug)]
pub struct Backlog {
    /// Sent first on every connection: a decoder needs them.
    headers: Vec<Page>,
    /// Those in memory, the first of them numbered `first`.
    pages: VecDeque<Page>,
    first: u64,
    /// How far each uplink is.
    cursors: Vec<Cursor>,
    times: Times,
    /// No uplink has sent this page yet, nor any behind it.
    front: u64,
    /// The server has everything before this one, but for the holes.
    acknowledged: u64,
    /// A server that has lost its memory may have said of pages before this one that it has them.
    doubted: u64,
    /// As far as it has said so itself.
    confirmed: u64,
    /// What it did not get and will not get live.
    holes: Holes,
    /// Sound older than this is not sent any more.
    catch_up: Duration,
    /// There is a spool.
    is_spooled: bool,
    /// What the server says of what it has.
    word: Word,
    /// No more pages will come.
    is_ended: bool,
}

/// What a server says of what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Word {
    /// It says how far it has the stream.
    #[default]
    Given,
    /// It does not say so: it is believed to have what was sent.
    Never,
    /// It has not answered at all. It may be one that never does, or a master that stands still
    /// and may have nothing.
    Awaited,
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
            cursors: vec![Cursor::default()],
            times: Times::default(),
            front: 0,
            acknowledged: 0,
            doubted: 0,
            confirmed: 0,
            holes: Holes::default(),
            catch_up: if is_spooled {
                catch_up
            } else {
                catch_up.min(KEPT_MAX)
            },
            is_spooled,
            word: Word::default(),
            is_ended: false,
        }
    }

    /// With so many uplinks.
    #[must_use]
    pub fn over(mut self, n_uplinks: usize) -> Self {
        let before = self.cursors[0].next();
        self.cursors.resize_with(n_uplinks, Cursor::default);
        self.cursors.iter_mut().for_each(|c| c.go_to(before));
        self
    }

    /// The end of a logical stream that nothing will be added to. All of it is sent, however
    /// old it is.
    pub fn ended(headers: Vec<Page>, pages: Vec<Page>, holes: Holes) -> Self {
        let mut backlog = Self::new(Duration::MAX, true);
        let first = pages.first().map(Page::stamp);
        backlog.start_at(first.map_or(0, |stamp| u64::from(stamp.sequence)));
        let end = first.map_or(0, |stamp| stamp.granule.max(0));
        backlog.times = Times::before(backlog.first, end);
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
        self.front = first;
        self.cursors.iter_mut().for_each(|c| c.go_to(first));
        self.acknowledged = first;
        self.times = Times::before(first, 0);
        self.confirmed = first;
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
                self.skip_to(self.young_from(self.catch_up));
                self.let_go();
            }
        }
    }

    fn append(&mut self, page: Page) {
        self.times.add(page.stamp().granule);
        self.pages.push_back(page);
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

    /// What this uplink sends next.
    pub fn next(&self, uplink: usize) -> Next {
        let cursor = &self.cursors[uplink];
        if cursor.next() < self.first {
            return match cursor.recalled() {
                Some(page) => Next::Page(page.clone()),
                None => Next::Spooled(cursor.next()),
            };
        }
        let at = usize::try_from(cursor.next() - self.first).unwrap_or(usize::MAX);
        match self.pages.get(at) {
            Some(page) => Next::Page(page.clone()),
            None if self.is_ended => Next::End,
            None => Next::Wait,
        }
    }

    /// The sequence number of the next page that this uplink sends.
    pub fn place(&self, uplink: usize) -> u64 {
        self.cursors[uplink].next()
    }

    /// The server takes the stream over this uplink, which begins where the others are at most.
    pub fn begin(&mut self, uplink: usize, word: Word) {
        self.word = word;
        self.cursors[uplink].go_to(self.front);
        self.cursors[uplink].set_carrying(true);
    }

    /// The uplink carries no pages any more: what it has sent may be lost.
    pub fn leave(&mut self, uplink: usize) {
        self.cursors[uplink].set_carrying(false);
        let others = self.others(uplink).map(Cursor::next);
        self.front = others.max().unwrap_or(self.front);
    }

    /// The other uplinks that carry pages.
    fn others(&self, uplink: usize) -> impl Iterator<Item = &Cursor> {
        let cursors = self.cursors.iter().enumerate();
        let others = cursors.filter(move |(n, cursor)| *n != uplink && cursor.is_carrying());
        others.map(|(_, cursor)| cursor)
    }

    /// Pages came back from the spool.
    pub fn recall(&mut self, uplink: usize, pages: Vec<Page>) {
        self.cursors[uplink].recall(pages);
    }

    /// The spool does not have the next page: goes on with the page of this number, or with
    /// the oldest that memory holds.
    pub fn go_past_gap(&mut self, uplink: usize, there: Option<u64>) {
        let to = there.map_or(self.first, |there| there.min(self.first));
        self.cursors[uplink].lift(to);
        self.pass(to);
    }

    /// The next page of this uplink was written wholly.
    pub fn sent(&mut self, uplink: usize, page: &Page) {
        // While it was being written it may have become too old to keep, or another uplink has
        // brought it.
        let cursor = &mut self.cursors[uplink];
        if u64::from(page.stamp().sequence) == cursor.next() {
            cursor.step();
            self.front = self.front.max(cursor.next());
        }
        if self.word != Word::Given {
            let (began, next) = (self.cursors[uplink].began(), self.place(uplink));
            let n_taken = self.times.beginning(next) - self.times.beginning(began);
            if n_taken >= samples(SILENT_AFTER) {
                self.word = Word::Never;
            }
            self.believe(next);
        }
    }

    /// Leaves out at least so much sound from the page numbered `from` on, in whole pages, as far
    /// as there is any; but if another uplink has done so, goes where that is. Returns which pages
    /// that has cost.
    pub fn leave_out(&mut self, uplink: usize, from: u64, length: Duration) -> Range<u64> {
        let front = self.front;
        if self.others(uplink).any(|other| other.began() > from) {
            return front..front;
        }
        let until = self.times.beginning(from).saturating_add(samples(length));
        let behind = (self.times.first_from(until) + 1).min(self.newest());
        self.skip_to(behind);
        front..self.front
    }

    /// The pages before this one will not be sent by anybody.
    fn skip_to(&mut self, sequence: u64) {
        self.lift(sequence);
        self.pass(sequence);
    }

    fn lift(&mut self, sequence: u64) {
        self.cursors.iter_mut().for_each(|c| c.lift(sequence));
    }

    /// What nobody has sent before this page is a hole.
    fn pass(&mut self, sequence: u64) {
        self.holes.add(self.front..sequence);
        self.front = self.front.max(sequence);
    }

    /// The sound from the first page that was not sent to the newest.
    pub fn waiting(&self) -> Duration {
        self.since(self.front)
    }

    /// The sound that the server has not confirmed.
    pub fn unacknowledged(&self) -> Duration {
        self.since(self.acknowledged)
    }

    /// The server has all that was sent.
    pub fn is_confirmed(&self) -> bool {
        self.acknowledged >= self.front
    }

    /// The server has everything before this page, but for the holes.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What is to be remembered of it if this program ends now: before which page the server has
    /// everything, and whether it says so itself. One that has not answered has nothing.
    pub fn standing(&self) -> (u64, bool) {
        match self.word {
            Word::Given => (self.acknowledged, true),
            Word::Never => (self.acknowledged, false),
            Word::Awaited => (self.confirmed, true),
        }
    }

    /// What the server says of what it has.
    pub fn word(&self) -> Word {
        self.word
    }

    /// The server has answered something else than what it has.
    pub fn answered(&mut self) {
        if self.word == Word::Awaited {
            self.word = Word::Never;
        }
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

    /// The server has all that this uplink has sent.
    pub fn is_confirmed_to(&self, uplink: usize) -> bool {
        self.acknowledged >= self.place(uplink)
    }

    /// How many pages wait to be sent.
    pub fn n_waiting(&self) -> u64 {
        self.newest() - self.front
    }

    /// The number of the page that will be made next.
    fn newest(&self) -> u64 {
        self.first + self.pages.len() as u64
    }

    /// The sound from the beginning of this page to the newest.
    fn since(&self, sequence: u64) -> Duration {
        length(self.times.newest() - self.times.beginning(sequence))
    }

    /// The oldest page that is not older than this, from its end on.
    fn young_from(&self, age: Duration) -> u64 {
        let oldest = self.times.newest().saturating_sub(samples(age));
        self.times.young_from(oldest).min(self.newest())
    }
}

#[cfg(test)]
mod tests;
