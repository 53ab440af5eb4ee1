//! Which segments are one recording: from where a link begins to where it ends, and at most a day
//! of it.

use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use stream::log::Epoch;

use super::stretch::{self, Stretch};

/// A link that is longer is cut: a station that never pauses would make one endless file.
const PART: Duration = Duration::from_secs(24 * 3600);

/// Names a recording of a mount for ever, also when its beginning is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionName {
    /// Of the log.
    pub(super) epoch: Epoch,
    /// Where its link begins.
    pub(super) link_start: u64,
    /// Counts the days of the link.
    pub(super) part: u64,
}

/// What is under an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A link of a log.
    Session(SessionName),
    /// A logical stream of this serial number, of which nothing came live.
    Late(u32),
}

/// One recording.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) name: SessionName,
    /// Its segments, the oldest first; at least one.
    pub(super) stretches: Vec<Stretch>,
}

impl Session {
    /// All recordings in the folder of a log, the oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn all(log: &Path) -> io::Result<Vec<Self>> {
        let mut sessions: Vec<Self> = Vec::new();
        for stretch in stretch::all(log)? {
            let name = SessionName::of(&stretch);
            match sessions.last_mut().filter(|session| session.name == name) {
                // Only the first one's are part of the file.
                Some(session) => session.stretches.push(stretch.without_headers()),
                None => sessions.push(Self {
                    name,
                    stretches: vec![stretch],
                }),
            }
        }
        Ok(sessions)
    }

    /// When its first page came, in milliseconds since 1970.
    pub(super) fn first_ms(&self) -> i64 {
        self.stretches.first().map_or(0, |first| first.first_ms)
    }

    /// When its last page came.
    pub(super) fn last_ms(&self) -> i64 {
        self.stretches.last().map_or(0, |last| last.last_ms)
    }

    /// The offset in the log behind its last page.
    pub(super) fn end(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.end)
    }

    /// How often something is missing in it.
    pub(super) fn n_holes(&self) -> usize {
        let later = self.stretches.iter().skip(1);
        later.filter(|stretch| stretch.head.follows_hole).count()
    }

    /// Without the filler at its end, which no sound follows: its source has gone. `None`: there is
    /// nothing else in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn without_filler_behind(mut self) -> io::Result<Option<Self>> {
        while let Some(last) = self.stretches.last_mut() {
            if last.cut_filler()? {
                return Ok(Some(self));
            }
            self.stretches.pop();
        }
        Ok(None)
    }

    /// Without what lies behind `end`, where a page must end. `None`: none does.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn until(mut self, end: u64) -> io::Result<Option<Self>> {
        self.stretches.retain(|stretch| stretch.head.offset < end);
        let Some(last) = self.stretches.last_mut() else {
            return Ok(None);
        };
        if last.end > end {
            let n_pages = usize::try_from(last.n_pages).unwrap_or(usize::MAX);
            let records = last.records(0, n_pages)?;
            let is_last = |r: &stream::log::segment::Record| r.offset + u64::from(r.n_bytes) == end;
            let Some(at) = records.iter().position(is_last) else {
                return Ok(None);
            };
            last.n_pages = at as u64 + 1;
            last.end = end;
            last.last_ms = records[at].arrived_ms;
        }
        Ok((last.end == end).then_some(self))
    }
}

impl SessionName {
    fn of(stretch: &Stretch) -> Self {
        let time = stretch.time.unwrap_or_default();
        Self {
            epoch: stretch.head.epoch,
            link_start: stretch.head.link_start,
            part: time.as_secs() / PART.as_secs(),
        }
    }
}

impl std::fmt::Display for SessionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.link_start, self.part)
    }
}

impl FromStr for SessionName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('-').collect();
        let [epoch, link_start, part] = parts[..] else {
            return Err(());
        };
        Ok(Self {
            epoch: epoch.parse()?,
            link_start: link_start.parse().map_err(|_| ())?,
            part: part.parse().map_err(|_| ())?,
        })
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.strip_prefix("late-") {
            Some(serial) => u32::from_str_radix(serial, 16)
                .map(Self::Late)
                .map_err(|_| ()),
            None => text.parse().map(Self::Session),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(name) => name.fmt(f),
            Self::Late(serial) => write!(f, "late-{serial:08x}"),
        }
    }
}
