//! Whether listeners who are sent to a relay get there. Pure.
//!
//! A relay that reports but serves nobody always looks empty, so everybody would be sent there: of
//! all illnesses the worst. So only a few may be on their way to a relay of which nobody knows that
//! listeners reach it; the number grows as they come. And one that swallows them gets none for a
//! while, each time for longer.

use std::time::{Duration, Instant};

use crate::choice::Policy;

/// So many tickets must have been settled before they say something.
const SETTLED_MIN: f32 = 4.0;
/// A smaller share of listeners that came is an illness.
const SHARE_MIN: f32 = 0.2;
/// A larger share of listeners that came in a report lets more be sent.
const SHARE_GOOD: f32 = 0.5;
/// What was long ago counts half, each time so many have been settled.
const SETTLED_MEMORY: f32 = 16.0;
/// No longer pause than the first one times four to the power of this.
const STRIKES_MAX: u32 = 8;

/// What is known of one relay.
#[derive(Debug)]
pub struct Trust {
    /// So many may be on their way; `None`: as many as there are slots.
    window: Option<u32>,
    n_arrived: f32,
    n_lost: f32,
    n_strikes: u32,
    /// It gets nobody until then.
    until: Option<Instant>,
}

impl Trust {
    /// Of a relay that nobody knows.
    pub fn new(policy: &Policy) -> Self {
        Self {
            window: Some(policy.window_first),
            n_arrived: 0.0,
            n_lost: 0.0,
            n_strikes: 0,
            until: None,
        }
    }

    /// So many may be on their way; `None`: as many as there are slots.
    pub fn window(&self) -> Option<u32> {
        self.window
    }

    /// Until when it gets nobody because it swallowed listeners.
    pub fn quarantined_until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Somebody has seen with his own eyes that it serves.
    pub fn vouch(&mut self) {
        self.window = None;
        self.until = None;
    }

    /// It may be tried again at once, carefully.
    pub fn lift(&mut self) {
        self.until = None;
    }

    /// A report settled the tickets of so many that came and so many that did not. `true`: the
    /// relay is put away.
    pub fn settle(
        &mut self,
        n_arrived: u32,
        n_lost: u32,
        slots: u32,
        policy: &Policy,
        now: Instant,
    ) -> bool {
        if n_arrived + n_lost == 0 {
            return false;
        }
        let (arrived, lost) = (small(n_arrived), small(n_lost));
        if arrived >= SHARE_GOOD * (arrived + lost) {
            self.widen(n_arrived, slots);
        }
        self.n_arrived += arrived;
        self.n_lost += lost;
        let n_settled = self.n_arrived + self.n_lost;
        // Of one at which nobody has ever been seen, the first few say enough.
        let settled_min = match self.window {
            Some(window) if self.n_arrived == 0.0 => SETTLED_MIN.min(small(window)),
            _ => SETTLED_MIN,
        };
        if n_settled >= settled_min && self.n_arrived < SHARE_MIN * n_settled {
            self.put_away(policy, now);
            return true;
        }
        if n_settled >= SETTLED_MEMORY {
            self.n_arrived /= 2.0;
            self.n_lost /= 2.0;
        }
        false
    }

    /// Each listener who came lets one more be on his way, so in a crowd the window doubles from
    /// report to report.
    fn widen(&mut self, n_arrived: u32, slots: u32) {
        let Some(window) = self.window else {
            return;
        };
        let wider = window.saturating_add(n_arrived);
        self.window = (wider < slots).then_some(wider);
        if self.window.is_none() {
            self.n_strikes = 0;
        }
    }

    fn put_away(&mut self, policy: &Policy, now: Instant) {
        let pause = policy
            .quarantine_first
            .saturating_mul(4_u32.pow(self.n_strikes.min(STRIKES_MAX)))
            .min(policy.quarantine_max);
        self.until = Some(now + pause.max(Duration::from_secs(1)));
        self.n_strikes += 1;
        self.window = Some(policy.window_again);
        self.n_arrived = 0.0;
        self.n_lost = 0.0;
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 24 bits"
)]
fn small(n: u32) -> f32 {
    n as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_window_doubles_while_listeners_come_and_is_open_in_the_end() {
        let (policy, now) = (Policy::default(), Instant::now());
        let mut trust = Trust::new(&policy);
        let mut windows = Vec::new();
        while let Some(window) = trust.window() {
            windows.push(window);
            assert!(!trust.settle(window, 0, 100, &policy, now));
        }
        assert_eq!(windows, [2, 4, 8, 16, 32, 64]);
        assert!(!trust.settle(0, 3, 100, &policy, now), "three say nothing");
        assert_eq!(trust.window(), None);
    }

    #[test]
    fn a_relay_that_swallows_listeners_is_put_away_for_longer_each_time() {
        let (policy, start) = (Policy::default(), Instant::now());
        let mut trust = Trust::new(&policy);
        for (n_lost, pause) in [(2, 60), (1, 240), (1, 960), (1, 3_600)] {
            for n in 1..=n_lost {
                let is_put_away = trust.settle(0, 1, 100, &policy, start);
                assert_eq!(is_put_away, n == n_lost, "{n} of {n_lost}");
            }
            let until = start + pause * SECOND;
            assert_eq!(trust.quarantined_until(start), Some(until));
            assert_eq!(trust.quarantined_until(until), None);
            assert_eq!(trust.window(), Some(1));
        }
        for _ in 0..20 {
            trust.settle(0, 100, 100, &policy, start);
        }
        assert_eq!(
            trust.quarantined_until(start),
            Some(start + policy.quarantine_max)
        );
        trust.lift();
        assert_eq!(trust.quarantined_until(start), None);
    }

    #[test]
    fn some_who_never_come_are_forgiven() {
        let (policy, now) = (Policy::default(), Instant::now());
        let mut trust = Trust::new(&policy);
        for _ in 0..1_000 {
            assert!(!trust.settle(7, 3, 1_000, &policy, now));
        }
        assert_eq!(trust.window(), None);
        // One that turns bad after a good life is noticed within its next few listeners.
        let n = (1..100).find(|_| trust.settle(0, 4, 1_000, &policy, now));
        assert!(n.is_some_and(|n| n < 20), "{n:?}");
    }
}
