//! What the operator's page knows besides the relays: sessions, changes, history, a sample of
//! redirects; and where that is kept.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use stream::mount::MountPath;
use tracing::{info, warn};

use crate::choice::Listener;
use crate::config::Config;
use crate::desk::changes::Changes;
use crate::desk::history::{History, Sample};
use crate::desk::past::Regret;
use crate::desk::recent::{Cell, Recent, Redirect};
use crate::desk::sessions::Sessions;
use crate::snapshot::{self, folder::Folder};

/// The operator's changes, in the state directory.
pub const CHANGES_FILE: &str = "operator.json";
/// Larger ones are neither read nor written: 10,000 relays that were all added here, and as many that
/// were removed again, have some 9 MB.
pub const CHANGES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The last day, in the state directory.
pub const HISTORY_FILE: &str = "history.json";
/// Larger ones are neither read nor written: a day has less than a tenth of it.
pub const HISTORY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// All of it.
#[derive(Debug, Default)]
pub struct Desk {
    sessions: Mutex<Sessions>,
    changes: Mutex<Changes>,
    history: Mutex<History>,
    recent: Mutex<Recent>,
    regret: Mutex<Option<Regret>>,
    folder: Option<Folder>,
    /// One writes at a time, and always what is newest.
    writing: Mutex<()>,
    /// One brings relays to what was changed at a time, likewise.
    settling: Mutex<()>,
    /// Why the last change is not on disk.
    trouble: Mutex<Option<String>>,
    is_history_lost: AtomicBool,
}

impl Desk {
    /// Reads what a former run kept, if there is a state directory.
    ///
    /// # Errors
    /// When the directory or the operator's changes cannot be used. Names the remedy.
    pub fn open(config: &Config) -> Result<Self, String> {
        let Some(directory) = config.state_directory() else {
            return Ok(Self {
                changes: Mutex::new(signed(Changes::default())),
                ..Self::default()
            });
        };
        let folder = Folder::open(directory)?;
        let check = |changes: &Changes| changes.check();
        let changes = snapshot::precious(&folder, CHANGES_FILE, CHANGES_BYTES_MAX, check)?;
        let history = snapshot::handy(&folder, HISTORY_FILE, HISTORY_BYTES_MAX);
        let desk = Self {
            changes: Mutex::new(signed(changes.unwrap_or_default())),
            history: Mutex::new(history.unwrap_or_default()),
            folder: Some(folder),
            ..Self::default()
        };
        desk.set_clock_right(milliseconds_now());
        Ok(desk)
    }

    /// Whether [`Desk::open`] would find the operator's changes in order. Touches nothing.
    ///
    /// # Errors
    /// As [`Desk::open`].
    pub fn check(directory: &Path) -> Result<(), String> {
        let check = |changes: &Changes| changes.check();
        snapshot::check_precious(directory, CHANGES_FILE, CHANGES_BYTES_MAX, check)
    }

