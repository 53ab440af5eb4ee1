//! A shard does what it is told about its listeners.

use std::sync::Arc;

use super::Shard;
use crate::fanout::figures::Closed;
use crate::fanout::order::{LISTED_MAX, Order};
use crate::fanout::seat::Seat;
use crate::mount::Mount;

impl Shard {
    /// Does all that it has been told by now.
    pub(super) fn obey(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            // Who asked may have gone: that changes nothing.
            match order {
                Order::List(mount, answer) => {
                    let of_mount = self.seats_of(&mount);
                    let _ = answer.send(of_mount.take(LISTED_MAX).map(Seat::listening).collect());
                }
                Order::End(mount, id, answer) => {
                    let of_mount = |seat: &Seat| Arc::ptr_eq(seat.mount(), &mount);
                    let at = self.seats.iter().position(|(_, seat)| {
                        let found = seat.as_ref().filter(|seat| of_mount(seat));
                        found.is_some_and(|seat| seat.listening().id == id)
                    });
                    if let Some(at) = at {
                        self.close(u32::try_from(at).unwrap_or(u32::MAX), Closed::Dismissed);
                    }
                    let _ = answer.send(at.is_some());
                }
                Order::Transfer(transfer, answer) => {
                    let seats = self.seats.iter_mut().filter_map(|(_, seat)| seat.as_mut());
                    let _ = answer.send(seats.filter_map(|seat| seat.transfer(&transfer)).count());
                }
            }
        }
    }

    fn seats_of(&self, mount: &Arc<Mount>) -> impl Iterator<Item = &Seat> {
        let seats = self.seats.iter().filter_map(|(_, seat)| seat.as_ref());
        seats.filter(|seat| Arc::ptr_eq(seat.mount(), mount))
    }
}
