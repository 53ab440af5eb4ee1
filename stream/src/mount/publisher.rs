//! Which source may write which mount at a master: one seat a mount, one `Publisher` in it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::mount::{Mount, OnAir};
use super::path::MountPath;
use super::sinks::Sinks;
use super::table::{MountTable, TableFull};
use crate::log::account::Account;
use crate::log::restore::Restored;
use crate::log::shared::Writer;
use crate::log::{Epoch, Keep};
use crate::ogg::{Page, Stray};

/// A source that has been silent for this long gives way to one with the same credentials.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(1);

/// Who may write which mount at a master, and the writers that wait for a source.
#[derive(Debug)]
pub struct Desk {
    table: Arc<MountTable>,
    keep: Keep,
    sinks: Option<Arc<dyn Sinks>>,
    seats: Mutex<HashMap<MountPath, Seat>>,
}

#[derive(Debug)]
enum Seat {
    /// Nobody is writing; the chain goes on from here.
    Free(Writer),
    /// Somebody is. `heard` is when he last sent something.
    Taken {
        claimant: Claimant,
        heard: Instant,
        dismissed: CancellationToken,
    },
}

/// Who wants to write a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The user whose password was right.
    pub user: String,
    /// The serial number of the logical stream he goes on with, if he says so: two connections
    /// with one serial number come from one source, and the newer one is right.
    pub serial: Option<u32>,
}

/// Why a source may not write a mount now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else writes it.
    InUse,
    /// One with the same credentials writes it but is silent: he is being dismissed, try
    /// again in a moment.
    TakingOver,
    /// There are too many mounts.
    TableFull,
}

/// The one who may write a mount. Dropping it takes the mount off the air; the mount and its
/// listeners stay.
#[derive(Debug)]
pub struct Publisher {
    desk: Arc<Desk>,
    mount: Arc<Mount>,
    writer: Option<Writer>,
    dismissed: CancellationToken,
}

impl Desk {
    /// A desk for the mounts of `table`, whose logs keep as much as `keep` says.
    pub fn new(table: Arc<MountTable>, keep: Keep) -> Arc<Self> {
        Self::with_sinks(table, keep, None)
    }

