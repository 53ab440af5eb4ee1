//! Which relay is probed when: each in a task of its own, so that one that hangs delays no other.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::mount::MountPath;
use stream::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::AGENT;
use super::finding::{Evidence, Family, Finding};
use super::follow::lock;
use super::health::Change;
use super::judge::{Asked, Came, Judgement, Known, Newest, family_of, is_enough, judge, newest};
use super::listen::listen;
use super::ways::{Ways, worst};
use crate::balancer::Balancer;
use crate::base_url::BaseUrl;
use crate::call::{Caller, addresses};
use crate::config::{Comparing, RelayConfig};
use crate::registry::{Probe, Registry, Relay, State};

/// Relays that are probed at the same time; others wait their turn.
const ROUNDS_MAX: usize = 64;
/// Mounts that are probed in one round; relays with more have all probed in turn.
const MOUNTS_A_ROUND: usize = 3;
/// How soon one looks again at a relay of which it is not clear what it is.
const IN_DOUBT_INTERVAL: Duration = Duration::from_secs(3);
/// How soon one looks again at a relay that is out.
const OUT_INTERVAL: Duration = Duration::from_secs(10);
/// How soon one looks whether a relay has something to be probed now.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a relay that seems to be ahead of the master is given to turn out to be so.
const EARLY_WAIT: Duration = Duration::from_secs(2);

/// What there is to probe at a relay.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where listeners reach it.
    pub(crate) url: BaseUrl,
    /// What it says that it has on air.
    pub(crate) mounts: Vec<MountPath>,
    /// It says that it has no place left.
    pub(crate) is_full: bool,
    /// What its bytes are compared with.
    pub(crate) comparing: Comparing,
}

/// Whether there is something to probe.
#[derive(Clone, Debug)]
pub(crate) enum Aim {
    /// There is no such relay.
    Gone,
    /// Not at the moment.
    Nothing,
    /// There is.
    At(Target),
}

/// Probes all relays until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, interval: Duration, shutdown: Shutdown) {
    let caller = Caller::new(AGENT, shutdown.clone());
    let turns = Arc::new(Semaphore::new(ROUNDS_MAX));
    let running = Arc::new(Mutex::new(BTreeSet::new()));
    loop {
        for (at, name) in names(&balancer) {
            let is_new = running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone());
            if !is_new {
                continue;
            }
            let rounds = Rounds {
                balancer: Arc::clone(&balancer),
                caller: caller.clone(),
                turns: Arc::clone(&turns),
                at,
                name: name.clone(),
                interval,
                n_rounds: fastrand::usize(..1000),
                complaint: None,
            };
            let (until, running) = (shutdown.clone(), Arc::clone(&running));
            shutdown.spawn("probe", async move {
                let _turn = Turn { running, name };
                until.unless_requested(rounds.run()).await;
            });
        }
        let pause = tokio::time::sleep(IDLE_INTERVAL);
        if shutdown.unless_requested(pause).await.is_none() {
            return;
        }
    }
}

/// That a relay is being probed. However that ends, it is begun anew as long as there is the relay.
struct Turn {
    running: Arc<Mutex<BTreeSet<String>>>,
    name: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.name);
    }
}

/// All relays and their places in the list.
fn names(balancer: &Balancer) -> Vec<(usize, String)> {
    let registry = balancer.registry();
    let relays = registry.relays(Instant::now());
    let name = |relay: &Relay| relay.name().to_owned();
    relays.map(|(at, relay, _)| (at, name(relay))).collect()
}

/// What the operator says; of a relay that is in no file, the usual.
fn comparing(balancer: &Balancer, name: &str) -> Comparing {
    let config = balancer.config();
    let mut relays = config.relay.iter();
    let found = relays.find(|relay| relay.name == name);
    found.map(RelayConfig::comparing).unwrap_or_default()
}

/// The probes of one relay.
struct Rounds {
    balancer: Arc<Balancer>,
    caller: Caller,
    turns: Arc<Semaphore>,
    at: usize,
    name: String,
    interval: Duration,
    n_rounds: usize,
    /// Why it could not be probed the last time.
    complaint: Option<String>,
}

