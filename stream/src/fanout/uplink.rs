//! How many bytes a second listeners may get, so that the uplink never fills up with them and
//! relays find it free. Shared by all shards; the decision is made in one place, `limit`.
//! Knows no clock: time comes in.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limit::{Decision, LOOK_EVERY, Limit, Look, News};

/// Unused budget is kept for this long: the burst that may go out at once.
const SAVED: Duration = Duration::from_millis(50);
/// So much may be overdrawn by relays and bursts; more is forgotten.
const DEBT: Duration = Duration::from_secs(1);
/// Of the configured uplink this much is given out; the rest is for headers, acknowledgements and
/// what is not measured here.
const SHARE: f64 = 0.9;
/// What a shard said of its relays is forgotten after this time: it sleeps.
const REPORT_AGE_MAX: Duration = Duration::from_secs(1);

/// The uplink of a program, shared by its shards.
#[derive(Debug)]
pub struct Uplink {
    /// What the operator allows to be given out; 0: he set no limit.
    allowed: AtomicU64,
    began: Instant,
    /// Bytes a second; 0: no limit.
    limit: AtomicU64,
    is_braking: AtomicBool,
    /// Microseconds since `began` up to which budget has been given out.
    filled_us: AtomicU64,
    budget: AtomicI64,
    n_bytes: AtomicU64,
    n_put_off: AtomicU64,
    n_held_up: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    /// The newest report of each shard.
    reports: Vec<Report>,
    next_look: Instant,
    n_given_up: u64,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    at: Instant,
    n_relays: usize,
    n_held_up: usize,
    /// How much of what was given up the shard has been told.
    n_given_up: u64,
}

impl Uplink {
    /// An uplink of so many bits a second; 0 is one that is only measured.
    pub fn new(bits_per_second: u64, now: Instant) -> Self {
        let allowed = share(bits_per_second);
        Self {
            allowed: AtomicU64::new(allowed),
            began: now,
            limit: AtomicU64::new(allowed),
            is_braking: AtomicBool::new(false),
            filled_us: AtomicU64::new(0),
            budget: AtomicI64::new(0),
            n_bytes: AtomicU64::new(0),
            n_put_off: AtomicU64::new(0),
            n_held_up: AtomicU64::new(0),
            state: Mutex::new(State {
                limit: Limit::default(),
                reports: Vec::new(),
                next_look: now,
                n_given_up: 0,
            }),
        }
    }

    /// The operator allows something else from now on, in bits a second; 0: he sets no limit.
    pub fn allow(&self, bits_per_second: u64) {
        let allowed = share(bits_per_second);
        if self.allowed.swap(allowed, Ordering::Relaxed) != allowed {
            self.limit.store(allowed, Ordering::Relaxed);
        }
    }

    /// Bytes a second that are given out now; 0: without limit.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Turns of listeners that were put off because the uplink was full.
    pub fn n_put_off(&self) -> u64 {
        self.n_put_off.load(Ordering::Relaxed)
    }

    /// Relays that cannot get rid of their bytes now.
    pub fn n_held_up(&self) -> u64 {
        self.n_held_up.load(Ordering::Relaxed)
    }

    /// Whether listeners may be served now. Relays never ask.
    pub fn has_room(&self, now: Instant) -> bool {
        if self.is_braking.load(Ordering::Relaxed) {
            return false;
        }
        let limit = self.limit();
        if limit == 0 {
            return true;
        }
        self.fill(limit, now);
        self.budget.load(Ordering::Relaxed) > 0
    }

    /// Bytes went out, to whomever: what relays take is not there for listeners.
    pub fn spend(&self, n_bytes: usize) {
        self.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        if self.limit() > 0 {
            let n_bytes = i64::try_from(n_bytes).unwrap_or(i64::MAX);
            self.budget.fetch_sub(n_bytes, Ordering::Relaxed);
        }
    }

    /// A listener's turn came and he has to wait.
    pub(super) fn put_off(&self) {
        self.n_put_off.fetch_add(1, Ordering::Relaxed);
    }

