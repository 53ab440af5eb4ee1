//! Those who wait for a slot when all are taken: players bear some seconds without an answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// No more wait at once: the next ones are told at once that there is no slot.
pub const WAITERS_MAX: usize = 5_000;

/// The one who lets them in, in the order in which they came.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    n_waiting: AtomicUsize,
    door: Notify,
}

/// Somebody's chair, free again when it is dropped.
struct Chair<'a>(&'a WaitingRoom);

impl WaitingRoom {
    /// Tries again whenever there may be a slot, at most for so long. `None`: nothing came of it.
    pub async fn wait<T>(&self, at_most: Duration, attempt: impl Fn() -> Option<T>) -> Option<T> {
        let _chair = self.sit()?;
        let end = Instant::now() + at_most;
        loop {
            timeout_at(end, self.door.notified()).await.ok()?;
            if let Some(outcome) = attempt() {
                return Some(outcome);
            }
        }
    }

    /// So many slots are free.
    pub fn let_in(&self, n_free: u64) {
        let n_waiting = u64::try_from(self.n_waiting()).unwrap_or(u64::MAX);
        for _ in 0..n_free.min(n_waiting) {
            self.door.notify_one();
        }
    }

    /// How many wait.
    pub fn n_waiting(&self) -> usize {
        self.n_waiting.load(Ordering::Relaxed)
    }

    fn sit(&self) -> Option<Chair<'_>> {
        let n_before = self.n_waiting.fetch_add(1, Ordering::Relaxed);
        let chair = Chair(self);
        (n_before < WAITERS_MAX).then_some(chair)
    }
}

impl Drop for Chair<'_> {
    fn drop(&mut self) {
        self.0.n_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_came_first_is_let_in_first_and_nobody_waits_for_ever() {
        let room = WaitingRoom::default();
        let wait =
            async |name: &'static str| room.wait(Duration::from_millis(200), || Some(name)).await;
        let (first, second, third, ()) =
            tokio::join!(wait("first"), wait("second"), wait("third"), async {
                room.let_in(2);
            });
        assert_eq!(
            (first, second, third),
            (Some("first"), Some("second"), None)
        );
        assert_eq!(room.n_waiting(), 0);
    }

    #[tokio::test]
    async fn a_full_room_takes_nobody() {
        let room = WaitingRoom::default();
        room.n_waiting.store(WAITERS_MAX, Ordering::Relaxed);
        let before = Instant::now();
        assert_eq!(room.wait(Duration::from_secs(8), || Some(())).await, None);
        assert!(before.elapsed() < Duration::from_secs(8));
        assert_eq!(room.n_waiting(), WAITERS_MAX);
    }
}
