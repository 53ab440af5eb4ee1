//! One file of a spool: what its name says, how it is written, read and mended.
//!
//! A segment begins with the header pages of its logical stream, so that each plays by
//! itself. While it is being written its name says only where it begins; when it is closed
//! it is renamed, and the name says all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use stream::ogg::{Found, Framer, Page};

use crate::encoder::RATE;

/// A segment is closed when it holds this much sound.
pub const SEGMENT_MAX: Duration = Duration::from_secs(60);

/// A segment is closed when it has so many bytes, and no longer one is read.
pub const SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What the name of a segment that is being written ends with.
const OPEN: &str = "open";

/// What there is in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Counts the logical streams of the spool.
    pub link: u32,
    /// Serial number of the logical stream.
    pub serial: u32,
    /// The pages with sound that are in it.
    pub pages: Range<u64>,
    /// Its length.
    pub n_bytes: u64,
    /// How much sound.
    pub length: Duration,
    /// Nothing more will be added.
    pub is_closed: bool,
}

impl Segment {
    /// What a file's name says.
    pub fn parse(name: &str, n_bytes: u64) -> Option<Self> {
        let parts: Vec<_> = name.strip_suffix(".ogg")?.split('-').collect();
        let (link, serial, first, rest) = match parts[..] {
            [link, serial, first, OPEN] => (link, serial, first, None),
            [link, serial, first, next, ms] => (link, serial, first, Some((next, ms))),
            _ => return None,
        };
        let first: u64 = first.parse().ok()?;
        let (next, ms) = match rest {
            Some((next, ms)) => (next.parse().ok()?, ms.strip_suffix("ms")?.parse().ok()?),
            None => (first, 0),
        };
        (next >= first).then_some(Self {
            link: link.parse().ok()?,
            serial: u32::from_str_radix(serial, 16).ok()?,
            pages: first..next,
            n_bytes,
            length: Duration::from_millis(ms),
            is_closed: rest.is_some(),
        })
    }

    /// The file's name. Names in alphabetical order are segments in the order of time.
    pub fn name(&self) -> String {
        let (link, serial, pages) = (self.link, self.serial, &self.pages);
        let begin = format!("{link:06}-{serial:08x}-{:010}", pages.start);
        if self.is_closed {
            format!(
                "{begin}-{:010}-{}ms.ogg",
                pages.end,
                self.length.as_millis()
            )
        } else {
            format!("{begin}-{OPEN}.ogg")
        }
    }

    /// The header pages, and the pages with sound that stand in the file. A page that is
    /// torn, and whatever comes behind it, is not there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, folder: &Path) -> io::Result<Content> {
        let mut bytes = Vec::new();
        File::open(folder.join(self.name()))?
            .take(SEGMENT_BYTES_MAX * 2)
            .read_to_end(&mut bytes)?;
        Ok(Content::of(&bytes, self.serial, self.pages.start))
    }

    /// Mends a segment that was being written when its source ended: cuts it behind its last
    /// whole page and closes it. `None`: there was no page with sound in it, it is gone.
    ///
    /// # Errors
    /// When the file cannot be read, cut or renamed.
    pub fn mend(mut self, folder: &Path) -> io::Result<Option<Self>> {
        let content = self.read(folder)?;
        let path = folder.join(self.name());
        if content.pages.is_empty() {
            fs::remove_file(path)?;
            return Ok(None);
        }
        File::options()
            .write(true)
            .open(&path)?
            .set_len(content.n_bytes)?;
        self.n_bytes = content.n_bytes;
        self.pages.end = self.pages.start + content.pages.len() as u64;
        self.length = content.length();
        self.is_closed = true;
        fs::rename(path, folder.join(self.name()))?;
        Ok(Some(self))
    }
}

/// What was read from a file.
#[derive(Debug, Default)]
pub struct Content {
    /// A decoder needs them first.
    pub headers: Vec<Page>,
    /// With sound, without a gap in their numbers.
    pub pages: Vec<Page>,
    /// How long the file is up to the end of the last of them.
    pub n_bytes: u64,
}

