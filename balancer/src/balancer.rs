//! The balancer itself: relays, master and databases under one roof.
//!
//! Answers the two questions of the routes, "where to?" and "who is this?", and keeps count.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use tokio::sync::Notify;

use crate::base_url::{BaseUrl, Scheme};
use crate::checked_report::CheckedReport;
use crate::choose::{Choice, Excluded, Listener};
use crate::client_addr::client_key;
use crate::config::Config;
use crate::geo::Geo;
use crate::overflow::Overflow;
use crate::playlist;
use crate::registry::{Refusal, Registry, State};

/// How often a request that waits for relays looks again.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Everything a request needs.
#[derive(Debug)]
pub struct Balancer {
    config: Config,
    registry: Mutex<Registry>,
    geo: Geo,
    overflow: Option<Overflow>,
    started: Instant,
    /// A relay has a new address, or there are new databases: look where it is.
    pub(crate) moved: Notify,
    /// What happened since the start.
    pub counts: Counts,
}

/// Counters, all since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Listeners sent to a relay.
    pub to_relay: AtomicU64,
    /// Listeners sent to the master.
    pub to_master: AtomicU64,
    /// Listeners sent nowhere.
    pub unserved: AtomicU64,
    /// Reports with a wrong token.
    pub wrong_tokens: AtomicU64,
}

/// Whether the one who asks becomes a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// He goes where he is sent, and takes a place there.
    Listen,
    /// He only wants to know (HEAD).
    Look,
}

/// Why somebody is sent nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// Nobody has ever heard of the mount.
    UnknownMount,
    /// There is such a mount, but nobody to serve it; the closest miss.
    NoRelay(Option<Excluded>),
}

