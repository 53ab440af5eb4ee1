//! What a shard is told about listeners it has: to name them, to end one, to lead some to another
//! mount. Orders wait in a short queue beside that of the joiners, and are answered.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::{Fanout, Handle};
use crate::log::Wake;
use crate::mount::{Class, Mount};

/// Orders that wait for a shard; further ones are refused.
pub(super) const ORDERS_QUEUED_MAX: usize = 64;
/// An order is answered within this time, or counts as not carried out.
const ORDER_MAX: Duration = Duration::from_secs(2);
/// So many listeners of a mount are named by one shard; the rest is left out.
pub const LISTED_MAX: usize = 10_000;

/// Somebody who is being served. Who he is nobody knows.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// Names him for as long as the program runs.
    pub id: u64,
    /// Since when he has been served.
    pub since: Instant,
    /// A player or a relay.
    pub class: Class,
}

/// Listeners of one mount go on at another, in the same response. What they have not got yet of
/// the first comes before.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Where they are.
    pub from: Arc<Mount>,
    /// Where they go on.
    pub to: Arc<Mount>,
    /// Who of them goes.
    pub whom: Whom,
    /// Recent sound that each gets at once.
    pub burst: Duration,
}

/// Which listeners are transferred. Relays never are, nor is who wants certain bytes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All, for good: as if they had asked for the other mount.
    All,
    /// All, for now: each is still known to have asked for what he asked for.
    ForNow,
    /// Only those who asked for the mount that the transfer leads to.
    Returning,
}

/// Why nobody is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTransfer {
    /// The mounts carry different formats: no player could go on.
    OtherFormat,
    /// A shard has too much to do, or is gone; others may have done their part. Try again.
    Busy,
}

/// A transfer that the shards were told of.
#[derive(Debug)]
pub struct Transferring(Vec<Receiver<usize>>);

#[derive(Debug)]
pub(super) enum Order {
    List(Arc<Mount>, Sender<Vec<Listening>>),
    End(Arc<Mount>, u64, Sender<bool>),
    Transfer(Transfer, Sender<usize>),
}

impl Transferring {
    /// Waits until all shards have done it. Returns how many listeners go.
    pub async fn done(self) -> usize {
        let mut n_led = 0;
        for answer in self.0 {
            n_led += wait(answer).await.unwrap_or(0);
        }
        n_led
    }
}

impl Fanout {
    /// Who listens to a mount, in the order in which they came.
    pub async fn listening(&self, mount: &Arc<Mount>) -> Vec<Listening> {
        let tell = |shard: &Handle| {
            let (answer, answered) = channel();
            let told = shard.order(Order::List(Arc::clone(mount), answer));
            told.ok().map(|()| answered)
        };
        let answers: Vec<_> = self.shards.iter().filter_map(tell).collect();
        let mut all = Vec::new();
        for answer in answers {
            all.extend(wait(answer).await.unwrap_or_default());
        }
        all.sort_by_key(|one: &Listening| one.id);
        all
    }

    /// Ends the connection of somebody who listens to a mount. `false`: there is none such.
    pub async fn end(&self, mount: &Arc<Mount>, id: u64) -> bool {
        for shard in &self.shards {
            let (answer, answered) = channel();
            let order = Order::End(Arc::clone(mount), id, answer);
            if shard.order(order).is_ok() && wait(answered).await == Some(true) {
                return true;
            }
        }
        false
    }

    /// Tells all shards to lead listeners from one mount to another. Waits for nothing.
    ///
    /// # Errors
    /// When they could not go on there, or a shard cannot be told.
    pub fn transfer(&self, transfer: &Transfer) -> Result<Transferring, NoTransfer> {
        if !is_alike(&transfer.from, &transfer.to) {
            return Err(NoTransfer::OtherFormat);
        }
        let mut answers = Vec::new();
        for shard in &self.shards {
            let (answer, answered) = channel();
            if shard
                .order(Order::Transfer(transfer.clone(), answer))
                .is_ok()
            {
                answers.push(answered);
            }
        }
        if answers.len() < self.shards.len() {
            return Err(NoTransfer::Busy);
        }
        Ok(Transferring(answers))
    }
}

impl Handle {
    fn order(&self, order: Order) -> Result<(), TrySendError<Order>> {
        self.orders.try_send(order)?;
        self.alarm.wake();
        Ok(())
    }
}

async fn wait<T>(answer: Receiver<T>) -> Option<T> {
    timeout(ORDER_MAX, answer).await.ok()?.ok()
}

/// Whether a player that plays the one can go on with the other: one kind of file, the same codecs.
pub fn is_alike(one: &Mount, other: &Mount) -> bool {
    let codecs = |mount: &Mount| {
        let link = mount.log().link();
        let streams = link.iter().flat_map(|link| &link.streams);
        let mut names: Vec<_> = streams.map(|stream| stream.codec.name()).collect();
        names.sort_unstable();
        names
    };
    let container = |mount: &Mount| {
        let media_type = mount.facts().content_type;
        match media_type.rsplit_once('/') {
            Some((_, "ogg")) => "ogg".to_owned(),
            _ => media_type,
        }
    };
    container(one) == container(other) && codecs(one) == codecs(other)
}
