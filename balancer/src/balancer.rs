//! The balancer itself: relays, master and databases under one roof.
//!
//! Answers the two questions of the routes, "where to?" and "who is this?", and keeps count.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::current::Current;
use stream::mount::MountPath;
use stream::report::Receipt;
use stream::ticket::Bounced;
use tokio::sync::Notify;

use crate::base_url::{BaseUrl, Scheme};
use crate::checked_report::CheckedReport;
use crate::choice::{Excluded, Family, Listener};
use crate::client_addr::client_key;
use crate::config::Config;
use crate::desk::keeping::Desk;
use crate::geo::Geo;
use crate::overflow::Overflow;
use crate::playlist;
use crate::poll::Polls;
use crate::probe::known::Probes;
use crate::registry::{Origin, Polled, Refusal, Registry, State};
use crate::share::standing::Standing;
use crate::waiting::WaitingRoom;

mod ladder;
mod reread;

/// How often a request that waits for relays looks again.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Everything a request needs.
#[derive(Debug)]
pub struct Balancer {
    config: Current<Config>,
    registry: Mutex<Registry>,
    geo: Geo,
    overflow: Option<Overflow>,
    desk: Desk,
    share: Option<Standing>,
    started: Instant,
    /// Listeners who wait for a slot.
    waiting: WaitingRoom,
    /// Makes numbers of players that say nothing to anybody else.
    callers: RandomState,
    /// A relay has a new address, or there are new databases: look where it is.
    pub(crate) moved: Notify,
    /// All databases are to be read again.
    pub(crate) reread_geo: Notify,
    /// What happened since the start.
    pub counts: Counts,
    /// What was found out by listening to relays.
    pub probes: Probes,
    /// What came of asking Icecasts.
    pub polls: Polls,
}

/// Counters, all since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Listeners sent to a relay.
    pub to_relay: AtomicU64,
    /// Listeners sent to the master.
    pub to_master: AtomicU64,
    /// Listeners sent nowhere, although what they want is on air or may be.
    pub unserved: AtomicU64,
    /// Requests for a mount that is silent at the moment: no place is missing.
    pub silent: AtomicU64,
    /// Requests for what nobody ever had: robots, mostly, and mistyped links.
    pub unknown: AtomicU64,
    /// Reports with a wrong token.
    pub wrong_tokens: AtomicU64,
    /// Wrong passwords at the operator's page.
    pub wrong_passwords: AtomicU64,
}

/// Whether the one who asks becomes a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// He goes where he is sent, and takes a place there.
    Listen,
    /// He only wants to know (HEAD).
    Look,
}

/// Where somebody is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server.
    pub url: BaseUrl,
    /// What he takes with him, if it is a relay of ours and he goes.
    pub ticket: Option<String>,
}

/// Why somebody is sent nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// Nobody has ever heard of the mount.
    UnknownMount,
    /// There is such a mount, but nobody to serve it; the closest miss.
    NoRelay(Option<Excluded>),
}

impl Balancer {
    /// A balancer that has not heard from any relay yet.
    pub fn new(config: Config, geo: Geo) -> Self {
        Self::with_desk(config, geo, Desk::default())
    }

    /// As [`Balancer::new`], with what the operator changed in a former run.
    pub fn with_desk(config: Config, geo: Geo, desk: Desk) -> Self {
        let started = Instant::now();
        let origin = Origin {
            run: fastrand::u32(1..),
            at: started,
            second: u32::try_from(Timestamp::now().as_second()).unwrap_or_default(),
        };
        let policy = config.policy();
        let master = config.master.clone();
        let overflow = master.map(|master| Overflow::new(master.url, master.slots, policy.arrival));
        let registry = Registry::new(
            config.registrations(),
            config.report_stale(),
            policy,
            origin,
        );
        let balancer = Self {
            desk,
            registry: Mutex::new(registry),
            overflow,
            share: config.share.as_ref().map(|_| Standing::default()),
            geo,
            config: Current::new(config),
            started,
            waiting: WaitingRoom::default(),
            callers: RandomState::new(),
            moved: Notify::new(),
            reread_geo: Notify::new(),
            counts: Counts::default(),
            probes: Probes::default(),
            polls: Polls::default(),
        };
        balancer.settle();
        balancer
    }