impl Rounds {
    /// Until there is no such relay any more.
    async fn run(mut self) {
        loop {
            let wait = match self.aim() {
                Aim::Gone => break,
                Aim::Nothing => IDLE_INTERVAL,
                Aim::At(target) => {
                    let turns = Arc::clone(&self.turns);
                    let Ok(_turn) = turns.acquire().await else {
                        break;
                    };
                    self.round(&target).await;
                    self.pause()
                }
            };
            tokio::time::sleep(wait).await;
        }
        self.balancer.probes.forget(&self.name);
    }

    fn aim(&self) -> Aim {
        let (registry, now) = (self.balancer.registry(), Instant::now());
        let Some(relay) = self.relay(&registry) else {
            return Aim::Gone;
        };
        let state = relay.state(registry.policy(), now);
        let is_quiet = !state.is_fresh() || matches!(state, State::Draining | State::Disabled);
        let Some(report) = relay.report().filter(|_| !is_quiet) else {
            return Aim::Nothing;
        };
        let on_air = report.mounts.iter().filter(|(_, mount)| mount.is_on_air);
        let mounts: Vec<_> = on_air.map(|(path, _)| path.clone()).collect();
        let comparing = comparing(&self.balancer, &self.name);
        if mounts.is_empty() || comparing == Comparing::Nothing {
            return Aim::Nothing;
        }
        Aim::At(Target {
            url: report.url.clone(),
            mounts,
            is_full: relay.taken() >= u64::from(relay.usable(registry.policy(), now)),
            comparing,
        })
    }

