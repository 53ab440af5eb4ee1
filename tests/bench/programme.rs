//! The sound of the benchmark: one minute of an Ogg file, repeated without an end. Pure.
//!
//! Each repetition goes on with sequence and granule numbers, so that all of it is one
//! logical stream, as from a source that never stops.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use stream::ogg::granule::time;
use stream::ogg::{Codec, Found, Framer, Page, Stamp};

/// A minute of sound, taken apart.
#[derive(Debug)]
pub(crate) struct Programme {
    /// All header pages.
    pub(crate) headers: Bytes,
    n_header_pages: u32,
    pages: Vec<Page>,
    rate_hertz: u32,
}

/// A page and the time at which it is due.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// From the programme's beginning.
    pub(crate) at: Duration,
    /// The page.
    pub(crate) page: Page,
}

impl Programme {
    /// Takes the bytes of an Ogg file with one logical stream apart.
    ///
    /// # Errors
    /// When it is something else, or damaged.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self> {
        let mut framer = Framer::new();
        let mut headers = BytesMut::new();
        let (mut n_header_pages, mut pages, mut rate) = (0, Vec::new(), None);
        while let Some(found) = framer.next(&mut bytes) {
            let Found::Page(page) = found else {
                anyhow::bail!("the file is damaged: {found:?}");
            };
            if page.stamp().is_first {
                let packet = page.packets().next().map_or(&[][..], |(packet, _)| packet);
                ensure!(rate.is_none(), "the file has more than one logical stream");
                rate = Codec::of(packet).rate_hertz();
            }
            if page.stamp().granule == 0 {
                headers.extend_from_slice(page.bytes());
                n_header_pages += 1;
            } else {
                pages.push(page);
            }
        }
        ensure!(!pages.is_empty(), "the file holds no sound");
        Ok(Self {
            headers: headers.freeze(),
            n_header_pages,
            pages,
            rate_hertz: rate.context("the file's first page names no rate")?,
        })
    }

    /// All pages with sound, again and again.
    pub(crate) fn endless(&self) -> impl Iterator<Item = Due> + '_ {
        let length = self.pages.last().map_or(0, |page| page.stamp().granule);
        (0i64..).flat_map(move |round| {
            let pages = self.pages.iter().enumerate();
            pages.map(move |(n, page)| self.page(page, n, round, length))
        })
    }

    fn page(&self, page: &Page, n: usize, round: i64, length: i64) -> Due {
        let before = round.unsigned_abs() * self.pages.len() as u64;
        let sequence = u64::from(self.n_header_pages) + before + n as u64;
        let old = page.stamp();
        // Below 0: no packet ends on this page.
        let granule = match old.granule {
            granule if granule < 0 => granule,
            granule => granule + round * length,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "sequence numbers wrap (RFC 3533 §6)"
        )]
        let stamp = Stamp {
            sequence: sequence as u32,
            granule,
            is_last: false,
            ..old
        };
        Due {
            at: time(granule, self.rate_hertz).unwrap_or_default(),
            page: page.restamped(stamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sequence: u32, granule: i64, body: &[u8]) -> Page {
        let stamp = Stamp {
            serial: 7,
            sequence,
            granule,
            is_continued: false,
            is_first: sequence == 0,
            is_last: sequence == 3,
        };
        let n_bytes = u8::try_from(body.len()).unwrap();
        Page::build(stamp, &[n_bytes], body)
    }

    #[test]
    fn repetitions_are_one_faultless_stream() {
        let head = b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\0";
        let pages = [
            page(0, 0, head),
            page(1, 0, b"OpusTags"),
            page(2, 48_000, b"a"),
            page(3, 96_000, b"b"),
        ];
        let file: Vec<u8> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
        let programme = Programme::parse(&file).unwrap();
        assert_eq!(programme.headers.len(), pages[0].len() + pages[1].len());
        for (n, due) in (0..9).zip(programme.endless()) {
            let stamp = due.page.stamp();
            assert_eq!(stamp.sequence, n + 2);
            assert_eq!(due.at, Duration::from_secs(u64::from(n) + 1));
            assert!(!stamp.is_last && !stamp.is_first);
        }
        assert!(Programme::parse(&file[1..]).is_err());
        assert!(Programme::parse(&file[..60]).is_err());
    }
}
