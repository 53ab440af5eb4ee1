//! What the balancer shows of itself: relays, mounts, places. Holds nothing of any listener.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::Serialize;
use stream::mount::MountPath;

use crate::balancer::Balancer;
use crate::geo::GeoSource;
use crate::overflow::Places;
use crate::place::Spot;
use crate::registry::{Relay, State};
use crate::share::standing::{ShareStatus, Standing};

/// The answer of `/api/v1/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// In the order of the configuration.
    pub relays: Vec<RelayStatus>,
    /// In the order of the alphabet.
    pub mounts: Vec<MountStatus>,
    /// The databases that say where an address is, in the order in which they are asked.
    pub geo: Vec<GeoSource>,
    /// The last resort, if there is one.
    pub master: Option<MasterStatus>,
    /// What is shared with other balancers; null: nothing.
    pub share: Option<ShareStatus>,
    /// Sums.
    pub totals: Totals,
}

/// One relay.
#[derive(Debug, Serialize)]
pub struct RelayStatus {
    /// The name its operator gave it.
    pub name: String,
    /// In a word: see [`crate::registry::State`].
    pub state: &'static str,
    /// Where listeners reach it; null until its first report.
    pub url: Option<String>,
    /// It reported lately.
    pub fresh: bool,
    /// Listeners in its last report.
    pub listeners: u32,
    /// Listeners it could serve.
    pub slots: u32,
    /// Listeners that may be on their way to it.
    pub reserved: u64,
    /// While it has not proved that it serves, so many may be on their way to it; null: it has.
    pub window: Option<u32>,
    /// What it carries.
    pub mounts: Vec<RelayMount>,
    /// Places that somebody who comes now could get; none at one that takes nobody.
    #[serde(skip)]
    pub free: u64,
    /// Where it is, as far as anybody knows.
    pub place: Option<Spot>,
    /// How old its last report is; null until the first.
    pub last_report_ms_ago: Option<u64>,
}

/// A mount at one relay.
#[derive(Debug, Serialize)]
pub struct RelayMount {
    /// Such as `/live.ogg`.
    pub path: MountPath,
    /// A listener who comes now hears something.
    pub is_on_air: bool,
    /// Listeners on it in the last report.
    pub listeners: u32,
}

/// A mount over all relays that reported lately.
#[derive(Debug, Serialize)]
pub struct MountStatus {
    /// Such as `/live.ogg`.
    pub path: MountPath,
    /// The media type; empty if only the master has it.
    pub content_type: String,
    /// Some relay, or the master, has sound on it.
    pub is_on_air: bool,
    /// How many relays have sound on it.
    pub relays: usize,
    /// Listeners at these relays.
    pub listeners: u64,
}

/// The master.
#[derive(Debug, Serialize)]
pub struct MasterStatus {
    /// Where listeners reach it.
    pub url: String,
    /// It answered lately.
    pub is_up: bool,
    /// Its places that are neither taken nor promised, on the mount that has the most.
    pub free: u64,
    /// Listeners that may be on their way there.
    pub reserved: u64,
}

/// Sums over the relays that reported lately.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Relays in the configuration.
    pub relays: usize,
    /// Relays that reported lately.
    pub fresh: usize,
    /// Places; at relays that take nobody those that are taken.
    pub slots: u64,
    /// Listeners in the last reports.
    pub listeners: u64,
    /// Listeners that may be on their way.
    pub reserved: u64,
    /// Places neither taken nor promised, at relays that take listeners.
    pub free: u64,
    /// Listeners sent to relays since the start.
    pub sent_to_relays: u64,
    /// Listeners sent to the master since the start.
    pub sent_to_master: u64,
    /// Requests for a mount that could be sent nowhere, since the start.
    pub unserved: u64,
}

