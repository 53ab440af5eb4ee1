//! Pages that a source sent later than live, for its recordings: a back-fill. They stand in files of
//! their own beside the logs, under the numbers that the source gave them.
//!
//! ```text
//! fills/<serial>-<first>-<next>.ogg   whole pages, without header pages
//! fills/<serial>-<first>-open.ogg     the same, being written
//! fills/<serial>.headers              the header pages of that stream
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use stream::ogg::{Found, Framer, Links, Page, Role};
use tracing::warn;

/// The folder in that of a mount.
pub(crate) const FOLDER: &str = "fills";
/// A file is closed when it has so many bytes.
const FILL_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What the name of a file that is being written ends with.
const OPEN: &str = "open";

/// A file of them.
#[derive(Clone, Debug)]
pub(super) struct Fill {
    pub(super) file: PathBuf,
    /// Serial number of the logical stream, as the source has it.
    pub(super) serial: u32,
    /// The source's numbers of its pages.
    pub(super) pages: Range<u64>,
    n_bytes: u64,
}

/// All of a mount's folder that are whole.
pub(super) fn all(mount: &Path) -> Vec<Fill> {
    let entries = fs::read_dir(mount.join(FOLDER)).into_iter().flatten();
    let fills = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let (serial, first, next) = parse(name.to_str()?)?;
        Some(Fill {
            serial,
            pages: first..next?,
            n_bytes: entry.metadata().ok()?.len(),
            file: entry.path(),
        })
    });
    fills.collect()
}

/// The header pages of a logical stream.
///
/// # Errors
/// When they cannot be read.
pub(super) fn headers(mount: &Path, serial: u32) -> io::Result<Bytes> {
    fs::read(headers_file(&mount.join(FOLDER), serial)).map(Bytes::from)
}

fn headers_file(folder: &Path, serial: u32) -> PathBuf {
    folder.join(format!("{serial:08x}.headers"))
}

/// The serial number, the first page, and, if the file is whole, the page that would follow.
fn parse(name: &str) -> Option<(u32, u64, Option<u64>)> {
    let parts: Vec<&str> = name.strip_suffix(".ogg")?.split('-').collect();
    let [serial, first, next] = parts[..] else {
        return None;
    };
    let serial = u32::from_str_radix(serial, 16).ok()?;
    let first = first.parse().ok()?;
    let next = if next == OPEN {
        None
    } else {
        Some(next.parse().ok().filter(|next| *next > first)?)
    };
    Some((serial, first, next))
}

/// Which fills hold these pages of a logical stream, and which of them each. `None`: not all are
/// there.
pub(super) fn cover(
    fills: &[Fill],
    serial: u32,
    wanted: Range<u64>,
) -> Option<Vec<(&Fill, Range<u64>)>> {
    let mut found = Vec::new();
    let mut at = wanted.start;
    while at < wanted.end {
        let here = fills
            .iter()
            .filter(|fill| fill.serial == serial && fill.pages.contains(&at))
            .max_by_key(|fill| fill.pages.end)?;
        let to = here.pages.end.min(wanted.end);
        found.push((here, at..to));
        at = to;
    }
    Some(found)
}

/// How far the pages of a logical stream are there from this one on, without a hole.
pub(super) fn reach(fills: &[Fill], serial: u32, from: u64) -> u64 {
    let mut at = from;
    let next = |at: u64| {
        let here = fills
            .iter()
            .filter(|fill| fill.serial == serial && fill.pages.contains(&at));
        here.map(|fill| fill.pages.end).max()
    };
    while let Some(end) = next(at) {
        at = end;
    }
    at
}

impl Fill {
    /// Where these of its pages begin in the file, and how many bytes they have.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(super) fn place(&self, wanted: &Range<u64>) -> io::Result<(u64, u64)> {
        if *wanted == self.pages {
            return Ok((0, self.n_bytes));
        }
        let (mut from, mut n_bytes) = (0, 0);
        for page in pages(&self.file)? {
            let sequence = u64::from(page.stamp().sequence);
            if sequence < wanted.start {
                from += page.len() as u64;
            } else if sequence < wanted.end {
                n_bytes += page.len() as u64;
            }
        }
        Ok((from, n_bytes))
    }

    /// When it was written, in milliseconds since 1970.
    pub(super) fn written_ms(&self) -> i64 {
        let written = self.file.metadata().and_then(|about| about.modified());
        let written = written.ok().and_then(|at| Timestamp::try_from(at).ok());
        written.unwrap_or_default().as_millisecond()
    }

    /// The page of this number.
    ///
    /// # Errors
    /// When it cannot be read, or is not there.
    pub(super) fn page(&self, number: u64) -> io::Result<Page> {
        let mut pages = pages(&self.file)?.into_iter();
        let page = pages.find(|page| u64::from(page.stamp().sequence) == number);
        page.ok_or_else(|| super::stretch::damaged(&self.file))
    }
}

