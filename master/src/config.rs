//! The master's settings. master.toml in this package's folder explains each.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use stream::config::{ConfigError, environment, load};
use stream::http::CertificateFiles;
use stream::http::conditions::{Alias, check_aliases};
use stream::http::gate::Gate;
use stream::http::guard::Guard;
use stream::http::login::{Admin, Login};
use stream::http::serving::{Knobs, MountSettings, check_number};
use stream::mount::{MountPath, Terms};
use stream::secret::{HOW_TO_MAKE_ONE, Secret};

use crate::archive::{ArchiveConfig, Retentions};
use crate::standby::StandbyConfig;

/// The longest time without a source before filler stands in for it, in seconds.
const FILLER_AFTER_SECONDS_MAX: f64 = 60.0;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address in playlists.
    pub public_url: Option<String>,
    /// Recent sound sent at once to a new listener.
    pub burst_seconds: f64,
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
    /// Mounts with settings of their own.
    pub mount: Vec<MountSettings>,
    /// Second names of mounts.
    pub alias: Vec<Alias>,
    /// Who may publish what.
    pub source: Vec<SourceLogin>,
    /// Where sources that speak SHOUTcast publish; without it, they do not.
    pub shoutcast: Option<ShoutcastConfig>,
    /// How relays show that they are relays.
    pub relay: Option<Login>,
    /// Who may see the pages below /admin.
    pub admin: Option<Admin>,
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
            listen: SocketAddr::from(([0, 0, 0, 0], 8000)),
            public_url: None,
            burst_seconds: 4.0,
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
            mount: Vec::new(),
            alias: Vec::new(),
            source: Vec::new(),
            shoutcast: None,
            relay: None,
            admin: None,
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

impl Config {
    /// Reads the settings from `file` and the environment and checks them.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config: Self = load(file, "PLENUM_MASTER", environment())?;
        if config.state_directory.is_none() {
            config.state_directory = from_systemd(environment());
        }
        config.checked()
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
        self.archive.check(&self.mount)?;
        check_aliases(&self.alias)?;
        self.access.check()?;
        Guard::new(&self.mount)?;
        if self.source_timeout_seconds == 0 {
            return complain("`source_timeout_seconds` must be at least 1".to_owned());
        }
        if let Some(url) = &self.public_url {
            stream::config::check_base_url("public_url", url)?;
        }
        Ok(self)
    }

    /// What it has in common with a relay.
    pub fn knobs(&self) -> Knobs<'_> {
        Knobs {
            burst_seconds: self.burst_seconds,
            pace_seconds: self.pace_seconds,
            pace_seconds_min: self.pace_seconds_min,
            pace_seconds_max: self.pace_seconds_max,
            uplink_megabits: self.uplink_megabits,
            shards: self.shards,
            ring_seconds: self.ring_seconds,
            ring_megabytes: self.ring_megabytes,
            mounts: &self.mount,
        }
    }

    /// Where logs are written through to, if anywhere.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let path = self.state_directory.as_ref();
        path.filter(|path| !path.as_os_str().is_empty()).cloned()
    }

    /// What the operator says of a mount.
    pub fn terms(&self, path: &MountPath) -> Terms {
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        mount.map(MountSettings::terms).unwrap_or_default()
    }

    /// How much of each mount is kept as a recording.
    pub(crate) fn retentions(&self) -> Retentions {
        self.archive.retentions(&self.mount)
    }

    /// How long listeners are kept while the source is away.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }

    /// How long a mount goes without its source before filler stands in; `None`: for ever.
    pub fn filler_after(&self, path: &MountPath) -> Option<Duration> {
        let mount = self.mount.iter().find(|mount| mount.path == *path);
        let own = mount.and_then(|mount| mount.filler_after_seconds);
        let after = Duration::from_secs_f64(own.unwrap_or(self.filler_after_seconds));
        (!after.is_zero()).then_some(after)
    }
}

