//! What a listener got, page by page, and what is to be said about it. Pure.

use std::time::Duration;

use anyhow::{Result, bail};
use stream::ogg::{Found, Framer, Stamp};

use crate::http::Head;

/// A player begins when it has so much sound.
pub const PLAYS_AFTER: Duration = Duration::from_secs(1);

/// All that came over one connection.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Status and headers of the answer.
    pub head: Head,
    /// Every byte of the body.
    pub body: Vec<u8>,
    /// The whole pages in it, in order.
    pub pages: Vec<HeardPage>,
    /// Bytes that belong to no page.
    pub n_junk: usize,
    /// When the last byte came, since the request was sent.
    pub last_byte: Duration,
    /// The longest time without a byte, until the last one came.
    pub longest_wait: Duration,
    /// Whether the other side has closed the connection.
    pub has_ended: bool,
}

/// One page and when it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardPage {
    /// Time since the request was sent.
    pub at: Duration,
    /// Its place in the logical stream.
    pub stamp: Stamp,
    /// Where it ends in the body.
    pub end: usize,
    /// Bytes behind the page's head.
    pub n_bytes: usize,
}

impl HeardPage {
    /// Whether a packet of sound ends on it: header pages and empty ones have no time.
    pub fn is_sound(&self) -> bool {
        self.stamp.granule > 0
    }
}

impl Heard {
    /// Takes the next bytes of the body, which came at `at`.
    pub fn take(&mut self, framer: &mut Framer, mut bytes: &[u8], at: Duration) {
        self.body.extend_from_slice(bytes);
        let waited = at.saturating_sub(self.last_byte);
        self.longest_wait = self.longest_wait.max(waited);
        self.last_byte = at;
        let end = self.body.len();
        while let Some(found) = framer.next(&mut bytes) {
            match found {
                Found::Junk { n_bytes, .. } => self.n_junk += n_bytes,
                Found::Page(page) => self.pages.push(HeardPage {
                    at,
                    stamp: page.stamp(),
                    end: end - bytes.len() - framer.n_held(),
                    n_bytes: page.len(),
                }),
            }
        }
    }

    /// The pages with sound.
    pub fn sound(&self) -> impl Iterator<Item = &HeardPage> {
        self.pages.iter().filter(|page| page.is_sound())
    }

    /// Samples between the first and the last page with sound, over all logical streams.
    pub fn n_samples(&self) -> i64 {
        let mut total = 0;
        let mut last: Option<&HeardPage> = None;
        for page in self.sound() {
            if let Some(before) = last.filter(|b| b.stamp.serial == page.stamp.serial) {
                total += page.stamp.granule - before.stamp.granule;
            }
            last = Some(page);
        }
        total
    }

    /// The longest time without a page, from the first page with sound until `now`.
    pub fn longest_gap(&self, now: Duration) -> Duration {
        let mut longest = Duration::ZERO;
        let mut last: Option<Duration> = None;
        for at in self.sound().map(|page| page.at).chain([now]) {
            longest = longest.max(last.map_or(Duration::ZERO, |last| at.saturating_sub(last)));
            last = Some(at);
        }
        longest
    }

    /// Breaks in the page numbers, but for the step from the header pages to where the listener
    /// joined.
    pub fn n_jumps(&self) -> usize {
        let is_jump = |pair: &&[HeardPage]| {
            let (before, page) = (&pair[0].stamp, &pair[1].stamp);
            let is_join = before.granule <= 0 && page.granule > 0;
            let follows = page.sequence == before.sequence.wrapping_add(1);
            before.serial == page.serial && !follows && !is_join
        };
        self.pages.windows(2).filter(is_jump).count()
    }

    /// How long a player would have been silent until `now` that begins when it has
    /// [`PLAYS_AFTER`] of sound and keeps what came before it was due.
    pub fn stalled(&self, now: Duration, rate: u32) -> Duration {
        // Where somebody joined, the first page's length cannot be known.
        let length = |before: Option<&HeardPage>, page: &HeardPage| {
            let n_samples = match before {
                None => 0,
                Some(before) if before.stamp.serial != page.stamp.serial => page.stamp.granule,
                Some(before) => page.stamp.granule - before.stamp.granule,
            };
            Duration::from_secs_f64(n_samples.max(0) as f64 / f64::from(rate))
        };
        let (mut ready, mut stalled) = (Duration::ZERO, Duration::ZERO);
        let mut began: Option<Duration> = None;
        let mut before: Option<&HeardPage> = None;
        for page in self.sound() {
            let played = began.map_or(Duration::ZERO, |began| {
                page.at.saturating_sub(began + stalled)
            });
            stalled += played.saturating_sub(ready);
            ready += length(before, page);
            before = Some(page);
            if began.is_none() && ready >= PLAYS_AFTER {
                began = Some(page.at);
            }
        }
        let played = began.map_or(Duration::ZERO, |began| now.saturating_sub(began + stalled));
        stalled + played.saturating_sub(ready)
    }

    /// Pages that came while the listener was listening, rather than at once at the start.
    pub fn n_live_pages(&self, after: Duration) -> usize {
        let Some(first) = self.sound().next() else {
            return 0;
        };
        let live = first.at + after;
        self.sound().filter(|page| page.at >= live).count()
    }