impl Content {
    fn of(bytes: &[u8], serial: u32, first: u64) -> Self {
        let mut content = Self::default();
        let (mut framer, mut rest) = (Framer::new(), bytes);
        while let Some(Found::Page(page)) = framer.next(&mut rest) {
            let stamp = page.stamp();
            let expected = first + content.pages.len() as u64;
            if stamp.serial != serial {
                break;
            }
            if u64::from(stamp.sequence) == expected {
                content.pages.push(page);
            } else if content.pages.is_empty() {
                content.headers.push(page);
            } else {
                break;
            }
            content.n_bytes = (bytes.len() - rest.len() - framer.n_held()) as u64;
        }
        content
    }

    /// How much sound, without the first page, whose beginning is not known.
    fn length(&self) -> Duration {
        let mut granules = self.pages.iter().map(|page| page.stamp().granule);
        let first = granules.find(|granule| *granule >= 0).unwrap_or_default();
        let last = granules.max().unwrap_or(first);
        length(last.saturating_sub(first))
    }
}

/// A length in samples as one in time.
pub fn length(n_samples: i64) -> Duration {
    let n_samples = u64::try_from(n_samples).unwrap_or(0);
    Duration::from_micros(n_samples.saturating_mul(1_000_000) / u64::from(RATE))
}

/// How many samples so much sound has.
pub fn samples(length: Duration) -> i64 {
    i64::try_from(length.as_millis().saturating_mul(u128::from(RATE)) / 1000).unwrap_or(i64::MAX)
}

/// A segment that is being written.
#[derive(Debug)]
pub struct Open {
    file: File,
    /// What there is in it so far.
    pub segment: Segment,
    /// Where its sound began, in samples.
    began: i64,
}

impl Open {
    /// Creates the file, with the header pages in it. `began`: where the sound of `first`
    /// begins.
    ///
    /// # Errors
    /// When the disk is full, or worse.
    pub fn create(
        folder: &Path,
        headers: &[Page],
        first: &Page,
        link: u32,
        began: i64,
    ) -> io::Result<Self> {
        let stamp = first.stamp();
        let at = u64::from(stamp.sequence);
        let segment = Segment {
            link,
            serial: stamp.serial,
            pages: at..at,
            n_bytes: 0,
            length: Duration::ZERO,
            is_closed: false,
        };
        let path = folder.join(segment.name());
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        let mut open = Self {
            file,
            segment,
            began,
        };
        for header in headers {
            if let Err(error) = open.append(header) {
                let _ = fs::remove_file(path);
                return Err(error);
            }
        }
        Ok(open)
    }

    /// Whether this page is the next and there is room for it.
    pub fn takes(&self, page: &Page) -> bool {
        let is_next = self.segment.pages.end == u64::from(page.stamp().sequence);
        is_next
            && self.segment.length < SEGMENT_MAX
            && self.segment.n_bytes + (page.len() as u64) < SEGMENT_BYTES_MAX
    }

    /// Adds a page with sound. After an error the file ends behind the page before.
    ///
    /// # Errors
    /// When the disk is full, or worse.
    pub fn add(&mut self, page: &Page) -> io::Result<()> {
        self.append(page)?;
        self.segment.pages.end += 1;
        let ended = page.stamp().granule.saturating_sub(self.began);
        self.segment.length = self.segment.length.max(length(ended));
        Ok(())
    }

    fn append(&mut self, page: &Page) -> io::Result<()> {
        if let Err(error) = self.file.write_all(page.bytes()) {
            let _ = self.file.set_len(self.segment.n_bytes);
            return Err(error);
        }
        self.segment.n_bytes += page.len() as u64;
        Ok(())
    }

    /// Gets what was written onto the disk itself.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Closes the file and gives it its lasting name.
    ///
    /// # Errors
    /// When the disk fails; the file is mended when the spool is opened the next time.
    pub fn close(mut self, folder: &Path) -> io::Result<Segment> {
        let path = folder.join(self.segment.name());
        if self.segment.pages.is_empty() {
            fs::remove_file(path)?;
            return Ok(self.segment);
        }
        self.segment.is_closed = true;
        fs::rename(path, folder.join(self.segment.name()))?;
        Ok(self.segment)
    }
}
