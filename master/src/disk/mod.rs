//! The state directory: every log is written through to it as it grows, and read back at the
//! start, so that epoch and offsets outlive the program.
//!
//! `folder` says what lies where, `load` reads back, `queue` takes pages without ever waiting,
//! `writing` is the one thread that writes, `keeping` deletes what is too old, as far as `clock` lets it. What stands in the
//! files is `stream::log::segment`. `reign` keeps whether a standby was promoted. These are the only
//! files a master writes; `archive` reads them.

mod clock;
pub(crate) mod folder;
mod keeping;
mod load;
mod queue;
pub(crate) mod reign;
#[cfg(test)]
mod tests;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stream::handover::Lock;
use stream::log::Keep;
use stream::mount::Sinks;
use stream::shutdown::Shutdown;
use tracing::warn;

use folder::{Folder, Locked};
pub(crate) use load::Found;
use queue::Queue;
use writing::Kept;

use crate::archive::Retentions;

/// What a state directory gives at the start.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Who writes logs down from now on.
    pub(crate) sinks: Option<Arc<dyn Sinks>>,
    /// The logs that can go on.
    pub(crate) found: Vec<Found>,
    /// The folder with the mounts.
    pub(crate) mounts: Option<PathBuf>,
    /// The lock, to be handed over.
    pub(crate) lock: Option<Lock>,
}

/// Reads back what is in the state directory and starts to write there. Without one, or where
/// it cannot be used, everything lives in memory only. Whoever has `inherited` a directory has
/// got its logs, too, and does not read them back.
///
/// # Errors
/// When another master uses it, or there is no thread to be had.
pub(crate) fn open(
    path: Option<PathBuf>,
    inherited: Option<Lock>,
    keep: Keep,
    retentions: Retentions,
    shutdown: &Shutdown,
) -> std::io::Result<Disk> {
    let Some(path) = path else {
        return Ok(Disk::default());
    };
    let (folder, is_inherited) = match inherited.filter(|lock| lock.path == path) {
        Some(lock) => (Ok(Folder::inherited(lock)), true),
        None => (Folder::open(&path), false),
    };
    let folder = match folder {
        Ok(folder) => folder,
        Err(Locked::ByAnother) => {
            return Err(std::io::Error::other(format!(
                "another master uses the state directory {}: give each its own `state_directory`",
                path.display()
            )));
        }
        Err(Locked::Failed(error)) => {
            warn!(
                "the state directory {} cannot be used ({error}): logs are kept in memory only, \
                 and begin anew when this program is restarted",
                path.display()
            );
            return Ok(Disk::default());
        }
    };
    let found = if is_inherited {
        Vec::new()
    } else {
        load::all(&folder, keep)
    };
    let lock = folder.lock();
    // The disk keeps what the ring keeps: whoever may resume now may resume after a restart.
    let kept = keep.time + Duration::from_secs(1);
    let mounts = Some(folder.mounts());
    let queue = Queue::start(folder, Kept { kept, retentions }, shutdown)?;
    Ok(Disk {
        mounts,
        sinks: Some(Arc::new(queue)),
        found,
        lock,
    })
}