    /// Checks that nothing is missing and nothing comes twice: page numbers rise by one
    /// (but for the step from the header pages to where the listener joined), granule
    /// positions never fall, no byte is outside a page.
    ///
    /// # Errors
    /// Names the first page that is out of order.
    pub fn check_order(&self) -> Result<()> {
        if self.n_junk > 0 {
            bail!("{} bytes belong to no page", self.n_junk);
        }
        for (n, pair) in self.pages.windows(2).enumerate() {
            let (before, page) = (&pair[0].stamp, &pair[1].stamp);
            if before.serial != page.serial {
                if !page.is_first {
                    bail!("page {} is of another stream, which never began", n + 1);
                }
                continue;
            }
            let is_join = before.granule <= 0 && page.granule > 0;
            if page.sequence != before.sequence.wrapping_add(1) && !is_join {
                bail!(
                    "page {}: number {} follows {}",
                    n + 1,
                    page.sequence,
                    before.sequence
                );
            }
            if page.granule >= 0 && page.granule < before.granule {
                bail!(
                    "page {}: granule position {} follows {}",
                    n + 1,
                    page.granule,
                    before.granule
                );
            }
        }
        Ok(())
    }

    /// The bytes of the log that were heard, and the offset of the first of them
    /// (`Stream-Offset`; the header pages before it are `Stream-Prefix` bytes long).
    ///
    /// # Errors
    /// When the answer does not have these headers.
    pub fn log(&self) -> Result<(u64, &[u8])> {
        let offset = self.head.number("stream-offset")?;
        let prefix = usize::try_from(self.head.number("stream-prefix")?)?;
        Ok((offset, self.body.get(prefix..).unwrap_or_default()))
    }
}

/// Compares two listeners' bytes of one log where they overlap; says how many were equal.
///
/// # Errors
/// When they differ, or do not overlap at all.
pub fn same_bytes(one: (u64, &[u8]), other: (u64, &[u8])) -> Result<usize> {
    let start = one.0.max(other.0);
    let from = |(offset, bytes): (u64, &'_ [u8])| {
        usize::try_from(start - offset)
            .ok()
            .and_then(|skipped| bytes.get(skipped..).map(<[u8]>::to_vec))
            .unwrap_or_default()
    };
    let (one, other) = (from(one), from(other));
    let n_bytes = one.len().min(other.len());
    if n_bytes == 0 {
        bail!("the two listeners have no byte of the log in common");
    }
    match one.iter().zip(&other).position(|(a, b)| a != b) {
        None => Ok(n_bytes),
        Some(at) => bail!("byte {} of the log differs", start + at as u64),
    }
}

#[cfg(test)]
mod tests {
    use stream::ogg::Page;

    use super::*;

    fn page(sequence: u32, granule: i64) -> Page {
        let stamp = Stamp {
            serial: 7,
            sequence,
            granule,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[3], b"abc")
    }

    /// Hears the pages (sequence, granule), one a second.
    fn hear(pages: &[(u32, i64)]) -> Heard {
        let mut heard = Heard::default();
        let mut framer = Framer::new();
        for (n, (sequence, granule)) in (0..).zip(pages) {
            let bytes = page(*sequence, *granule).bytes().clone();
            let (early, late) = bytes.split_at(10);
            heard.take(&mut framer, early, Duration::from_secs(n));
            heard.take(&mut framer, late, Duration::from_secs(n));
        }
        heard
    }

    #[test]
    fn a_join_in_the_middle_is_in_order_but_a_missing_page_is_not() -> Result<()> {
        let joined = hear(&[(0, 0), (1, 0), (70, 4800), (71, 9600)]);
        joined.check_order()?;
        assert_eq!(joined.n_samples(), 4800);
        assert_eq!(
            joined.longest_gap(Duration::from_secs(5)),
            Duration::from_secs(2)
        );
        assert_eq!(joined.pages[3].end, joined.body.len());
        let missing = hear(&[(0, 0), (70, 4800), (72, 9600)]);
        assert!(missing.check_order().is_err());
        let doubled = hear(&[(0, 0), (70, 4800), (70, 4800)]);
        assert!(doubled.check_order().is_err());
        Ok(())
    }

    #[test]
    fn a_player_is_silent_when_what_it_has_is_played() {
        // A burst of 3 s at once, nothing for 5 s, then 9 s at once: silent from 3 s to 5 s.
        let mut heard = hear(&[
            (0, 0),
            (9, 48_000),
            (10, 96_000),
            (11, 144_000),
            (12, 192_000),
        ]);
        for page in &mut heard.pages {
            page.at = Duration::ZERO;
        }
        let mut late = hear(&[(13, 240_000), (14, 672_000)]);
        for page in &mut late.pages {
            page.at = Duration::from_secs(5);
        }
        heard.pages.append(&mut late.pages);
        let stalled = |now| heard.stalled(Duration::from_secs(now), 48_000);
        assert_eq!(stalled(5), Duration::from_secs(2));
        assert_eq!(stalled(15), Duration::from_secs(2));
        assert_eq!(stalled(18), Duration::from_secs(5));
    }

    #[test]
    fn jumps_are_counted_and_a_join_is_none() {
        assert_eq!(hear(&[(0, 0), (1, 0), (70, 4800), (71, 9600)]).n_jumps(), 0);
        assert_eq!(
            hear(&[(0, 0), (70, 4800), (72, 9600), (73, 9700)]).n_jumps(),
            1
        );
    }

    #[test]
    fn bytes_are_compared_where_they_overlap() -> Result<()> {
        assert_eq!(same_bytes((10, b"abcdef"), (12, b"cdefgh"))?, 4);
        assert!(same_bytes((10, b"abcdef"), (12, b"cdXfgh")).is_err());
        assert!(same_bytes((10, b"abc"), (13, b"def")).is_err());
        Ok(())
    }
}
