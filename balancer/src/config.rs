//! The balancer's settings: what may be written into `balancer.toml`, checked.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use stream::config::{ConfigError, Keys, load_with_keys};
use stream::http::CertificateFiles;
use stream::http::login::Login;
use stream::report::Place;
use stream::secret::Secret;

use crate::base_url::BaseUrl;
use crate::choice::{Pair, Pairs, Policy};
use crate::place::{Country, Location, Spot, checked};
use crate::registry::{Orders, RELAYS_MAX, Registration};
use crate::token::TokenDigest;

mod checks;
mod icecast;
mod operator;
mod reread;
mod share;

pub use checks::check_name;
use checks::{check_pairs, check_seconds, is_distance};
pub use icecast::{Comparing, IcecastConfig, IcecastLogin};
pub use share::{ShareConfig, ShareUrl};

/// Environment variables that override the file begin with this.
pub const ENVIRONMENT_PREFIX: &str = "PLENUM_BALANCER";
/// Half-way round the globe: nothing is farther away than that.
pub const BIAS_KM_MAX: f32 = 20_000.0;
/// The longest name of a relay.
pub const NAME_BYTES_MAX: usize = 64;

/// Everything an operator can set. The default is what an empty file means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where listeners come in.
    pub listen: SocketAddr,
    /// The link listeners know, if it is not what they wrote into the `Host` header.
    pub public_url: Option<BaseUrl>,
    /// A relay that has not reported for this long gets nobody.
    pub report_stale_seconds: f64,
    /// How often an Icecast among the relays is asked.
    pub poll_seconds: f64,
    /// How often a relay is listened to; 0: never.
    pub probe_seconds: f64,
    /// Where what relays send is compared with, if not at the master.
    pub compare_with: Option<BaseUrl>,
    /// How long after the start a listener waits for relays to report.
    pub wait_for_relays_seconds: f64,
    /// How long a listener waits for a slot when all are taken.
    pub wait_for_slot_seconds: f64,
    /// Databases that tell where an address is.
    pub geo_files: Vec<PathBuf>,
    /// How often it looks whether these files have changed.
    pub geo_look_seconds: f64,
    /// What no file knows is looked up in the program's own data.
    pub geo_builtin: bool,
    /// Certificate and key; without them there is no TLS.
    pub tls: Option<CertificateFiles>,
    /// Proxies whose word on the listener's address counts.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Where what must survive a restart is kept.
    pub state_directory: Option<PathBuf>,
    /// Who may sign in at `/desk`.
    pub operator: Option<Login>,
    /// Where what the operator and probes know is shared with other balancers.
    pub share: Option<ShareConfig>,
    /// The relays that may report.
    pub relay: Vec<RelayConfig>,
    /// Where listeners go when no relay has room.
    pub master: Option<MasterConfig>,
    /// What is to count between two countries instead of the distance that a border is worth.
    pub country_pair: Vec<Pair>,
    /// As they were read.
    #[serde(skip)]
    pub keys: Keys,
}

/// One relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Shown on the page and in the log.
    pub name: String,
    /// Who sends this token is this relay.
    pub token: Option<Secret>,
    /// The only address it may report.
    pub url: Option<BaseUrl>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Two letters.
    pub country: Option<Country>,
    /// It has one address in many places.
    pub location: Option<Location>,
    /// It is taken for so many kilometres nearer than it is.
    #[serde(default)]
    pub bias_km: f32,
    /// No more than so many of its slots are used.
    pub slots_max: Option<u32>,
    /// What it sends is compared with this.
    #[serde(default)]
    pub probe: Option<Comparing>,
    /// It is an Icecast, which is asked instead of reporting.
    pub icecast: Option<IcecastConfig>,
}

