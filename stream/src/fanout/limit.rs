//! Decides from what the relays go through how much listeners may get: the measured side of the
//! uplink. Pure: time comes in.
//!
//! Relays that cannot get rid of their bytes, all at once, mean that the line is full. Then
//! listeners get nothing until the relays are through, and from then on a little less than got
//! out before; the limit grows again until the line is full again or nobody has to wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often the relays are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The rate is measured over this time.
const RATE_OVER: Duration = Duration::from_secs(1);
/// Listeners get nothing for this long at most. It is less than a burst: no player falls silent.
const BRAKE_MAX: Duration = Duration::from_secs(2);
/// And so long if all but a minority of the relays are through.
const BRAKE_FOR_FEW: Duration = Duration::from_millis(500);
/// Looks that are remembered.
const LOOKS_MAX: usize = 64;
/// What is left of the limit when relays fall behind.
const CUT: f64 = 0.85;
/// What is left of what seemed to get out when the limit begins: the kernel took more than that,
/// and has to get rid of it.
const FIRST_CUT: f64 = 0.6;
/// It is not cut again within this time: a cut takes a moment to be felt.
const CUT_EVERY: Duration = Duration::from_millis(500);
/// Of what got out when the limit began, listeners and relays keep this much. Relays that stay
/// behind all the same have trouble of their own.
const FLOOR: f64 = 0.25;
/// The least limit, in bytes a second (half a megabit): a smaller uplink has to be configured.
const LEAST: f64 = 62_500.0;
/// The limit grows by this share a second up to where the line was full last, slowly around
/// there, and beyond the faster the further it gets: then the line has become wider. Not at once,
/// for the line is full a moment before the relays feel it.
const GROWTH_BELOW: f64 = 0.05;
const GROWTH_NEAR: f64 = 0.005;
const GROWTH_BEYOND: f64 = 0.5;
const GROWTH_MAX: f64 = 0.25;
/// What is near, as a share of where the line was full last.
const NEAR: std::ops::Range<f64> = 0.92..1.05;
/// The limit ends when nobody had to wait for this long, or there were no relays to protect.
const CALM: Duration = Duration::from_secs(10);

/// How things stand at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Relays that tell something about the uplink.
    pub(super) n_relays: usize,
    /// How many of them cannot get rid of their bytes.
    pub(super) n_held_up: usize,
    /// Bytes sent so far.
    pub(super) n_bytes: u64,
    /// Turns of listeners put off so far.
    pub(super) n_put_off: u64,
}

/// Something that an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum News {
    /// A limit begins; so many bytes a second got out.
    Began { bytes_per_second: f64 },
    /// It ends: it is not needed any more.
    Ended,
    /// It ends: it did not help the relays.
    GaveUp,
}

/// What listeners may get now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// Bytes a second for all, relays first. `None`: without limit.
    pub(super) limit: Option<f64>,
    /// Listeners get nothing at all.
    pub(super) is_braking: bool,
}

/// The decision and what led to it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    looks: VecDeque<(Instant, Look)>,
    phase: Option<Phase>,
}

/// While there is a limit.
#[derive(Debug)]
struct Phase {
    limit: f64,
    /// At this limit the line was full.
    full_at: f64,
    /// The most that ever got out.
    best: f64,
    /// So far all this comes from what sockets took before it began.
    is_guess: bool,
    braking_since: Option<Instant>,
    cut_at: Instant,
    /// When a listener last had to wait, and when there last were relays.
    needed_at: Instant,
    relays_at: Instant,
}

impl Limit {
    /// Takes a look at `now` into account.
    pub(super) fn look(&mut self, look: Look, now: Instant) -> (Decision, Option<News>) {
        let before = self.looks.back().copied().unwrap_or((now, look));
        if self.looks.len() == LOOKS_MAX {
            self.looks.pop_front();
        }
        self.looks.push_back((now, look));
        let is_congested = look.n_held_up * 2 > look.n_relays;
        let news = match self.phase.take() {
            None if is_congested => Some(self.begin(now)),
            None => None,
            Some(phase) if is_congested => self.congested(phase, now),
            Some(phase) => self.clear(phase, before, now),
        };
        (self.decision(), news)
    }

    /// What holds now.
    pub(super) fn decision(&self) -> Decision {
        self.phase
            .as_ref()
            .map_or_else(Decision::default, |phase| Decision {
                limit: Some(phase.limit),
                is_braking: phase.braking_since.is_some(),
            })
    }