    /// Its settings, as they are now.
    pub fn config(&self) -> Arc<Config> {
        self.config.now()
    }

    /// The operator's page.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What is shared with other balancers, if anything is.
    pub fn share(&self) -> Option<&Standing> {
        self.share.as_ref()
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

    /// Takes a report of the relay at place `at`.
    ///
    /// # Errors
    /// When it contradicts the operator or an earlier report.
    pub fn take(&self, at: usize, report: CheckedReport) -> Result<Receipt, Refusal> {
        let now = Instant::now();
        let mut registry = self.registry();
        let taken = registry.take(at, report, now)?;
        let n_free = registry.n_free_at(at, now);
        let receipt = registry.receipt(at);
        drop(registry);
        self.waiting.let_in(n_free);
        if taken.is_moved {
            self.moved.notify_one();
        }
        Ok(receipt)
    }

    /// Takes what a relay, if it still is one, answered at `url` when it was asked.
    pub fn take_polled(&self, name: &str, url: BaseUrl, polled: Polled) {
        let now = Instant::now();
        let mut registry = self.registry();
        let Some(at) = registry.find(name) else {
            return;
        };
        let taken = registry.take_polled(at, url, polled, now);
        let n_free = registry.n_free_at(at, now);
        drop(registry);
        self.waiting.let_in(n_free);
        if taken.is_moved {
            self.moved.notify_one();
        }
    }

    /// Lets those in who wait, as many as there are slots.
    pub(crate) fn let_in(&self) {
        if self.waiting.n_waiting() > 0 {
            let now = Instant::now();
            let at_relays = self.registry().n_free(now);
            let at_master = self.overflow.as_ref();
            let at_master = at_master.map_or(0, |overflow| overflow.places(now).free);
            self.waiting.let_in(at_relays.saturating_add(at_master));
        }
    }

    /// Listeners who wait for a slot.
    pub fn n_waiting(&self) -> usize {
        self.waiting.n_waiting()
    }

    /// The listener behind an address, whose player calls itself `agent`. The address itself is
    /// kept nowhere.
    pub fn listener(&self, address: IpAddr, scheme: Scheme, agent: &str) -> Listener {
        let key = client_key(address);
        Listener {
            scheme,
            family: match address.to_canonical() {
                IpAddr::V4(_) => Family::V4,
                IpAddr::V6(_) => Family::PrefersV6,
            },
            spot: self.geo.spot(address),
            key,
            caller: Some(self.callers.hash_one((key, agent))),
            bounced: Bounced::default(),
            left: None,
            entry: 0,
        }
    }

    /// Whom a listener is not to be sent to, who shows this ticket.
    pub fn returned(&self, ticket: &str) -> Bounced {
        self.registry().returned(ticket, Instant::now())
    }

    /// The mount that a playlist called `name` is for. Waits as [`Balancer::send`].
    pub async fn mount_meant(&self, name: &str) -> Option<MountPath> {
        let attempt = || {
            let mounts = self.mounts();
            playlist::meant(name, mounts.iter()).cloned().ok_or(())
        };
        self.patiently(attempt, |()| false).await.ok()
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

    /// Tries again until it works, or everybody was heard and no more can be expected of that, or
    /// the wait after the start is over.
    async fn patiently<T, E>(
        &self,
        attempt: impl Fn() -> Result<T, E>,
        is_final: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        loop {
            let why = match attempt() {
                Ok(found) => return Ok(found),
                Err(why) => why,
            };
            let is_early = self.started.elapsed() < self.config().wait_for_relays();
            if !is_early || (is_final(&why) && self.has_heard_everybody()) {
                return Err(why);
            }
            tokio::time::sleep(WAIT_STEP).await;
        }
    }

    fn has_heard_everybody(&self) -> bool {
        let now = Instant::now();
        let registry = self.registry();
        registry
            .relays(now)
            .all(|(_, _, state)| state != State::Unheard)
            && self.overflow.as_ref().is_none_or(Overflow::is_up)
    }
}