/// The first of the directories that `StateDirectory=` in a unit gives.
fn from_systemd(mut environment: impl Iterator<Item = (String, String)>) -> Option<PathBuf> {
    let (_, paths) = environment.find(|(name, _)| name == "STATE_DIRECTORY")?;
    let first = paths.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Config, String> {
        stream::config::parse::<Config>(text, "master.toml", "PLENUM_MASTER", std::iter::empty())
            .and_then(Config::checked)
            .map_err(|error| error.to_string())
    }

    const SOURCE: &str = "[[source]]\npassword = \"long enough\"\n";

    #[test]
    fn without_a_password_it_refuses_and_says_how_to_make_one() {
        let complaint = check("").unwrap_err();
        assert!(
            complaint.contains("[[source]]") && complaint.contains("openssl"),
            "{complaint}"
        );
    }

    #[test]
    fn the_shipped_file_is_the_defaults() {
        let shipped: Config =
            stream::config::parse(include_str!("../master.toml"), "", "X", std::iter::empty())
                .unwrap();
        assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn systemd_may_say_where_logs_are_kept() {
        let of = |value: &str| {
            from_systemd([("STATE_DIRECTORY".to_owned(), value.to_owned())].into_iter())
        };
        assert_eq!(
            of("/var/lib/plenum-master:/var/lib/more"),
            Some("/var/lib/plenum-master".into())
        );
        assert_eq!((of(""), from_systemd(std::iter::empty())), (None, None));
        let off = check(&format!("state_directory = \"\"\n{SOURCE}")).unwrap();
        assert_eq!(off.state_directory(), None);
    }

    #[test]
    fn a_source_without_user_is_called_source_and_may_publish_anything() {
        let config = check(SOURCE).unwrap();
        assert_eq!(
            (config.source[0].user.as_str(), &config.source[0].mounts[..]),
            ("source", &["/*".to_owned()][..])
        );
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        for (line, word) in [
            ("burst_seconds = -1.0", "burst_seconds"),
            ("ring_seconds = 0", "ring_seconds"),
            ("filler_after_seconds = -1.0", "filler_after_seconds"),
            ("ring_megabytes = 100000", "ring_megabytes"),
            ("public_url = \"radio.example\"", "public_url"),
            ("listen = \"8000\"", "listen"),
            ("archive = { keep_hours = -1.0 }", "keep_hours"),
            ("standby = { master = \"http://m\" }", "password"),
            (
                "standby = { master = \"https://m\", password = \"long enough\" }",
                "standby.master",
            ),
            ("archive = { keep_days = 1 }", "keep_days"),
            ("tls = { certificate = \"/x\" }", "key"),
            (
                "tls = { certificate = \"/x\", key = \"/y\", port = 1 }",
                "port",
            ),
            (
                "tls = { certificate = \"/nowhere.pem\", key = \"/y\" }",
                "/nowhere.pem",
            ),
        ] {
            let complaint = check(&format!("{line}\n{SOURCE}")).unwrap_err();
            assert!(complaint.contains(word), "{complaint}");
        }
        let complaint = check(&format!("{SOURCE}mounts = [\"/a b\"]")).unwrap_err();
        assert!(complaint.contains("mounts"), "{complaint}");
    }

    #[test]
    fn filler_can_be_off_for_all_mounts_or_for_one() {
        let [live, hall] = ["/live.ogg", "/hall.ogg"].map(|p| MountPath::parse(p).unwrap());
        let mount = "[[mount]]\npath = \"/hall.ogg\"\nfiller_after_seconds = ";
        for (text, for_live, for_hall) in [
            (String::new(), Some(2), Some(2)),
            ("filler_after_seconds = 0\n".to_owned(), None, None),
            (format!("{mount}0.0\n"), Some(2), None),
            (
                format!("filler_after_seconds = 0\n{mount}3\n"),
                None,
                Some(3),
            ),
        ] {
            let config = check(&format!("{text}{SOURCE}")).unwrap();
            assert_eq!(
                config.filler_after(&live),
                for_live.map(Duration::from_secs)
            );
            assert_eq!(
                config.filler_after(&hall),
                for_hall.map(Duration::from_secs)
            );
        }
        let complaint = check(&format!("{mount}61.0\n{SOURCE}")).unwrap_err();
        assert!(complaint.contains("of mount `/hall.ogg`"), "{complaint}");
    }
}
