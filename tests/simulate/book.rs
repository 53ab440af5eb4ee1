//! What is true: which page stands where in which log, and which sound was made. Everybody's
//! pages are compared with it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use source::encoder::RATE;
use stream::log::writer::SKIP_BYTES;
use stream::log::{Epoch, Log};
use stream::ogg::{Page, granule};

/// So much sound that came ahead of its time counts as a store.
const AHEAD_MAX_SECONDS: f64 = 10.0;
/// So many pages may be on their way.
const PAGES_BEHIND_MAX: usize = 25;

/// A page of a source: which run of the source, which number.
pub(crate) type SoundId = (u32, u32);

/// A place in a log.
pub(crate) type Place = (Epoch, u64);

type Logs = HashMap<Epoch, BTreeMap<u64, Entry>>;

#[derive(Default)]
pub(crate) struct Book {
    logs: Logs,
    /// Where the page with this serial number and this number stands.
    index: HashMap<(u32, u32), Vec<Place>>,
    sounds: HashMap<Bytes, SoundId>,
    made: BTreeMap<SoundId, Sound>,
    /// What went wrong first.
    pub(crate) wrong: Option<String>,
}

struct Entry {
    page: Page,
    /// The master has it. What was lost with a master may be kept by others.
    is_alive: bool,
    /// When it was appended first.
    at: Instant,
}

struct Sound {
    made: Instant,
    places: Vec<Place>,
    /// Why it need not be in a log.
    excuse: Option<&'static str>,
    /// It was in one, and nobody can bring it again.
    may_be_lost: bool,
}

