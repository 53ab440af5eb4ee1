//! The connections that are open: how many there may be, and who has to make room for a further
//! one. Nobody is kept out by those who say nothing, and no relay's report by anybody.
//!
//! Knows nothing of sockets: who has to go sees its [`Leave`] become ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream::descriptors;
use tokio::sync::oneshot;

/// Connections at one time, and at most three quarters of the sockets that the system gives. For a
/// further one another one is closed: see [`Hall::enter`].
pub const CONNECTIONS_MAX: usize = 16_384;
/// Connections that have not said as a whole what they want, and at most a quarter of the sockets.
/// For a further one the oldest is closed: it has had more time than any other.
pub const SILENT_MAX: usize = 4_096;
/// Whoever has just come in has this time before he is closed for others' sake.
const SURE: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It has not said what it wants.
    Nothing,
    /// It has its answer, and asks for nothing more.
    Idle,
    /// It waits for an answer.
    Waiting,
    /// It belongs to a relay that has shown a token of ours.
    Relay,
}

/// Ready when this connection has to make room.
pub type Leave = oneshot::Receiver<()>;

/// All connections.
#[derive(Debug)]
pub struct Hall {
    n_max: usize,
    n_silent_max: usize,
    // A std mutex: never held over an await.
    inside: Mutex<Inside>,
}

/// By what they are doing, and since when: in the order of their numbers.
#[derive(Debug, Default)]
struct Inside {
    nothing: BTreeMap<u64, Guest>,
    idle: BTreeMap<u64, Guest>,
    waiting: BTreeMap<u64, Guest>,
    relays: BTreeMap<u64, Guest>,
    last: u64,
    n_closed: u64,
}

/// A connection. It has to go when this is dropped.
#[derive(Debug)]
struct Guest {
    since: Instant,
    _may_stay: oneshot::Sender<()>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    hall: Arc<Hall>,
    at: Mutex<(Doing, u64)>,
}

impl Hall {
    /// For as many as the system has sockets for, after its limit was raised as far as it goes.
    pub fn new() -> Self {
        let n_sockets = descriptors::raise();
        let n_silent = descriptors::share(SILENT_MAX, n_sockets);
        Self::of(descriptors::most(CONNECTIONS_MAX, n_sockets), n_silent)
    }

    /// For so many, of which so many may be silent.
    pub fn of(n_max: usize, n_silent_max: usize) -> Self {
        Self {
            n_max: n_max.max(1),
            n_silent_max: n_silent_max.max(1),
            inside: Mutex::default(),
        }
    }

