//! The beginning of an answer: its head, and where the first page with sound ends. Pure.
//!
//! Looks at page headers only and checks nothing: there may be thousands of these at once.

use anyhow::{Context, Result, bail};

/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// Bytes of a page before its segment table (RFC 3533 §6).
const PAGE_HEADER_BYTES: usize = 27;

/// What stands before the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Such as 200.
    pub(crate) status: u16,
    /// Where to go instead.
    pub(crate) location: Option<String>,
    /// Which log the bytes are of.
    pub(crate) etag: Option<String>,
    /// Where in the log they begin, behind the prefix.
    pub(crate) stream_offset: Option<u64>,
    /// How many bytes come before that.
    pub(crate) stream_prefix: u64,
}

impl Head {
    /// Reads a head from the front of `bytes` and says how long it is. `None`: more is needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut lines);
        let parsed = response.parse(bytes).context("not an HTTP answer")?;
        let httparse::Status::Complete(n_bytes) = parsed else {
            if bytes.len() > HEAD_BYTES_MAX {
                bail!("the head of the answer has more than {HEAD_BYTES_MAX} bytes");
            }
            return Ok(None);
        };
        let header = |name: &str| {
            let mut headers = response.headers.iter();
            let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).into_owned())
        };
        let number = |name: &str| header(name)?.parse().ok();
        let head = Self {
            status: response.code.unwrap_or(0),
            location: header("location"),
            etag: header("etag"),
            stream_offset: number("stream-offset"),
            stream_prefix: number("stream-prefix").unwrap_or(0),
        };
        Ok(Some((head, n_bytes)))
    }
}

/// Walks from page to page until one with sound has come.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The page header that is arriving.
    header: Vec<u8>,
    n_body_left: usize,
}

impl Walk {
    /// Takes bytes. `true`: a whole page with sound has come, or it is something else than Ogg.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let n_body = self.n_body_left.min(bytes.len());
            bytes = &bytes[n_body..];
            self.n_body_left -= n_body;
            if self.n_body_left > 0 {
                return false;
            }
            if self.has_sound() {
                return true;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return false;
            };
            if self.is_whole() {
                self.header.clear();
            }
            bytes = rest;
            self.header.push(byte);
            if !b"OggS".starts_with(&self.header[..self.header.len().min(4)]) {
                return true;
            }
            if self.is_whole() {
                let table = &self.header[PAGE_HEADER_BYTES..];
                self.n_body_left = table.iter().map(|n| usize::from(*n)).sum();
            }
        }
    }

    fn is_whole(&self) -> bool {
        let n_segments = self.header.get(PAGE_HEADER_BYTES - 1);
        n_segments.is_some_and(|n| self.header.len() == PAGE_HEADER_BYTES + usize::from(*n))
    }

    /// Pages of header packets have granule position 0.
    fn has_sound(&self) -> bool {
        self.is_whole() && self.header[6..14] != [0; 8]
    }
}

#[cfg(test)]
mod tests {
    use stream::ogg::{Page, Stamp};

    use super::*;

    fn page(sequence: u32, granule: i64, n_bytes: u8) -> Page {
        let stamp = Stamp {
            serial: 7,
            sequence,
            granule,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[n_bytes], &vec![0; usize::from(n_bytes)])
    }

    #[test]
    fn the_first_page_with_sound_is_found_however_bytes_are_cut() {
        let mut bytes = Vec::new();
        for (sequence, granule, n_bytes) in [(0, 0, 30), (1, 0, 0), (2, 960, 200)] {
            bytes.extend_from_slice(page(sequence, granule, n_bytes).bytes());
        }
        for step in 1..bytes.len() {
            let mut walk = Walk::default();
            let mut n_taken = 0;
            let mut chunks = bytes.chunks(step);
            let found = chunks.find(|chunk| {
                n_taken += chunk.len();
                walk.take(chunk)
            });
            assert!(found.is_some(), "steps of {step}");
            assert_eq!(n_taken, bytes.len(), "steps of {step}");
        }
    }

    #[test]
    fn other_formats_begin_at_once() {
        assert!(Walk::default().take(b"ID3"));
        assert!(!Walk::default().take(b"Og"));
    }

    #[test]
    fn a_head_is_read_and_what_is_not_one_refused() {
        let bytes = b"HTTP/1.1 200 OK\r\nstream-offset: 12\r\nStream-Prefix: 3\r\n\r\nOgg";
        let (head, n_bytes) = Head::parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.stream_offset), (200, Some(12)));
        assert_eq!((head.stream_prefix, &bytes[n_bytes..]), (3, &b"Ogg"[..]));
        assert_eq!(Head::parse(&bytes[..30]).unwrap(), None);
        assert!(Head::parse(b"SSH-2.0\r\n").is_err());
    }
}
