//! How much of each mount is kept as a recording, and who may hear it. Pure but for the lock.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use stream::config::ConfigError;
use stream::current::Current;
use stream::http::serving::{MountSettings, check_number};
use stream::mount::MountPath;

/// The longest time that is kept: ten years, in hours.
const KEEP_HOURS_MAX: f64 = 87_600.0;
const BYTES_A_MEGABYTE: u64 = 1_000_000;

/// `[archive]` in master.toml.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Hours of every mount that are kept; 0 is no limit of time.
    pub keep_hours: f64,
    /// Megabytes of every mount that are kept; 0 is no limit of size.
    pub keep_megabytes: u64,
    /// Whether everybody may hear recordings and go back in a live mount.
    pub public: bool,
}

/// How much of one mount is kept. One of the two limits is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// What is older goes.
    pub(crate) age_max: Option<Duration>,
    /// With more bytes the oldest go.
    pub(crate) n_bytes_max: Option<u64>,
}

/// How much of each mount is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retentions(Arc<Current<Kept>>);

#[derive(Clone, Debug, Default)]
struct Kept {
    for_all: Option<Retention>,
    own: Vec<(MountPath, Option<Retention>)>,
}

impl ArchiveConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self, mounts: &[MountSettings]) -> Result<(), ConfigError> {
        if let Some(mount) = mounts.iter().find(|mount| mount.needs_password())
            && self.public
        {
            return Err(ConfigError::new(format!(
                "`public` in [archive] gives everybody what mount `{}` gives only to those with a \
                 password: take one of them back",
                mount.path
            )));
        }
        check_number("keep_hours", self.keep_hours, 0.0, KEEP_HOURS_MAX)?;
        for mount in mounts {
            let key = format!("keep_hours` of mount `{}", mount.path);
            check_number(&key, mount.keep_hours.unwrap_or(0.0), 0.0, KEEP_HOURS_MAX)?;
        }
        Ok(())
    }

    /// Whether anything is to be kept of any mount.
    pub(crate) fn is_wanted(&self, mounts: &[MountSettings]) -> bool {
        let kept = self.retentions(mounts).0.now();
        kept.for_all.is_some() || kept.own.iter().any(|(_, retention)| retention.is_some())
    }

    /// How much of each mount is kept.
    pub(crate) fn retentions(&self, mounts: &[MountSettings]) -> Retentions {
        let own = mounts.iter().map(|mount| {
            let hours = mount.keep_hours.unwrap_or(self.keep_hours);
            let megabytes = mount.keep_megabytes.unwrap_or(self.keep_megabytes);
            (mount.path.clone(), Retention::of(hours, megabytes))
        });
        Retentions(Arc::new(Current::new(Kept {
            for_all: Retention::of(self.keep_hours, self.keep_megabytes),
            // What is played from a file need not be kept.
            own: own
                .chain(
                    mounts
                        .iter()
                        .filter_map(|mount| Some((mount.stand_in()?, None))),
                )
                .collect(),
        })))
    }
}

impl Retention {
    /// `None`: nothing is recorded.
    fn of(hours: f64, megabytes: u64) -> Option<Self> {
        let age_max = (hours > 0.0).then(|| Duration::from_secs_f64(hours * 3600.0));
        let n_bytes_max = (megabytes > 0).then(|| megabytes.saturating_mul(BYTES_A_MEGABYTE));
        (age_max.is_some() || n_bytes_max.is_some()).then_some(Self {
            age_max,
            n_bytes_max,
        })
    }

    /// Whether something may stay that is so old, and with which and all that is newer there are
    /// so many bytes.
    pub(crate) fn allows(&self, age: Duration, n_bytes: u64) -> bool {
        self.age_max.is_none_or(|max| age <= max)
            && self.n_bytes_max.is_none_or(|max| n_bytes <= max)
    }
}

impl Retentions {
    /// How much of this mount is kept. `None`: it is not recorded.
    pub(crate) fn of(&self, path: &MountPath) -> Option<Retention> {
        let kept = self.0.now();
        let own = kept.own.iter().find(|(own, _)| own == path);
        own.map_or(kept.for_all, |(_, retention)| *retention)
    }

    /// From now on as much is kept as `other` says, wherever this one is looked at.
    pub(crate) fn become_as(&self, other: &Self) {
        self.0.set(Kept::clone(&other.0.now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_keeps_what_is_said_of_it_or_else_of_all() {
        let config = |text: &str| -> crate::config::Config {
            let source = "[[source]]\npassword = \"long enough\"\n";
            let text = format!("{text}\n{source}");
            stream::config::parse(&text, "", "X", std::iter::empty()).unwrap()
        };
        let of = |text: &str, path: &str| {
            let retentions = config(text).retentions();
            retentions.of(&MountPath::parse(path).unwrap())
        };
        assert_eq!(of("", "/live.ogg"), None);
        let day = "[archive]\nkeep_hours = 24.0\n";
        let own = format!("{day}[[mount]]\npath = \"/hall.ogg\"\nkeep_hours = 0.0\n");
        assert_eq!(of(&own, "/hall.ogg"), None);
        let live = of(&own, "/live.ogg").unwrap();
        assert!(live.allows(Duration::from_secs(86_400), u64::MAX));
        assert!(!live.allows(Duration::from_secs(86_401), 0));
        let small = format!("{own}keep_megabytes = 2\n");
        let hall = of(&small, "/hall.ogg").unwrap();
        assert!(hall.allows(Duration::MAX, 2_000_000));
        assert!(!hall.allows(Duration::ZERO, 2_000_001));
    }
}