impl Book {
    /// Something went wrong.
    pub(crate) fn wrong(&mut self, what: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(what());
        }
    }

    /// A source has made a page of sound.
    pub(crate) fn made(&mut self, id: SoundId, page: &Page, now: Instant) {
        // Where the page before is missing in a log, it is of no use there.
        let excuse = page
            .stamp()
            .is_continued
            .then_some("it goes on with a lost packet");
        let sound = Sound {
            made: now,
            places: Vec::new(),
            excuse,
            may_be_lost: false,
        };
        self.made.insert(id, sound);
        self.sounds.insert(Bytes::copy_from_slice(page.body()), id);
    }

    /// When a page of sound was made.
    pub(crate) fn made_at(&self, id: SoundId) -> Option<Instant> {
        self.made.get(&id).map(|sound| sound.made)
    }

    /// How many pages a run of a source has numbered so far.
    pub(crate) fn n_made(&self, run: u32) -> u32 {
        let newest = self.made.range((run, 0)..(run + 1, 0)).next_back();
        newest.map_or(0, |((_, sequence), _)| sequence + 1)
    }

    /// A page of sound need not come to a log.
    pub(crate) fn excuse(&mut self, id: SoundId, why: &'static str) {
        if let Some(sound) = self.made.get_mut(&id) {
            sound.excuse.get_or_insert(why);
        }
    }

    /// Pages that a master has had need not come again, even if it loses them when it is killed
    /// before they are on its disk.
    pub(crate) fn excuse_lost(&mut self, ids: Range<SoundId>) {
        for (_, sound) in self.made.range_mut(ids) {
            sound.may_be_lost |= !sound.places.is_empty();
        }
    }

    /// A master has begun a log, for it has none any more. What the last one still had to get again
    /// when it was lost need not come: behind its newest sound, that is.
    pub(crate) fn begun_anew(&mut self, lost: Epoch) {
        let logs = &self.logs;
        let stands_there = |sound: &Sound| {
            let mut places = sound.places.iter();
            places.any(|place| place.0 == lost && is_alive(logs, place))
        };
        let newest = self
            .made
            .iter()
            .rev()
            .find(|(_, sound)| stands_there(sound));
        let newest = newest.map_or((0, 0), |(id, _)| *id);
        self.excuse_lost(newest..(u32::MAX, 0));
    }

    /// A master has appended a page. `true`: it has left out offsets before it.
    pub(crate) fn wrote(&mut self, place: Place, page: &Page, now: Instant) -> bool {
        let (epoch, offset) = place;
        let log = self.logs.entry(epoch).or_default();
        let before = log.range(..offset).next_back();
        let is_far = before.is_some_and(|(at, _)| offset - at > SKIP_BYTES / 2);
        let overlaps = before.is_some_and(|(at, entry)| at + entry.page.len() as u64 > offset);
        let next = log.range(offset + 1..).next();
        let is_overlapped = next.is_some_and(|(at, _)| offset + page.len() as u64 > *at);
        match log.get_mut(&offset) {
            Some(entry) if entry.page == *page => entry.is_alive = true,
            None if !overlaps && !is_overlapped => {
                let entry = Entry {
                    page: page.clone(),
                    is_alive: true,
                    at: now,
                };
                log.insert(offset, entry);
                let stamp = page.stamp();
                let index = self.index.entry((stamp.serial, stamp.sequence));
                index.or_default().push(place);
            }
            _ => {
                let other = log.get(&offset).map(|entry| entry.page.clone());
                self.wrong(|| {
                    format!("the master wrote {page:?} at {offset}, where others have {other:?}")
                });
            }
        }
        self.sounded(place, page);
        is_far
    }

    /// A page of sound comes once to a log.
    fn sounded(&mut self, place: Place, page: &Page) {
        let Some(id) = self.sounds.get(page.body()).copied() else {
            return;
        };
        let Some(sound) = self.made.get_mut(&id) else {
            return;
        };
        let logs = &self.logs;
        let mut places = sound.places.iter();
        let other =
            places.find(|other| other.0 == place.0 && **other != place && is_alive(logs, other));
        let other = other.copied();
        if !sound.places.contains(&place) {
            sound.places.push(place);
        }
        if let Some(other) = other {
            self.wrong(|| {
                format!(
                    "{id:?} stands twice in a log: at {} and {}",
                    other.1, place.1
                )
            });
        }
    }

    /// A master has read its log back: what it had from `head` on is lost to it.
    pub(crate) fn restored(&mut self, epoch: Epoch, head: u64) {
        if let Some(log) = self.logs.get_mut(&epoch) {
            for (_, entry) in log.range_mut(head..) {
                entry.is_alive = false;
            }
        }
    }

    /// Somebody has a page there.
    pub(crate) fn copied(&mut self, who: &str, place: Place, page: &Page) {
        if self.page_at(place).is_none_or(|there| there != page) {
            self.wrong(|| {
                format!(
                    "{who} has {page:?} at {}, where no master ever wrote it",
                    place.1
                )
            });
        }
    }

    /// The page that begins at a place.
    pub(crate) fn page_at(&self, (epoch, offset): Place) -> Option<&Page> {
        Some(&self.logs.get(&epoch)?.get(&offset)?.page)
    }

    /// Where a page stands, in the order in which it came there.
    pub(crate) fn places_of(&self, page: &Page) -> Vec<Place> {
        let stamp = page.stamp();
        let places = self.index.get(&(stamp.serial, stamp.sequence));
        let mut places = places.cloned().unwrap_or_default();
        places.retain(|place| self.page_at(*place) == Some(page));
        places
    }

    /// Every page in a ring is the one that was written there.
    pub(crate) fn check_ring(&mut self, who: &str, log: &Arc<Log>) {
        let mut oldest = 0;
        let mut pieces = Vec::new();
        if let Err(behind) = log.read(0, usize::MAX, usize::MAX, &mut pieces) {
            oldest = behind.n_bytes;
            let _ = log.read(oldest, usize::MAX, usize::MAX, &mut pieces);
        }
        for piece in pieces {
            let place = (log.epoch(), oldest);
            oldest += piece.len() as u64;
            match Page::parse(piece) {
                Ok(page) => self.copied(who, place, &page),
                Err(damage) => self.wrong(|| format!("{who} has {damage:?} at {}", place.1)),
            }
        }
    }

    /// Whether somebody's place is far behind a head.
    pub(crate) fn is_behind(&self, place: Option<Place>, head: Option<Place>) -> bool {
        let Some(((epoch, offset), (_, head))) = place.zip(head) else {
            return true;
        };
        let log = self.logs.get(&epoch);
        log.is_none_or(|log| log.range(offset..head.max(offset)).count() > PAGES_BEHIND_MAX)
    }

    /// By how much those who listen to the newest link of a log hear it later than they could have.
    pub(crate) fn lateness(&self, epoch: Epoch) -> Duration {
        let Some(log) = self.logs.get(&epoch) else {
            return Duration::ZERO;
        };
        let alive = log.values().filter(|entry| entry.is_alive);
        let (mut first, mut least, mut newest) = (None, 0.0_f64, 0.0_f64);
        for entry in alive {
            let stamp = entry.page.stamp();
            if stamp.is_first {
                (first, least, newest) = (None, 0.0, 0.0);
            }
            let Some(time) = granule::time(stamp.granule, RATE).filter(|time| !time.is_zero())
            else {
                continue;
            };
            let (at, began) = *first.get_or_insert((entry.at, time));
            newest = (entry.at - at).as_secs_f64() - (time.as_secs_f64() - began.as_secs_f64());
            least = least.min(newest);
        }
        // What came ahead was in store.
        let least = (least + AHEAD_MAX_SECONDS).min(0.0);
        Duration::try_from_secs_f64(newest - least).unwrap_or_default()
    }

    /// How many places there are.
    pub(crate) fn n_pages(&self) -> usize {
        self.logs.values().map(BTreeMap::len).sum()
    }

    /// Looks at all logs as they stand, and at all sound that was made before `until`.
    pub(crate) fn check_whole(&mut self, until: Instant) {
        let found: Vec<String> = self.logs.values().filter_map(check_log).collect();
        for what in found {
            self.wrong(|| what);
        }
        let logs = &self.logs;
        let lost = self.made.iter().find(|(_, sound)| {
            let is_in_a_log = sound.places.iter().any(|place| is_alive(logs, place));
            let is_excused = sound.excuse.is_some() || sound.may_be_lost;
            sound.made < until && !is_excused && !is_in_a_log
        });
        if let Some((id, _)) = lost {
            let id = *id;
            self.wrong(|| {
                format!("page {id:?} of a source is in no log, and nothing excuses that")
            });
        }
    }
}