    /// As [`Self::new`], with somebody who writes the logs down.
    pub fn with_sinks(
        table: Arc<MountTable>,
        keep: Keep,
        sinks: Option<Arc<dyn Sinks>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            table,
            keep,
            sinks,
            seats: Mutex::default(),
        })
    }

    /// Puts a log back that was read from disk: its mount is there at once, off the air, and a
    /// source may go on with it.
    ///
    /// # Errors
    /// When there are too many mounts.
    pub fn restore(
        &self,
        path: &MountPath,
        facts: Facts,
        restored: Restored,
        now: Instant,
    ) -> Result<(), TableFull> {
        let mut seats = self.seats();
        let log = Arc::clone(restored.log());
        let mount = self
            .table
            .find_or_make(path, || Mount::new(path.clone(), facts, log, now))?;
        let n_pages = restored.n_pages as u64;
        let counts = mount.counts();
        counts.n_pages_restored.store(n_pages, Ordering::Relaxed);
        let mut writer = restored.writer;
        if let Some(sinks) = &self.sinks {
            writer.set_sink(sinks.open(&mount, restored.account));
        }
        seats.insert(path.clone(), Seat::Free(writer));
        Ok(())
    }

    /// Takes the seat of a mount for `claimant`, making the mount if there is none. `epoch` names
    /// its log if a new one has to be made.
    ///
    /// # Errors
    /// When somebody sits there, or there are too many mounts.
    pub fn claim(
        self: &Arc<Self>,
        path: &MountPath,
        claimant: &Claimant,
        facts: Facts,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Publisher, Refusal> {
        let mut seats = self.seats();
        if let Some(Seat::Taken {
            claimant: other,
            heard,
            dismissed,
        }) = seats.get(path)
        {
            let is_silent = now.saturating_duration_since(*heard) >= TAKEOVER_SILENCE;
            let is_himself = claimant.serial.is_some() && other.serial == claimant.serial;
            if other.user != claimant.user || !(is_silent || is_himself) {
                return Err(Refusal::InUse);
            }
            dismissed.cancel();
            return Err(Refusal::TakingOver);
        }
        let mut writer = match seats.remove(path) {
            Some(Seat::Free(writer)) => writer,
            _ => Writer::new(epoch, self.keep),
        };
        let log = Arc::clone(writer.log());
        let made = self
            .table
            .find_or_make(path, || Mount::new(path.clone(), facts.clone(), log, now));
        let mount = match made {
            Ok(mount) => mount,
            Err(TableFull) => return Err(Refusal::TableFull),
        };
        let dismissed = CancellationToken::new();
        seats.insert(
            path.clone(),
            Seat::Taken {
                claimant: claimant.clone(),
                heard: now,
                dismissed: dismissed.clone(),
            },
        );
        drop(seats);
        mount.set_facts(facts);
        match (writer.sink(), &self.sinks) {
            (Some(sink), _) => sink.described(),
            (None, Some(sinks)) => writer.set_sink(sinks.open(&mount, Account::new())),
            (None, None) => {}
        }
        Ok(Publisher {
            desk: Arc::clone(self),
            mount,
            writer: Some(writer),
            dismissed,
        })
    }

    /// Removes the mounts whose source has been away for longer than `hold`. Returns them.
    pub fn sweep(&self, hold: Duration, now: Instant) -> Vec<MountPath> {
        let mut seats = self.seats();
        let overdue: Vec<MountPath> = self
            .table
            .all()
            .iter()
            .filter(|mount| mount.away_for(now).is_some_and(|away| away > hold))
            .map(|mount| mount.path().clone())
            .filter(|path| !matches!(seats.get(path), Some(Seat::Taken { .. })))
            .collect();
        for path in &overdue {
            if let Some(Seat::Free(mut writer)) = seats.remove(path)
                && let Some(sink) = writer.sink()
            {
                sink.removed();
            }
            self.table.remove(path);
        }
        overdue
    }

    fn heard(&self, path: &MountPath, now: Instant) {
        if let Some(Seat::Taken { heard, .. }) = self.seats().get_mut(path) {
            *heard = now;
        }
    }

    fn seats(&self) -> std::sync::MutexGuard<'_, HashMap<MountPath, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    /// The mount it writes.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// Ends when another connection of the same source takes over.
    pub fn dismissed(&self) -> &CancellationToken {
        &self.dismissed
    }

    /// Takes a page from the source. The first one that makes sense puts the mount on the air.
    ///
    /// # Errors
    /// When no decoder could make sense of the page where it stands.
    pub fn take(
        &mut self,
        page: &Page,
        now: Instant,
        chance: impl FnMut() -> u32,
    ) -> Result<(), Stray> {
        self.desk.heard(self.mount.path(), now);
        self.writer().take(page, now, chance)?;
        let n_missing = self.writer().splice().counts().n_missing;
        self.mount
            .counts()
            .n_pages_missing
            .store(n_missing, Ordering::Relaxed);
        if !self.mount.is_on_air() && self.writer().log().link().is_some() {
            self.mount.set_on_air(OnAir::Since(Timestamp::now()));
            self.desk.table.touch();
        }
        Ok(())
    }

    /// The page number that the source's logical stream goes on with, if it is a stream that
    /// is known.
    pub fn wanted(&mut self, source_serial: u32) -> Option<u32> {
        self.writer().splice().wanted(source_serial)
    }

    /// What was put right in this log so far.
    pub fn counts(&mut self) -> crate::log::splice::Counts {
        self.writer().splice().counts()
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer
            .as_mut()
            .expect("only drop takes the writer away")
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        let path = self.mount.path().clone();
        let mut seats = self.desk.seats();
        if writer.log().link().is_none() && writer.log().head() == 0 {
            // It never said anything: there is nothing to keep.
            seats.remove(&path);
            self.desk.table.remove(&path);
            return;
        }
        seats.insert(path, Seat::Free(writer));
        drop(seats);
        self.mount.set_on_air(OnAir::AwaySince(Instant::now()));
        self.desk.table.touch();
    }
}