    /// One more connection comes. If there is no room, one is closed: one that has said nothing for
    /// a second, else one that has its answer, else whoever waits longest for his; of each kind the
    /// oldest. `None`: there are only relays.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Option<(Place, Leave)> {
        let (may_stay, leave) = oneshot::channel();
        let mut inside = self.inside();
        let has_room = if inside.nothing.len() >= self.n_silent_max {
            inside.close(Doing::Nothing)
        } else {
            inside.len() < self.n_max || inside.make_room(now)
        };
        if !has_room {
            inside.n_closed += 1;
            return None;
        }
        let guest = Guest {
            since: now,
            _may_stay: may_stay,
        };
        let at = inside.add(Doing::Nothing, guest);
        drop(inside);
        let place = Place {
            hall: Arc::clone(self),
            at: Mutex::new((Doing::Nothing, at)),
        };
        Some((place, leave))
    }

    /// The system has no socket for a further one.
    pub fn make_room(&self, now: Instant) {
        self.inside().make_room(now);
    }

    /// So many were closed for others' sake, or not taken, since the start.
    pub fn n_closed(&self) -> u64 {
        self.inside().n_closed
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hall {
    fn default() -> Self {
        Self::new()
    }
}

impl Inside {
    fn len(&self) -> usize {
        self.nothing.len() + self.idle.len() + self.waiting.len() + self.relays.len()
    }

    fn those(&mut self, doing: Doing) -> &mut BTreeMap<u64, Guest> {
        match doing {
            Doing::Nothing => &mut self.nothing,
            Doing::Idle => &mut self.idle,
            Doing::Waiting => &mut self.waiting,
            Doing::Relay => &mut self.relays,
        }
    }

    fn add(&mut self, doing: Doing, guest: Guest) -> u64 {
        self.last += 1;
        let at = self.last;
        self.those(doing).insert(at, guest);
        at
    }

    /// Closes the oldest of those. `false`: there is none.
    fn close(&mut self, doing: Doing) -> bool {
        let is_closed = self.those(doing).pop_first().is_some();
        self.n_closed += u64::from(is_closed);
        is_closed
    }

    fn make_room(&mut self, now: Instant) -> bool {
        let oldest = self.nothing.first_key_value();
        let had_time = |guest: &Guest| now.saturating_duration_since(guest.since) >= SURE;
        let is_slow = oldest.is_some_and(|(_, guest)| had_time(guest));
        (is_slow && self.close(Doing::Nothing))
            || self.close(Doing::Idle)
            || self.close(Doing::Waiting)
            || self.close(Doing::Nothing)
    }
}

impl Place {
    /// What the connection does from now on. One of a relay stays one.
    pub fn begin(&self, doing: Doing) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, number) = *at;
        if before == Doing::Relay || before == doing {
            return;
        }
        let mut inside = self.hall.inside();
        // One that is to be closed has no place any more.
        if let Some(guest) = inside.those(before).remove(&number) {
            *at = (doing, inside.add(doing, guest));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (doing, number) = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        self.hall.inside().those(doing).remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_closed(leave: &mut Leave) -> bool {
        leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn for_one_more_who_says_nothing_the_oldest_of_them_is_closed() {
        let hall = Arc::new(Hall::of(10, 2));
        let start = Instant::now();
        let (first, mut first_leaves) = hall.enter(start).unwrap();
        let (second, mut second_leaves) = hall.enter(start).unwrap();
        first.begin(Doing::Waiting);
        let (_third, mut third_leaves) = hall.enter(start).unwrap();
        assert!(!is_closed(&mut second_leaves), "the first one has spoken");
        let _fourth = hall.enter(start).unwrap();
        assert!(is_closed(&mut second_leaves) && !is_closed(&mut first_leaves));
        assert!(!is_closed(&mut third_leaves));
        second.begin(Doing::Waiting);
        drop((first, second));
        assert_eq!(hall.inside().len(), 2);
        assert_eq!(hall.n_closed(), 1);
    }

    #[test]
    fn who_has_his_answer_makes_room_before_who_waits_and_a_relay_never_does() {
        let hall = Arc::new(Hall::of(4, 4));
        let start = Instant::now();
        let (relay, mut relay_leaves) = hall.enter(start).unwrap();
        relay.begin(Doing::Waiting);
        relay.begin(Doing::Relay);
        relay.begin(Doing::Idle);
        let (waiting, mut waiting_leaves) = hall.enter(start).unwrap();
        waiting.begin(Doing::Waiting);
        let (idle, mut idle_leaves) = hall.enter(start).unwrap();
        idle.begin(Doing::Waiting);
        idle.begin(Doing::Idle);
        let (_new, mut new_leaves) = hall.enter(start).unwrap();
        let _one = hall.enter(start).unwrap();
        assert!(is_closed(&mut idle_leaves), "he has his answer");
        assert!(!is_closed(&mut new_leaves), "he has just come");
        let _two = hall.enter(start + SURE).unwrap();
        assert!(is_closed(&mut new_leaves), "he had his time");
        let _three = hall.enter(start).unwrap();
        assert!(is_closed(&mut waiting_leaves));
        assert!(!is_closed(&mut relay_leaves));
    }

    #[test]
    fn nobody_comes_in_where_there_are_only_relays_until_one_goes() {
        let hall = Arc::new(Hall::of(1, 1));
        let (relay, _leave) = hall.enter(Instant::now()).unwrap();
        relay.begin(Doing::Relay);
        assert!(hall.enter(Instant::now()).is_none());
        drop(relay);
        assert!(hall.enter(Instant::now()).is_some());
    }
}
