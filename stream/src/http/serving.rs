//! How often and with how much at once listeners are served: the operator's settings for all mounts
//! (what he sets for single ones is `of_mount`), and what a listener may wish.

mod of_mount;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::added::Added;
use super::answer::Answer;
use crate::config::ConfigError;
use crate::fanout::{Fanout, PACE_MAX, Pace, Uplink};
use crate::log::Keep;
use crate::mount::MountPath;
use crate::shutdown::Shutdown;
pub use of_mount::{MountSettings, Titles};

/// Pace and burst of every mount.
#[derive(Clone, Debug)]
pub struct Serving {
    /// For mounts without settings of their own.
    pub pace: Duration,
    /// For mounts without settings of their own.
    pub burst: Duration,
    /// What a listener may ask for with `?pace=`.
    pub pace_allowed: RangeInclusive<Duration>,
    /// The most that a listener may ask for with `?burst=`.
    pub burst_max: Duration,
    /// What is added to answers to listeners.
    pub headers: Added,
    /// Mounts with settings of their own.
    pub mounts: Vec<MountSettings>,
}

impl Serving {
    /// The pace for a listener of `path` who wishes for `wish` seconds, or for nothing.
    pub fn pace(&self, path: &MountPath, wish: Option<f64>) -> Pace {
        let own = self.mount(path).and_then(|mount| mount.pace_seconds);
        let pace = own.map_or(self.pace, Duration::from_secs_f64);
        let wish = wish.filter(|seconds| (0.0..=PACE_MAX.as_secs_f64()).contains(seconds));
        let wished = wish.map(Duration::from_secs_f64);
        let (least, most) = (*self.pace_allowed.start(), *self.pace_allowed.end());
        // What the operator set for all is allowed, even outside of what may be wished for.
        Pace::of(wished.map_or(pace, |wished| wished.clamp(least, most.max(least))))
    }

    /// Recent sound for a new listener of `path`.
    pub fn burst(&self, path: &MountPath) -> Duration {
        let own = self.mount(path).and_then(|mount| mount.burst_seconds);
        own.map_or(self.burst, Duration::from_secs_f64)
    }

    /// Recent sound for a new listener of `path` who wishes for `wish` seconds, or for nothing.
    pub fn burst_wished(&self, path: &MountPath, wish: Option<f64>) -> Duration {
        let wish = wish.filter(|seconds| (0.0..=BURST_SECONDS_MAX).contains(seconds));
        let wished = wish.map(|seconds| Duration::from_secs_f64(seconds).min(self.burst_max));
        wished.unwrap_or_else(|| self.burst(path))
    }

    /// An answer to a listener of `path` with the operator's headers: of two with one name the mount's
    /// own.
    #[must_use]
    pub fn dress(&self, path: &MountPath, answer: Answer) -> Answer {
        let own = self.mount(path).map(|mount| &mount.headers);
        let has_own = |name: &str| own.is_some_and(|own| own.has(name));
        let all = self.headers.all().filter(|(name, _)| !has_own(name));
        let all = all.chain(own.into_iter().flat_map(Added::all));
        all.fold(answer, |answer, (name, value)| answer.header(name, value))
    }

    /// The settings of a mount that has some of its own.
    pub fn mount(&self, path: &MountPath) -> Option<&MountSettings> {
        self.mounts.iter().find(|mount| mount.path == *path)
    }
}

/// The longest burst, in seconds.
const BURST_SECONDS_MAX: f64 = 60.0;
/// The longest time that a ring keeps, in seconds.
const RING_SECONDS_MAX: f64 = 3_600.0;
/// The largest ring, in megabytes.
const RING_MEGABYTES_MAX: f64 = 4_096.0;
/// The most threads that serve listeners.
const SHARDS_MAX: f64 = 64.0;
/// The largest uplink, in Mbit/s.
const UPLINK_MEGABITS_MAX: f64 = 1e6;

/// What a master's and a relay's settings have in common, as it stands in their files.
#[derive(Clone, Copy, Debug)]
pub struct Knobs<'a> {
    /// Recent sound sent at once to a new listener.
    pub burst_seconds: f64,
    /// The most that a listener may ask for.
    pub burst_seconds_max: f64,
    /// How often a listener is served; 0 is every page.
    pub pace_seconds: f64,
    /// What a listener may ask for, from …
    pub pace_seconds_min: f64,
    /// … to.
    pub pace_seconds_max: f64,
    /// What may be sent in all; 0: it is found out from how the relays keep up.
    pub uplink_megabits: f64,
    /// Threads that serve listeners; 0 is one for each processor.
    pub shards: usize,
    /// How much of each mount is kept in memory, by time.
    pub ring_seconds: u64,
    /// How much of each mount is kept in memory, by size.
    pub ring_megabytes: usize,
    /// What is added to answers to listeners.
    pub headers: &'a Added,
    /// Mounts with settings of their own.
    pub mounts: &'a [MountSettings],
}

