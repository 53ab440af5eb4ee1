//! One run of the whole chain: everybody takes steps, things break and heal, and at the end
//! everybody has to be where the sound is.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use stream::mount::MountPath;

use crate::air::Air;
use crate::chief::Chief;
use crate::disk::Disk;
use crate::listener::Listener;
use crate::mirror::Relay;
use crate::network::Node;
use crate::plan::{Fault, Plan, Victim, Way};
use crate::speaker::Speaker;
use crate::studio::Kind;

/// The numbers of the nodes: one source, one master, then relays, then listeners.
pub(crate) const SOURCE: Node = 0;
pub(crate) const MASTER: Node = 1;
const FIRST_RELAY: Node = 2;

/// Everybody takes one step in so much time.
const TICK: Duration = Duration::from_millis(20);
/// After the last fault has healed everybody has so long to come back …
const HEALING: Duration = Duration::from_secs(45);
/// … and then nobody is further behind than this.
const BEHIND_MAX: Duration = Duration::from_secs(3);
/// Paths take between so long …
const DELAY_MS_MIN: u64 = 1;
/// … and so long.
const DELAY_MS_MAX: u64 = 120;
/// … and hears the sound no later than before by more than this.
const LATE_MAX: Duration = Duration::from_secs(4);
/// On a slow path things take so long.
const SLOW: Duration = Duration::from_millis(1_500);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// What went wrong, and the last lines of what happened before.
    pub(crate) wrong: Option<(String, Vec<String>)>,
    pub(crate) virtual_time: Duration,
    pub(crate) n_faults: usize,
    pub(crate) n_pages: usize,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// Everybody.
struct World {
    air: Air,
    plan: Plan,
    source: Speaker,
    master: Chief,
    relays: Vec<Relay>,
    listeners: Vec<Listener>,
    /// What ends when.
    ends: Vec<(Instant, Fault)>,
    frozen: Vec<(Victim, Instant)>,
    /// Nothing has stopped the master's clock: it could fill every gap.
    is_timed: bool,
}

/// Runs the plan of a seed.
pub(crate) fn run(seed: u64, is_traced: bool) -> Outcome {
    let ran = catch_unwind(AssertUnwindSafe(|| World::new(seed, is_traced).run()));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("it panicked: {}", text.unwrap_or_default());
        Outcome {
            wrong: Some((what, Vec::new())),
            ..Outcome::default()
        }
    })
}

impl World {
    fn new(seed: u64, is_traced: bool) -> Self {
        let plan = Plan::of(seed);
        let settings = &plan.settings;
        let mut air = Air::new(seed, is_traced);
        air.tell(&format!("{settings:?}"));
        let kind = match Kind::vorbis() {
            Ok(kind) if settings.is_vorbis => kind.clone(),
            Ok(_) => Kind::opus(),
            Err(error) => {
                air.book.wrong(|| format!("no Vorbis: {error}"));
                Kind::opus()
            }
        };
        let path = MountPath::parse("/live.ogg").expect("it is a mount path");
        let disk = Disk::new(air.start, settings.disk_lag, settings.segment_max);
        disk.set_missing(!settings.has_disk);
        let relays: Vec<Node> = (0..settings.n_relays).map(|n| FIRST_RELAY + n).collect();
        let first_listener = FIRST_RELAY + settings.n_relays;
        let mut delay = || Duration::from_millis(air.chance.u64(DELAY_MS_MIN..DELAY_MS_MAX));
        air.network.join(SOURCE, MASTER, delay());
        for relay in &relays {
            air.network.join(MASTER, *relay, delay());
        }
        let mut listeners = Vec::new();
        for n in 0..settings.n_listeners {
            let own = first_listener + n;
            // One of them listens to the master itself.
            let servers = if n == 0 { vec![MASTER] } else { relays.clone() };
            for server in &servers {
                air.network.join(*server, own, delay());
            }
            let is_resuming = n != 1;
            let at = air.start + Duration::from_secs(2 + n as u64);
            listeners.push(Listener::new(own, servers, is_resuming, at));
        }
        Self {
            source: Speaker::new(SOURCE, kind, settings.clone()),
            master: Chief::new(MASTER, path.clone(), settings.keep, disk),
            relays: relays
                .iter()
                .map(|relay| Relay::new(*relay, path.clone(), settings.keep))
                .collect(),
            listeners,
            air,
            plan,
            ends: Vec::new(),
            frozen: Vec::new(),
            is_timed: true,
        }
    }

