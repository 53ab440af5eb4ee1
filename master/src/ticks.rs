//! The clock of those who look after the mounts from time to time: it stands still while everything
//! is handed over to another program.

use std::time::Duration;

use stream::handover::{Member, Part, Stage, Verdict};
use stream::shutdown::Shutdown;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Somebody's clock.
pub(crate) struct Ticks {
    clock: Interval,
    member: Member,
    shutdown: Shutdown,
}

impl Ticks {
    /// One that ticks at once, and then after each `period`.
    pub(crate) fn every(period: Duration, shutdown: &Shutdown) -> Self {
        let mut clock = interval(period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            clock,
            member: shutdown.freeze().join(Stage::Writers),
            shutdown: shutdown.clone(),
        }
    }

    /// Waits for the next tick, and while everything stands still. `false`: there is no more to do
    /// here.
    pub(crate) async fn next(&mut self) -> bool {
        self.next_or(|| Part::Nothing).await
    }

    /// As [`Self::next`], for one who hands in a part when everything is handed over.
    pub(crate) async fn next_or(&mut self, part: impl Fn() -> Part) -> bool {
        loop {
            tokio::select! {
                () = self.shutdown.requested() => return false,
                () = self.member.asked() => {
                    if self.member.arrive(part()).await == Verdict::Leave {
                        return false;
                    }
                }
                _ = self.clock.tick() => return true,
            }
        }
    }
}