    /// A shard, by its number, says how many of its relays count and how many of them are held
    /// up. `true`: listeners gave way in vain; those that are held up have trouble of their own.
    pub(super) fn report(
        &self,
        shard: usize,
        n_relays: usize,
        n_held_up: usize,
        now: Instant,
    ) -> bool {
        let mut state = self.state();
        state.note(shard, n_relays, n_held_up, now);
        if now >= state.next_look {
            state.next_look = now + LOOK_EVERY;
            let look = state.all(self.n_bytes.load(Ordering::Relaxed), self.n_put_off(), now);
            let (decision, news) = state.limit.look(look, now);
            if news == Some(News::GaveUp) {
                state.n_given_up += 1;
            }
            self.publish(decision, look);
            if let Some(news) = news {
                tell(news, look);
            }
        }
        state.tell(shard)
    }

    fn publish(&self, decision: Decision, look: Look) {
        let allowed = self.allowed.load(Ordering::Relaxed);
        let limit = match decision.limit {
            None => allowed,
            // Even if nothing at all got out: 0 would mean that there is no limit.
            Some(limit) if allowed == 0 => whole(limit).max(1),
            Some(limit) => whole(limit).clamp(1, allowed),
        };
        self.limit.store(limit, Ordering::Relaxed);
        self.is_braking
            .store(decision.is_braking, Ordering::Relaxed);
        self.n_held_up
            .store(look.n_held_up as u64, Ordering::Relaxed);
    }

