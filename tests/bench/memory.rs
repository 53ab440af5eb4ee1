//! Whether a server's memory grows while listeners go and come. Pure.

use crate::outcome::{Memory, Outcome};
use crate::records::Middle;

/// What may be added over the whole time before it is called growth: this share of it...
const FLAT_SHARE: f64 = 0.02;
/// ...or this much, whichever is more.
const FLAT_KIB: f64 = 1024.0;
const HOUR_SECONDS: f64 = 3600.0;

/// How a server's memory went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// At the beginning, with everybody there.
    pub(crate) first_kib: f64,
    /// Half of the time it was less.
    pub(crate) median_kib: f64,
    /// At the end.
    pub(crate) last_kib: f64,
    /// The slope of its second half: in the first, caches fill.
    pub(crate) kib_per_hour: f64,
    /// How long it was looked at.
    pub(crate) hours: f64,
    /// How many went, and as many came, a second.
    pub(crate) per_second: f64,
}

impl Trend {
    /// Of one run. `None`: its memory was not looked at often enough.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        let memory = &outcome.hold.server.as_ref()?.memory;
        let (first, last) = (memory.first()?, memory.last()?);
        let second_half = memory.get(memory.len() / 2..)?;
        let sizes = memory.iter().map(|memory| memory.rss_kib as f64);
        let seconds = last.seconds - first.seconds;
        Some(Self {
            first_kib: first.rss_kib as f64,
            median_kib: Middle::of(sizes)?.median,
            last_kib: last.rss_kib as f64,
            kib_per_hour: kib_per_second(second_half)? * HOUR_SECONDS,
            hours: seconds / HOUR_SECONDS,
            per_second: outcome.n_churned as f64 / outcome.hold.seconds.max(f64::MIN_POSITIVE),
        })
    }

    /// Whether what the slope adds over the whole time is nothing to speak of.
    pub(crate) fn is_flat(&self) -> bool {
        let may_add = (self.median_kib * FLAT_SHARE).max(FLAT_KIB);
        self.kib_per_hour * self.hours <= may_add
    }

    /// The result in words.
    pub(crate) fn sentence(&self, server: &str, n_listeners: usize) -> String {
        let verdict = if self.is_flat() {
            "is flat"
        } else {
            "is not flat: it grows"
        };
        format!(
            "{n_listeners} listeners, of whom {:.0} a second go while others come, for {:.0} \
             minutes: the memory of {server}, {verdict}, from {:.0} KiB at first to {:.0} KiB at last, with a \
             slope of {:+.0} KiB an hour.",
            self.per_second,
            self.hours * 60.0,
            self.first_kib,
            self.last_kib,
            self.kib_per_hour,
        )
    }
}

/// The slope of the line that fits best (least squares).
fn kib_per_second(memory: &[Memory]) -> Option<f64> {
    let n = memory.len() as f64;
    let mean = |value: fn(&Memory) -> f64| memory.iter().map(value).sum::<f64>() / n;
    let (mean_seconds, mean_kib) = (mean(|m| m.seconds), mean(|m| m.rss_kib as f64));
    let (mut together, mut alone) = (0.0, 0.0);
    for Memory { seconds, rss_kib } in memory {
        let away = seconds - mean_seconds;
        together += away * (*rss_kib as f64 - mean_kib);
        alone += away * away;
    }
    (alone > 0.0).then_some(together / alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Hold, Server};

    /// An hour, looked at every 10 s.
    fn hour(kib: impl Fn(u64) -> u64) -> Option<Trend> {
        let memory = (0..=360).map(|n| Memory {
            seconds: n as f64 * 10.0,
            rss_kib: kib(n * 10),
        });
        let server = Server {
            memory: memory.collect(),
            ..Server::default()
        };
        let hold = Hold {
            seconds: 3600.0,
            server: Some(server),
            ..Hold::default()
        };
        Trend::of(&Outcome {
            n_churned: 360_000,
            hold,
            ..Outcome::default()
        })
    }

    #[test]
    fn what_grows_is_not_flat_and_what_fills_once_is() {
        let steady = hour(|_| 20_000).unwrap();
        assert!(steady.is_flat() && steady.kib_per_hour.abs() < 1e-6);
        let filling = hour(|second| 20_000 + second.min(1_000) * 10).unwrap();
        assert!(filling.is_flat(), "{filling:?}");
        let growing = hour(|second| 20_000 + second / 3).unwrap();
        assert!(!growing.is_flat(), "{growing:?}");
        assert!((growing.kib_per_hour - 1200.0).abs() < 5.0, "{growing:?}");
        // The same is nothing to a server that is ten times as large.
        assert!(hour(|second| 200_000 + second / 3).unwrap().is_flat());
    }

    #[test]
    fn a_server_that_shrinks_is_flat() {
        assert!(hour(|second| 50_000 - second).unwrap().is_flat());
    }

    #[test]
    fn one_look_is_no_trend() {
        let mut outcome = Outcome::default();
        assert_eq!(Trend::of(&outcome), None);
        outcome.hold.server = Some(Server {
            memory: vec![Memory::default()],
            ..Server::default()
        });
        assert_eq!(Trend::of(&outcome), None);
    }
}
