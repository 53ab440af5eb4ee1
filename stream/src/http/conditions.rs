//! What the settings of single mounts ask of their listeners: how many, for how long, with which
//! password, where they are while the source is away; and second names of mounts. Pure.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use super::serving::{MountSettings, Titles, check_number};
use crate::config::ConfigError;
use crate::mount::course::{AFTER_MS, FALLBACKS_MAX};
use crate::mount::{Fallback, ICY_INTERVAL_BYTES, MountPath, Terms};
use crate::post::PostUrl;

/// The longest time that a source may be away before its listeners go to the fallback.
const FALLBACK_AFTER_SECONDS_MAX: f64 = 3_600.0;
/// The longest time that one listener may listen, in seconds: a month.
const LISTENER_SECONDS_MAX: f64 = 31.0 * 86_400.0;
/// What somebody is told for whom there is no room on a mount; in the words of Icecast.
pub(super) const TOO_MANY: &str = "max listeners reached";
/// What somebody is told who asks for a mount that is heard as a fallback only; in the words of
/// Icecast.
pub(super) const UNAVAILABLE: &str = "mountpoint unavailable";
/// What a listener is told where only his password's keeper could let him in.
pub(super) const NO_LOCK: &str = "listeners need a password for this, and it cannot be looked at \
                                  here: ask the one it comes from";
/// The most second names.
pub const ALIASES_MAX: usize = 256;

/// A second name of a mount, for listeners.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The second name.
    pub path: MountPath,
    /// The mount.
    pub to: MountPath,
}

/// All second names.
#[derive(Clone, Debug, Default)]
pub struct Aliases(HashMap<MountPath, MountPath>);

impl Aliases {
    /// As they stand in the settings.
    pub fn new(aliases: &[Alias]) -> Self {
        let pairs = aliases
            .iter()
            .map(|alias| (alias.path.clone(), alias.to.clone()));
        Self(pairs.collect())
    }

    /// The mount that a listener means.
    pub fn meant(&self, path: MountPath) -> MountPath {
        self.0.get(&path).cloned().unwrap_or(path)
    }
}

/// Refuses second names that lead nowhere.
///
/// # Errors
/// Names the alias.
pub fn check_aliases(aliases: &[Alias]) -> Result<(), ConfigError> {
    if aliases.len() > ALIASES_MAX {
        return complain(format!("more than {ALIASES_MAX} [[alias]]: take some out"));
    }
    for (n, alias) in aliases.iter().enumerate() {
        if aliases.iter().any(|other| other.path == alias.to) {
            return complain(format!(
                "alias `{}` leads to `{}`, which is an alias itself: name the mount",
                alias.path, alias.to
            ));
        }
        if aliases[..n].iter().any(|other| other.path == alias.path) {
            return complain(format!("alias `{}` stands there twice", alias.path));
        }
    }
    Ok(())
}

impl MountSettings {
    /// What is said of the mount, here and at relays.
    pub fn terms(&self) -> Terms {
        let after = self.fallback_after_seconds.map(Duration::from_secs_f64);
        let after = after.unwrap_or(Duration::from_millis(AFTER_MS));
        let after_ms = after.as_millis();
        Terms {
            is_hidden: self.hidden,
            needs_password: self.needs_password(),
            only_as_fallback: self.only_as_fallback,
            fallback: self
                .fallback
                .clone()
                .or_else(|| self.stand_in())
                .map(|to| Fallback {
                    to,
                    after_ms: u64::try_from(after_ms).unwrap_or(u64::MAX),
                }),
            icy_interval_bytes: self.icy_interval_bytes,
        }
    }

    /// Whether its listeners have to show a password, or are asked about elsewhere.
    pub fn needs_password(&self) -> bool {
        self.htpasswd.is_some() || self.listener_auth_url.is_some()
    }

