//! What earlier runs of the source left in the spool and the master has not got. Their
//! newest sound is still sent, before the new, if it is young enough; the rest waits for an
//! archive.

use std::path::Path;
use std::time::Duration;

use stream::ogg::{Codec, Page};
use tracing::warn;

use super::marks::Mark;
use super::shelf::Shelf;

/// A source that ended more often than this within the time that is caught up: the oldest
/// remains wait for an archive.
const REMAINS_MAX: usize = 8;

/// The end of a logical stream that another run of the source began.
#[derive(Debug)]
pub struct Remains {
    /// Which of the spool's logical streams.
    pub link: u32,
    /// Its serial number.
    pub serial: u32,
    /// A decoder needs them first.
    pub headers: Vec<Page>,
    /// What the server may not have, the last one marked as the end.
    pub pages: Vec<Page>,
    /// Since its last page was written.
    pub age: Duration,
    /// The number behind its last page with sound.
    pub end: u64,
}

/// Finds them. What is too old, `catch_up` and more, becomes a hole.
pub fn find(folder: &Path, shelf: &mut Shelf, catch_up: Duration) -> Vec<Remains> {
    let mut all = Vec::new();
    for link in shelf.links() {
        let Some(extent) = shelf.extent(link) else {
            continue;
        };
        let serial = shelf
            .segments
            .iter()
            .find(|s| s.link == link)
            .map(|s| s.serial);
        let mut mark = shelf.marks.find(link).cloned().unwrap_or_else(|| Mark {
            number: link,
            serial: serial.unwrap_or_default(),
            is_confirmed: true,
            acknowledged: extent.start,
            holes: super::marks::Holes::default(),
        });
        let unsent = mark.acknowledged.max(extent.start)..extent.end;
        if unsent.is_empty() {
            continue;
        }
        let found = read(folder, shelf, link, unsent.start, catch_up);
        let is_live = |remains: &Remains| mark.is_confirmed && remains.age < catch_up;
        match found.filter(is_live) {
            Some(remains) => {
                let first = remains.pages.first().map(|p| u64::from(p.stamp().sequence));
                mark.holes.add(unsent.start..first.unwrap_or(unsent.end));
                all.push(remains);
            }
            None => mark.holes.add(unsent),
        }
        shelf.marks.set(mark);
    }
    let n_surplus = all.len().saturating_sub(REMAINS_MAX);
    for remains in all.drain(..n_surplus) {
        give_up(shelf, remains.link, remains.end);
    }
    all
}

/// What of a logical stream is not acknowledged up to `end` will not be sent live any more.
/// Says how many pages that are.
pub fn give_up(shelf: &mut Shelf, link: u32, end: u64) -> u64 {
    let Some(mut mark) = shelf.marks.find(link).cloned() else {
        return 0;
    };
    let n_before = mark.holes.n_pages();
    let kept_from = shelf.extent(link).map_or(0, |extent| extent.start);
    mark.holes.add(mark.acknowledged.max(kept_from)..end);
    let n_pages = mark.holes.n_pages() - n_before;
    shelf.marks.set(mark);
    n_pages
}

/// The newest `catch_up` of sound of a logical stream from page `from` on.
fn read(folder: &Path, shelf: &Shelf, link: u32, from: u64, catch_up: Duration) -> Option<Remains> {
    let segments = shelf.segments.iter().filter(|s| s.link == link).rev();
    let newest = segments.clone().next()?;
    let age = age(folder, &newest.name())?;
    let mut remains = Remains {
        link,
        serial: newest.serial,
        headers: Vec::new(),
        pages: Vec::new(),
        age,
        end: newest.pages.end,
    };
    let mut expected = newest.pages.end;
    let mut length = Duration::ZERO;
    // Back from the newest until enough is there, or a gap.
    for segment in segments {
        if segment.pages.end != expected || length > catch_up || expected <= from {
            break;
        }
        let content = match segment.read(folder) {
            Ok(content) => content,
            Err(error) => {
                warn!("the spool's {} cannot be read: {error}", segment.name());
                break;
            }
        };
        length += segment.length;
        expected = segment.pages.start;
        remains.headers = content.headers;
        remains.pages.splice(0..0, content.pages);
    }
    remains.keep_newest(from, catch_up);
    (!remains.pages.is_empty()).then_some(remains)
}

impl Remains {
    /// Leaves what comes before page `from` or is older than `catch_up`, and ends the logical
    /// stream, if its own last page does not.
    pub fn keep_newest(&mut self, from: u64, catch_up: Duration) {
        let granules = self.pages.iter().map(|page| page.stamp().granule);
        let newest = granules.max().unwrap_or_default();
        let is_old = |page: &Page| {
            let stamp = page.stamp();
            let behind = super::segment::length(newest.saturating_sub(stamp.granule));
            u64::from(stamp.sequence) < from || behind > catch_up
        };
        let n_old = self.pages.iter().take_while(|page| is_old(page)).count();
        self.pages.drain(..n_old);
        self.end();
    }

    fn end(&mut self) {
        let Some(last) = self.pages.last().map(Page::stamp) else {
            return;
        };
        if last.is_last {
            return;
        }
        let first_packet = self.headers.first().map_or(&[][..], Page::body);
        let codec = Codec::of(first_packet);
        self.pages.push(Page::end_of(&last, codec.silent_packet()));
    }
}

/// How long ago the file was written; a clock that was set back makes it young.
fn age(folder: &Path, name: &str) -> Option<Duration> {
    let modified = folder.join(name).metadata().ok()?.modified().ok()?;
    Some(modified.elapsed().unwrap_or_default())
}
