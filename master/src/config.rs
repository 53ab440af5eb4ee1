//! The master's settings. master.toml in this package's folder explains each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use stream::config::{ConfigError, Differences, Keys, environment, load_with_keys};
use stream::http::CertificateFiles;
use stream::http::added::Added;
use stream::http::conditions::{Alias, check_aliases};
use stream::http::gate::Gate;
use stream::http::login::{Admin, Login};
use stream::http::serving::{Knobs, MountSettings, check_number};
use stream::listen::Listen;
use stream::mount::MountPath;
use stream::secret::{HOW_TO_MAKE_ONE, Secret};

use crate::archive::{ArchiveConfig, Retentions};
use crate::credentials::check_logins;
use crate::directory::DirectoryConfig;
use crate::dump;
use crate::house::Files;
use crate::standby::StandbyConfig;

mod of_mounts;

/// The longest time without a source before filler stands in for it, in seconds.
const FILLER_AFTER_SECONDS_MAX: f64 = 60.0;

/// Keys and sections that only a program that begins anew looks at.
const FIXED: [&str; 8] = [
    "listen",
    "shards",
    "ring_seconds",
    "ring_megabytes",
    "state_directory",
    "standby",
    "tls",
    "shoutcast",
];

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen: one address, or several.
    pub listen: Listen,
    /// The address in playlists.
    pub public_url: Option<String>,
    /// Recent sound sent at once to a new listener.
    pub burst_seconds: f64,
    /// The most that a listener may ask for with `?burst=`.
    pub burst_seconds_max: f64,
    /// How often a listener is served, in seconds; 0 is every page.
    pub pace_seconds: f64,
    /// What a listener may ask for with `?pace=`: from …
    pub pace_seconds_min: f64,
    /// … to.
    pub pace_seconds_max: f64,
    /// What may be sent in all, in Mbit/s; 0 is without limit.
    pub uplink_megabits: f64,
    /// Threads that serve listeners; 0 is one for each processor.
    pub shards: usize,
    /// How long listeners are kept while the source is away.
    pub hold_seconds: u64,
    /// Without the source for this long, filler stands in for it; 0 is never.
    pub filler_after_seconds: f64,
    /// A source that sends nothing for this long is disconnected.
    pub source_timeout_seconds: u64,
    /// How much of each mount is kept in memory, by time.
    pub ring_seconds: u64,
    /// How much of each mount is kept in memory, by size.
    pub ring_megabytes: usize,
    /// Where logs are written through to; `None` is where systemd says, empty is nowhere.
    pub state_directory: Option<PathBuf>,
    /// What is kept as a recording, and for whom.
    pub archive: ArchiveConfig,
    /// The master that this one stands by; without it, this is a first master.
    pub standby: Option<StandbyConfig>,
    /// How many may be served.
    pub slots: SlotsConfig,
    /// Certificate and key; without them there is no TLS.
    pub tls: Option<CertificateFiles>,
    /// Who may connect at all, and which proxies are believed.
    pub access: Gate,
    /// Headers added to answers to listeners.
    pub headers: Added,
    /// Mounts with settings of their own.
    pub mount: Vec<MountSettings>,
    /// Second names of mounts.
    pub alias: Vec<Alias>,
    /// Who may publish what.
    pub source: Vec<SourceLogin>,
    /// Where sources that speak SHOUTcast publish; without it, they do not.
    pub shoutcast: Option<ShoutcastConfig>,
    /// Where mounts are listed that want to be public; without it, nowhere.
    pub directory: Option<DirectoryConfig>,
    /// How relays show that they are relays.
    pub relay: Option<Login>,
    /// Who may see the pages below /admin.
    pub admin: Option<Admin>,
    /// All of it as it was read.
    #[serde(skip)]
    keys: Keys,
}

/// How many may be served at once.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct SlotsConfig {
    /// Listeners.
    pub listeners: usize,
    /// Relays' connections, kept for them alone.
    pub relays: usize,
}

/// A user, a password, and the mounts he may publish.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceLogin {
    /// The user's name.
    #[serde(default = "default_source_user")]
    pub user: String,
    /// His password.
    pub password: Secret,
    /// Paths, or `/part/*` for all below.
    #[serde(default = "all_mounts")]
    pub mounts: Vec<String>,
}

/// Sources that speak SHOUTcast's first protocol.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ShoutcastConfig {
    /// The mount that they publish who name none.
    pub mount: MountPath,
}

fn default_source_user() -> String {
    "source".to_owned()
}

fn all_mounts() -> Vec<String> {
    vec!["/*".to_owned()]
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8000)).into(),
            public_url: None,
            burst_seconds: 4.0,
            burst_seconds_max: 30.0,
            pace_seconds: 0.5,
            pace_seconds_min: 0.2,
            pace_seconds_max: 2.0,
            uplink_megabits: 0.0,
            shards: 0,
            hold_seconds: 600,
            filler_after_seconds: 2.0,
            source_timeout_seconds: 10,
            ring_seconds: 60,
            ring_megabytes: 16,
            state_directory: None,
            archive: ArchiveConfig::default(),
            standby: None,
            slots: SlotsConfig::default(),
            tls: None,
            access: Gate::default(),
            headers: Added::default(),
            mount: Vec::new(),
            alias: Vec::new(),
            source: Vec::new(),
            shoutcast: None,
            directory: None,
            relay: None,
            admin: None,
            keys: Keys::default(),
        }
    }
}

impl Default for SlotsConfig {
    fn default() -> Self {
        Self {
            listeners: 1000,
            relays: 200,
        }
    }
}

