//! The relay's settings. relay.toml in this package's folder explains each.

mod upstreams;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use stream::config::{
    ConfigError, Differences, Keys, check_public_url, environment, is_loopback, load_with_keys,
};
use stream::follow::Upstream;
use stream::http::CertificateFiles;
use stream::http::added::Added;
use stream::http::asked::Rules;
use stream::http::conditions::{Alias, check_aliases, check_at_relay};
use stream::http::gate::Gate;
use stream::http::login::{Admin, Login};
use stream::http::serving::{Knobs, MountSettings};
use stream::listen::Listen;
use stream::report::Place;

use crate::balancers::{BALANCERS_MAX, BalancerConfig, one_or_more};
use crate::house::ALLOW;
use upstreams::default_user;
pub use upstreams::{IcecastConfig, MasterConfig, UpstreamConfig};

/// More upstreams than this make nothing safer.
const UPSTREAMS_MAX: usize = 4;

/// Keys and sections that only a program that begins anew looks at.
const FIXED: [&str; 12] = [
    "listen",
    "public_url",
    "shards",
    "hold_seconds",
    "ring_seconds",
    "ring_megabytes",
    "tls",
    "master",
    "upstream",
    "icecast",
    "balancer",
    "place",
];

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen: one address, or several.
    pub listen: Listen,
    /// The address that listeners use.
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
    /// How long listeners are kept while the master is away.
    pub hold_seconds: u64,
    /// How much of each mount is kept in memory, by time.
    pub ring_seconds: u64,
    /// How much of each mount is kept in memory, by size.
    pub ring_megabytes: usize,
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
    /// Whom to mirror.
    pub master: Option<MasterConfig>,
    /// Whom to mirror besides.
    pub upstream: Vec<UpstreamConfig>,
    /// Whom to mirror instead, if it is an Icecast.
    pub icecast: Option<IcecastConfig>,
    /// How relays show that they are relays.
    pub relay: Option<Login>,
    /// The operator of this relay.
    pub admin: Option<Admin>,
    /// To whom to report.
    #[serde(deserialize_with = "one_or_more")]
    pub balancer: Vec<BalancerConfig>,
    /// Where this relay stands.
    pub place: Option<Place>,
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
    /// Other relays' connections, kept for them alone.
    pub relays: usize,
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
            hold_seconds: 60,
            ring_seconds: 60,
            ring_megabytes: 16,
            slots: SlotsConfig::default(),
            tls: None,
            access: Gate::default(),
            headers: Added::default(),
            mount: Vec::new(),
            alias: Vec::new(),
            master: None,
            upstream: Vec::new(),
            icecast: None,
            relay: None,
            admin: None,
            balancer: Vec::new(),
            place: None,
            keys: Keys::default(),
        }
    }
}

impl Default for SlotsConfig {
    fn default() -> Self {
        Self {
            listeners: 500,
            relays: 20,
        }
    }
}

impl Config {
    /// Reads the settings from `file` and the environment and checks them.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let (config, keys) = load_with_keys(file, "PLENUM_RELAY", environment())?;
        Self { keys, ..config }.checked()
    }

    /// Keeps what only a program that begins anew looks at as it is in `before`, and says what is
    /// different in the rest.
    pub(crate) fn put_back(&mut self, before: &Self) -> Differences {
        let before = before.clone();
        self.listen = before.listen;
        self.public_url = before.public_url;
        self.shards = before.shards;
        self.hold_seconds = before.hold_seconds;
        self.ring_seconds = before.ring_seconds;
        self.ring_megabytes = before.ring_megabytes;
        self.tls = before.tls;
        self.master = before.master;
        self.upstream = before.upstream;
        self.icecast = before.icecast;
        self.balancer = before.balancer;
        self.place = before.place;
        self.keys.put_back(&before.keys, &FIXED)
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// Says which and why.
    pub fn checked(mut self) -> Result<Self, ConfigError> {
        if let Some(login) = self.relay.as_mut().filter(|login| login.user.is_empty()) {
            login.user = default_user();
        }
        self.check_upstreams()?;
        let complain = |text: String| Err(ConfigError::new(text));
        if let Some(url) = &self.public_url {
            check_public_url(url)?;
        }
        if self.balancer.len() > BALANCERS_MAX {
            return complain(format!("at most {BALANCERS_MAX} [[balancer]] work"));
        }
        for balancer in &self.balancer {
            balancer.check(self.public_url.as_deref())?;
            if self.public_url.is_none() {
                return complain(
                    "with a [balancer] set `public_url` to the address where listeners reach this \
                     relay, such as http://relay.example.org:8000"
                        .to_owned(),
                );
            }
        }
        self.knobs().check()?;
        if let Some(files) = &self.tls {
            files.check()?;
        }
        check_at_relay(&self.mount)?;
        check_aliases(&self.alias)?;
        self.access.check()?;
        Rules::load(ALLOW, &self.alias, &self.mount, self.public_url.as_deref())?;
        if let Some(place) = self.place {
            let is_on_earth = (-90.0..=90.0).contains(&place.latitude)
                && (-180.0..=180.0).contains(&place.longitude);
            if !is_on_earth {
                return complain(
                    "[place] has a latitude from -90 to 90 and a longitude from -180 \
                                 to 180"
                        .to_owned(),
                );
            }
        }
        Ok(self)
    }

    /// What can work and is probably not meant, and what to do about it.
    pub fn remarks(&self) -> Vec<String> {
        let url = self.public_url.iter().filter(|url| is_loopback(url));
        let is_local = self.balancer.iter().all(|b| is_loopback(&b.url));
        url.filter(|_| !is_local)
            .map(|url| {
                format!(
                    "`public_url` = {url:?} leads listeners whom the balancer sends to their own \
                     machine: name the address by which they reach this relay"
                )
            })
            .collect()
    }

    fn check_upstreams(&self) -> Result<(), ConfigError> {
        let complain = |text: &str| Err(ConfigError::new(text.to_owned()));
        let n_upstreams = usize::from(self.master.is_some()) + self.upstream.len();
        if let Some(icecast) = &self.icecast {
            if n_upstreams > 0 {
                return complain(
                    "[icecast] beside [master] or [[upstream]]: a relay mirrors the one or the \
                     others",
                );
            }
            return icecast.server().check("[icecast]", "url");
        }
        if n_upstreams == 0 {
            return complain(
                "no master to mirror: add [master] with `url` and `password` to relay.toml; \
                 the master's operator gives you both",
            );
        }
        if n_upstreams > UPSTREAMS_MAX {
            return complain("more than 4 upstreams: take some [[upstream]] out");
        }
        if let Some(master) = &self.master {
            master.server().check("[master]", "url")?;
        }
        let mut others = self.upstream.iter();
        others.try_for_each(|other| other.server().check("[[upstream]]", "url"))
    }

    /// Whom to mirror, the first first.
    pub fn upstreams(&self) -> Vec<Upstream> {
        let master = self
            .master
            .iter()
            .map(|master| Upstream::new(master.server(), &master.user, Some(&master.password)));
        let others = self.upstream.iter().map(|other| {
            let mut upstream = Upstream::new(other.server(), &other.user, Some(&other.password));
            if other.standby {
                upstream = upstream.on_standby();
            }
            if !other.may_rule {
                upstream = upstream.not_ruling();
            }
            upstream
        });
        master.chain(others).collect()
    }

    /// What it has in common with a master.
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

    /// How long listeners are kept while the master is away.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}

#[cfg(test)]
mod tests;