impl Knobs<'_> {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// Names the key and what it may be.
    #[expect(
        clippy::cast_precision_loss,
        reason = "only compared with small bounds"
    )]
    pub fn check(&self) -> Result<(), ConfigError> {
        let pace_max = PACE_MAX.as_secs_f64();
        check_number("burst_seconds", self.burst_seconds, 0.0, BURST_SECONDS_MAX)?;
        let burst_max = self.burst_seconds_max;
        check_number("burst_seconds_max", burst_max, 0.0, BURST_SECONDS_MAX)?;
        let longest = self.pace_seconds_max;
        check_number("pace_seconds_max", longest, 0.0, pace_max)?;
        let (usual, shortest) = (self.pace_seconds, self.pace_seconds_min);
        for (key, seconds) in [("pace_seconds", usual), ("pace_seconds_min", shortest)] {
            check_number(key, seconds, 0.0, pace_max)?;
            if seconds > longest {
                return Err(ConfigError::new(format!(
                    "`{key}` = {seconds} is more than `pace_seconds_max` = {longest}: make one \
                     smaller, or the other greater"
                )));
            }
        }
        let megabits = self.uplink_megabits;
        check_number("uplink_megabits", megabits, 0.0, UPLINK_MEGABITS_MAX)?;
        check_number("shards", self.shards as f64, 0.0, SHARDS_MAX)?;
        let (seconds, megabytes) = (self.ring_seconds as f64, self.ring_megabytes as f64);
        check_number("ring_seconds", seconds, 1.0, RING_SECONDS_MAX)?;
        check_number("ring_megabytes", megabytes, 1.0, RING_MEGABYTES_MAX)?;
        for mount in self.mounts {
            let key = |name: &str| format!("{name}` of mount `{}", mount.path);
            let pace = mount.pace_seconds.unwrap_or(0.0);
            let burst = mount.burst_seconds.unwrap_or(0.0);
            check_number(&key("pace_seconds"), pace, 0.0, pace_max)?;
            check_number(&key("burst_seconds"), burst, 0.0, BURST_SECONDS_MAX)?;
        }
        super::conditions::check_mounts(self.mounts)
    }

    /// How often and with how much at once listeners are served.
    pub fn serving(&self) -> Serving {
        let seconds = Duration::from_secs_f64;
        Serving {
            pace: seconds(self.pace_seconds),
            burst: seconds(self.burst_seconds),
            pace_allowed: seconds(self.pace_seconds_min)..=seconds(self.pace_seconds_max),
            burst_max: seconds(self.burst_seconds_max),
            headers: self.headers.clone(),
            mounts: self.mounts.to_vec(),
        }
    }

    /// How much of each mount is kept in memory.
    pub fn keep(&self) -> Keep {
        Keep {
            time: Duration::from_secs(self.ring_seconds),
            n_bytes: self.ring_megabytes.saturating_mul(1024 * 1024),
        }
    }

    /// What may be sent in all, in bits a second.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked"
    )]
    pub fn uplink_bits(&self) -> u64 {
        (self.uplink_megabits * 1e6) as u64
    }

    /// Starts the threads that serve listeners.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn fanout(&self, shutdown: &Shutdown) -> std::io::Result<Fanout> {
        let n_shards = match self.shards {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n_shards => n_shards,
        };
        let uplink = Uplink::new(self.uplink_bits(), Instant::now());
        Fanout::start(n_shards, uplink, shutdown)
    }
}

/// Refuses a number that is not within its bounds.
///
/// # Errors
/// Names the key and the bounds.
pub fn check_number(key: &str, number: f64, least: f64, most: f64) -> Result<(), ConfigError> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "`{key}` is {number}, must be {least} to {most}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> Serving {
        Serving {
            pace: Duration::from_secs(1),
            burst: Duration::from_secs(4),
            pace_allowed: Duration::from_millis(500)..=Duration::from_secs(2),
            burst_max: Duration::from_secs(20),
            headers: Added::default(),
            mounts: vec![
                toml::from_str("path = \"/hall.ogg\"\npace_seconds = 0.0\nburst_seconds = 1.0")
                    .unwrap(),
            ],
        }
    }

    #[test]
    fn a_listener_gets_his_pace_within_what_is_allowed() {
        let (serving, live) = (serving(), MountPath::parse("/live.ogg").unwrap());
        for (wish, ticks) in [
            (None, 50),
            (Some(0.0), 25),
            (Some(1.5), 75),
            (Some(5.0), 100),
            (Some(f64::NAN), 50),
            (Some(-1.0), 50),
            (Some(1e300), 50),
        ] {
            assert_eq!(serving.pace(&live, wish), Pace::Ticks(ticks), "{wish:?}");
        }
    }

    #[test]
    fn a_mount_has_its_own_pace_and_burst() {
        let (serving, hall) = (serving(), MountPath::parse("/hall.ogg").unwrap());
        assert_eq!(serving.pace(&hall, None), Pace::EachPage);
        assert_eq!(serving.burst(&hall), Duration::from_secs(1));
    }

    #[test]
    fn a_listener_gets_the_burst_he_asks_for_within_what_is_allowed() {
        let (serving, live) = (serving(), MountPath::parse("/live.ogg").unwrap());
        for (wish, seconds) in [
            (None, 4.0),
            (Some(0.0), 0.0),
            (Some(7.5), 7.5),
            (Some(30.0), 20.0),
            // As nothing that anybody could have meant.
            (Some(65_536.0), 4.0),
            (Some(f64::NAN), 4.0),
            (Some(-1.0), 4.0),
        ] {
            let burst = serving.burst_wished(&live, wish);
            assert_eq!(burst, Duration::from_secs_f64(seconds), "{wish:?}");
        }
    }
}