    /// The hidden mount on which its fallback file is played.
    pub fn stand_in(&self) -> Option<MountPath> {
        self.fallback_file.as_ref()?;
        self.path.stand_in()
    }

    /// For so long one listener may listen.
    pub fn time_max(&self) -> Option<Duration> {
        self.max_listener_seconds.map(Duration::from_secs)
    }

    /// A key that only a master's settings may have, and why.
    fn of_a_master(&self) -> Option<(&'static str, &'static str)> {
        const TOLD: &str = "only a master says so, and its relays learn it from there";
        const SOURCES: &str = "only a master has sources";
        const RECORDS: &str = "only a master records";
        let own = [
            ("keep_hours", self.keep_hours.is_some(), RECORDS),
            ("keep_megabytes", self.keep_megabytes.is_some(), RECORDS),
            (
                "filler_after_seconds",
                self.filler_after_seconds.is_some(),
                "only a master writes filler",
            ),
            (
                "max_listeners",
                self.max_listeners.is_some(),
                "a relay has [slots]",
            ),
            (
                "titles` or `charset",
                self.titles != Titles::OutOfBand || self.charset.is_some(),
                "only a master is told titles",
            ),
        ];
        let of_sources = [
            ("on_connect", !self.on_connect.is_empty()),
            ("on_disconnect", !self.on_disconnect.is_empty()),
            ("on_connect_url", self.on_connect_url.is_some()),
            ("on_disconnect_url", self.on_disconnect_url.is_some()),
            ("mount_add_url", self.mount_add_url.is_some()),
            ("mount_remove_url", self.mount_remove_url.is_some()),
            ("source_auth_url", self.source_auth_url.is_some()),
            (
                "source_timeout_seconds",
                self.source_timeout_seconds.is_some(),
            ),
            ("dump_file", self.dump_file.is_some()),
            ("dump_megabytes", self.dump_megabytes.is_some()),
        ];
        let told = [
            ("hidden", self.hidden),
            ("only_as_fallback", self.only_as_fallback),
            ("fallback", self.fallback.is_some()),
            ("fallback_file", self.fallback_file.is_some()),
            (
                "fallback_after_seconds",
                self.fallback_after_seconds.is_some(),
            ),
            ("fallback_when_full", self.fallback_when_full),
            (
                "name`, `description`, `genre`, `website`, `bitrate_kilobits` or `public",
                self.says_something(),
            ),
            ("icy_interval_bytes", self.icy_interval_bytes.is_some()),
        ];
        let of_sources = of_sources.map(|(key, is_set)| (key, is_set, SOURCES));
        let told = told.map(|(key, is_set)| (key, is_set, TOLD));
        let mut keys = own.into_iter().chain(of_sources).chain(told);
        let (key, _, why) = keys.find(|(_, is_set, _)| *is_set)?;
        Some((key, why))
    }

    fn key(&self, name: &str) -> String {
        format!("{name}` of mount `{}", self.path)
    }

    #[expect(clippy::cast_precision_loss, reason = "only compared with bounds")]
    fn check_numbers(&self) -> Result<(), ConfigError> {
        let key = |name| self.key(name);
        let after = self.fallback_after_seconds.unwrap_or(0.0);
        let seconds = self.max_listener_seconds.unwrap_or(1) as f64;
        check_number(
            &key("fallback_after_seconds"),
            after,
            0.0,
            FALLBACK_AFTER_SECONDS_MAX,
        )?;
        check_number(
            &key("max_listener_seconds"),
            seconds,
            1.0,
            LISTENER_SECONDS_MAX,
        )?;
        let interval = self.icy_interval_bytes.unwrap_or(0);
        if interval != 0 && !ICY_INTERVAL_BYTES.contains(&interval) {
            let (least, most) = (ICY_INTERVAL_BYTES.start(), ICY_INTERVAL_BYTES.end());
            return complain(format!(
                "`{}` is {interval}, must be {least} to {most}, or 0 for no titles",
                key("icy_interval_bytes")
            ));
        }
        if self.source_timeout_seconds == Some(0) {
            return complain(format!(
                "`{}` must be at least 1",
                key("source_timeout_seconds")
            ));
        }
        Ok(())
    }

