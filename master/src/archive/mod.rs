//! The recording: what the state directory keeps of each mount's log, as files to download, and as
//! sound to go back to on the live mount. Only reads what `disk` writes; no stream waits for it.
//!
//! Reading order: `retention` (how much is kept), `stretch` (one segment), `session` (which of them
//! are one recording), `layout` (the bytes of its file), `reader` (the same from the disk), `range`
//! (which part), `pages` (list and download). `back_fill` takes what a source sends later, `fills` keeps
//! it, `weave` puts it in its place. Then `moment` (what `?from=` says), `start` (where in the log
//! that is), `tape` (the log itself from the disk) and `rewind` (one listener on the way from then
//! to now).

mod back_fill;
pub(crate) mod fills;
mod layout;
mod list;
mod moment;
mod pages;
mod range;
mod reader;
mod retention;
mod rewind;
mod session;
mod start;
mod stretch;
mod tape;
#[cfg(test)]
mod tests;
mod weave;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stream::fanout::Fanout;
use stream::mount::{MountPath, MountTable};
use stream::shutdown::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::disk::folder;
pub(crate) use back_fill::back_fill;
pub(crate) use moment::Moment;
pub(crate) use pages::router;
pub(crate) use retention::ArchiveConfig;
pub(crate) use retention::{Retention, Retentions};
pub(crate) use rewind::rewind;

/// Recordings that are read at once, for lists and downloads.
const READERS_MAX: usize = 32;
/// Listeners who hear the past at once, from the disk.
const REWINDS_MAX: usize = 64;
/// Who takes nothing for so long is closed.
const STALL_MAX: Duration = Duration::from_secs(30);
/// While the uplink is full, it is looked at so often.
const ROOM_EVERY: Duration = Duration::from_millis(50);

/// What is recorded, and how many hear it.
#[derive(Debug)]
pub(crate) struct Archive {
    /// The folder with the mounts, if there is a state directory.
    mounts: Option<PathBuf>,
    retentions: Retentions,
    table: Arc<MountTable>,
    fanout: Arc<Fanout>,
    readers: Arc<Semaphore>,
    rewinds: Arc<Semaphore>,
    /// Mounts that a source fills now.
    filling: Mutex<HashSet<MountPath>>,
    shutdown: Shutdown,
}

impl Archive {
    pub(crate) fn new(
        mounts: Option<PathBuf>,
        retentions: Retentions,
        table: Arc<MountTable>,
        fanout: Arc<Fanout>,
        shutdown: Shutdown,
    ) -> Self {
        for mount in mounts.iter().flat_map(|mounts| list::folders(mounts)) {
            fills::mend(&mount);
        }
        Self {
            filling: Mutex::default(),
            mounts,
            retentions,
            table,
            fanout,
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            rewinds: Arc::new(Semaphore::new(REWINDS_MAX)),
            shutdown,
        }
    }

    /// The folder of a mount. `None`: it is not recorded.
    fn folder(&self, path: &MountPath) -> Option<PathBuf> {
        self.retentions.of(path)?;
        Some(self.mounts.as_ref()?.join(folder::name_of(path)?))
    }

    /// The right to read recordings. `None`: too many do.
    fn reader(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readers).try_acquire_owned().ok()
    }

    /// Waits until somebody may be sent something who is no relay.
    async fn room(&self) {
        while !self.fanout.uplink().has_room(Instant::now()) {
            sleep(ROOM_EVERY).await;
        }
    }
}