/// The master still has the page that stands there.
fn is_alive(logs: &Logs, place: &Place) -> bool {
    let log = logs.get(&place.0);
    log.and_then(|log| log.get(&place.1))
        .is_some_and(|entry| entry.is_alive)
}

/// What is wrong with a log, if anything.
fn check_log(log: &BTreeMap<u64, Entry>) -> Option<String> {
    let mut end = None;
    let mut open: BTreeMap<u32, (u32, i64, bool)> = BTreeMap::new();
    let mut is_in_headers = false;
    for (offset, entry) in log.iter().filter(|(_, entry)| entry.is_alive) {
        let stamp = entry.page.stamp();
        let gap = end.map_or(0, |end| offset - end);
        if gap > 0 && gap < SKIP_BYTES / 2 {
            return Some(format!("the log has a hole of {gap} bytes before {offset}"));
        }
        end = Some(offset + entry.page.len() as u64);
        if stamp.is_first {
            if !is_in_headers && open.values().any(|(_, _, has_ended)| !has_ended) {
                return Some(format!(
                    "a link begins at {offset} before the last has ended"
                ));
            }
            if !is_in_headers {
                open.clear();
            }
            is_in_headers = true;
            open.insert(stamp.serial, (stamp.sequence, 0, stamp.is_last));
            continue;
        }
        is_in_headers = false;
        let Some((sequence, granule, has_ended)) = open.get_mut(&stamp.serial) else {
            return Some(format!("{:?} at {offset} belongs to no link", entry.page));
        };
        if *has_ended {
            return Some(format!("{:?} at {offset} comes after its end", entry.page));
        }
        if stamp.sequence != sequence.wrapping_add(1) {
            return Some(format!(
                "{:?} at {offset} follows page {sequence}",
                entry.page
            ));
        }
        if stamp.granule >= 0 && stamp.granule < *granule {
            return Some(format!(
                "{:?} at {offset} goes back from {granule}",
                entry.page
            ));
        }
        *sequence = stamp.sequence;
        *granule = stamp.granule.max(*granule);
        *has_ended = stamp.is_last;
    }
    None
}