/// The master as the last resort.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterConfig {
    /// Where listeners reach it.
    pub url: BaseUrl,
    /// No more listeners than so many are to be there.
    pub slots: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8000).into(),
            public_url: None,
            report_stale_seconds: 4.0,
            poll_seconds: 15.0,
            probe_seconds: 20.0,
            compare_with: None,
            wait_for_relays_seconds: 3.0,
            wait_for_slot_seconds: 8.0,
            geo_files: Vec::new(),
            geo_look_seconds: 60.0,
            geo_builtin: true,
            tls: None,
            trusted_proxies: Vec::new(),
            state_directory: None,
            operator: None,
            share: None,
            relay: Vec::new(),
            master: None,
            country_pair: Vec::new(),
            keys: Keys::default(),
        }
    }
}

impl Config {
    /// Reads `file` and the environment.
    ///
    /// # Errors
    /// Names file, line, key and remedy.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let environment = stream::config::environment();
        let (config, keys) = load_with_keys(file, ENVIRONMENT_PREFIX, environment)?;
        let mut config = Self { keys, ..config };
        if config.state_directory.is_none() {
            config.state_directory = stream::config::state_directory(stream::config::environment());
        }
        config
            .tls
            .as_ref()
            .map_or(Ok(()), CertificateFiles::check)?;
        let name = file.map_or_else(|| "settings".to_owned(), |file| file.display().to_string());
        config
            .check()
            .and_then(|()| config.read_passwords())
            .map_err(|complaint| ConfigError::new(format!("{name}: {complaint}")))?;
        Ok(config)
    }

    /// What no single value can show to be wrong.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn check(&self) -> Result<(), String> {
        check_seconds(
            "report_stale_seconds",
            self.report_stale_seconds,
            2.0..=300.0,
        )?;
        check_seconds("poll_seconds", self.poll_seconds, 1.0..=300.0)?;
        if self.probe_seconds != 0.0 {
            check_seconds("probe_seconds", self.probe_seconds, 1.0..=300.0)?;
        }
        check_seconds(
            "wait_for_relays_seconds",
            self.wait_for_relays_seconds,
            0.0..=8.0,
        )?;
        check_seconds(
            "wait_for_slot_seconds",
            self.wait_for_slot_seconds,
            0.0..=8.0,
        )?;
        check_pairs(&self.country_pair)?;
        self.share.as_ref().map_or(Ok(()), ShareConfig::check)?;
        check_seconds("geo_look_seconds", self.geo_look_seconds, 0.1..=86_400.0)?;
        if self.relay.len() > RELAYS_MAX {
            return Err(format!(
                "{} relays, at most {RELAYS_MAX} work",
                self.relay.len()
            ));
        }
        let mut names = BTreeSet::new();
        let mut tokens = BTreeSet::new();
        for relay in &self.relay {
            relay.check()?;
            if !names.insert(relay.name.as_str()) {
                return Err(format!(
                    "two relays are named `{}`, give each a name of its own",
                    relay.name
                ));
            }
            if let Some(token) = &relay.token
                && !tokens.insert(token.expose())
            {
                return Err(format!(
                    "relay `{}` has the token of another relay; {}",
                    relay.name,
                    stream::secret::HOW_TO_MAKE_ONE
                ));
            }
        }
        Ok(())
    }

    /// See `report_stale_seconds`.
    pub fn report_stale(&self) -> Duration {
        Duration::from_secs_f64(self.report_stale_seconds)
    }

    /// See `poll_seconds`.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_secs_f64(self.poll_seconds)
    }

    /// See `probe_seconds`; `None`: no relay is probed.
    pub fn probe_interval(&self) -> Option<Duration> {
        (self.probe_seconds > 0.0).then(|| Duration::from_secs_f64(self.probe_seconds))
    }

    /// Whom to listen to, to know what relays have to send.
    pub fn compare_with(&self) -> Option<&BaseUrl> {
        let master = || Some(&self.master.as_ref()?.url);
        self.compare_with.as_ref().or_else(master)
    }

    /// See `wait_for_relays_seconds`.
    pub fn wait_for_relays(&self) -> Duration {
        Duration::from_secs_f64(self.wait_for_relays_seconds)
    }

    /// See `wait_for_slot_seconds`.
    pub fn wait_for_slot(&self) -> Duration {
        Duration::from_secs_f64(self.wait_for_slot_seconds)
    }

    /// What counts how much when a relay is chosen.
    pub fn policy(&self) -> Policy {
        Policy {
            pairs: Pairs::new(&self.country_pair),
            ..Policy::default()
        }
    }

    /// See `geo_look_seconds`.
    pub fn geo_look_interval(&self) -> Duration {
        Duration::from_secs_f64(self.geo_look_seconds)
    }

    /// The relays.
    pub fn registrations(&self) -> Vec<Registration> {
        let registration = |relay: &RelayConfig| Registration {
            name: relay.name.clone(),
            token: relay
                .token
                .as_ref()
                .map(|token| TokenDigest::of(token.expose())),
            url: relay.url.clone(),
            spot: relay.spot(),
            orders: relay.orders(),
        };
        self.relay.iter().map(registration).collect()
    }
}