/// The whole pages at the beginning of a file.
fn pages(file: &Path) -> io::Result<Vec<Page>> {
    let bytes = fs::read(file)?;
    let (mut framer, mut input) = (Framer::new(), bytes.as_slice());
    let mut pages = Vec::new();
    while let Some(Found::Page(page)) = framer.next(&mut input) {
        pages.push(page);
    }
    Ok(pages)
}

/// Closes the files that were being written when the program ended.
pub(super) fn mend(mount: &Path) {
    let entries = fs::read_dir(mount.join(FOLDER)).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if let Some((serial, first, None)) = name.to_str().and_then(parse)
            && let Err(error) = mend_one(&entry.path(), serial, first)
        {
            warn!("{} is left as it is: {error}", entry.path().display());
        }
    }
}

fn mend_one(path: &Path, serial: u32, first: u64) -> io::Result<()> {
    let whole = pages(path)?;
    if whole.is_empty() {
        return fs::remove_file(path);
    }
    let n_bytes = whole.iter().map(|page| page.len() as u64).sum();
    File::options().write(true).open(path)?.set_len(n_bytes)?;
    rename(path, serial, first..first + whole.len() as u64)
}

fn rename(path: &Path, serial: u32, pages: Range<u64>) -> io::Result<()> {
    let name = format!("{serial:08x}-{:010}-{:010}.ogg", pages.start, pages.end);
    fs::rename(path, path.with_file_name(name))
}

/// Writes what one connection brings.
#[derive(Debug)]
pub(super) struct Filling {
    folder: PathBuf,
    serial: u32,
    links: Links,
    open: Option<Open>,
    /// The number behind the newest page.
    next: Option<u64>,
}

/// A file that is being written.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    pages: Range<u64>,
    n_bytes: u64,
}

impl Filling {
    /// For the logical stream of this serial number, in the folder of a mount.
    pub(super) fn new(mount: &Path, serial: u32) -> Self {
        Self {
            folder: mount.join(FOLDER),
            serial,
            links: Links::new(),
            open: None,
            next: None,
        }
    }

    /// Takes the next page: first the header pages, then others, in the order of their numbers.
    ///
    /// # Errors
    /// `InvalidData` when it does not belong here; else the disk's own.
    pub(super) fn take(&mut self, page: &Page) -> io::Result<()> {
        let stamp = page.stamp();
        let role = self.links.take(page);
        let role = role.map_err(|why| io::Error::new(ErrorKind::InvalidData, why.to_string()))?;
        let number = u64::from(stamp.sequence);
        let is_late = self.next.is_some_and(|next| number < next);
        if stamp.serial != self.serial || is_late {
            let why = "a page that does not follow the one before";
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        if let Role::HeadersComplete(link) = &role {
            fs::create_dir_all(&self.folder)?;
            fs::write(headers_file(&self.folder, self.serial), &link.prefix)?;
        }
        let Role::Data(_) = role else {
            return Ok(());
        };
        let fits = |open: &Open| open.pages.end == number && open.n_bytes < FILL_BYTES_MAX;
        if !self.open.as_ref().is_some_and(fits) {
            self.close()?;
            self.open = Some(Open::create(&self.folder, self.serial, number)?);
        }
        if let Some(open) = &mut self.open {
            open.add(page)?;
        }
        self.next = Some(number + 1);
        Ok(())
    }

    /// Gets all of it onto the disk itself, and gives the number behind its newest page.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn confirm(&mut self) -> io::Result<Option<u64>> {
        if let Some(open) = &self.open {
            open.file.sync_data()?;
        }
        Ok(self.next)
    }

    /// Closes the file that is being written: from now on its pages are heard.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        if open.pages.is_empty() {
            return fs::remove_file(open.path);
        }
        open.file.sync_data()?;
        rename(&open.path, self.serial, open.pages)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        // What a broken connection has brought is whole, too.
        if let Err(error) = self.close() {
            warn!("the end of a back-fill is closed at the next start: {error}");
        }
    }
}

impl Open {
    fn create(folder: &Path, serial: u32, first: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{serial:08x}-{first:010}-{OPEN}.ogg"));
        Ok(Self {
            file: File::create(&path)?,
            path,
            pages: first..first,
            n_bytes: 0,
        })
    }

    fn add(&mut self, page: &Page) -> io::Result<()> {
        if let Err(error) = self.file.write_all(page.bytes()) {
            let _ = self.file.set_len(self.n_bytes);
            return Err(error);
        }
        self.n_bytes += page.len() as u64;
        self.pages.end += 1;
        Ok(())
    }
}
