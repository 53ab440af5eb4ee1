//! What the settings say of one mount. Pure.

use std::time::Duration;

use stream::http::serving::{MountSettings, Titles};
use stream::mount::{Facts, MountPath, Terms};
use stream::text::Charset;

use super::Config;

impl Config {
    /// What the operator says of a mount.
    pub fn terms(&self, path: &MountPath) -> Terms {
        if let Some(mount) = self.played_at(path) {
            return Terms {
                is_hidden: true,
                needs_password: mount.needs_password(),
                only_as_fallback: false,
                fallback: None,
                icy_interval_bytes: mount.icy_interval_bytes,
            };
        }
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        mount.map(MountSettings::terms).unwrap_or_default()
    }

    /// What is said of a mount whose source says this: the operator's words stand in place of its
    /// own.
    pub(crate) fn said_of(&self, path: &MountPath, source: Facts) -> Facts {
        let own = |mount: &&MountSettings| mount.path == *path;
        match self.mount.iter().find(own) {
            Some(mount) => mount.said(source),
            None => source,
        }
    }

    /// Where titles of a mount go that somebody tells.
    pub(crate) fn titles(&self, path: &MountPath) -> Titles {
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        mount.map(|mount| mount.titles).unwrap_or_default()
    }

    /// In which character set titles of a mount come that name none.
    pub(crate) fn charset(&self, path: &MountPath) -> Option<Charset> {
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        mount.and_then(|mount| mount.charset)
    }

    /// The mount whose fallback file is played at `path`, if one is.
    pub(crate) fn played_at(&self, path: &MountPath) -> Option<&MountSettings> {
        let mut mounts = self.mount.iter();
        mounts.find(|mount| mount.stand_in().as_ref() == Some(path))
    }

    /// A source of this mount that sends nothing for so long is disconnected.
    pub(crate) fn source_timeout(&self, path: &MountPath) -> Duration {
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        let own = mount.and_then(|mount| mount.source_timeout_seconds);
        Duration::from_secs(own.unwrap_or(self.source_timeout_seconds))
    }

    /// How long a mount goes without its source before filler stands in; `None`: for ever.
    pub fn filler_after(&self, path: &MountPath) -> Option<Duration> {
        if self.played_at(path).is_some() {
            return None;
        }
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        let own = mount.and_then(|mount| mount.filler_after_seconds);
        let after = Duration::from_secs_f64(own.unwrap_or(self.filler_after_seconds));
        (!after.is_zero()).then_some(after)
    }
}