    fn run(mut self) -> Outcome {
        self.master.start(&mut self.air);
        self.source.start(&mut self.air);
        for relay in &mut self.relays {
            relay.start(&mut self.air);
        }
        let mut faults: Vec<_> = self.plan.faults.drain(..).rev().collect();
        let n_faults = faults.len();
        let mut healed_at = self.air.now;
        let mut n_ticks = 0_u64;
        while self.air.book.wrong.is_none() {
            while faults
                .last()
                .is_some_and(|(at, _)| self.air.elapsed() >= *at)
            {
                if let Some((_, fault)) = faults.pop() {
                    self.strike(fault);
                    healed_at = self.air.now;
                }
            }
            self.heal();
            if !(faults.is_empty() && self.ends.is_empty() && self.frozen.is_empty()) {
                healed_at = self.air.now;
            } else if self.air.now - healed_at > HEALING {
                self.check_end();
                break;
            }
            self.step();
            n_ticks += 1;
            if n_ticks.is_multiple_of(50) {
                self.source.excuse_holes(&mut self.air);
            }
            self.air.now += TICK;
        }
        self.outcome(n_faults)
    }

    /// Everybody takes a step, in any order.
    fn step(&mut self) {
        let n_nodes = 2 + self.relays.len() + self.listeners.len();
        let first = self.air.chance.usize(..n_nodes);
        for n in 0..n_nodes {
            let node = (first + n) % n_nodes;
            if self.is_frozen(node) {
                continue;
            }
            let air = &mut self.air;
            match node {
                SOURCE => self.source.step(air),
                MASTER => self.master.step(air),
                node if node < FIRST_RELAY + self.relays.len() => {
                    let catalog = self.master.catalog();
                    self.relays[node - FIRST_RELAY].step(catalog, air);
                }
                node => self.listeners[node - FIRST_RELAY - self.relays.len()].step(air),
            }
        }
    }

    fn is_frozen(&self, node: Node) -> bool {
        self.frozen.iter().any(|(victim, _)| match victim {
            Victim::Source => node == SOURCE,
            Victim::Master => node == MASTER,
            Victim::Relay(n) => node == FIRST_RELAY + n,
        })
    }

    /// Something breaks.
    fn strike(&mut self, fault: Fault) {
        let now = self.air.now;
        self.air.tell(&format!("**** {fault:?}"));
        self.is_timed &= !fault.stops_the_clock(&self.plan.settings);
        let ends = match fault {
            Fault::Kill(victim, length) => self.kill(victim).then_some(length),
            Fault::LoseDisk(length) => {
                let is_killed = self.kill(Victim::Master);
                self.master.disk.set_missing(true);
                is_killed.then_some(length)
            }
            Fault::Freeze(victim, length) => {
                self.frozen.push((victim, now + length));
                None
            }
            Fault::FillDisk(length) => {
                self.master.disk.set_full(true);
                Some(length)
            }
            Fault::Silence(way, length) => {
                for (one, other) in self.paths(way) {
                    self.air.network.silence(one, other, now);
                }
                Some(length)
            }
            Fault::Slow(way, length) => {
                for (one, other) in self.paths(way) {
                    self.air.network.set_delay(one, other, SLOW);
                }
                Some(length)
            }
            Fault::Sleep(length) => {
                self.air.now += length;
                None
            }
            Fault::Leave(n) => {
                self.listeners[n].leave(&mut self.air);
                None
            }
            Fault::Reset(way) | Fault::Forget(way) | Fault::HalfClose(way) => {
                self.break_links(&fault, way);
                None
            }
        };
        if let Some(length) = ends {
            self.ends.push((now + length, fault));
        }
    }

    fn break_links(&mut self, fault: &Fault, way: Way) {
        let now = self.air.now;
        for (one, other) in self.paths(way) {
            let (network, chance) = (&mut self.air.network, &mut self.air.chance);
            match fault {
                Fault::Reset(_) => network.reset_all(one, other, now, chance),
                Fault::Forget(_) => network.forget_all(one, other),
                _ => network.half_close(one, other, now, chance),
            }
        }
    }

