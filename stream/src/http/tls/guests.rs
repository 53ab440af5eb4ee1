//! Those who are shaking hands: how many at once, who has to make room, and how many had to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::warn;

use crate::http::porch::Porch;

/// The most connections between the first byte of their handshake and the end of their head.
pub(super) const HANDSHAKES_MAX: usize = 4096;
/// For a further one the oldest is closed if he has had this time, and else the further one: a
/// crowd that comes at once is let in one after another, and nobody begins in vain.
pub(super) const HANDSHAKE_SURE: Duration = Duration::from_secs(1);
/// That somebody was closed is said so often at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Those who are shaking hands.
pub(super) struct Guests {
    n_max: usize,
    // A std mutex: never held over an await.
    inside: Mutex<Inside>,
    n_ever: AtomicU64,
    n_crowded_out: AtomicU64,
}

struct Inside {
    porch: Porch<Guest>,
    /// When it was said last that somebody was closed, and how many had been until then.
    warned: Option<(Instant, u64)>,
}

/// Somebody who is shaking hands. Dropped when he has to make room.
#[derive(Debug)]
struct Guest {
    number: u64,
    came: Instant,
    _may_stay: oneshot::Sender<()>,
}

/// A guest's place, given back when it is dropped.
pub(super) struct Place<'a> {
    guests: &'a Guests,
    at: usize,
    number: u64,
}

impl Guests {
    pub(super) fn new(n_max: usize) -> Self {
        Self {
            n_max,
            inside: Mutex::new(Inside {
                porch: Porch::new(n_max),
                warned: None,
            }),
            n_ever: AtomicU64::new(0),
            n_crowded_out: AtomicU64::new(0),
        }
    }

    /// How many were closed because too many shook hands at once.
    pub(super) fn n_crowded_out(&self) -> u64 {
        self.n_crowded_out.load(Ordering::Relaxed)
    }

    /// One more guest. What comes with his place fires when he has to make room for another.
    /// `None`: he is one too many.
    pub(super) fn enter(&self, now: Instant) -> Option<(Place<'_>, oneshot::Receiver<()>)> {
        let mut inside = self.inside();
        if inside.porch.is_full() {
            self.crowd_out(&mut inside, now);
            let (oldest, guest) = inside.porch.oldest()?;
            if now.saturating_duration_since(guest.came) < HANDSHAKE_SURE {
                return None;
            }
            inside.porch.leave(oldest);
        }
        let number = self.n_ever.fetch_add(1, Ordering::Relaxed);
        let (may_stay, evicted) = oneshot::channel();
        let at = inside.porch.enter(Guest {
            number,
            came: now,
            _may_stay: may_stay,
        });
        let place = Place {
            guests: self,
            at,
            number,
        };
        Some((place, evicted))
    }

    fn crowd_out(&self, inside: &mut Inside, now: Instant) {
        let n_ever = self.n_crowded_out.fetch_add(1, Ordering::Relaxed) + 1;
        let (warned, n_before) = inside.warned.unzip();
        if warned.is_some_and(|at| now.saturating_duration_since(at) < WARN_EVERY) {
            return;
        }
        inside.warned = Some((now, n_ever));
        let n_closed = n_ever - n_before.unwrap_or(0);
        warn!(
            n_closed,
            "more than {} callers shake hands (TLS) at once: {n_closed} were closed since this was \
             said last; if they are listeners, let more relays serve them",
            self.n_max
        );
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inside = self.guests.inside();
        // One who had to make room finds somebody else in his place.
        if inside
            .porch
            .get_mut(self.at)
            .is_some_and(|guest| guest.number == self.number)
        {
            inside.porch.leave(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError::{Closed, Empty};

    use super::*;

    #[test]
    fn who_had_his_time_makes_room_and_else_the_newcomer_goes() {
        let (guests, born) = (Guests::new(2), Instant::now());
        let (first, mut first_stays) = guests.enter(born).unwrap();
        let (_second, mut second_stays) = guests.enter(born + HANDSHAKE_SURE / 2).unwrap();
        assert!(guests.enter(born + HANDSHAKE_SURE / 2).is_none());
        assert_eq!(first_stays.try_recv(), Err(Empty));
        let (third, mut third_stays) = guests.enter(born + HANDSHAKE_SURE).unwrap();
        assert_eq!(first_stays.try_recv(), Err(Closed), "he had his time");
        assert_eq!(second_stays.try_recv(), Err(Empty));
        assert_eq!(guests.n_crowded_out(), 2);
        // His place is another's now.
        drop(first);
        assert_eq!(third_stays.try_recv(), Err(Empty));
        assert!(guests.enter(born + HANDSHAKE_SURE).is_none());
        drop(third);
        assert!(guests.enter(born + HANDSHAKE_SURE).is_some());
    }

    #[test]
    fn a_crowd_is_worth_one_line_a_minute() {
        let (guests, born) = (Guests::new(0), Instant::now());
        let said = |guests: &Guests| guests.inside().warned;
        for _ in 0..10 {
            assert!(guests.enter(born).is_none());
        }
        assert_eq!(said(&guests), Some((born, 1)));
        assert!(guests.enter(born + WARN_EVERY).is_none());
        assert_eq!(said(&guests), Some((born + WARN_EVERY, 11)));
    }
}