    /// Its place stays its own, until it is taken out of the list.
    fn relay<'a>(&self, registry: &'a Registry) -> Option<&'a Relay> {
        let relay = registry.relay(self.at)?;
        (relay.name() == self.name).then_some(relay)
    }

    fn pause(&self) -> Duration {
        let longest = |ways: &mut Ways| match (ways.is_in_doubt(), ways.is_out()) {
            (true, _) => IN_DOUBT_INTERVAL,
            (false, true) => OUT_INTERVAL,
            (false, false) => Duration::MAX,
        };
        let longest = match self.is_hearsay() {
            true => IN_DOUBT_INTERVAL,
            false => self.balancer.probes.with(&self.name, longest),
        };
        // Not all at the same moment.
        self.interval
            .min(longest)
            .mul_f64(0.9 + 0.2 * fastrand::f64())
    }

    /// Another balancer has it in quarantine: we look with our own eyes.
    fn is_hearsay(&self) -> bool {
        let registry = self.balancer.registry();
        let relay = self.relay(&registry);
        relay.is_some_and(|relay| relay.health().hearsay().is_some())
    }

    async fn round(&mut self, target: &Target) {
        self.n_rounds = self.n_rounds.wrapping_add(1);
        let addresses = match addresses(&target.url).await {
            Ok(addresses) => addresses,
            Err(why) => return self.tell_nameless(why),
        };
        self.complaint = None;
        let families: Vec<_> = addresses
            .iter()
            .map(|address| family_of(*address))
            .collect();
        let probes = &self.balancer.probes;
        probes.with(&self.name, |ways| ways.keep(&families, &target.mounts));
        for family in Family::ALL {
            let own = addresses
                .iter()
                .filter(|address| family_of(**address) == family);
            let own: Vec<SocketAddr> = own.copied().collect();
            if own.is_empty() {
                self.tell_way(family, None);
                continue;
            }
            let address = own[self.n_rounds % own.len()];
            let mut findings = Vec::new();
            for mount in self.due(&target.mounts) {
                findings.push(self.probe(target, address, mount).await);
            }
            if let Some(finding) = worst(findings) {
                self.note(family, finding);
            }
        }
    }

    /// Whether listeners get something over this family, and if not, why.
    fn tell_way(&self, family: Family, evidence: Option<String>) {
        let mut registry = self.balancer.registry();
        let Some(relay) = self.relay(&registry) else {
            return;
        };
        let (name, word) = (&self.name, family.name());
        match (relay.families().down(family), &evidence) {
            (None, Some(why)) => warn!(
                relay = name,
                "relay {name} gets no listeners who need {word}: {why}"
            ),
            (Some(_), None) => info!(relay = name, "relay {name} is reached over {word} again"),
            _ => {}
        }
        registry.put_down(self.at, family, evidence);
    }

    fn tell_nameless(&mut self, why: String) {
        if self.complaint.as_ref() != Some(&why) {
            warn!(
                relay = self.name,
                "relay {} cannot be probed: {why}", self.name
            );
            self.complaint = Some(why);
        }
    }

    /// The mounts whose turn it is.
    fn due<'a>(&self, mounts: &'a [MountPath]) -> Vec<&'a MountPath> {
        let n_due = mounts.len().min(MOUNTS_A_ROUND);
        let first = self.n_rounds.wrapping_mul(MOUNTS_A_ROUND);
        let at = |n| &mounts[first.wrapping_add(n) % mounts.len()];
        (0..n_due).map(at).collect()
    }

    async fn probe(&self, target: &Target, address: SocketAddr, mount: &MountPath) -> Finding {
        let truth = match target.comparing {
            Comparing::Bytes => self.balancer.probes.truths.of(mount),
            Comparing::Sound | Comparing::Nothing => None,
        };
        let asked = Asked {
            mount: mount.clone(),
            address,
            at: Timestamp::now(),
        };
        let came = listen(&self.caller, (&target.url, address), mount, |heard| {
            let truth = truth.as_deref().map(lock);
            is_enough(heard, truth.as_deref(), Instant::now())
        })
        .await;
        let read_at = Instant::now();
        let before = self.before(family_of(address), mount);
        let look = |now| {
            let truth = truth.as_deref().map(lock);
            let known = Known {
                truth: truth.as_deref(),
                is_full: target.is_full,
                before,
                read_at,
                now,
            };
            judge(&asked, &came, known)
        };
        let mut judgement = look(read_at);
        if judgement.is_early {
            tokio::time::sleep(EARLY_WAIT).await;
            judgement = look(Instant::now());
        }
        self.remember(&came, family_of(address), mount, read_at);
        let Judgement { finding, .. } = judgement;
        self.balancer.probes.counts.add(&finding);
        finding
    }

    fn before(&self, family: Family, mount: &MountPath) -> Option<Newest> {
        let probes = &self.balancer.probes;
        probes.with(&self.name, |ways| ways.before(family, mount))
    }

    fn remember(&self, came: &Came, family: Family, mount: &MountPath, at: Instant) {
        let Came::Answer(heard) = came else {
            return;
        };
        if let Some(newest) = newest(heard, at) {
            let remember = |ways: &mut Ways| ways.remember(family, mount.clone(), newest);
            self.balancer.probes.with(&self.name, remember);
        }
    }

    /// What was found decides with what was found before.
    fn note(&self, family: Family, finding: Finding) {
        let now = Instant::now();
        let is_good = matches!(finding, Finding::Good { .. });
        let note = |ways: &mut Ways| {
            let change = ways.note(family, finding, now);
            let evidence = ways.evidence().filter(|_| ways.is_out());
            let evidence = evidence.map(|(evidence, _)| evidence.sentence());
            let of_way = ways.out(family).map(Evidence::sentence);
            (change, evidence, of_way)
        };
        let (change, evidence, of_way) = self.balancer.probes.with(&self.name, note);
        // Once the operator has released it, one good probe does not put it down again.
        if of_way.is_none() || !is_good {
            self.tell_way(family, of_way);
        }
        let mut registry = self.balancer.registry();
        if self.relay(&registry).is_none() {
            return;
        }
        let at = self.at;
        match evidence {
            // Also when it is in quarantine already: the newest evidence counts.
            Some(evidence) if !is_good => registry.quarantine(at, evidence, now),
            Some(_) => {}
            None if change == Change::Back => registry.lift(at, now),
            None if is_good => {
                registry.probed(at, Probe::Good, now);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
