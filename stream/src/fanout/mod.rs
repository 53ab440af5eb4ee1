//! Cursors to sockets: what a listener has not got yet goes out in as few writes as possible.
//!
//! The kernel's price of a write is the whole cost of a listener, so the only lever is fewer,
//! larger writes. `pace` says who is due when, `seat` is one listener, `batch` what several of them are
//! sent, `shard` the thread that serves many, `figures` what it counts, `socket` how sockets are
//! set up, `wire` what is written to: a socket, or TLS in front of one. `uplink` is what may be
//! sent in all: `watch` looks at the relays, `held_up` judges one of them, `limit` decides.
//! `order` is what a shard is told about those it serves.

mod batch;
mod figures;
mod held_up;
mod limit;
mod order;
mod pace;
mod seat;
mod shard;
pub mod socket;
mod uplink;
mod watch;
mod wire;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use figures::{Closed, Figures, FiguresState, Histogram, REASONS, Snapshot};
pub use order::{LISTED_MAX, Listening, NoTransfer, Transfer, Transferring, Whom, is_alike};
pub use pace::{PACE_MAX, Pace, TICK};
pub use seat::{Before, Joiner, Stay};
pub use uplink::Uplink;
pub use wire::Wire;

use order::{ORDERS_QUEUED_MAX, Order};
use shard::{Alarm, Freeze, Inbox, Shard};

use crate::handover::{Channel, Verdict};
use crate::log::Wake;
use crate::mount::MountPath;
use crate::shutdown::Shutdown;

/// Joiners that wait for their shard to take them; further ones are turned away.
const JOINERS_QUEUED_MAX: usize = 16 * 1024;
/// A shard stands still and has sent its listeners to another program within this time.
const FREEZE_MAX: Duration = Duration::from_secs(2);

/// All shards of a program.
#[derive(Debug)]
pub struct Fanout {
    shards: Vec<Handle>,
    uplink: Arc<Uplink>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Handle {
    joiners: SyncSender<Joiner>,
    freezes: SyncSender<Freeze>,
    orders: SyncSender<Order>,
    alarm: Arc<Alarm>,
    figures: Arc<Figures>,
}

impl Fanout {
    /// Starts `n_shards` threads; one for each processor is right. They end when the program is
    /// told to stop and nobody holds this any more.
    ///
    /// # Errors
    /// When the kernel gives no epoll or no thread.
    pub fn start(n_shards: usize, uplink: Uplink, shutdown: &Shutdown) -> io::Result<Self> {
        let uplink = Arc::new(uplink);
        let (mut shards, ids) = (Vec::new(), Arc::new(AtomicU64::new(1)));
        for n in 0..n_shards.max(1) {
            let (joiners, taken) = sync_channel(JOINERS_QUEUED_MAX);
            let (freezes, frozen) = sync_channel(1);
            let (orders, ordered) = sync_channel(ORDERS_QUEUED_MAX);
            let figures = Arc::new(Figures::default());
            let inbox = Inbox {
                joiners: taken,
                freezes: frozen,
                orders: ordered,
                ids: Arc::clone(&ids),
            };
            let shard = Shard::new(n, inbox, Arc::clone(&figures), Arc::clone(&uplink))?;
            let alarm = Arc::clone(shard.alarm());
            let (ended, end) = tokio::sync::oneshot::channel();
            std::thread::Builder::new()
                .name(format!("shard-{n}"))
                .spawn(move || {
                    shard.run();
                    let _ = ended.send(());
                })?;
            shutdown.spawn("shard", async move {
                let _ = end.await;
            });
            shards.push(Handle {
                joiners,
                freezes,
                orders,
                alarm,
                figures,
            });
        }
        Ok(Self {
            shards,
            uplink,
            next: AtomicUsize::new(0),
        })
    }

    /// Hands a joiner to the next shard.
    ///
    /// # Errors
    /// Gives him back when too many wait.
    pub fn take(&self, joiner: Joiner) -> Result<(), Box<Joiner>> {
        let n = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let shard = &self.shards[n];
        shard
            .joiners
            .try_send(joiner)
            .map_err(|error| match error {
                TrySendError::Full(joiner) | TrySendError::Disconnected(joiner) => Box::new(joiner),
            })?;
        shard.alarm.wake();
        Ok(())
    }

    /// What may be sent in all.
    pub fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// What each shard has counted.
    pub fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.shards.iter().map(|shard| shard.figures.as_ref())
    }
}

/// Shards that stand still. Dropped without a verdict, they go on.
#[derive(Debug)]
#[must_use]
pub(crate) struct Frozen(Vec<SyncSender<Verdict>>);

impl Frozen {
    /// Says what becomes of the listeners.
    pub(crate) fn end(self, verdict: Verdict) {
        for shard in self.0 {
            let _ = shard.send(verdict);
        }
    }
}

impl Fanout {
    /// Has all shards stand still and send their listeners to another program. `paths` are the
    /// mounts, by their numbers.
    ///
    /// # Errors
    /// When a shard does not in time, or cannot send.
    pub(crate) fn freeze(
        &self,
        channel: &Arc<Mutex<Channel>>,
        paths: &Arc<Vec<MountPath>>,
    ) -> io::Result<Frozen> {
        let (mut frozen, mut sends) = (Frozen(Vec::new()), Vec::new());
        for shard in &self.shards {
            let (sent, is_sent) = sync_channel(1);
            let (judge, verdict) = sync_channel(1);
            let freeze = Freeze {
                channel: Arc::clone(channel),
                paths: Arc::clone(paths),
                sent,
                verdict,
            };
            let told = shard.freezes.try_send(freeze);
            told.map_err(|_| io::Error::other("a shard is gone"))?;
            shard.alarm.wake();
            frozen.0.push(judge);
            sends.push(is_sent);
        }
        for is_sent in sends {
            let late = |_| io::Error::other("a shard does not stand still");
            is_sent.recv_timeout(FREEZE_MAX).map_err(late)??;
        }
        Ok(frozen)
    }

    /// What all shards have counted, to be counted on by another program.
    pub(crate) fn state(&self) -> FiguresState {
        let mut all = FiguresState::default();
        self.figures().for_each(|figures| all.add(figures));
        all
    }

    /// Counts on from there.
    pub(crate) fn count_from(&self, state: &FiguresState) {
        if let Some(shard) = self.shards.first() {
            shard.figures.count_from(state);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The channel closes right after; the shard has to wake to see it.
        let (unused, _) = sync_channel(1);
        drop(std::mem::replace(&mut self.joiners, unused));
        self.alarm.wake();
    }
}

#[cfg(test)]
mod tests;
