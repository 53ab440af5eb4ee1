//! Which source may write which mount at a master: one seat a mount, and in it a `Publisher` for
//! each uplink of its source. While nobody sits there or sends, the desk itself writes filler.

mod counted;
mod ended;
mod retitled;
mod returning;
mod take_over;
mod taking;
mod writing;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::mount::{Mount, OnAir};
use super::path::MountPath;
use super::sinks::Sinks;
use super::sitting::{Claimant, Refusal, Sitting};
use super::table::{MountTable, TableFull};
use crate::log::account::Account;
use crate::log::restore::Restored;
use crate::log::splice::Counts;
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep};
use returning::Returning;
pub use writing::Writing;

/// Who may write which mount at a master, and the writers that wait for a source.
#[derive(Debug)]
pub struct Desk {
    table: Arc<MountTable>,
    keep: Keep,
    sinks: Option<Arc<dyn Sinks>>,
    seats: Mutex<HashMap<MountPath, Seat>>,
}

/// Filler begins to stand in for a source, or it has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// From now on listeners hear silence.
    Began(MountPath),
    /// So much filler was written; the source sends again.
    Ended(MountPath, Duration),
}

#[derive(Debug)]
struct Seat {
    mount: Arc<Mount>,
    writer: Arc<Mutex<Writer>>,
    /// Who sits there; nobody: the chain goes on from where it is.
    sitting: Sitting,
    /// While there is filler: how much there had been in all before.
    filled_before: Option<Duration>,
}

/// Where a source that has come back goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The page number that comes next.
    pub sequence: u32,
    /// The filler that has gone in behind the page before.
    pub filled: Duration,
}

