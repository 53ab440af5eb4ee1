//! Where a new connection to an Icecast goes on: which of its pages are here already. Pure.
//!
//! It begins with header pages and a burst of pages that we have, most often. A page is known by
//! its serial number, its page sequence number and its checksum.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use stream::ogg::Page;

/// So many pages are remembered; more than any burst.
const PAGES_KEPT: usize = 8192;
/// More header pages than this are no headers.
const HEADERS_MAX: usize = 64;
/// A burst is over sooner. Whoever sends for longer what is here already plays it once more.
const BURST_TIME_MAX: Duration = Duration::from_secs(5);
/// A page that is further ahead than this belongs to something else.
const AHEAD_MAX: u32 = 100_000;

/// What was taken of the link that is open.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pages: VecDeque<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    serial: u32,
    sequence: u32,
    checksum: u32,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is known, or more has to come first.
    Pass,
    /// It is the next.
    Take,
    /// Another stream begins, with these header pages, before it.
    Begin(Vec<Page>),
}

/// One connection's place.
#[derive(Debug, Default)]
pub(super) struct Joint {
    /// Header pages of which it is not known yet to which link they belong.
    headers: Vec<Page>,
    /// Sound has come behind them: since then it was known.
    known_since: Option<Instant>,
}

impl Memory {
    /// Remembers a page that was taken.
    pub(super) fn keep(&mut self, page: &Page) {
        if self.pages.len() == PAGES_KEPT {
            self.pages.pop_front();
        }
        self.pages.push_back(Identity::of(page));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Whether a page is part of this link, or goes on with it. `None`: it is neither.
    fn is_known(&self, page: &Page) -> Option<bool> {
        let identity = Identity::of(page);
        let mut own = self
            .pages
            .iter()
            .rev()
            .filter(|p| p.serial == identity.serial);
        let newest = own.next()?;
        let ahead = identity.sequence.wrapping_sub(newest.sequence);
        if (1..AHEAD_MAX).contains(&ahead) {
            return Some(false);
        }
        let same = std::iter::once(newest)
            .chain(own)
            .find(|p| p.sequence == identity.sequence)?;
        (*same == identity).then_some(true)
    }
}

impl Identity {
    fn of(page: &Page) -> Self {
        Self {
            serial: page.serial(),
            sequence: page.stamp().sequence,
            checksum: page.checksum(),
        }
    }
}

impl Joint {
    /// Looks at the next page of the connection, which comes at `now`.
    pub(super) fn look(&mut self, page: &Page, memory: &Memory, now: Instant) -> Step {
        let stamp = page.stamp();
        if stamp.is_first && self.known_since.take().is_some() {
            self.headers.clear();
        }
        let follows = !self.headers.is_empty() && self.known_since.is_none();
        let is_header = stamp.is_first || (follows && stamp.granule <= 0);
        if is_header && self.headers.len() < HEADERS_MAX {
            self.headers.push(page.clone());
            return Step::Pass;
        }
        // Only the first page with sound shows whether the headers are those we have.
        let is_known = memory.is_known(page);
        if is_known == Some(true) {
            let since = *self.known_since.get_or_insert(now);
            let is_burst = now.saturating_duration_since(since) <= BURST_TIME_MAX;
            if is_burst || self.headers.is_empty() {
                return Step::Pass;
            }
        }
        self.known_since = None;
        let headers = std::mem::take(&mut self.headers);
        match is_known {
            Some(false) => Step::Take,
            _ => Step::Begin(headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream::ogg::Stamp;

    fn page(serial: u32, sequence: u32, body: &[u8]) -> Page {
        let stamp = Stamp {
            serial,
            sequence,
            granule: i64::from(sequence.saturating_sub(1)) * 960,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[u8::try_from(body.len()).unwrap()], body)
    }

    /// Two header pages and sound.
    fn stream(serial: u32, word: &str, numbers: std::ops::Range<u32>) -> Vec<Page> {
        let headers = [0, 1].map(|n| page(serial, n, b"headers"));
        let sound = numbers.map(|n| page(serial, n, format!("{word} {n}").as_bytes()));
        headers.into_iter().chain(sound).collect()
    }

    /// What comes over connections one after another, and is taken.
    fn taken(connections: &[Vec<Page>]) -> Vec<(u32, u32)> {
        taken_each(connections, Duration::ZERO)
    }

    /// The same, a page each time so much has gone by.
    fn taken_each(connections: &[Vec<Page>], each: Duration) -> Vec<(u32, u32)> {
        let (mut memory, mut taken) = (Memory::default(), Vec::new());
        let mut now = Instant::now();
        for connection in connections {
            let mut joint = Joint::default();
            for page in connection {
                now += each;
                let pages = match joint.look(page, &memory, now) {
                    Step::Pass => continue,
                    Step::Take => vec![page.clone()],
                    Step::Begin(mut headers) => {
                        memory.clear();
                        headers.push(page.clone());
                        headers
                    }
                };
                for page in pages {
                    memory.keep(&page);
                    taken.push((page.serial(), page.stamp().sequence));
                }
            }
        }
        taken
    }

    fn numbers(serial: u32, numbers: std::ops::Range<u32>) -> Vec<(u32, u32)> {
        numbers.map(|n| (serial, n)).collect()
    }

    #[test]
    fn a_burst_that_is_known_is_passed_over_and_the_rest_is_taken_once() {
        let connections = [
            stream(7, "a", 2..20),
            stream(7, "a", 12..30),
            stream(7, "a", 29..40),
        ];
        assert_eq!(taken(&connections), numbers(7, 0..40));
    }

    #[test]
    fn a_hole_is_no_other_stream() {
        let connections = [stream(7, "a", 2..20), stream(7, "a", 25..30)];
        let wanted = [numbers(7, 0..20), numbers(7, 25..30)].concat();
        assert_eq!(taken(&connections), wanted);
    }

    #[test]
    fn another_stream_begins_even_if_it_calls_itself_the_same() {
        for serial in [7, 8] {
            let connections = [stream(7, "a", 2..20), stream(serial, "b", 2..9)];
            let wanted = [numbers(7, 0..20), numbers(serial, 0..9)].concat();
            assert_eq!(taken(&connections), wanted, "serial number {serial}");
        }
    }

    #[test]
    fn a_file_that_is_played_once_more_is_heard_when_no_burst_can_be_so_long() {
        let second = Duration::from_secs(1);
        let connections = [stream(7, "a", 2..40), stream(7, "a", 2..40)];
        let wanted = [numbers(7, 0..40), numbers(7, 0..2), numbers(7, 8..40)].concat();
        assert_eq!(taken_each(&connections, second), wanted);
        let connections = [stream(7, "a", 2..40), stream(7, "a", 30..60)];
        assert_eq!(taken_each(&connections, second / 2), numbers(7, 0..60));
    }

    #[test]
    fn a_link_that_follows_in_the_same_connection_is_taken() {
        let chained = [stream(7, "a", 2..20), stream(8, "b", 2..9)].concat();
        let wanted = [numbers(7, 0..20), numbers(8, 0..9)].concat();
        assert_eq!(taken(&[chained]), wanted);
    }
}