    fn begin(&mut self, now: Instant) -> News {
        let rate = self.rate_since(now.checked_sub(RATE_OVER), now);
        let full_at = rate.max(LEAST);
        self.phase = Some(Phase {
            limit: cut(full_at, FIRST_CUT),
            full_at,
            best: full_at,
            is_guess: true,
            braking_since: Some(now),
            cut_at: now,
            needed_at: now,
            relays_at: now,
        });
        News::Began {
            bytes_per_second: rate,
        }
    }

    fn congested(&mut self, mut phase: Phase, now: Instant) -> Option<News> {
        (phase.needed_at, phase.relays_at) = (now, now);
        match phase.braking_since {
            Some(since) if now.saturating_duration_since(since) >= BRAKE_MAX => {
                return Some(News::GaveUp);
            }
            Some(_) => {}
            None if now.saturating_duration_since(phase.cut_at) >= CUT_EVERY => {
                phase.full_at = phase.limit;
                phase.limit = cut(phase.limit, CUT);
                phase.cut_at = now;
                if phase.limit < phase.best * FLOOR || phase.limit <= LEAST {
                    return Some(News::GaveUp);
                }
                phase.braking_since = Some(now);
            }
            None => phase.braking_since = Some(now),
        }
        self.phase = Some(phase);
        None
    }

    fn clear(&mut self, mut phase: Phase, before: (Instant, Look), now: Instant) -> Option<News> {
        let (looked_at, before) = before;
        let look = self.looks.back().map_or(before, |(_, look)| *look);
        if let Some(since) = phase.braking_since {
            let is_long = now.saturating_duration_since(since) >= BRAKE_FOR_FEW;
            if look.n_held_up == 0 || is_long {
                phase.braking_since = None;
                self.learn(&mut phase, since, now);
            }
            self.phase = Some(phase);
            return None;
        }
        if look.n_relays > 0 {
            phase.relays_at = now;
        }
        if look.n_put_off > before.n_put_off {
            phase.needed_at = now;
            if look.n_relays > 0 {
                phase.grow(now.saturating_duration_since(looked_at));
            }
        }
        let needed = phase.needed_at.min(phase.relays_at);
        if now.saturating_duration_since(needed) >= CALM {
            return Some(News::Ended);
        }
        self.phase = Some(phase);
        None
    }

    /// What listeners' sockets took before the limit began is not what got out: the kernel
    /// keeps some. It is, over the time until the relays were through.
    fn learn(&self, phase: &mut Phase, braking_since: Instant, now: Instant) {
        if std::mem::take(&mut phase.is_guess) {
            let rate = self.rate_since(braking_since.checked_sub(RATE_OVER), now);
            phase.full_at = rate.max(LEAST);
            phase.best = phase.full_at;
            phase.limit = cut(phase.full_at, FIRST_CUT);
        }
    }

    /// Bytes a second from `from`, or the oldest look behind it, until now.
    fn rate_since(&self, from: Option<Instant>, now: Instant) -> f64 {
        let is_in_time = |at: Instant| from.is_none_or(|from| at >= from);
        let first = self.looks.iter().find(|(at, _)| is_in_time(*at));
        let (Some((began, first)), Some((_, last))) = (first, self.looks.back()) else {
            return 0.0;
        };
        let seconds = now.saturating_duration_since(*began).max(LOOK_EVERY);
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 in some seconds")]
        let n_bytes = last.n_bytes.saturating_sub(first.n_bytes) as f64;
        n_bytes / seconds.as_secs_f64()
    }
}

fn cut(limit: f64, to: f64) -> f64 {
    (limit * to).max(LEAST)
}

impl Phase {
    fn grow(&mut self, time: Duration) {
        let growth = match self.limit / self.full_at {
            share if share < NEAR.start => GROWTH_BELOW,
            share if share < NEAR.end => GROWTH_NEAR,
            share => ((share - 1.0) * GROWTH_BEYOND).min(GROWTH_MAX),
        };
        // A clock that jumped is no reason to let go.
        let seconds = time.as_secs_f64().min(1.0);
        self.limit += self.limit * growth * seconds;
        self.best = self.best.max(self.limit);
    }
}

#[cfg(test)]
mod tests;