impl RelayConfig {
    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        if !is_distance(self.bias_km) {
            return Err(format!(
                "`bias_km` of relay `{}` is not between -{BIAS_KM_MAX} and {BIAS_KM_MAX}",
                self.name
            ));
        }
        self.check_kind()?;
        match (self.latitude, self.longitude) {
            (None, None) => Ok(()),
            _ if self.location.is_some() => Err(format!(
                "relay `{}` has a `location` and degrees, write one or the other",
                self.name
            )),
            (Some(latitude), Some(longitude)) => checked(Place {
                latitude,
                longitude,
            })
            .map(|_| ())
            .map_err(|complaint| format!("relay `{}`: {complaint}", self.name)),
            _ => Err(format!(
                "relay `{}` has only one of latitude and longitude, write both or neither",
                self.name
            )),
        }
    }

    /// With what its bytes are compared. An Icecast writes the pages of Vorbis anew, with another
    /// serial number: they are not the master's, though the sound is.
    pub(crate) fn comparing(&self) -> Comparing {
        let usual = match self.icecast {
            Some(_) => Comparing::Sound,
            None => Comparing::Bytes,
        };
        self.probe.unwrap_or(usual)
    }

    /// Either it reports, or it is asked.
    fn check_kind(&self) -> Result<(), String> {
        let complain = |what: &str| Err(format!("relay `{}` {what}", self.name));
        match &self.icecast {
            None if self.token.is_none() => {
                complain("has no `token`, so it cannot report; write one, or [relay.icecast]")
            }
            Some(_) if self.token.is_some() => {
                complain("has a `token` and [relay.icecast]: an Icecast reports nothing")
            }
            Some(_) if self.url.is_none() => {
                complain("is an Icecast, so write the `url` that listeners are sent to")
            }
            Some(icecast) => icecast
                .check()
                .map_err(|complaint| format!("relay `{}`: {complaint}", self.name)),
            None => Ok(()),
        }
    }

    /// What the file wants of it.
    fn orders(&self) -> Orders {
        Orders {
            bias_km: self.bias_km,
            slots_max: self.slots_max,
            ..Orders::default()
        }
    }

    fn spot(&self) -> Spot {
        Spot {
            place: self
                .latitude
                .zip(self.longitude)
                .map(|(latitude, longitude)| Place {
                    latitude,
                    longitude,
                }),
            country: self.country,
            is_everywhere: self.location == Some(Location::Any),
            ..Spot::default()
        }
    }
}

/// Networks such as `10.0.0.0/8`, or single addresses.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let parse = |text: String| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                serde::de::Error::custom(format!(
                    "holds {text:?}, which is no address and no network such as 10.0.0.0/8"
                ))
            })
    };
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests;
