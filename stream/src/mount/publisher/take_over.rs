//! A standby that is promoted: mounts that were copies until now are written here.

use std::sync::Arc;
use std::time::Instant;

use super::{Desk, Mount, OnAir, Seat, Writer};
use crate::log::{Epoch, succeed};

impl Desk {
    /// Takes a mount over that nobody mirrors any more: its log goes on here, off the air, until a
    /// source comes. `may_be_filled`: its master may have written filler that did not come here.
    /// Where the log cannot go on, a new one named `epoch` takes its place: `false`.
    pub fn take_over(
        &self,
        mount: &Arc<Mount>,
        epoch: Epoch,
        may_be_filled: bool,
        now: Instant,
    ) -> bool {
        let going_on = succeed::writer(&mount.log(), may_be_filled, now);
        let goes_on = going_on.is_some();
        let (mut writer, account) = going_on.unwrap_or_else(|| {
            let writer = Writer::new(epoch, self.keep);
            mount.replace_log(Arc::clone(writer.log()));
            (writer, super::Account::new())
        });
        if let Some(sinks) = &self.sinks {
            writer.set_sink(sinks.open(mount, account));
        }
        mount.set_filled_since(None);
        mount.set_on_air(OnAir::AwaySince(now));
        let seat = Seat::new(Arc::clone(mount), writer);
        self.seats().insert(mount.path().clone(), seat);
        self.table.touch();
        goes_on
    }
}