    /// Who is signed in.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        own(&self.sessions)
    }

    /// What the operator changed.
    pub fn changes(&self) -> MutexGuard<'_, Changes> {
        own(&self.changes)
    }

    /// Held while relays are brought to what was changed. Taken before the registry.
    pub(super) fn settling(&self) -> MutexGuard<'_, ()> {
        own(&self.settling)
    }

    /// The last day.
    pub fn history(&self) -> MutexGuard<'_, History> {
        own(&self.history)
    }

    /// The sample of redirects.
    pub fn recent(&self) -> MutexGuard<'_, Recent> {
        own(&self.recent)
    }

    /// How the last redirects compare with the best ones, as of the last minute.
    pub fn regret(&self) -> Option<Regret> {
        *own(&self.regret)
    }

    /// The comparison of this minute.
    pub fn set_regret(&self, regret: Option<Regret>) {
        *own(&self.regret) = regret;
    }

    /// Somebody was sent to a relay. Kept of him is at most the degree of the globe he is in.
    pub fn note(&self, listener: &Listener, mount: &MountPath, relay: &str) {
        let Some(place) = listener.spot.middle() else {
            return;
        };
        let (minute, chance) = (seconds_now() / 60, fastrand::u64(..));
        self.recent().note(minute, chance, || Redirect {
            cell: Cell::of(place),
            mount: mount.clone(),
            scheme: listener.scheme,
            relay: relay.to_owned(),
        });
    }

    /// Where things are kept, if anywhere.
    pub fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// Why the last change is not on disk, if it should be.
    pub fn trouble(&self) -> Option<String> {
        own(&self.trouble).clone()
    }

    /// Brings the operator's changes to the disk. Blocks until they are there.
    pub fn keep_changes(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        let _turn = own(&self.writing);
        let changes = self.changes().clone();
        let outcome = snapshot::write_precious(folder, CHANGES_FILE, CHANGES_BYTES_MAX, &changes);
        let mut trouble = own(&self.trouble);
        if let Err(what) = &outcome {
            // What is tried again every minute is said once.
            if trouble.as_ref() != Some(what) {
                warn!("the operator's change is in force but not kept: {what}; trying again");
            }
        } else if trouble.is_some() {
            info!("the operator's changes are kept again");
        }
        *trouble = outcome.err();
    }

    /// What was changed under a wrong clock counts as changed now. Blocks until that is on the disk.
    pub fn set_clock_right(&self, now_ms: u64) {
        let is_lowered = self.changes().lower(now_ms);
        if is_lowered {
            warn!(
                "changes that were made by a clock more than a day ahead count as made now: look \
                 at the clock"
            );
            self.keep_changes();
        }
    }

    /// Tries again what could not be brought to the disk. Blocks until it is there, or cannot be.
    pub fn keep_again(&self) {
        if self.trouble().is_some() {
            self.keep_changes();
        }
    }

    /// Adds a minute to the history and brings it to the disk. Blocks until it is there.
    pub fn keep_sample(&self, sample: Sample) {
        self.history().add(sample);
        let Some(folder) = &self.folder else {
            return;
        };
        let history = self.history().clone();
        let outcome = snapshot::write(folder, HISTORY_FILE, HISTORY_BYTES_MAX, &history);
        let was_kept = !self
            .is_history_lost
            .swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(what) if was_kept => warn!("the history is not kept: {what}"),
            Ok(()) if !was_kept => info!("the history is kept again"),
            _ => {}
        }
    }
}

/// Milliseconds since 1970, by the clock on the wall.
pub fn milliseconds_now() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970, by the clock on the wall.
pub fn seconds_now() -> u64 {
    since_1970().as_secs()
}

/// The time since 1970, by the clock on the wall.
pub fn since_1970() -> Duration {
    let ms = Timestamp::now().as_millisecond();
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// What is changed from now on is told from what other balancers change at the same moment.
fn signed(changes: Changes) -> Changes {
    Changes {
        author: fastrand::u32(1..),
        ..changes
    }
}

fn own<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::changes::Change;
    use crate::registry::Orders;

    #[test]
    fn a_change_that_could_not_be_kept_is_tried_again_until_it_is() {
        let above = tempfile::tempdir().unwrap();
        let config = Config {
            state_directory: Some(above.path().to_owned()),
            ..Config::default()
        };
        let desk = Desk::open(&config).unwrap();
        // Nothing can be written where a folder stands.
        let in_the_way = above.path().join(format!("{CHANGES_FILE}.new"));
        std::fs::create_dir(&in_the_way).unwrap();
        let change = Change::PutAway;
        let made = desk
            .changes()
            .make("a", change, Some(Orders::default()), 1, 1);
        made.unwrap();
        desk.keep_changes();
        assert!(desk.trouble().is_some());
        desk.keep_again();
        assert!(desk.trouble().is_some());
        std::fs::remove_dir(&in_the_way).unwrap();
        desk.keep_again();
        assert_eq!(desk.trouble(), None);
        drop(desk);
        let again = Desk::open(&config).unwrap();
        assert_eq!(again.changes().journal.len(), 1);
    }
}
