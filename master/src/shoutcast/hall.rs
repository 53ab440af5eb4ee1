//! Who has come to a port above and has not said who he is: who has to make room for a further one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Ready when its connection has to make room.
pub(super) type Leave = oneshot::Receiver<()>;

/// Those who wait. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Hall {
    n_max: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    /// In the order in which they came. Who is dropped here has to go.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    n_came: u64,
}

/// Somebody's place, given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Place {
    hall: Hall,
    number: u64,
}

impl Hall {
    /// For so many.
    pub(super) fn of(n_max: usize) -> Self {
        Self {
            n_max,
            inside: Arc::default(),
        }
    }

    /// One more comes. If there is no room, the oldest has to go.
    pub(super) fn enter(&self) -> (Place, Leave) {
        let (may_stay, leave) = oneshot::channel();
        let mut inside = self.inside();
        if inside.waiting.len() >= self.n_max {
            inside.waiting.pop_first();
        }
        inside.n_came += 1;
        let number = inside.n_came;
        inside.waiting.insert(number, may_stay);
        let hall = self.clone();
        (Place { hall, number }, leave)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hall.inside().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_never_the_one_who_comes() {
        let hall = Hall::of(2);
        let mut came: Vec<_> = (0..3).map(|_| hall.enter()).collect();
        let has_to_go = |leave: &mut Leave| leave.try_recv().is_err_and(|why| why == CLOSED);
        let gone: Vec<bool> = came.iter_mut().map(|(_, leave)| has_to_go(leave)).collect();
        assert_eq!(gone, [true, false, false]);
        // Who went takes nobody's place with him.
        drop(came.remove(0));
        drop(came.remove(0));
        let (_place, mut leave) = hall.enter();
        assert!(!has_to_go(&mut leave) && !has_to_go(&mut came[0].1));
    }

    const CLOSED: oneshot::error::TryRecvError = oneshot::error::TryRecvError::Closed;
}