impl Status {
    /// The state of everything at `now`.
    pub fn of(balancer: &Balancer, now: Instant) -> Self {
        let at_master = balancer.master_mounts();
        let registry = balancer.registry();
        let mut mounts = BTreeMap::new();
        let mut totals = Totals::since_start(balancer);
        let mut relays = Vec::new();
        for (_, relay, state) in registry.relays(now) {
            totals.add(relay, state);
            add_mounts(&mut mounts, relay, state);
            relays.push(RelayStatus::of(relay, state, now));
        }
        drop(registry);
        for path in &at_master {
            mount_status(&mut mounts, path).is_on_air = true;
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            relays,
            mounts: mounts.into_values().collect(),
            geo: balancer.geo().sources(),
            master: balancer.overflow().map(|overflow| {
                let Places { free, reserved } = overflow.places(now);
                MasterStatus {
                    url: overflow.url().to_string(),
                    is_up: overflow.is_up(),
                    free,
                    reserved,
                }
            }),
            share: balancer.share().map(Standing::status),
            totals,
        }
    }
}

impl MountStatus {
    /// One of which nobody has said anything.
    pub fn unheard(path: MountPath) -> Self {
        Self {
            path,
            content_type: String::new(),
            is_on_air: false,
            relays: 0,
            listeners: 0,
        }
    }
}

impl RelayStatus {
    fn of(relay: &Relay, state: State, now: Instant) -> Self {
        let report = relay.report();
        let mounts = report.map(|report| &report.mounts).into_iter().flatten();
        Self {
            name: relay.name().to_owned(),
            state: state.as_str(),
            url: relay.url().map(ToString::to_string),
            fresh: state.is_fresh(),
            listeners: report.map_or(0, |report| report.listeners),
            slots: report.map_or(0, |report| report.slots),
            reserved: relay.n_reserved(),
            free: free(relay, state),
            window: relay.trust().window(),
            mounts: mounts
                .map(|(path, mount)| RelayMount {
                    path: path.clone(),
                    is_on_air: mount.is_on_air,
                    listeners: mount.listeners,
                })
                .collect(),
            place: Some(*relay.spot()).filter(|spot| !spot.is_unknown()),
            last_report_ms_ago: relay
                .report_age(now)
                .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Totals {
    /// The sums at `now`. Cheap: pages that are open ask for them again and again.
    pub fn of(balancer: &Balancer, now: Instant) -> Self {
        let mut totals = Self::since_start(balancer);
        for (_, relay, state) in balancer.registry().relays(now) {
            totals.add(relay, state);
        }
        totals
    }

    fn since_start(balancer: &Balancer) -> Self {
        Self {
            sent_to_relays: balancer.counts.to_relay.load(Ordering::Relaxed),
            sent_to_master: balancer.counts.to_master.load(Ordering::Relaxed),
            unserved: balancer.counts.unserved.load(Ordering::Relaxed),
            ..Self::default()
        }
    }

    fn add(&mut self, relay: &Relay, state: State) {
        self.relays += 1;
        let Some(report) = relay.report().filter(|_| state.is_fresh()) else {
            return;
        };
        self.fresh += 1;
        // One that takes nobody has no places but those that are taken.
        let is_served = matches!(state, State::Open | State::Full);
        self.slots += u64::from(if is_served {
            report.slots
        } else {
            report.listeners
        });
        self.listeners += u64::from(report.listeners);
        self.reserved += relay.n_reserved();
        self.free += free(relay, state);
    }
}

fn free(relay: &Relay, state: State) -> u64 {
    let slots = relay.report().filter(|_| state == State::Open);
    let slots = slots.map_or(0, |report| u64::from(report.slots));
    slots.saturating_sub(relay.taken())
}

fn add_mounts(mounts: &mut BTreeMap<MountPath, MountStatus>, relay: &Relay, state: State) {
    let Some(report) = relay.report() else {
        return;
    };
    for (path, carried) in &report.mounts {
        let mount = mount_status(mounts, path);
        mount.content_type.clone_from(&carried.content_type);
        if state.is_fresh() {
            mount.listeners += u64::from(carried.listeners);
            mount.relays += usize::from(carried.is_heard());
            mount.is_on_air |= carried.is_heard();
        }
    }
}

fn mount_status<'a>(
    mounts: &'a mut BTreeMap<MountPath, MountStatus>,
    path: &MountPath,
) -> &'a mut MountStatus {
    (mounts.entry(path.clone())).or_insert_with(|| MountStatus::unheard(path.clone()))
}
