//! Whose source writes a mount, and the end that an order makes of it, or of the mount.

use std::collections::HashMap;

use super::{Desk, MountPath, Publisher, Seat, lock};

impl Desk {
    /// Whether the source that writes a mount now came with this login: see
    /// [`Claimant`](crate::mount::Claimant).
    pub fn is_written_by(&self, path: &MountPath, user: &str, login: u64) -> bool {
        let seats = self.seats();
        let seat = seats.get(path);
        seat.is_some_and(|seat| seat.sitting.came_with(user, login))
    }

    /// Sends away whoever writes a mount, by an order. `false`: nobody does.
    pub fn end(&self, path: &MountPath) -> bool {
        let mut seats = self.seats();
        seats.get_mut(path).is_some_and(|seat| seat.sitting.end())
    }

    /// Removes a mount that is held while its source is away, as the operator wants: who comes then
    /// begins there anew. `false`: somebody writes it, or it is not held here.
    pub fn let_go(&self, path: &MountPath) -> bool {
        let mut seats = self.seats();
        let is_held = seats.get(path).is_some_and(|seat| seat.sitting.is_empty());
        if is_held {
            self.remove(&mut seats, path);
        }
        is_held
    }

    /// Removes a mount; its listeners are sent home.
    pub(super) fn remove(&self, seats: &mut HashMap<MountPath, Seat>, path: &MountPath) {
        if let Some(seat) = seats.remove(path)
            && let Some(sink) = lock(&seat.writer).sink()
        {
            sink.removed();
        }
        self.table.remove(path);
    }
}

impl Publisher {
    /// Whether he was dismissed by an order.
    pub fn is_ended(&self) -> bool {
        let seats = self.desk.seats();
        let seat = seats.get(self.mount.path());
        seat.is_some_and(|seat| seat.sitting.is_ended(self.sitter))
    }
}
