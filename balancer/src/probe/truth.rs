//! What the master sent lately on one mount: what relays have to send, too. Pure.
//!
//! The balancer listens to the master as anybody does, and keeps the pages of the last two
//! minutes. A page is known by its logical stream and number; where the master says so, also by
//! its offset in the log. MP3 and AAC are known by offset alone (`flow`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stream::ogg::Page;

use super::flow::Flow;

/// Pages are kept this long, …
pub const KEPT: Duration = Duration::from_secs(120);
/// … but never more bytes of one mount than this (the oldest go), …
pub const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// … nor more pages.
pub const KEPT_PAGES_MAX: usize = 8192;
/// A master that sent nothing for this long is silent: then silence at a relay is no fault.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The pages of one mount.
#[derive(Debug, Default)]
pub struct Truth {
    /// By logical stream and number.
    pages: HashMap<(u32, u32), Known>,
    /// The same, the oldest first.
    order: VecDeque<(u32, u32)>,
    /// Of each logical stream: how many pages, and the number of the newest.
    streams: HashMap<u32, (usize, u32)>,
    n_bytes: usize,
    /// The same of MP3 or AAC, which has no pages.
    flow: Flow,
    place: Option<Place>,
    n_prefix_left: u64,
    heard: Option<Instant>,
    /// Since when there has been no gap in what was heard.
    since: Option<Instant>,
}

/// One page that the master sent.
#[derive(Clone, Debug)]
pub struct Known {
    /// The page.
    pub page: Page,
    /// Where it stands in the log; a header page that came before the log's bytes has no place.
    pub place: Option<Place>,
    /// When it came.
    pub came: Instant,
}

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which log.
    pub epoch: Arc<str>,
    /// Which byte of it.
    pub offset: u64,
}

/// What is known of a page that a relay sent.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The master sent it, too.
    Same(&'a Known),
    /// The master sent another one in this place.
    Other(&'a Known),
    /// It is of a stream that the master sends, further back than is known here.
    Older,
    /// It is of a stream that the master sends, further ahead than is known here.
    Newer,
    /// The master sent no such stream lately.
    Stranger,
}

impl Truth {
    /// The master's answer has begun: at this place of its log, if it says so, behind so many
    /// bytes of header pages.
    pub fn begin(&mut self, place: Option<Place>, n_prefix: u64) {
        self.n_prefix_left = if place.is_some() { n_prefix } else { 0 };
        self.place = place;
    }

    /// The answer has ended: what comes next may leave something out.
    pub fn end(&mut self) {
        self.since = None;
    }

    /// The next page of the answer.
    pub fn take(&mut self, page: Page, now: Instant) {
        self.heard = Some(now);
        self.since.get_or_insert(now);
        if page.is_frames() {
            self.take_frames(page.bytes(), now);
            return;
        }
        self.flow = Flow::default();
        let place = self.step(&page);
        // A new connection begins with what is known.
        if !matches!(self.find(&page), Lookup::Same(_)) {
            self.keep(Known {
                page,
                place,
                came: now,
            });
        }
        while let Some(oldest) = self.order.front().and_then(|key| self.pages.get(key)) {
            let is_old = now.saturating_duration_since(oldest.came) > KEPT;
            let is_much = self.n_bytes > KEPT_BYTES_MAX || self.pages.len() > KEPT_PAGES_MAX;
            if !is_old && !is_much {
                return;
            }
            if !is_old {
                // It is not known any more that far back.
                self.since = self.since.max(Some(oldest.came));
            }
            self.forget_oldest();
        }
    }

    fn take_frames(&mut self, bytes: &Bytes, now: Instant) {
        let n_prefix = usize::try_from(self.n_prefix_left).unwrap_or(usize::MAX);
        let n_prefix = n_prefix.min(bytes.len());
        self.n_prefix_left -= n_prefix as u64;
        let bytes = bytes.slice(n_prefix..);
        let Some(place) = &mut self.place else {
            return;
        };
        let is_new = self.flow.take(place, &bytes, now);
        place.offset = place.offset.saturating_add(bytes.len() as u64);
        let gone = self.flow.forget(now);
        // Of a new log nothing before this is known.
        let gone = if is_new { Some(now) } else { gone };
        self.since = self.since.max(gone);
    }

    fn keep(&mut self, known: Known) {
        let key = key(&known.page);
        self.n_bytes += known.page.len();
        match self.pages.insert(key, known) {
            // What it says now is what counts.
            Some(former) => self.n_bytes -= former.page.len(),
            None => {
                self.order.push_back(key);
                let (n_pages, newest) = self.streams.entry(key.0).or_default();
                (*n_pages, *newest) = (*n_pages + 1, key.1);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else {
            return;
        };
        if let Some(known) = self.pages.remove(&key) {
            self.n_bytes -= known.page.len();
        }
        if let Some((n_pages, _)) = self.streams.get_mut(&key.0) {
            *n_pages -= 1;
            if *n_pages == 0 {
                self.streams.remove(&key.0);
            }
        }
    }

    /// The place of a page, and the next one's.
    fn step(&mut self, page: &Page) -> Option<Place> {
        let n_bytes = page.len() as u64;
        if self.n_prefix_left > 0 {
            self.n_prefix_left = self.n_prefix_left.saturating_sub(n_bytes);
            return None;
        }
        let place = self.place.clone();
        if let Some(next) = &mut self.place {
            next.offset = next.offset.saturating_add(n_bytes);
        }
        place
    }

    /// What is known of a page.
    pub fn find(&self, page: &Page) -> Lookup<'_> {
        let (serial, sequence) = key(page);
        if let Some(known) = self.pages.get(&(serial, sequence)) {
            return match known.page == *page {
                true => Lookup::Same(known),
                false => Lookup::Other(known),
            };
        }
        match self.streams.get(&serial) {
            None => Lookup::Stranger,
            // Numbers wrap around.
            Some((_, newest)) if sequence.wrapping_sub(*newest) < u32::MAX / 2 => Lookup::Newer,
            Some(_) => Lookup::Older,
        }
    }

    /// Whether the master is heard: pages come.
    pub fn is_current(&self, now: Instant) -> bool {
        self.heard
            .is_some_and(|heard| now.saturating_duration_since(heard) < SILENCE_MAX)
    }

    /// Whether everything is known that the master sent in so long.
    pub fn covers(&self, age: Duration, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) >= age)
    }

    /// What it sends of MP3 or AAC, if that is what it sends.
    pub fn flow(&self) -> Option<&Flow> {
        (self.flow.n_pieces() > 0).then_some(&self.flow)
    }

    /// How many pages are known, or pieces of MP3 or AAC.
    pub fn n_pages(&self) -> usize {
        self.pages.len() + self.flow.n_pieces()
    }
}

