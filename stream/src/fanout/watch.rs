//! Looks after the relays of a shard: which of them cannot get rid of their bytes.

use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::held_up::{Tells, WayOut};
use super::pace::Ticket;
use super::seat::Seat;

/// The relays of a shard.
#[derive(Debug, Default)]
pub(super) struct Watch {
    relays: Vec<(Ticket, WayOut)>,
}

/// How many relays tell something about the uplink, and how many of them are held up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) n_relays: usize,
    pub(super) n_held_up: usize,
}

impl Watch {
    /// A relay has come.
    pub(super) fn join(&mut self, ticket: Ticket, now: Instant) {
        self.relays.push((ticket, WayOut::new(now)));
    }

    /// Looks at all of them; `seat` finds them. Those who are gone are forgotten.
    pub(super) fn look<'a>(
        &mut self,
        seat: impl Fn(Ticket) -> Option<&'a Seat>,
        now: Instant,
    ) -> Seen {
        self.relays.retain(|(ticket, _)| seat(*ticket).is_some());
        let seats: Vec<&Seat> = self
            .relays
            .iter()
            .filter_map(|(ticket, _)| seat(*ticket))
            .collect();
        let mut sockets: Vec<PollFd<'_>> = seats
            .iter()
            .map(|seat| PollFd::new(*seat, PollFlags::OUT))
            .collect();
        if !sockets.is_empty() && poll(&mut sockets, Some(&Timespec::default())).is_err() {
            return Seen::default();
        }
        let mut seen = Seen::default();
        for (((_, way_out), seat), socket) in self.relays.iter_mut().zip(seats).zip(sockets) {
            // Writable means that the kernel has sent all it was given: see `socket`.
            let has_unsent = seat.is_full() || !socket.revents().contains(PollFlags::OUT);
            let tells = way_out.look(has_unsent, now);
            seen.n_relays += usize::from(tells != Tells::Nothing);
            seen.n_held_up += usize::from(tells == Tells::HeldUp);
        }
        seen
    }

    /// Listeners gave way and it did not help: who is held up now does not count.
    pub(super) fn give_up(&mut self, now: Instant) {
        for (_, way_out) in &mut self.relays {
            way_out.give_up(now);
        }
    }
}