/// One who may write a mount: an uplink of its source. Dropping the last one takes the mount off
/// the air; the mount and its listeners stay. Pages that another uplink has brought already are
/// dropped, so whichever is first counts.
#[derive(Debug)]
pub struct Publisher {
    desk: Arc<Desk>,
    mount: Arc<Mount>,
    writer: Arc<Mutex<Writer>>,
    /// The logical stream he goes on with, as [`Claimant::serial`].
    serial: Option<u32>,
    /// Whether a page of his has come.
    has_begun: bool,
    returning: Returning,
    link_start: Option<u64>,
    sitter: u64,
    dismissed: CancellationToken,
    counts: Counts,
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
        seats.insert(path.clone(), Seat::new(mount, writer));
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
        if let Some(seat) = seats.get(path) {
            seat.sitting.admit(claimant, now)?;
        }
        let seat = match seats.entry(path.clone()) {
            Entry::Occupied(free) => free.into_mut(),
            Entry::Vacant(none) => none.insert(self.new_seat(path, &facts, epoch, now)?),
        };
        let (sitter, dismissed) = seat.sitting.sit(claimant, now);
        let (mount, writer) = (Arc::clone(&seat.mount), Arc::clone(&seat.writer));
        drop(seats);
        mount.set_facts(facts);
        let mut pen = lock(&writer);
        pen.greet(now);
        match (pen.sink(), &self.sinks) {
            (Some(sink), _) => sink.described(),
            (None, Some(sinks)) => pen.set_sink(sinks.open(&mount, Account::new())),
            (None, None) => {}
        }
        drop(pen);
        Ok(Publisher {
            desk: Arc::clone(self),
            mount,
            writer,
            serial: claimant.serial,
            has_begun: false,
            returning: Returning::default(),
            link_start: None,
            sitter,
            dismissed,
            counts: Counts::default(),
        })
    }

    fn new_seat(
        &self,
        path: &MountPath,
        facts: &Facts,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Seat, Refusal> {
        let writer = Writer::new(epoch, self.keep);
        let log = Arc::clone(writer.log());
        let made = self
            .table
            .find_or_make(path, || Mount::new(path.clone(), facts.clone(), log, now));
        match made {
            Ok(mount) => Ok(Seat::new(mount, writer)),
            Err(TableFull) => Err(Refusal::TableFull),
        }
    }

    /// Writes filler wherever a log would be further behind the clock than `behind_max` says for
    /// its mount (`None`: no filler there), and says where filler has begun or ended.
    pub fn fill(
        &self,
        behind_max: impl Fn(&MountPath) -> Option<Duration>,
        now: Instant,
    ) -> Vec<Gap> {
        let mut seats = self.seats();
        let gaps: Vec<Gap> = seats
            .iter_mut()
            .filter_map(|(path, seat)| seat.fill(behind_max(path), now))
            .collect();
        drop(seats);
        if !gaps.is_empty() {
            self.table.touch();
        }
        gaps
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
            .filter(|path| seats.get(path).is_none_or(|seat| seat.sitting.is_empty()))
            .collect();
        for path in &overdue {
            self.remove(&mut seats, path);
        }
        overdue
    }

    fn heard(&self, path: &MountPath, sitter: u64, now: Instant) {
        if let Some(seat) = self.seats().get_mut(path) {
            seat.sitting.heard(sitter, now);
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<MountPath, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn new(mount: Arc<Mount>, writer: Writer) -> Self {
        Self {
            mount,
            writer: Arc::new(Mutex::new(writer)),
            sitting: Sitting::default(),
            filled_before: None,
        }
    }

    fn fill(&mut self, behind_max: Option<Duration>, now: Instant) -> Option<Gap> {
        let mut writer = lock(&self.writer);
        let filled_until_now = writer.filler();
        if let Some(behind_max) = behind_max {
            writer.fill(behind_max, now);
        }
        let (filled, is_filled) = (writer.filler(), writer.is_filled());
        drop(writer);
        let (counts, path) = (self.mount.counts(), self.mount.path());
        let filler_ms = u64::try_from(filled.as_millis()).unwrap_or(u64::MAX);
        counts.filler_ms.store(filler_ms, Ordering::Relaxed);
        let n_uplinks = self.sitting.n_delivering(now);
        counts.n_uplinks.store(n_uplinks, Ordering::Relaxed);
        match self.filled_before {
            None if is_filled => {
                self.filled_before = Some(filled_until_now);
                counts.n_gaps.fetch_add(1, Ordering::Relaxed);
                self.mount.set_filled_since(Some(Timestamp::now()));
                Some(Gap::Began(path.clone()))
            }
            Some(before) if !is_filled => {
                self.filled_before = None;
                self.mount.set_filled_since(None);
                Some(Gap::Ended(path.clone(), filled.saturating_sub(before)))
            }
            _ => None,
        }
    }
}

/// Locked while a page is written. A panic elsewhere cannot leave it half changed in a way that
/// matters more than going silent would. Where the seats are locked, too, they were first.
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publisher {
    /// The mount it writes.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// Ends when a newer connection of the same uplink takes over, or another source, or when the
    /// operator wants it.
    pub fn dismissed(&self) -> &CancellationToken {
        &self.dismissed
    }

    /// Bytes have come from him, be it only a part of a page.
    pub fn heard(&self, now: Instant) {
        self.desk.heard(self.mount.path(), self.sitter, now);
    }

    /// Where the source's logical stream goes on, if it is a stream that is known.
    pub fn wanted(&self, source_serial: u32) -> Option<Wanted> {
        let writer = lock(&self.writer);
        let sequence = writer.splice().wanted(source_serial)?;
        Some(Wanted {
            sequence,
            filled: writer.splice().filled(source_serial),
        })
    }

    /// Ends the link that is open: what comes next begins another.
    pub fn end_link(&mut self, now: Instant) {
        lock(&self.writer).end_link(now);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let path = self.mount.path();
        let log = self.mount.log();
        let mut seats = self.desk.seats();
        if let Some(seat) = seats.get_mut(path) {
            seat.sitting.leave(self.sitter);
            if !seat.sitting.is_empty() {
                return;
            }
        }
        if log.link().is_none() && log.link_start() == 0 {
            // Not even the headers of its first stream came: nobody has heard it, and with half a
            // beginning in the log no other source could begin.
            self.desk.remove(&mut seats, path);
            return;
        }
        // Before somebody else can sit down here, and be on the air.
        self.mount.set_on_air(OnAir::AwaySince(Instant::now()));
        drop(seats);
        self.desk.table.touch();
    }
}
