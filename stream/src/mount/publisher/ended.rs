//! Whose source writes a mount, and the end that an order makes of it.

use super::{Desk, MountPath, Publisher};

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
}

impl Publisher {
    /// Whether he was dismissed by an order.
    pub fn is_ended(&self) -> bool {
        let seats = self.desk.seats();
        let seat = seats.get(self.mount.path());
        seat.is_some_and(|seat| seat.sitting.is_ended(self.sitter))
    }
}
