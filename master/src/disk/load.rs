//! Reads the logs back that can go on. Whatever it finds, the master starts.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use stream::log::Keep;
use stream::log::restore::{Chain, Restored};
use stream::log::segment::{Damage, RECORD_BYTES, Segment};
use stream::mount::{Facts, MountPath};
use tracing::{info, warn};

use super::folder::{self, Description, Folder};

/// A log that can go on.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its mount.
    pub(crate) path: MountPath,
    /// What was said about it.
    pub(crate) facts: Facts,
    /// The log.
    pub(crate) restored: Restored,
}

/// Why a log cannot go on.
struct Bad {
    /// What is of no use: a segment, or the whole folder.
    files: Vec<PathBuf>,
    why: String,
}

/// What is to be known of a segment's files to cut them.
struct Read {
    files: [PathBuf; 2],
    offset: u64,
    n_head_bytes: usize,
    /// Where its pages begin.
    offsets: Vec<u64>,
    is_torn: bool,
}

/// All logs that can go on.
pub(super) fn all(folder: &Folder, keep: Keep) -> Vec<Found> {
    let mounts = match std::fs::read_dir(folder.mounts()) {
        Ok(mounts) => mounts,
        Err(error) => {
            warn!("cannot read {}: {error}", folder.mounts().display());
            return Vec::new();
        }
    };
    let mounts = mounts.flatten().map(|entry| entry.path());
    mounts.filter_map(|mount| one(&mount, keep)).collect()
}

fn one(mount: &Path, keep: Keep) -> Option<Found> {
    let description = match Description::read(mount) {
        Ok(description) => description?,
        Err(why) => {
            let file = folder::description(mount);
            warn!("{} is damaged: {why}; its log begins anew", file.display());
            set_aside(&file);
            return None;
        }
    };
    let log = folder::log_folder(mount, description.epoch);
    match restore(&log, &description, keep) {
        Ok(Some(mut restored)) => {
            if description.may_be_filled {
                restored.writer.suspect_filler();
            }
            info!(
                n_pages = restored.n_pages,
                "{} goes on at offset {}",
                description.path,
                restored.log().head()
            );
            Some(Found {
                path: description.path,
                facts: description.facts,
                restored,
            })
        }
        Ok(None) => None,
        Err(Bad { files, why }) => {
            warn!(
                "{} is damaged: {why}; {} begins anew, and this is set aside",
                names(&files),
                description.path
            );
            files.iter().for_each(|file| set_aside(file));
            forget(mount);
            None
        }
    }
}

/// No log of this mount can be continued.
pub(super) fn forget(mount: &Path) {
    match std::fs::remove_file(folder::description(mount)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot remove log.json in {}: {error}", mount.display());
        }
        _ => {}
    }
}

fn set_aside(path: &Path) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    match std::fs::rename(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot set {} aside: {error}", path.display());
        }
        _ => {}
    }
}

/// Of a segment either file may be the one.
fn names(files: &[PathBuf]) -> String {
    let names = files.iter().map(|file| file.display().to_string());
    names.collect::<Vec<_>>().join(" or ")
}

fn restore(log: &Path, description: &Description, keep: Keep) -> Result<Option<Restored>, Bad> {
    let bad = |files: &[PathBuf], why: String| Bad {
        files: files.to_vec(),
        why,
    };
    let folder = [log.to_owned()];
    let offsets = match folder::offsets(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        offsets => offsets.map_err(|error| bad(&folder, error.to_string()))?,
    };
    let mut chain = Chain::new();
    let mut reads = Vec::new();
    for offset in offsets {
        if !chain.wants_more(keep) {
            break;
        }
        let files = folder::segment(log, offset);
        let segment = match read(&files) {
            Ok(segment) => segment,
            Err(Some(Damage::Unwritten)) if chain.is_empty() => {
                remove(&files);
                continue;
            }
            Err(damage) => {
                let why = damage.map_or_else(|| "cannot be read".to_owned(), |d| d.to_string());
                if chain.is_empty() {
                    return Err(bad(&files, why));
                }
                warn!(
                    "{} is damaged: {why}; newer bytes are enough",
                    names(&files)
                );
                break;
            }
        };
        if segment.head.epoch != description.epoch || segment.head.offset != offset {
            return Err(bad(&files, "it belongs to another log".to_owned()));
        }
        let is_torn = segment.is_torn;
        let (n_head_bytes, offsets) = (segment.n_head_bytes, page_offsets(&segment));
        if !chain.push_older(segment) {
            break;
        }
        reads.push(Read {
            files,
            offset,
            n_head_bytes,
            offsets,
            is_torn,
        });
    }
    let now_ms = Timestamp::now().as_millisecond();
    let restored = chain
        .restore(keep, Instant::now(), now_ms)
        .map_err(|damage| bad(&folder, damage.to_string()))?
        // Nothing was ever heard of it.
        .filter(|restored| restored.log().head() > 0);
    if let Some(restored) = &restored {
        cut(&reads, restored.log().head());
    }
    Ok(restored)
}

/// `Err(None)`: the disk does not give it.
fn read(files: &[PathBuf; 2]) -> Result<Segment, Option<Damage>> {
    let [pages, index] = [&files[0], &files[1]].map(|path| {
        folder::read(path).map(Bytes::from).map_err(|error| {
            warn!("cannot read {}: {error}", path.display());
        })
    });
    match (index, pages) {
        (Ok(index), Ok(pages)) => Segment::read(&index, &pages).map_err(Some),
        _ => Err(None),
    }
}

fn page_offsets(segment: &Segment) -> Vec<u64> {
    let records = segment.pages.iter();
    records.map(|(record, _)| record.offset).collect()
}

/// Cuts off what lies behind `head`: the log goes on there with a new segment.
fn cut(reads: &[Read], head: u64) {
    for read in reads {
        if read.offset >= head {
            remove(&read.files);
            continue;
        }
        let n_kept = read.offsets.partition_point(|offset| *offset < head);
        if n_kept == read.offsets.len() && !read.is_torn {
            continue;
        }
        let n_index = read.n_head_bytes + n_kept * RECORD_BYTES;
        let end = read.offsets.get(n_kept).copied();
        let n_pages = end.unwrap_or(head).min(head) - read.offset;
        for (file, n_bytes) in read.files.iter().zip([n_pages, n_index as u64]) {
            let file_is_cut = OpenOptions::new()
                .write(true)
                .open(file)
                .and_then(|open| open.set_len(n_bytes));
            if let Err(error) = file_is_cut {
                warn!("cannot cut {}: {error}", file.display());
            }
        }
    }
}

fn remove(files: &[PathBuf; 2]) {
    for file in files {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!("cannot remove {}: {error}", file.display());
            }
            _ => {}
        }
    }
}