    /// `false`: he is dead already.
    fn kill(&mut self, victim: Victim) -> bool {
        let air = &mut self.air;
        match victim {
            Victim::Source if self.source.is_up() => {
                self.source.fall(air);
                let now = air.now;
                air.network.fall(SOURCE, now, &mut air.chance);
                true
            }
            Victim::Master if self.master.is_up() => {
                self.master.fall(air);
                true
            }
            Victim::Relay(n) if self.relays[n].is_up() => {
                self.relays[n].fall(air);
                true
            }
            _ => false,
        }
    }

    /// What is over is over.
    fn heal(&mut self) {
        let now = self.air.now;
        self.frozen.retain(|(_, until)| now < *until);
        let (over, ends) = self.ends.drain(..).partition(|(until, _)| *until <= now);
        self.ends = ends;
        let over: Vec<(Instant, Fault)> = over;
        for (_, fault) in over {
            self.air.tell(&format!("**** over: {fault:?}"));
            match fault {
                Fault::Kill(Victim::Source, _) => self.source.start(&mut self.air),
                Fault::Kill(Victim::Master, _) => self.master.start(&mut self.air),
                Fault::LoseDisk(_) => {
                    self.master.disk.set_missing(!self.plan.settings.has_disk);
                    self.master.start(&mut self.air);
                }
                Fault::Kill(Victim::Relay(n), _) => self.relays[n].start(&mut self.air),
                Fault::FillDisk(_) => self.master.disk.set_full(false),
                Fault::Silence(way, _) => {
                    for (one, other) in self.paths(way) {
                        let (network, chance) = (&mut self.air.network, &mut self.air.chance);
                        network.heal(one, other, now, chance);
                    }
                }
                Fault::Slow(way, _) => {
                    for (one, other) in self.paths(way) {
                        self.air
                            .network
                            .set_delay(one, other, Duration::from_millis(30));
                    }
                }
                _ => {}
            }
        }
    }

    fn paths(&self, way: Way) -> Vec<(Node, Node)> {
        match way {
            Way::Source => vec![(SOURCE, MASTER)],
            Way::Relay(n) => vec![(MASTER, FIRST_RELAY + n)],
            Way::Listener(n) => {
                let own = FIRST_RELAY + self.relays.len() + n;
                let servers = (MASTER..FIRST_RELAY + self.relays.len()).map(|server| (server, own));
                servers.collect()
            }
        }
    }

    /// Everybody is where the sound is, and nothing is missing.
    fn check_end(&mut self) {
        let head = self.master.head();
        let now = self.air.now;
        let waiting = self.source.waiting();
        if waiting > BEHIND_MAX {
            self.air
                .book
                .wrong(|| format!("at the end the source still has {waiting:?} to send"));
        }
        for relay in &self.relays {
            let place = relay.head();
            if place.map(|place| place.0) != head.map(|head| head.0)
                || self.air.book.is_behind(place, head)
            {
                let own = relay.own;
                self.air.book.wrong(|| {
                    format!("at the end relay {own} is at {place:?}, the master at {head:?}")
                });
            }
        }
        for listener in &self.listeners {
            let (place, heard) = listener.place();
            let is_silent = now - heard > BEHIND_MAX;
            let is_elsewhere = place.map(|place| place.0) != head.map(|head| head.0);
            if is_silent || is_elsewhere || self.air.book.is_behind(place, head) {
                let server = listener.server();
                let silent = now - heard;
                self.air.book.wrong(|| {
                    format!("at the end a listener of node {server} is at {place:?}, silent for {silent:?}; the master at {head:?}")
                });
            }
        }
        let late = head
            .map(|head| self.air.book.lateness(head.0))
            .unwrap_or_default();
        if self.is_timed && late > LATE_MAX {
            self.air
                .book
                .wrong(|| format!("at the end everybody is {late:?} later than before"));
        }
        self.source.excuse_holes(&mut self.air);
        self.air.book.check_whole(now - BEHIND_MAX);
    }

    fn outcome(mut self, n_faults: usize) -> Outcome {
        let wrong = self.air.book.wrong.take();
        Outcome {
            counts: std::mem::take(&mut self.air.counts),
            virtual_time: self.air.elapsed(),
            n_faults,
            n_pages: self.air.book.n_pages(),
            wrong: wrong.map(|wrong| (wrong, self.air.lines.into_iter().collect())),
        }
    }
}
