//! Whether listeners who are sent to a relay get there. Pure.
//!
//! A relay that reports but serves nobody always looks empty, so everybody would be sent there: of
//! all illnesses the worst. So only a few may be on their way to a relay of which nobody knows that
//! listeners reach it; the number grows as they come. And one that swallows them gets none for a
//! while, each time for longer.
//!
//! One may turn bad after a good life, and then its past must not speak for it. So each report is
//! also asked how likely its silence is: those who were sent after the last one who came, how many
//! of them should be there by now? Where hardly any such silence is chance, the relay is in doubt:
//! it becomes as dear as a full one until somebody comes or it is too late for those who are on
//! their way, so that whoever has another relay goes there. That costs little if it is wrong.
//! Where next to no such silence is chance, the relay is put away.

use std::time::{Duration, Instant};

use super::reservations::Lost;
use crate::choice::Policy;

/// So many tickets must have been settled before they say something.
const SETTLED_MIN: f32 = 4.0;
/// A smaller share of listeners that came is an illness.
const SHARE_MIN: f32 = 0.2;
/// A larger share of listeners that came in a report lets more be sent.
const SHARE_GOOD: f32 = 0.5;
/// What was long ago counts half, each time so many have been settled.
const SETTLED_MEMORY: f32 = 16.0;
/// Who comes at all is there after this time, most often …
const WAY: Duration = Duration::from_millis(500);
/// … and of those who are not, the part still missing shrinks to a third (1 / e) in so long.
const WAY_MORE: Duration = Duration::from_millis(250);
/// Of a silence less likely than one in e to the power of this, 1 %, one thinks ill …
const DOUBT: f32 = 4.6;
/// … and at one in 100,000 one is sure.
const CERTAIN: f32 = 11.5;
/// Of a hundred so many never come, at least: nobody is taken for better than that, …
const NEVER_MIN: f32 = 0.05;
/// … or for worse than this.
const NEVER_MAX: f32 = 0.9;
/// How many never come is learned from about so many.
const NEVER_MEMORY: f32 = 64.0;
/// No longer pause than the first one times four to the power of this.
const STRIKES_MAX: u32 = 8;

/// What is known of one relay.
#[derive(Debug)]
pub struct Trust {
    /// So many may be on their way; `None`: as many as there are slots.
    window: Option<u32>,
    n_arrived: f32,
    n_lost: f32,
    /// Of those who are sent, the share that never comes, while others do.
    never: f32,
    /// So many have not come, one after another, since the last one who did.
    n_missing: u32,
    /// Nobody comes any more, as it seems.
    is_doubted: bool,
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
            never: NEVER_MIN,
            n_missing: 0,
            is_doubted: false,
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

    /// Whether it is the last choice until somebody comes, or those on their way are too late.
    pub fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// Somebody has seen with his own eyes that it serves.
    pub fn vouch(&mut self) {
        self.window = None;
        self.until = None;
        self.see();
    }

    /// It may be tried again at once, carefully.
    pub fn lift(&mut self) {
        self.until = None;
        self.see();
    }

    /// It has been heard of: somebody was there.
    pub fn see(&mut self) {
        self.n_missing = 0;
        self.is_doubted = false;
    }

    /// A report named so many, and these are too late. Those who were sent after the last one who
    /// came are on their way for so long at its moment. `true`: the relay is put away.
    pub fn watch(
        &mut self,
        n_arrived: u32,
        lost: Lost,
        waiting: impl Iterator<Item = Duration>,
        policy: &Policy,
        now: Instant,
    ) -> bool {
        // Somebody came after these: they are no silence.
        let n_passed = lost.n.saturating_sub(lost.n_in_a_row);
        if n_arrived > 0 {
            self.learn(n_arrived, n_passed.saturating_add(self.n_missing));
            self.see();
        } else if n_passed > 0 {
            self.learn(0, n_passed);
        }
        self.n_missing = self.n_missing.saturating_add(lost.n_in_a_row);
        // How often one who comes is so late, or never comes; as a logarithm.
        let at_most = -self.never.clamp(NEVER_MIN, NEVER_MAX).ln();
        let surprise = |age: Duration| {
            let late = age.saturating_sub(WAY).as_secs_f32();
            (late / WAY_MORE.as_secs_f32()).min(at_most)
        };
        let by_waiting: f32 = waiting.map(surprise).sum();
        let by_missing = small(self.n_missing) * at_most;
        self.is_doubted = by_waiting > 0.0 && by_missing + by_waiting >= DOUBT;
        if by_missing < CERTAIN {
            return false;
        }
        // It was good: something has happened that takes longer than a minute.
        self.n_strikes = self.n_strikes.max(1);
        self.put_away(policy, now);
        true
    }

    fn learn(&mut self, n_arrived: u32, n_missing: u32) {
        let (arrived, missing) = (small(n_arrived), small(n_missing));
        let weight = 1.0 - (-(arrived + missing) / NEVER_MEMORY).exp();
        self.never += weight * (missing / (arrived + missing) - self.never);
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
        self.see();
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
mod tests;
