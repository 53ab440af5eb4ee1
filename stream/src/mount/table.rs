//! All mounts of a program, and a number that rises with every change to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::mount::Mount;
use super::path::MountPath;
use super::title::Playing;

/// The most mounts of one program.
pub const MOUNTS_MAX: usize = 256;
/// Of this many removed mounts the catalog still says that they were removed.
pub(super) const REMOVED_KEPT_MAX: usize = 256;

/// The mounts of a program, by path.
#[derive(Debug)]
pub struct MountTable {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    mounts: BTreeMap<MountPath, Arc<Mount>>,
    removed: VecDeque<MountPath>,
}

/// There are [`MOUNTS_MAX`] mounts already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

impl Default for MountTable {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            version: watch::Sender::new(1),
        }
    }
}

impl MountTable {
    /// No mounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mount at `path`.
    pub fn find(&self, path: &MountPath) -> Option<Arc<Mount>> {
        self.state().mounts.get(path).cloned()
    }

    /// All mounts, by path.
    pub fn all(&self) -> Vec<Arc<Mount>> {
        self.state().mounts.values().cloned().collect()
    }

    /// Paths that were removed and not made again.
    pub fn removed(&self) -> Vec<MountPath> {
        self.state().removed.iter().cloned().collect()
    }

    /// Says that these were removed, too, before this program began.
    pub(crate) fn set_removed(&self, removed: Vec<MountPath>) {
        let mut state = self.state();
        for path in removed {
            if !state.mounts.contains_key(&path) && state.removed.len() < REMOVED_KEPT_MAX {
                state.removed.push_back(path);
            }
        }
    }

    /// The mount at `path`; made by `make` if there is none.
    ///
    /// # Errors
    /// When it would be one too many.
    pub fn find_or_make(
        &self,
        path: &MountPath,
        make: impl FnOnce() -> Arc<Mount>,
    ) -> Result<Arc<Mount>, TableFull> {
        let mut state = self.state();
        if let Some(mount) = state.mounts.get(path) {
            return Ok(Arc::clone(mount));
        }
        if state.mounts.len() == MOUNTS_MAX {
            return Err(TableFull);
        }
        let mount = make();
        state.mounts.insert(path.clone(), Arc::clone(&mount));
        state.removed.retain(|removed| removed != path);
        drop(state);
        self.touch();
        Ok(mount)
    }

    /// Removes a mount; its listeners are sent home.
    pub fn remove(&self, path: &MountPath) {
        let mut state = self.state();
        let Some(mount) = state.mounts.remove(path) else {
            return;
        };
        if state.removed.len() == REMOVED_KEPT_MAX {
            state.removed.pop_front();
        }
        state.removed.push_back(path.clone());
        drop(state);
        mount.remove();
        self.touch();
    }

    /// Says what plays on a mount now, here and at all relays: see [`Mount::playing`].
    pub fn say(&self, mount: &Mount, change: impl FnOnce(&mut Playing)) {
        if mount.say(change) {
            self.touch();
        }
    }

    /// As [`Self::say`], of the title alone.
    pub fn set_title(&self, mount: &Mount, title: Option<&str>) {
        self.say(mount, |playing| playing.set_title(title));
    }

    /// Says that something about the mounts has changed.
    pub fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Rises with every change.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
