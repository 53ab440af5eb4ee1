//! What recordings there are, for people and for programs.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, Unit};
use serde::Serialize;
use stream::mount::MountPath;

use super::Archive;
use super::fills::{self, Fill};
use super::layout::Layout;
use super::session::{Name, Session, SessionName};
use crate::disk::folder;

/// The oldest beyond so many are not listed.
const LISTED_MAX: usize = 1000;

/// One recording in the list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) mount: MountPath,
    /// Where it is, below the address of the master. Names the end as well, while more is coming:
    /// so what is under one address never changes, but for what becomes too old.
    pub(super) url: String,
    /// When its first page came.
    pub(super) from: Timestamp,
    /// When its last page came.
    pub(super) to: Timestamp,
    pub(super) seconds: i64,
    pub(super) bytes: u64,
    /// More is coming.
    pub(super) is_running: bool,
    /// Nothing of it came live: its times are when it was sent later.
    pub(super) is_late: bool,
    /// How often something is missing in it.
    pub(super) holes: usize,
}

impl Archive {
    /// All recordings, or those of one mount, the newest first.
    pub(super) fn list(&self, only: Option<&MountPath>) -> Vec<Line> {
        let mounts = self.mounts.iter().flat_map(|mounts| match only {
            Some(path) => vec![path.clone()],
            None => {
                let folders = folders(mounts).into_iter();
                folders
                    .filter_map(|folder| folder::path_of(&folder))
                    .collect()
            }
        });
        let mut lines: Vec<Line> = mounts.flat_map(|mount| self.lines(&mount)).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.from));
        lines.truncate(LISTED_MAX);
        lines
    }

    fn lines(&self, mount: &MountPath) -> Vec<Line> {
        let Some(folder) = self.folder(mount) else {
            return Vec::new();
        };
        let fills = fills::all(&folder);
        let logs = folder::logs(&folder).into_iter();
        let sessions = logs.flat_map(|(_, log)| {
            let sessions = Session::all(&log).unwrap_or_default();
            let last = sessions.last().map(|session| session.name);
            let paired = sessions
                .into_iter()
                .map(move |session| (last == Some(session.name), session));
            paired.collect::<Vec<_>>()
        });
        let mut late: BTreeSet<u32> = fills.iter().map(|fill| fill.serial).collect();
        let mut lines = Vec::new();
        for (is_last, session) in sessions {
            let is_running = is_last && self.is_running(mount, session.name);
            let Ok(Some(session)) = session.without_filler_behind() else {
                continue;
            };
            let Ok(Some(line)) = Line::of(mount, &session, &fills, is_running) else {
                continue;
            };
            lines.push(line);
            if let Some((serial, ..)) = session.stretches[0].source {
                late.remove(&serial);
            }
        }
        lines.extend(late.into_iter().filter_map(|serial| {
            let layout = Layout::of_fills(&folder, serial).ok()??;
            Some(Line::of_late(mount, serial, &fills, layout.n_bytes))
        }));
        lines
    }

    /// Whether more is coming of the recording that is the last of its log.
    fn is_running(&self, mount: &MountPath, name: SessionName) -> bool {
        let mount = self.table.find(mount).filter(|mount| mount.is_moving());
        mount.is_some_and(|mount| {
            let log = mount.log();
            (log.epoch(), log.link_start()) == (name.epoch, name.link_start)
        })
    }

    /// The recording of this name, up to `end`, a place in the log where a page ends; and when its
    /// first page came.
    pub(super) fn find(
        &self,
        mount: &MountPath,
        name: Name,
        end: Option<u64>,
    ) -> io::Result<Option<(i64, Layout)>> {
        let Some(folder) = self.folder(mount) else {
            return Ok(None);
        };
        let name = match name {
            Name::Session(name) => name,
            Name::Late(serial) => {
                let layout = Layout::of_fills(&folder, serial)?;
                let first_ms = written_ms(&fills::all(&folder), serial).0;
                return Ok(layout.map(|layout| (first_ms, layout)));
            }
        };
        let log = folder::log_folder(&folder, name.epoch);
        let sessions = match Session::all(&log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            sessions => sessions?,
        };
        let is_last = sessions.last().is_some_and(|session| session.name == name);
        let Some(found) = sessions.into_iter().find(|session| session.name == name) else {
            return Ok(None);
        };
        let part = match end {
            Some(end) => found.until(end),
            None => found.without_filler_behind(),
        };
        let Some(session) = part? else {
            return Ok(None);
        };
        // What was asked for up to a place has no end of its own.
        let is_over = end.is_none() && !(is_last && self.is_running(mount, name));
        let layout = Layout::of(&session, &fills::all(&folder), is_over)?;
        Ok(layout.has_sound.then(|| (session.first_ms(), layout)))
    }
}

impl Line {
    /// `None`: there is no sound in it, as when a source was refused at its first page of sound.
    fn of(
        mount: &MountPath,
        session: &Session,
        fills: &[Fill],
        is_running: bool,
    ) -> io::Result<Option<Self>> {
        let layout = Layout::of(session, fills, !is_running)?;
        if !layout.has_sound {
            return Ok(None);
        }
        let end = session.end();
        let until = is_running.then(|| format!("?end={end}"));
        Ok(Some(Self {
            mount: mount.clone(),
            url: format!(
                "/api/v1/archive{mount}/{}.ogg{}",
                Name::Session(session.name),
                until.unwrap_or_default()
            ),
            from: timestamp(session.first_ms()),
            to: timestamp(session.last_ms()),
            seconds: seconds(session.first_ms(), session.last_ms()),
            bytes: layout.n_bytes,
            is_running,
            is_late: false,
            holes: session.n_holes(),
        }))
    }

    fn of_late(mount: &MountPath, serial: u32, fills: &[Fill], bytes: u64) -> Self {
        let (first_ms, last_ms) = written_ms(fills, serial);
        let name = Name::Late(serial);
        Self {
            mount: mount.clone(),
            url: format!("/api/v1/archive{mount}/{name}.ogg"),
            from: timestamp(first_ms),
            to: timestamp(last_ms),
            seconds: seconds(first_ms, last_ms),
            bytes,
            is_running: false,
            is_late: true,
            holes: 0,
        }
    }
}

/// When the first and the last file of a back-fill were written.
fn written_ms(fills: &[Fill], serial: u32) -> (i64, i64) {
    let own = fills.iter().filter(|fill| fill.serial == serial);
    let times: Vec<i64> = own.map(Fill::written_ms).collect();
    let first = times.iter().min().copied().unwrap_or(0);
    (first, times.iter().max().copied().unwrap_or(first))
}

/// From one to the other; none, if the clock was put back in between.
fn seconds(first_ms: i64, last_ms: i64) -> i64 {
    last_ms.saturating_sub(first_ms).max(0) / 1000
}

/// To the second.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.round(Unit::Second).unwrap_or(at)
}

/// The folders of all mounts.
pub(super) fn folders(mounts: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(mounts).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_recording_is_shorter_than_nothing() {
        assert_eq!(seconds(1_000, 61_900), 60);
        assert_eq!(seconds(90_000_000, 5_000), 0, "the clock was put back");
    }
}