    fn fill(&self, limit: u64, now: Instant) {
        let now_us = micros(now.saturating_duration_since(self.began));
        let filled_us = self.filled_us.load(Ordering::Relaxed);
        // One shard fills for each stretch of time; the others see that it was done.
        let is_mine = now_us > filled_us
            && self
                .filled_us
                .compare_exchange(filled_us, now_us, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_mine {
            return;
        }
        let earned = bytes_for(limit, now_us - filled_us);
        let bounds = -bytes_for(limit, micros(DEBT))..=bytes_for(limit, micros(SAVED)).max(1);
        let budget = self
            .budget
            .fetch_add(earned, Ordering::Relaxed)
            .saturating_add(earned);
        let bounded = budget.clamp(*bounds.start(), *bounds.end());
        if budget != bounded {
            self.budget.fetch_sub(budget - bounded, Ordering::Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, shard: usize, n_relays: usize, n_held_up: usize, now: Instant) {
        let blank = Report {
            at: now,
            n_relays: 0,
            n_held_up: 0,
            n_given_up: self.n_given_up,
        };
        if self.reports.len() <= shard {
            self.reports.resize(shard + 1, blank);
        }
        let report = &mut self.reports[shard];
        (report.at, report.n_relays, report.n_held_up) = (now, n_relays, n_held_up);
    }

    /// Whether there is something given up of which the shard has not been told.
    fn tell(&mut self, shard: usize) -> bool {
        let report = &mut self.reports[shard];
        let is_news = report.n_given_up != self.n_given_up;
        if is_news {
            report.n_given_up = self.n_given_up;
            (report.n_relays, report.n_held_up) = (0, 0);
        }
        is_news
    }

    /// The reports of all shards that are awake and know what was given up.
    fn all(&self, n_bytes: u64, n_put_off: u64, now: Instant) -> Look {
        let is_fresh = |report: &&Report| {
            let age = now.saturating_duration_since(report.at);
            age <= REPORT_AGE_MAX && report.n_given_up == self.n_given_up
        };
        let fresh = || self.reports.iter().filter(is_fresh);
        Look {
            n_relays: fresh().map(|report| report.n_relays).sum(),
            n_held_up: fresh().map(|report| report.n_held_up).sum(),
            n_bytes,
            n_put_off,
        }
    }
}

/// Bytes a second of an uplink of so many bits that are given out.
#[expect(
    clippy::cast_precision_loss,
    reason = "an uplink stays below 2^53 bits a second"
)]
fn share(bits_per_second: u64) -> u64 {
    whole(bits_per_second as f64 * SHARE / 8.0)
}

fn tell(news: News, look: Look) {
    let Look {
        n_relays,
        n_held_up,
        ..
    } = look;
    match news {
        News::Began { bytes_per_second } => tracing::warn!(
            "the uplink is full: {n_held_up} of {n_relays} relay connections are held up at \
             {:.1} Mbit/s; listeners wait until relays have what they need",
            bytes_per_second * 8e-6
        ),
        News::Ended => tracing::info!("the uplink is free again: no listener has to wait"),
        News::GaveUp => tracing::warn!(
            "{n_held_up} of {n_relays} relay connections stay behind though listeners gave way: \
             not this uplink; listeners do not wait for them any more"
        ),
    }
}

fn bytes_for(limit: u64, us: u64) -> i64 {
    let bytes = u128::from(limit) * u128::from(us) / 1_000_000;
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes a second are never below 0, and a cast ends at the greatest u64"
)]
fn whole(bytes_per_second: f64) -> u64 {
    bytes_per_second as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What listeners get in ten seconds of an uplink of 8 Mbit/s (1 MB/s, 0.9 given out) of
    /// which relays take `relays` bytes in each 10 ms.
    fn listeners_get(relays: usize) -> usize {
        let began = Instant::now();
        let uplink = Uplink::new(8_000_000, began);
        let mut n_sent = 0;
        for step in 0..1_000 {
            let now = began + Duration::from_millis(10 * step);
            uplink.spend(relays);
            while uplink.has_room(now) {
                uplink.spend(1_000);
                n_sent += 1_000;
            }
        }
        n_sent
    }

    #[test]
    fn listeners_get_what_relays_leave() {
        assert!(
            (8_900_000..9_100_000).contains(&listeners_get(0)),
            "{}",
            listeners_get(0)
        );
        assert!((3_900_000..4_100_000).contains(&listeners_get(5_000)));
        assert!(listeners_get(10_000) < 100_000);
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        let uplink = Uplink::new(0, Instant::now());
        uplink.spend(usize::MAX);
        assert!(uplink.has_room(Instant::now()));
    }

    #[test]
    fn what_relays_overdrew_is_forgotten_after_a_second() {
        let began = Instant::now();
        let uplink = Uplink::new(8_000_000, began);
        uplink.spend(100_000_000);
        assert!(!uplink.has_room(began + Duration::from_millis(10)));
        assert!(!uplink.has_room(began + Duration::from_millis(900)));
        assert!(uplink.has_room(began + Duration::from_millis(1_100)));
    }

    /// Two shards with a relay each, of which some are held up, for so long.
    fn reports(uplink: &Uplink, began: Instant, n_held_up: [usize; 2]) -> Instant {
        let mut now = began;
        for _ in 0..20 {
            now += LOOK_EVERY;
            uplink.spend(100_000);
            for (shard, n_held_up) in n_held_up.into_iter().enumerate() {
                assert!(!uplink.report(shard, 1, n_held_up, now));
            }
        }
        now
    }

    #[test]
    fn listeners_wait_as_long_as_the_relays_of_all_shards_are_held_up() {
        let began = Instant::now();
        let uplink = Uplink::new(0, began);
        let now = reports(&uplink, began, [0, 0]);
        let now = reports(&uplink, now, [1, 0]);
        assert!(uplink.has_room(now) && uplink.limit() == 0);
        let now = reports(&uplink, now, [1, 1]);
        assert!(!uplink.has_room(now) && uplink.n_held_up() == 2);
        let now = reports(&uplink, now, [0, 0]);
        assert!(uplink.has_room(now));
        // 2 MB a second got out, and in the time of the brake as much.
        let limit = uplink.limit();
        assert!((1_100_000..1_300_000).contains(&limit), "{limit}");
    }

    #[test]
    fn every_shard_is_told_once_that_listeners_gave_way_in_vain() {
        let began = Instant::now();
        let uplink = Uplink::new(0, began);
        let mut told = [0; 2];
        for n in 0..100 {
            let now = began + LOOK_EVERY * n;
            for (shard, told) in told.iter_mut().enumerate() {
                // A relay that was given up does not count any more.
                let n_relays = usize::from(*told == 0);
                *told += usize::from(uplink.report(shard, n_relays, n_relays, now));
            }
        }
        assert_eq!(told, [1, 1]);
        assert!(uplink.limit() == 0 && uplink.has_room(began + Duration::from_secs(5)));
    }

    #[test]
    fn what_is_measured_never_exceeds_what_is_allowed() {
        let began = Instant::now();
        let uplink = Uplink::new(8_000_000, began);
        let now = reports(&uplink, began, [1, 1]);
        reports(&uplink, now, [0, 0]);
        assert_eq!(uplink.limit(), 900_000);
    }
}
