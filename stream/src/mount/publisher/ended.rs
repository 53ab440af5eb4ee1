//! A source that the operator ends.

use super::{Desk, MountPath, Publisher};

impl Desk {
    /// Sends away whoever writes a mount, as the operator wants. `false`: nobody does.
    pub fn end(&self, path: &MountPath) -> bool {
        let mut seats = self.seats();
        seats.get_mut(path).is_some_and(|seat| seat.sitting.end())
    }
}

impl Publisher {
    /// Whether it is the operator who dismissed him.
    pub fn is_ended(&self) -> bool {
        let seats = self.desk.seats();
        let seat = seats.get(self.mount.path());
        seat.is_some_and(|seat| seat.sitting.is_ended(self.sitter))
    }
}