fn key(page: &Page) -> (u32, u32) {
    (page.serial(), page.stamp().sequence)
}

#[cfg(test)]
mod tests {
    use stream::ogg::Stamp;

    use super::*;

    fn page(serial: u32, sequence: u32, body: &[u8]) -> Page {
        let stamp = Stamp {
            serial,
            sequence,
            granule: i64::from(sequence) * 960,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[u8::try_from(body.len()).unwrap()], body)
    }

    fn place(offset: u64) -> Option<Place> {
        Some(Place {
            epoch: "e".into(),
            offset,
        })
    }

    #[test]
    fn a_page_is_the_same_another_older_newer_or_a_strangers() {
        let (mut truth, now) = (Truth::default(), Instant::now());
        for sequence in 5..8 {
            truth.take(page(1, sequence, b"abc"), now);
        }
        assert!(matches!(truth.find(&page(1, 6, b"abc")), Lookup::Same(_)));
        assert!(matches!(truth.find(&page(1, 6, b"abd")), Lookup::Other(_)));
        assert!(matches!(truth.find(&page(1, 4, b"abc")), Lookup::Older));
        assert!(matches!(truth.find(&page(1, 8, b"abc")), Lookup::Newer));
        assert!(matches!(truth.find(&page(2, 6, b"abc")), Lookup::Stranger));
        truth.take(page(3, u32::MAX, b"abc"), now);
        assert!(matches!(truth.find(&page(3, 2, b"abc")), Lookup::Newer));
    }

    #[test]
    fn header_pages_before_the_log_have_no_place_and_the_others_have_theirs() {
        let (mut truth, now) = (Truth::default(), Instant::now());
        let header = page(1, 0, b"header");
        truth.begin(place(1000), header.len() as u64);
        truth.take(header, now);
        let first = page(1, 7, b"abc");
        let n_bytes = first.len() as u64;
        truth.take(first, now);
        truth.take(page(1, 8, b"abcd"), now);
        let known = truth.order.iter().map(|key| &truth.pages[key]);
        let places: Vec<_> = known.map(|known| known.place.clone()).collect();
        assert_eq!(places, [None, place(1000), place(1000 + n_bytes)]);
    }

    #[test]
    fn a_new_connection_keeps_what_is_known_and_when_it_came() {
        let (mut truth, start) = (Truth::default(), Instant::now());
        let later = start + Duration::from_secs(9);
        truth.begin(place(0), 0);
        truth.take(page(1, 5, b"abc"), start);
        truth.end();
        truth.begin(place(0), 0);
        truth.take(page(1, 5, b"abc"), later);
        truth.take(page(1, 6, b"abc"), later);
        assert_eq!(truth.n_pages(), 2);
        let Lookup::Same(known) = truth.find(&page(1, 5, b"abc")) else {
            panic!("it is known");
        };
        assert_eq!(known.came, start);
        assert!(
            !truth.covers(Duration::from_secs(9), later),
            "there was a gap"
        );
    }

    #[test]
    fn it_forgets_what_is_old_or_too_much() {
        let (mut truth, start) = (Truth::default(), Instant::now());
        truth.take(page(1, 0, b"abc"), start);
        truth.take(page(1, 1, b"abc"), start + KEPT + Duration::from_secs(1));
        assert_eq!(truth.n_pages(), 1);
        for sequence in 2..20_000 {
            truth.take(page(1, sequence, b"abc"), start + KEPT);
        }
        assert_eq!(truth.n_pages(), KEPT_PAGES_MAX);
        let body = vec![0; 255];
        for sequence in 20_000..60_000 {
            truth.take(page(1, sequence, &body), start + KEPT);
        }
        assert!(truth.n_bytes <= KEPT_BYTES_MAX, "{}", truth.n_bytes);
        assert!(!truth.covers(KEPT, start + KEPT), "some of it was much");
        let bytes: usize = truth.pages.values().map(|known| known.page.len()).sum();
        assert_eq!(truth.n_bytes, bytes);
    }

    #[test]
    fn silence_is_noticed() {
        let (mut truth, start) = (Truth::default(), Instant::now());
        assert!(!truth.is_current(start));
        truth.take(page(1, 0, b"abc"), start);
        assert!(truth.is_current(start + Duration::from_secs(4)));
        assert!(!truth.is_current(start + SILENCE_MAX));
    }
}
