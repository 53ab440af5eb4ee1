//! Cursors to sockets: what a listener has not got yet goes out in as few writes as possible.
//!
//! The kernel's price of a write is the whole cost of a listener, so the only lever is fewer,
//! larger writes. `pace` says who is due when, `seat` is one listener, `batch` what several of
//! them are sent, `shard` the thread that serves many, `figures` what it counts, `socket` how
//! sockets are set up, `wire` what is written to: a socket, or TLS in front of one. `uplink` is
//! what may be sent in all: `watch` looks at the relays, `held_up` judges one of them, `limit`
//! decides.

mod batch;
mod figures;
mod held_up;
mod limit;
mod pace;
mod seat;
mod shard;
pub mod socket;
mod uplink;
mod watch;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

pub use figures::{Closed, Figures, Histogram, REASONS, Snapshot};
pub use pace::{PACE_MAX, Pace, TICK};
pub use seat::Joiner;
pub use uplink::Uplink;
pub use wire::Wire;

use shard::{Alarm, Shard};

use crate::log::Wake;
use crate::shutdown::Shutdown;

/// Joiners that wait for their shard to take them; further ones are turned away.
const JOINERS_QUEUED_MAX: usize = 16 * 1024;

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
    alarm: Arc<Alarm>,
    figures: Arc<Figures>,
}

impl Fanout {
    /// Starts `n_shards` threads; one for each processor is right. They end when the program is
    /// told to stop and nobody holds this any more.
    ///
    /// # Errors
    /// When the kernel gives no epoll or no thread.
    pub fn start(n_shards: usize, uplink: Uplink, shutdown: &Shutdown) -> std::io::Result<Self> {
        let uplink = Arc::new(uplink);
        let mut shards = Vec::new();
        for n in 0..n_shards.max(1) {
            let (joiners, taken) = sync_channel(JOINERS_QUEUED_MAX);
            let figures = Arc::new(Figures::default());
            let shard = Shard::new(n, taken, Arc::clone(&figures), Arc::clone(&uplink))?;
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
