//! Deletes segments that are too old, or too many. What a log that can be continued needs for its
//! ring is always kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::clock::Reading;
use super::folder::{self, Description};
use crate::archive::fills::FOLDER;
use crate::archive::{Retention, Retentions};

/// A segment that is there.
struct Found {
    files: Vec<PathBuf>,
    age: Duration,
    n_bytes: u64,
    /// A restart would need it.
    is_needed: bool,
}

/// Deletes in all mounts' folders what nobody needs: what is older than `kept` (than the newest
/// bytes of the same log, where that log can be continued; than now otherwise), unless it is part
/// of a recording that may stay. While the clock is not believed, no recording is too old.
pub(super) fn tidy(mounts: &Path, kept: Duration, retentions: &Retentions, reading: Reading) {
    let mut surplus = Surplus::default();
    for mount in folders(mounts) {
        let current = match Description::read(&mount) {
            Ok(description) => description.map(|description| description.epoch),
            // Whoever looks after it will want to see it as it is.
            Err(_) => continue,
        };
        let retention = folder::path_of(&mount).and_then(|path| retentions.of(&path));
        let logs = folder::logs(&mount);
        let mut found: Vec<Found> = logs
            .iter()
            .flat_map(|(epoch, log)| {
                segments(log, (Some(*epoch) == current).then_some(kept), reading)
            })
            .collect();
        found.extend(fills(&mount, reading));
        found.sort_by_key(|segment| segment.age);
        match retention {
            Some(retention) => surplus.delete(&found, retention, reading),
            None => delete_old(&found, kept),
        }
        let logs = logs.into_iter().map(|(_, log)| log);
        for folder in logs.chain([mount.join(FOLDER), mount]) {
            // Only an empty folder can be removed so.
            let _ = std::fs::remove_dir(folder);
        }
    }
    surplus.tell();
}

/// The segments of a log. `needed`: so much of its end is needed.
fn segments(log: &Path, needed: Option<Duration>, reading: Reading) -> Vec<Found> {
    let mut newest = None;
    let offsets = folder::offsets(log).unwrap_or_default();
    let found = offsets.into_iter().map(|offset| {
        let files = folder::segment(log, offset).to_vec();
        let age = age(&files[0], reading.clock);
        let newest = *newest.get_or_insert(age);
        Found {
            n_bytes: files.iter().map(|file| length(file)).sum(),
            is_needed: needed.is_some_and(|needed| age.saturating_sub(newest) <= needed),
            files,
            age,
        }
    });
    found.collect()
}

/// What was back-filled: as old as it is on this disk.
fn fills(mount: &Path, reading: Reading) -> Vec<Found> {
    let entries = std::fs::read_dir(mount.join(FOLDER)).into_iter().flatten();
    let found = entries.flatten().map(|entry| Found {
        age: age(&entry.path(), reading.clock),
        n_bytes: length(&entry.path()),
        files: vec![entry.path()],
        is_needed: false,
    });
    found.collect()
}

/// What of recordings is deleted at a time.
#[derive(Default)]
struct Surplus {
    n_deleted: usize,
    oldest: Duration,
}

impl Surplus {
    /// The newest first.
    fn delete(&mut self, found: &[Found], retention: Retention, reading: Reading) {
        let mut n_bytes = 0;
        for segment in found {
            n_bytes += segment.n_bytes;
            let age = if reading.is_steady {
                segment.age
            } else {
                Duration::ZERO
            };
            if !retention.allows(age, n_bytes) && !segment.is_needed {
                segment.delete();
                self.n_deleted += 1;
                self.oldest = self.oldest.max(segment.age);
            }
        }
    }

    fn tell(&self) {
        if self.n_deleted > 0 {
            info!(
                "deleted {} segments of recordings, the oldest {:.1} h old, as `keep_hours` and \
                 `keep_megabytes` say",
                self.n_deleted,
                self.oldest.as_secs_f64() / 3600.0
            );
        }
    }
}

/// Of what is not recorded.
fn delete_old(found: &[Found], kept: Duration) {
    let old = found.iter().filter(|segment| segment.age > kept);
    old.filter(|segment| !segment.is_needed)
        .for_each(Found::delete);
}

impl Found {
    fn delete(&self) {
        self.files.iter().for_each(|file| delete(file));
    }
}

fn length(file: &Path) -> u64 {
    file.metadata().map_or(0, |about| about.len())
}

/// How long before `now` it was written to; nothing, if the clock was put back.
fn age(file: &Path, now: Timestamp) -> Duration {
    let written = file.metadata().and_then(|about| about.modified());
    written
        .ok()
        .and_then(|written| Timestamp::try_from(written).ok())
        .and_then(|written| now.duration_since(written).try_into().ok())
        .unwrap_or_default()
}

fn delete(file: &Path) {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot delete {}: {error}", file.display());
        }
        _ => {}
    }
}

/// The folders in a folder.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_dir()).collect()
}
