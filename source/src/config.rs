//! The source's settings: `source.toml`, the environment, and what is checked about them.
//!
//! The command line (`options`) overrides both. The password is never on the command
//! line and never in the URL, where other users of the machine could read it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use stream::config::ConfigError;
use stream::secret::{HOW_TO_MAKE_ONE, Secret};

use crate::desk::channels::{Channels, Layout, Pick};
use crate::encoder::Effort;
use crate::spool::shelf::Limits;

mod about;
mod target;
mod way;

pub use about::About;
pub use target::Target;
pub use way::{Bind, Uplink, Way};

/// The environment variables that override settings begin with this.
pub const PREFIX: &str = "PLENUM_SOURCE";

/// A password file is not read beyond this many bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Name, description and the like have at most so many bytes.
const TEXT_BYTES_MAX: usize = 500;

/// `source.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send: the master's address and the mount.
    pub url: String,
    /// Masters that stand in for it, with the mount.
    pub spare_urls: Vec<String>,
    /// A file of certificates in PEM that vouch for the masters, besides those of this machine.
    pub ca_file: Option<PathBuf>,
    /// The user the master knows.
    pub user: String,
    /// The user's password.
    #[serde(deserialize_with = "stream::secret::deserialize_given")]
    pub password: Option<Secret>,
    /// A file that holds nothing but the password.
    pub password_file: Option<PathBuf>,
    /// Name of the station.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Such as `speech`.
    pub genre: String,
    /// The station's own page.
    pub website: String,
    /// Whether directories may list it.
    pub public: bool,
    /// Title that players show.
    pub title: Option<String>,
    /// kbit/s on average.
    pub bitrate: u32,
    /// Vorbis quality instead of a bitrate.
    pub quality: Option<f32>,
    /// Mono or stereo; not given: as the input.
    pub channels: Option<Channels>,
    /// What of the input is used.
    pub pick: Option<Pick>,
    /// The sound card's name, for `card`.
    pub device: String,
    /// A file that gets every page that is encoded.
    pub record: Option<PathBuf>,
    /// The folder of the spool. Empty: no spool.
    pub spool: Option<PathBuf>,
    /// How much sound it may hold.
    pub spool_minutes: u64,
    /// How many million bytes it may hold.
    pub spool_megabytes: u64,
    /// How much is sent late after a break.
    pub catch_up_seconds: u64,
    /// How many times as fast as it was heard the rest is sent for a recording; 0: not at all.
    pub fill_speed: u32,
    /// Ways to the master, if there is more than one.
    pub uplink: Vec<Uplink>,
}

/// Settings that have been checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to send, and as whom.
    pub target: Target,
    /// How to get there: one way at least, each with the master and those that stand in for it.
    pub ways: Vec<Way>,
    /// What the server is told about the stream.
    pub about: About,
    /// Title that players show.
    pub title: Option<String>,
    /// How well to encode.
    pub effort: Effort,
    /// Mono or stereo; not given: as the input.
    pub channels: Option<Channels>,
    /// What of the input is used.
    pub pick: Option<Pick>,
    /// A file that gets every page that is encoded.
    pub record: Option<PathBuf>,
    /// Where pages are kept on the disk.
    pub spool: SpoolAt,
    /// How many of them.
    pub spool_limits: Limits,
    /// How much is sent late after a break.
    pub catch_up: Duration,
    /// How fast the rest is sent for a recording.
    pub fill_speed: u32,
}

/// Where pages are kept on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolAt {
    /// In this folder, which the operator named.
    Named(PathBuf),
    /// In this folder, below the one where programs keep their state.
    Usual(PathBuf),
    /// Nowhere: memory only.
    Nowhere,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://localhost:8000/live.ogg".to_owned(),
            spare_urls: Vec::new(),
            ca_file: None,
            user: "source".to_owned(),
            password: None,
            password_file: None,
            name: String::new(),
            description: String::new(),
            genre: String::new(),
            website: String::new(),
            public: false,
            title: None,
            bitrate: 96,
            quality: None,
            channels: None,
            pick: None,
            device: "default".to_owned(),
            record: None,
            spool: None,
            spool_minutes: 120,
            spool_megabytes: 120,
            catch_up_seconds: 60,
            fill_speed: 2,
            uplink: Vec::new(),
        }
    }
}