/// What is said where recordings are wanted and cannot be.
const NOWHERE_TO_RECORD: &str = "nothing is recorded: `keep_hours` and `keep_megabytes` need a \
                                 `state_directory`, and there is none here (the systemd unit \
                                 brings one)";

impl Config {
    /// Reads the settings from `file` and the environment and checks them.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let (config, keys) = load_with_keys(file, "PLENUM_MASTER", environment())?;
        let mut config = Self { keys, ..config };
        if config.state_directory.is_none() {
            config.state_directory = stream::config::state_directory(environment());
        }
        config.checked()
    }

    /// Keeps what only a program that begins anew looks at as it is in `before`, and says what is
    /// different in the rest.
    pub(crate) fn put_back(&mut self, before: &Self) -> Differences {
        let before = before.clone();
        self.listen = before.listen;
        self.shards = before.shards;
        self.ring_seconds = before.ring_seconds;
        self.ring_megabytes = before.ring_megabytes;
        self.state_directory = before.state_directory;
        self.standby = before.standby;
        self.tls = before.tls;
        self.shoutcast = before.shoutcast;
        self.keys.put_back(&before.keys, &FIXED)
    }

    /// How the operator shows that it is he.
    pub fn operator(&self) -> Option<&Login> {
        self.admin.as_ref().map(|admin| &admin.login)
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// Says which and why.
    pub fn checked(mut self) -> Result<Self, ConfigError> {
        if let Some(login) = self.relay.as_mut().filter(|login| login.user.is_empty()) {
            "relay".clone_into(&mut login.user);
        }
        let complain = |text: String| Err(ConfigError::new(text));
        if self.source.is_empty() {
            return complain(format!(
                "nobody may publish: add a [[source]] with a `password` to master.toml, or set \
                 PLENUM_MASTER__SOURCE='[{{ password = \"…\" }}]'; {HOW_TO_MAKE_ONE}"
            ));
        }
        check_logins(&self)?;
        for login in &self.source {
            for pattern in &login.mounts {
                let path = pattern
                    .strip_suffix('*')
                    .unwrap_or(pattern)
                    .trim_end_matches('/');
                if path.is_empty() && pattern == "/*" {
                    continue;
                }
                if let Err(why) = MountPath::parse(path) {
                    return complain(format!("`mounts` of source {:?}: {why}", login.user));
                }
            }
        }
        self.knobs().check()?;
        if let Some(files) = &self.tls {
            files.check()?;
        }
        if let Some(standby) = &self.standby {
            standby.check()?;
        }
        let filler = |seconds, key: &str| check_number(key, seconds, 0.0, FILLER_AFTER_SECONDS_MAX);
        filler(self.filler_after_seconds, "filler_after_seconds")?;
        for mount in &self.mount {
            let key = format!("filler_after_seconds` of mount `{}", mount.path);
            filler(mount.filler_after_seconds.unwrap_or(0.0), &key)?;
        }
        for mount in &self.mount {
            let pattern = mount.dump_file.as_deref().unwrap_or("/");
            let named = dump::name(pattern, Timestamp::UNIX_EPOCH).map_err(|why| {
                ConfigError::new(format!("`dump_file` of mount `{}`: {why}", mount.path))
            })?;
            if !named.is_absolute() {
                return complain(format!(
                    "`dump_file` of mount `{}` must begin with /",
                    mount.path
                ));
            }
        }
        self.archive.check(&self.mount)?;
        check_aliases(&self.alias)?;
        self.access.check()?;
        Files::load(&self)?;
        if self.source_timeout_seconds == 0 {
            return complain("`source_timeout_seconds` must be at least 1".to_owned());
        }
        if let Some(url) = &self.public_url {
            stream::config::check_public_url(url)?;
        }
        if let Some(directory) = &self.directory {
            directory.check(self.public_url.as_deref())?;
        }
        Ok(self)
    }

    /// What has no effect or is probably not meant, and what to do about it.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.state_directory().is_none() && self.archive.is_wanted(&self.mount) {
            remarks.push(NOWHERE_TO_RECORD.to_owned());
        }
        let mounts = self.mount.iter().map(|mount| &mount.path);
        let aliases = self.alias.iter().map(|alias| &alias.path);
        let patterns = self.source.iter().flat_map(|login| &login.mounts);
        let named: Vec<_> = patterns.filter_map(|p| MountPath::parse(p).ok()).collect();
        let all: BTreeSet<_> = mounts.chain(aliases).chain(&named).collect();
        let doubted = all.into_iter();
        remarks.extend(doubted.filter_map(|path| Some(format!("mount {path}: {}", path.doubt()?))));
        remarks
    }

    /// What it has in common with a relay.
    pub fn knobs(&self) -> Knobs<'_> {
        Knobs {
            burst_seconds: self.burst_seconds,
            burst_seconds_max: self.burst_seconds_max,
            pace_seconds: self.pace_seconds,
            pace_seconds_min: self.pace_seconds_min,
            pace_seconds_max: self.pace_seconds_max,
            uplink_megabits: self.uplink_megabits,
            shards: self.shards,
            ring_seconds: self.ring_seconds,
            ring_megabytes: self.ring_megabytes,
            headers: &self.headers,
            mounts: &self.mount,
        }
    }

    /// Where logs are written through to, if anywhere.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let path = self.state_directory.as_ref();
        path.filter(|path| !path.as_os_str().is_empty()).cloned()
    }

    /// How much of each mount is kept as a recording.
    pub(crate) fn retentions(&self) -> Retentions {
        self.archive.retentions(&self.mount)
    }

    /// How long listeners are kept while the source is away.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}

#[cfg(test)]
mod tests;
