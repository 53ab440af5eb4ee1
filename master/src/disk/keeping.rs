//! Deletes segments that are too old. The newest of a log that can be continued is always kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stream::log::Epoch;
use tracing::warn;

use super::folder::{self, Description};

/// Deletes in all mounts' folders what is older than `kept`: than the newest bytes of the same log,
/// where that log can be continued; than now otherwise.
pub(super) fn tidy(mounts: &Path, kept: Duration) {
    for mount in folders(mounts) {
        let current = match Description::read(&mount) {
            Ok(description) => description.map(|description| description.epoch.to_string()),
            // Whoever looks after it will want to see it as it is.
            Err(_) => continue,
        };
        for log in folders(&mount) {
            let name = log.file_name().and_then(|name| name.to_str());
            // What was set aside is the operator's.
            let is_log = name.is_some_and(|name| name.parse::<Epoch>().is_ok());
            if is_log {
                tidy_log(&log, kept, name == current.as_deref());
            }
        }
        // Only an empty folder can be removed so.
        let _ = std::fs::remove_dir(&mount);
    }
}

fn tidy_log(log: &Path, kept: Duration, is_current: bool) {
    let offsets = folder::offsets(log).unwrap_or_default();
    let mut newest = None;
    for offset in offsets {
        let files = folder::segment(log, offset);
        let age = age(&files[0]);
        let newest = *newest.get_or_insert(age);
        let age = if is_current {
            age.saturating_sub(newest)
        } else {
            age
        };
        if age > kept {
            files.iter().for_each(|file| delete(file));
        }
    }
    if !is_current {
        let _ = std::fs::remove_dir(log);
    }
}

/// How long ago it was written to; nothing, if the clock was put back.
fn age(file: &Path) -> Duration {
    let written = file.metadata().and_then(|about| about.modified());
    written
        .ok()
        .and_then(|written| written.elapsed().ok())
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

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_dir()).collect()
}