impl Balancer {
    /// A balancer that has not heard from any relay yet.
    pub fn new(config: Config, geo: Geo) -> Self {
        Self {
            registry: Mutex::new(Registry::new(config.registrations(), config.report_stale())),
            overflow: config
                .master
                .clone()
                .map(|master| Overflow::new(master.url)),
            geo,
            config,
            started: Instant::now(),
            moved: Notify::new(),
            counts: Counts::default(),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The databases.
    pub fn geo(&self) -> &Geo {
        &self.geo
    }

    /// The master, if it may be used.
    pub fn overflow(&self) -> Option<&Overflow> {
        self.overflow.as_ref()
    }

    /// The relays. Held for as long as it takes to read or write them, never over an await.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The relay whose token this is, by its place in the configuration. Compares with every
    /// token, so that the time it takes says nothing.
    pub fn relay_of_token(&self, token: &str) -> Option<usize> {
        let mut found = None;
        for (at, relay) in self.config.relay.iter().enumerate() {
            if relay.token.matches(token) {
                found = Some(at);
            }
        }
        found
    }

    /// Takes a report of the relay at place `at`.
    ///
    /// # Errors
    /// When it contradicts the operator or an earlier report.
    pub fn take(&self, at: usize, report: CheckedReport) -> Result<(), Refusal> {
        let is_moved = self.registry().take(at, report, Instant::now())?;
        if is_moved {
            self.moved.notify_one();
        }
        Ok(())
    }

    /// The listener behind an address. The address itself is kept nowhere.
    pub fn listener(
        &self,
        address: IpAddr,
        scheme: Scheme,
        sent_back_by: Vec<BaseUrl>,
    ) -> Listener {
        Listener {
            sent_back_by,
            scheme,
            spot: self.geo.spot(address),
            key: client_key(address),
        }
    }

    /// Where to send a listener. Waits a moment if the balancer has just started.
    ///
    /// # Errors
    /// Says why nowhere.
    pub async fn send(
        &self,
        listener: &Listener,
        mount: &MountPath,
        intent: Intent,
    ) -> Result<BaseUrl, Nowhere> {
        let to_relay = || self.to_relay(listener, mount, intent);
        let miss = match self.patiently(to_relay).await {
            Ok(relay) => return Ok(relay),
            Err(miss) => miss,
        };
        if let Some(master) = self.to_master(listener, mount, intent) {
            return Ok(master);
        }
        self.counts.unserved.fetch_add(1, Ordering::Relaxed);
        let at_master = self.overflow.as_ref();
        let is_known =
            self.registry().knows(mount) || at_master.is_some_and(|overflow| overflow.knows(mount));
        Err(if is_known {
            Nowhere::NoRelay(miss)
        } else {
            Nowhere::UnknownMount
        })
    }

    /// What the choice would be for a listener, with reasons.
    pub fn explain(&self, listener: &Listener, mount: &MountPath) -> Choice {
        self.registry().ask(listener, mount, Instant::now()).0
    }

    /// The mount that a playlist called `name` is for. Waits as [`Balancer::send`].
    pub async fn mount_meant(&self, name: &str) -> Option<MountPath> {
        let attempt = || {
            let mounts = self.mounts();
            playlist::meant(name, mounts.iter()).cloned().ok_or(())
        };
        self.patiently(attempt).await.ok()
    }

    /// Every mount that a relay or the master has, on air or not.
    pub fn mounts(&self) -> BTreeSet<MountPath> {
        let at_master = self.master_mounts();
        let registry = self.registry();
        let at_relays = registry.mounts().into_iter().cloned();
        at_relays.chain(at_master).collect()
    }

    /// Every mount that a relay or the master has on air.
    pub fn mounts_on_air(&self) -> BTreeSet<MountPath> {
        let at_master = self.master_mounts();
        let registry = self.registry();
        let at_relays = registry.mounts_on_air(Instant::now()).into_iter().cloned();
        at_relays.chain(at_master).collect()
    }

    /// What the master has on air, if it may be used.
    pub fn master_mounts(&self) -> BTreeSet<MountPath> {
        let mounts = self.overflow.as_ref().map(Overflow::mounts_on_air);
        mounts.unwrap_or_default()
    }

    /// The relay for a listener, or the closest miss.
    fn to_relay(
        &self,
        listener: &Listener,
        mount: &MountPath,
        intent: Intent,
    ) -> Result<BaseUrl, Option<Excluded>> {
        let now = Instant::now();
        let (choice, relay) = match intent {
            Intent::Listen => self.registry().send(listener, mount, now),
            Intent::Look => self.registry().ask(listener, mount, now),
        };
        let relay = relay.ok_or_else(|| choice.closest_miss())?;
        self.count(intent, &self.counts.to_relay);
        Ok(relay)
    }

    /// The master, if it can take a listener.
    fn to_master(&self, listener: &Listener, mount: &MountPath, intent: Intent) -> Option<BaseUrl> {
        let overflow = self.overflow.as_ref()?;
        let is_open = overflow.url().scheme() == listener.scheme && overflow.carries(mount);
        if !is_open {
            return None;
        }
        self.count(intent, &self.counts.to_master);
        Some(overflow.url().clone())
    }

    fn count(&self, intent: Intent, counter: &AtomicU64) {
        if intent == Intent::Listen {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tries again until it works, or everybody was heard, or the wait after the start is over.
    async fn patiently<T, E>(&self, attempt: impl Fn() -> Result<T, E>) -> Result<T, E> {
        loop {
            let outcome = attempt();
            let is_early = self.started.elapsed() < self.config.wait_for_relays();
            if outcome.is_ok() || !is_early || self.has_heard_everybody() {
                return outcome;
            }
            tokio::time::sleep(WAIT_STEP).await;
        }
    }

    fn has_heard_everybody(&self) -> bool {
        let now = Instant::now();
        let registry = self.registry();
        registry
            .relays(now)
            .all(|(_, state)| state != State::Unheard)
            && self.overflow.as_ref().is_none_or(Overflow::is_up)
    }
}
