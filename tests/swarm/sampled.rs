//! A listener who is listened to closely: every page checked, timed and played. Pure.

use std::time::{Duration, Instant};

use stream::ogg::granule::time;
use stream::ogg::{Codec, Found, Framer, Page, Stamp};

use crate::arrivals::Arrivals;
use crate::opening::Head;
use crate::outcome::Sample;
use crate::player::Player;

/// Logical streams that are followed in one listener's answer.
const STREAMS_MAX: usize = 16;

/// One of the sample.
#[derive(Debug)]
pub(crate) struct Sampled {
    framer: Framer,
    player: Player,
    joined: Instant,
    /// Names the log: a mark of its ETag, or 0.
    epoch: u64,
    /// Where in the log the next byte is, as long as that is certain.
    offset: Option<u64>,
    n_prefix_left: u64,
    /// The newest stamp of each logical stream.
    newest: Vec<Stamp>,
    /// The stream that tells the time, and its rate.
    clock: Option<(u32, u32)>,
}

impl Sampled {
    /// Somebody who began to connect at `joined` and got this head.
    pub(crate) fn new(joined: Instant, head: &Head) -> Self {
        Self {
            framer: Framer::new(),
            player: Player::new(),
            joined,
            epoch: head.etag.as_deref().map_or(0, mark),
            offset: head.stream_offset,
            n_prefix_left: head.stream_prefix,
            newest: Vec::new(),
            clock: None,
        }
    }

    /// Takes bytes that came at `now`. Lags of pages go to `lag`, but not those of the burst.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        now: Instant,
        arrivals: &mut Arrivals,
        counts: &mut Sample,
        mut lag: impl FnMut(Duration),
    ) {
        while let Some(found) = self.framer.next(&mut bytes) {
            match found {
                Found::Junk { n_bytes, .. } => {
                    counts.n_bad += 1;
                    self.offset = self.offset.map(|offset| offset + n_bytes as u64);
                }
                Found::Page(page) => {
                    counts.n_pages += 1;
                    let offset = self.place(&page);
                    if !self.follows(&page.stamp()) {
                        counts.n_gaps += 1;
                        // The server moved him on: nobody can say to where.
                        self.offset = None;
                    }
                    self.listen(&page, now);
                    if page.stamp().granule == 0 {
                        continue;
                    }
                    let arrival = arrivals.note(self.epoch, &page, offset, now);
                    counts.n_different += u64::from(!arrival.is_same);
                    if arrival.first_at > self.joined {
                        lag(arrival.lag);
                    }
                }
            }
        }
    }

    /// How often his player fell silent, and for how long.
    pub(crate) fn finish(self, now: Instant) -> (u64, Duration) {
        self.player.finish(now)
    }

    /// The page's offset in the log, if it is in the log and that is known.
    fn place(&mut self, page: &Page) -> Option<u64> {
        let n_bytes = page.len() as u64;
        if self.n_prefix_left > 0 {
            self.n_prefix_left = self.n_prefix_left.saturating_sub(n_bytes);
            return None;
        }
        if page.stamp().is_first && !self.newest.is_empty() {
            // Another link. Of the same log or of the one that followed: who knows.
            self.offset = None;
        }
        let offset = self.offset;
        self.offset = offset.map(|offset| offset + n_bytes);
        offset
    }

    /// Whether the page is the next of its logical stream. Between the header pages and the
    /// first page with sound lies all that he missed before he joined.
    fn follows(&mut self, stamp: &Stamp) -> bool {
        let known = self.newest.iter().position(|s| s.serial == stamp.serial);
        let Some(at) = known else {
            if self.newest.len() == STREAMS_MAX {
                self.newest.remove(0);
            }
            self.newest.push(*stamp);
            return stamp.is_first;
        };
        let before = std::mem::replace(&mut self.newest[at], *stamp);
        let is_next = stamp.sequence == before.sequence.wrapping_add(1);
        let joins = before.granule == 0 && stamp.granule != 0;
        is_next || joins || stamp.is_first
    }

    fn listen(&mut self, page: &Page, now: Instant) {
        let stamp = page.stamp();
        if stamp.is_first {
            let packet = page.packets().next().map_or(&[][..], |(packet, _)| packet);
            let rate = Codec::of(packet).rate_hertz();
            self.clock = rate.map(|rate| (stamp.serial, rate));
            self.player.next_link();
        }
        if let Some((serial, rate)) = self.clock
            && serial == stamp.serial
            && stamp.granule > 0
            && let Some(position) = time(stamp.granule, rate)
        {
            self.player.take(position, now);
        }
    }
}

/// A number that is the same for the same text (FNV-1a).
fn mark(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |mark, byte| {
        (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sequence: u32, granule: i64, body: u8) -> Page {
        let stamp = Stamp {
            serial: 7,
            sequence,
            granule,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[100], &[body; 100])
    }

    /// What is counted, and how many lags, when these pages come to a second listener after
    /// a first one got pages 0, 1 (headers) and 2 to 9, all whole.
    fn check(pages: &[Page], offset: u64) -> (Sample, usize) {
        let head = |offset| Head {
            stream_offset: Some(offset),
            stream_prefix: 256,
            ..Head::default()
        };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut arrivals = Arrivals::default();
        let mut counts = Sample::default();
        let mut first = Sampled::new(at(0), &head(1000));
        for n in 0..10 {
            let page = page(n, i64::from(n) / 2 * 960, 1);
            let now = at(u64::from(n) * 100);
            first.take(page.bytes(), now, &mut arrivals, &mut counts, |_| ());
        }
        assert_eq!(
            (counts.n_pages, counts.n_gaps, counts.n_different),
            (10, 0, 0)
        );
        let mut second = Sampled::new(at(650), &head(offset));
        let mut counts = Sample::default();
        let mut n_lags = 0;
        for page in pages {
            let lag = |_| n_lags += 1;
            second.take(page.bytes(), at(2_000), &mut arrivals, &mut counts, lag);
        }
        (counts, n_lags)
    }

    fn headers_then(more: &[Page]) -> Vec<Page> {
        [&[page(0, 0, 1), page(1, 0, 1)], more].concat()
    }

    #[test]
    fn the_same_pages_at_the_same_offsets_are_right_and_the_burst_has_no_lag() {
        let pages: Vec<_> = (5..10)
            .map(|n| page(n, i64::from(n) / 2 * 960, 1))
            .collect();
        let (counts, n_lags) = check(&headers_then(&pages), 1000 + 3 * 128);
        assert_eq!((counts.n_gaps, counts.n_bad, counts.n_different), (0, 0, 0));
        assert_eq!((counts.n_pages, n_lags), (7, 3));
    }

    #[test]
    fn a_missing_page_is_a_gap() {
        let pages = [page(5, 1920, 1), page(7, 2880, 1)];
        assert_eq!(check(&headers_then(&pages), 1384).0.n_gaps, 1);
    }

    #[test]
    fn other_bytes_or_another_offset_are_different() {
        let pages = headers_then(&[page(5, 1920, 2)]);
        assert_eq!(check(&pages, 1384).0.n_different, 1);
        let pages = headers_then(&[page(5, 1920, 1)]);
        assert_eq!(check(&pages, 1385).0.n_different, 1);
    }
}
