//! What the operator sees and orders of mounts and listeners, in whatever words he says it:
//! `icecast/office` in those of Icecast, `api` in ours.

use std::sync::Arc;

use tracing::info;

use super::shown::Shown;
use crate::fanout::{NoTransfer, Transfer, Whom};
use crate::mount::{Courses, Mount, MountPath};

/// What is said when the shards have too much to do.
pub(super) const BUSY: &str = "too much is going on at the moment; try again\n";

/// What the operator sees and orders.
#[derive(Clone, Debug)]
pub struct Office {
    /// The mounts and who listens.
    pub shown: Shown,
    /// Where listeners are while a source is away: at a master, that can be changed.
    pub courses: Option<Arc<Courses>>,
}

/// Why listeners do not go on at another mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotMoved {
    /// There is no such mount.
    Nowhere,
    /// They are there already.
    Identical,
    /// Nothing comes there.
    NotRunning,
    /// No player could go on there.
    OtherFormat,
    /// A shard has too much to do.
    Busy,
}

impl Office {
    /// A mount, by its name in any spelling.
    pub(super) fn find(&self, path: &str) -> Option<Arc<Mount>> {
        let path = MountPath::parse(path).ok()?;
        self.shown.table.find(&path)
    }

    /// All listeners of a mount go on at another one. Returns how many.
    pub(super) async fn move_listeners(
        &self,
        from: &Arc<Mount>,
        to: &str,
    ) -> Result<usize, NotMoved> {
        let to = self.find(to).ok_or(NotMoved::Nowhere)?;
        if to.path() == from.path() {
            return Err(NotMoved::Identical);
        }
        if !to.is_moving() {
            return Err(NotMoved::NotRunning);
        }
        let transfer = Transfer {
            burst: self.shown.serving.burst(to.path()),
            from: Arc::clone(from),
            to: Arc::clone(&to),
            whom: Whom::All,
        };
        let transferring = self.shown.fanout.transfer(&transfer);
        let transferring = transferring.map_err(|why| match why {
            NoTransfer::OtherFormat => NotMoved::OtherFormat,
            NoTransfer::Busy => NotMoved::Busy,
        })?;
        let n_led = transferring.done().await;
        let (from, to) = (from.path(), to.path());
        info!("the operator transferred {n_led} listeners from {from} to {to}");
        Ok(n_led)
    }
}