impl Config {
    /// Checks everything that can be checked without a network or a sound card.
    ///
    /// # Errors
    /// Names the key, what is wrong with it, and the remedy.
    pub fn check(self) -> Result<Settings, ConfigError> {
        let texts = [
            ("user", Some(&self.user)),
            ("name", Some(&self.name)),
            ("description", Some(&self.description)),
            ("genre", Some(&self.genre)),
            ("website", Some(&self.website)),
            ("title", self.title.as_ref()),
        ];
        for (key, text) in texts {
            check_text(key, text.map_or("", |text| text.as_str()))?;
        }
        let effort = self
            .quality
            .map_or(Effort::Bitrate(self.bitrate), Effort::Quality);
        match self.channels {
            Some(channels) if channels.n_channels() == 1 => effort.check(1)?,
            Some(_) => effort.check(2)?,
            None => effort.check(1).or_else(|_| effort.check(2))?,
        }
        check_range("spool_minutes", self.spool_minutes, 2..=60 * 24 * 30)?;
        check_range("spool_megabytes", self.spool_megabytes, 10..=1_000_000)?;
        check_range("catch_up_seconds", self.catch_up_seconds, 1..=7_200)?;
        check_range("fill_speed", self.fill_speed.into(), 0..=100)?;
        let password = password(self.password, self.password_file)?;
        let urls = std::iter::once(&self.url)
            .chain(&self.spare_urls)
            .chain(self.uplink.iter().map(|uplink| &uplink.url));
        let tls = way::tls(urls, self.ca_file.as_deref())?;
        let tls = tls.as_ref();
        let target = Target::new("url", &self.url, &self.user, &password, tls)?;
        let ends = way::Ends {
            url: &self.url,
            spare_urls: &self.spare_urls,
            user: &self.user,
            password: &password,
            tls,
        };
        let ways = way::ways(&self.uplink, ends)?;
        if self.user.contains(':') {
            return Err(ConfigError::new("`user` must not contain a colon"));
        }
        Ok(Settings {
            target,
            ways,
            about: About {
                name: self.name,
                description: self.description,
                genre: self.genre,
                website: self.website,
                is_public: self.public,
            },
            title: self.title,
            effort,
            channels: self.channels,
            pick: self.pick,
            record: self.record,
            spool: match self.spool {
                Some(folder) if folder.as_os_str().is_empty() => SpoolAt::Nowhere,
                Some(folder) => SpoolAt::Named(folder),
                None => SpoolAt::Usual(PathBuf::new()),
            },
            spool_limits: Limits {
                length: Duration::from_secs(60 * self.spool_minutes),
                n_bytes: 1_000_000 * self.spool_megabytes,
            },
            catch_up: Duration::from_secs(self.catch_up_seconds),
            fill_speed: self.fill_speed,
        })
    }
}

impl Settings {
    /// Finds the folder for the spool, unless one was named: for each mount its own, below
    /// systemd's $STATE_DIRECTORY, $XDG_STATE_HOME or ~/.local/state. Without any of them there is
    /// no spool.
    pub fn find_spool(&mut self, environment: impl Iterator<Item = (String, String)>) {
        if !matches!(self.spool, SpoolAt::Usual(_)) {
            return;
        }
        let (mut of_service, mut of_user, mut home) = (None, None, None);
        for (name, value) in environment.filter(|(_, value)| value.starts_with('/')) {
            match name.as_str() {
                // Several are separated by colons.
                "STATE_DIRECTORY" => of_service = value.split(':').next().map(PathBuf::from),
                "XDG_STATE_HOME" => of_user = Some(Path::new(&value).join("plenum")),
                "HOME" => home = Some(Path::new(&value).join(".local/state/plenum")),
                _ => {}
            }
        }
        let found = of_service.or(of_user).or(home);
        self.spool = found.map_or(SpoolAt::Nowhere, |folder| {
            SpoolAt::Usual(folder.join("spool").join(self.target.folder_name()))
        });
    }

    /// What the desk makes of an input with so many channels.
    pub fn layout(&self, n_channels: usize) -> Layout {
        let as_input = match (self.pick, n_channels) {
            (None, 2..) => Channels::Stereo,
            _ => Channels::Mono,
        };
        Layout {
            channels: self.channels.unwrap_or(as_input),
            pick: self.pick,
        }
    }
}

fn check_range(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "`{key}` = {value}: it goes from {} to {}",
        range.start(),
        range.end()
    )))
}

fn check_text(key: &str, text: &str) -> Result<(), ConfigError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ConfigError::new(format!(
            "`{key}` has {} bytes; at most {TEXT_BYTES_MAX} are sent",
            text.len()
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(ConfigError::new(format!(
            "`{key}` holds a line break or another control character; take it out"
        )));
    }
    Ok(())
}

fn password(given: Option<Secret>, file: Option<PathBuf>) -> Result<Secret, ConfigError> {
    // An empty one is none: a variable that was set to nothing.
    let given = given.filter(|password| !password.expose().is_empty());
    match (given, file) {
        (Some(_), Some(file)) => Err(ConfigError::new(format!(
            "both `password` and `password_file` ({}) are set; keep one",
            file.display()
        ))),
        (Some(password), None) => Ok(password),
        (None, Some(file)) => {
            let complain = |what: String| {
                ConfigError::new(format!("`password_file` {} {what}", file.display()))
            };
            let n_bytes = std::fs::metadata(&file)
                .map_err(|error| complain(format!("cannot be read: {error}")))?
                .len();
            if n_bytes > PASSWORD_BYTES_MAX {
                return Err(complain(format!(
                    "has {n_bytes} bytes; it should hold nothing but the password"
                )));
            }
            let text = std::fs::read_to_string(&file)
                .map_err(|error| complain(format!("cannot be read: {error}")))?;
            match text.trim() {
                "" => Err(complain("is empty".to_owned())),
                text => Ok(Secret::given(text)),
            }
        }
        (None, None) => Err(ConfigError::new(format!(
            "no password: give the one that the master has for this user as `password` or \
             `password_file` in source.toml, or as environment variable \
             PLENUM_SOURCE__PASSWORD. No password yet? {HOW_TO_MAKE_ONE}, and give it to \
             both programs"
        ))),
    }
}

#[cfg(test)]
mod tests;
