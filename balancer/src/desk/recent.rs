//! A sample of the redirects of the last minutes, to compare them with the best ones. Pure.
//!
//! Of a listener only the degree of the globe that he is in is kept, with no time and no
//! order, for some minutes.

use std::collections::VecDeque;

use stream::mount::MountPath;
use stream::report::Place;

use crate::base_url::Scheme;

/// So many minutes are looked at.
pub const MINUTES_MAX: usize = 5;
/// Of each minute at most so many redirects are kept; each has the same chance to be.
pub const KEPT_A_MINUTE_MAX: usize = 200;

/// One redirect.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// Where the listener is, to a degree.
    pub cell: Cell,
    /// What he wanted to hear.
    pub mount: MountPath,
    /// How he came.
    pub scheme: Scheme,
    /// The name of the relay that he was sent to.
    pub relay: String,
}

/// A degree of the globe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    latitude: i16,
    longitude: i16,
}

impl Cell {
    /// The cell that a place is in.
    #[expect(clippy::cast_possible_truncation, reason = "at most 180")]
    pub fn of(place: Place) -> Self {
        Self {
            latitude: place.latitude.floor().clamp(-90.0, 89.0) as i16,
            longitude: place.longitude.floor().clamp(-180.0, 179.0) as i16,
        }
    }

    /// Its middle.
    pub fn middle(self) -> Place {
        Place {
            latitude: f64::from(self.latitude) + 0.5,
            longitude: f64::from(self.longitude) + 0.5,
        }
    }
}

/// The sample.
#[derive(Debug, Default)]
pub struct Recent {
    minutes: VecDeque<Minute>,
}

#[derive(Debug)]
struct Minute {
    minute: u64,
    n_seen: u64,
    kept: Vec<Redirect>,
}

impl Recent {
    /// Somebody was sent somewhere. `chance`: any number, by chance. `redirect` is only made
    /// if it is kept.
    pub fn note(&mut self, minute: u64, chance: u64, redirect: impl FnOnce() -> Redirect) {
        if self.minutes.back().is_none_or(|last| last.minute != minute) {
            self.minutes.push_back(Minute {
                minute,
                n_seen: 0,
                kept: Vec::new(),
            });
            self.forget(minute);
        }
        let Some(last) = self.minutes.back_mut() else {
            return;
        };
        last.n_seen += 1;
        if last.kept.len() < KEPT_A_MINUTE_MAX {
            last.kept.push(redirect());
            return;
        }
        // Each of the n seen so far stays with the same chance (Vitter's algorithm R).
        let at = usize::try_from(chance % last.n_seen).unwrap_or(usize::MAX);
        if let Some(place) = last.kept.get_mut(at) {
            *place = redirect();
        }
    }

    /// What is kept of the minutes up to `minute`, and what share that is of all redirects.
    pub fn sample(&mut self, minute: u64) -> (Vec<Redirect>, f64) {
        self.forget(minute);
        let kept: Vec<_> = self
            .minutes
            .iter()
            .flat_map(|one| one.kept.iter().cloned())
            .collect();
        let n_seen: u64 = self.minutes.iter().map(|one| one.n_seen).sum();
        let share = share(kept.len(), n_seen);
        (kept, share)
    }

    fn forget(&mut self, minute: u64) {
        let first = minute.saturating_sub(MINUTES_MAX as u64 - 1);
        self.minutes
            .retain(|one| (first..=minute).contains(&one.minute));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(n_kept: usize, n_seen: u64) -> f64 {
    if n_seen == 0 {
        return 1.0;
    }
    n_kept as f64 / n_seen as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(latitude: f64, relay: &str) -> Redirect {
        Redirect {
            cell: Cell::of(Place {
                latitude,
                longitude: 13.4,
            }),
            mount: MountPath::parse("/live.ogg").unwrap(),
            scheme: Scheme::Http,
            relay: relay.to_owned(),
        }
    }

    #[test]
    fn nobody_can_be_found_again_by_his_cell() {
        let (one, other) = (redirect(52.01, "a"), redirect(52.99, "a"));
        assert_eq!(one, other);
        let middle = one.cell.middle();
        assert!((middle.latitude - 52.5).abs() < 1e-9 && (middle.longitude - 13.5).abs() < 1e-9);
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (f64::NAN, 1e300)] {
            let middle = Cell::of(Place {
                latitude,
                longitude,
            })
            .middle();
            assert!(middle.latitude.abs() <= 90.0 && middle.longitude.abs() <= 180.0);
        }
    }

    #[test]
    fn the_sample_is_bounded_fair_and_forgets() {
        let mut recent = Recent::default();
        let mut chance = 1_u64;
        for n in 0..40_000 {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let relay = if n < 20_000 { "early" } else { "late" };
            recent.note(7, chance >> 20, || redirect(0.0, relay));
        }
        let (kept, share) = recent.sample(7);
        assert_eq!(kept.len(), KEPT_A_MINUTE_MAX);
        assert!((share - 0.005).abs() < 1e-9);
        let n_late = kept.iter().filter(|one| one.relay == "late").count();
        assert!((60..=140).contains(&n_late), "{n_late}");
        assert_eq!(recent.sample(11).0.len(), KEPT_A_MINUTE_MAX);
        assert_eq!(recent.sample(12), (Vec::new(), 1.0));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_more() {
        let mut recent = Recent::default();
        for minute in (0..100).rev() {
            recent.note(minute, 0, || redirect(0.0, "a"));
            assert!(recent.minutes.len() <= MINUTES_MAX);
        }
    }
}
