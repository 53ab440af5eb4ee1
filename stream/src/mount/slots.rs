//! How many may be served at once, with a share that only relays get. Pure but for the lock.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::departure::Departure;

/// Who is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Somebody's player.
    Listener,
    /// A relay that has shown the relay password.
    Relay,
}

/// The slots of one program. Clones share them.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug)]
struct State {
    listeners_max: usize,
    relays_max: usize,
    n_listeners: usize,
    n_relays: usize,
}

/// A taken slot. Free again when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Slot {
    slots: Slots,
    class: Class,
    departure: Option<Arc<Departure>>,
}

impl Slot {
    /// The same for somebody whose going is to be told.
    pub fn telling(self, departure: Option<Arc<Departure>>) -> Self {
        let mut slot = self;
        slot.departure = departure;
        slot
    }

    /// What is told when he goes.
    pub(crate) fn departure(&self) -> Option<&Arc<Departure>> {
        self.departure.as_ref()
    }
}

impl Slots {
    /// `relays_max` of the slots are kept for relays; a relay may also use a listener's slot
    /// that is free, never the other way round.
    pub fn new(listeners_max: usize, relays_max: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            listeners_max,
            relays_max,
            n_listeners: 0,
            n_relays: 0,
        })))
    }

    /// There are so many from now on. Who has one keeps it, even if there are fewer now.
    pub fn resize(&self, listeners_max: usize, relays_max: usize) {
        let mut state = self.state();
        (state.listeners_max, state.relays_max) = (listeners_max, relays_max);
    }

    /// Takes a slot. `None`: all are taken.
    pub fn take(&self, class: Class) -> Option<Slot> {
        let mut state = self.state();
        // Relays beyond their share sit on listeners' slots.
        let n_guests = state.n_relays.saturating_sub(state.relays_max);
        let n_free = state
            .listeners_max
            .saturating_sub(state.n_listeners + n_guests);
        match class {
            Class::Listener if n_free > 0 => state.n_listeners += 1,
            Class::Relay if state.n_relays < state.relays_max || n_free > 0 => state.n_relays += 1,
            Class::Listener | Class::Relay => return None,
        }
        drop(state);
        Some(Slot {
            slots: self.clone(),
            class,
            departure: None,
        })
    }

    /// A slot for somebody who had one in the program before this one, however many are taken.
    pub fn keep(&self, class: Class) -> Slot {
        let mut state = self.state();
        match class {
            Class::Listener => state.n_listeners += 1,
            Class::Relay => state.n_relays += 1,
        }
        drop(state);
        Slot {
            slots: self.clone(),
            class,
            departure: None,
        }
    }

    /// Taken slots of a class.
    pub fn n_taken(&self, class: Class) -> usize {
        let state = self.state();
        match class {
            Class::Listener => state.n_listeners,
            Class::Relay => state.n_relays,
        }
    }

    /// Slots of a class in all.
    pub fn n_max(&self, class: Class) -> usize {
        let state = self.state();
        match class {
            Class::Listener => state.listeners_max,
            Class::Relay => state.relays_max,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        match self.class {
            Class::Listener => state.n_listeners -= 1,
            Class::Relay => state.n_relays -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_never_take_what_is_kept_for_relays() {
        let slots = Slots::new(2, 1);
        let first = slots.take(Class::Listener).unwrap();
        let _second = slots.take(Class::Listener).unwrap();
        assert!(slots.take(Class::Listener).is_none());
        let _relay = slots.take(Class::Relay).unwrap();
        assert!(slots.take(Class::Relay).is_none());
        drop(first);
        let guest = slots.take(Class::Relay).unwrap();
        assert!(slots.take(Class::Listener).is_none());
        drop(guest);
        assert!(slots.take(Class::Listener).is_some());
    }

    #[test]
    fn fewer_slots_take_nobodys_away() {
        let slots = Slots::new(2, 0);
        let held = [(); 2].map(|()| slots.take(Class::Listener).unwrap());
        slots.resize(1, 0);
        assert_eq!(slots.n_taken(Class::Listener), 2);
        drop(held);
        let _one = slots.take(Class::Listener).unwrap();
        assert!(slots.take(Class::Listener).is_none());
        slots.resize(2, 0);
        assert!(slots.take(Class::Listener).is_some());
    }
}
