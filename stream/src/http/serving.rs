//! How often and with how much at once listeners are served: the operator's settings, for all
//! mounts and for single ones, and what a listener may wish. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::fanout::{PACE_MAX, Pace};
use crate::mount::MountPath;

/// Settings of one mount that differ from those for all.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountSettings {
    /// Which mount.
    pub path: MountPath,
    /// Seconds between two writes to one listener; 0 is every page.
    pub pace_seconds: Option<f64>,
    /// Seconds of recent sound sent at once to a new listener.
    pub burst_seconds: Option<f64>,
}

/// Pace and burst of every mount.
#[derive(Clone, Debug)]
pub struct Serving {
    /// For mounts without settings of their own.
    pub pace: Duration,
    /// For mounts without settings of their own.
    pub burst: Duration,
    /// What a listener may ask for with `?pace=`.
    pub pace_allowed: RangeInclusive<Duration>,
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

    fn mount(&self, path: &MountPath) -> Option<&MountSettings> {
        self.mounts.iter().find(|mount| mount.path == *path)
    }
}

/// Refuses a number of seconds that is not from 0 to `most`.
///
/// # Errors
/// Names the key and what it may be.
pub fn check_seconds(key: &str, seconds: f64, most: f64) -> Result<(), ConfigError> {
    if (0.0..=most).contains(&seconds) {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "`{key}` is {seconds}, must be 0 to {most}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> Serving {
        let hall = MountPath::parse("/hall.ogg").unwrap();
        Serving {
            pace: Duration::from_secs(1),
            burst: Duration::from_secs(4),
            pace_allowed: Duration::from_millis(500)..=Duration::from_secs(2),
            mounts: vec![MountSettings {
                path: hall,
                pace_seconds: Some(0.0),
                burst_seconds: Some(1.0),
            }],
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
}