    fn check_conditions(&self) -> Result<(), ConfigError> {
        self.check_numbers()?;
        if self.fallback.is_some() && self.fallback_file.is_some() {
            return complain(format!(
                "`fallback` and `fallback_file` of mount `{}`: choose one; a fallback may have a \
                 `fallback_file` of its own",
                self.path
            ));
        }
        if self.fallback_when_full && self.fallback.is_none() {
            return complain(format!(
                "`fallback_when_full` of mount `{}` needs a `fallback`: a mount that is there then",
                self.path
            ));
        }
        if self.path.is_stand_in() || self.fallback_file.is_some() && self.stand_in().is_none() {
            return complain(format!(
                "mount `{}`: the fallback file of a mount is played at its path and `~file` behind \
                 it: choose another, shorter path",
                self.path
            ));
        }
        if self.htpasswd.is_some() && self.listener_auth_url.is_some() {
            return complain(format!(
                "`htpasswd` and `listener_auth_url` of mount `{}`: choose one",
                self.path
            ));
        }
        if self.listener_remove_url.is_some() && self.listener_auth_url.is_none() {
            return complain(format!(
                "`listener_remove_url` of mount `{}` needs `listener_auth_url`: only of those \
                 about whom was asked it is told when they go",
                self.path
            ));
        }
        if let Some(url) = &self.listener_auth_url
            && let Err(why) = PostUrl::parse(url)
        {
            return complain(format!("`{}` {why}", self.key("listener_auth_url")));
        }
        Ok(())
    }
}

/// Refuses keys that mean nothing at a relay.
///
/// # Errors
/// Names the key and the mount.
pub fn check_at_relay(mounts: &[MountSettings]) -> Result<(), ConfigError> {
    for mount in mounts {
        if let Some((key, why)) = mount.of_a_master() {
            return complain(format!("`{key}` of mount `{}`: {why}", mount.path));
        }
    }
    Ok(())
}

/// Refuses what cannot work.
///
/// # Errors
/// Names the key and the mount.
pub(super) fn check_mounts(mounts: &[MountSettings]) -> Result<(), ConfigError> {
    for (n, mount) in mounts.iter().enumerate() {
        mount.check_conditions()?;
        mount.check_manners()?;
        if mounts[..n].iter().any(|other| other.path == mount.path) {
            return complain(format!("two [[mount]] are for `{}`: make one", mount.path));
        }
        let mut at = mount;
        let mut n_steps = 0;
        while let Some(to) = &at.fallback {
            n_steps += 1;
            if *to == mount.path {
                return complain(format!(
                    "`fallback` of mount `{}` leads back to it: leave one out",
                    mount.path
                ));
            }
            if n_steps > FALLBACKS_MAX {
                return complain(format!(
                    "`fallback` of mount `{}` goes over more than {FALLBACKS_MAX} mounts, or in \
                     a circle",
                    mount.path
                ));
            }
            match mounts.iter().find(|mount| mount.path == *to) {
                Some(next) => at = next,
                None => break,
            }
        }
        let target_is_open = |to: &MountPath| {
            let target = mounts.iter().find(|mount| mount.path == *to);
            !target.is_some_and(MountSettings::needs_password)
        };
        if mount
            .fallback
            .as_ref()
            .is_some_and(|to| !target_is_open(to))
            && !mount.needs_password()
        {
            return complain(format!(
                "`fallback` of mount `{}` needs a password, and the mount does not: listeners \
                 would get around it",
                mount.path
            ));
        }
    }
    Ok(())
}

fn complain<T>(text: String) -> Result<T, ConfigError> {
    Err(ConfigError::new(text))
}

#[cfg(test)]
mod tests;
