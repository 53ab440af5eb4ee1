//! The faults, each with what must hold.

use anyhow::Result;

use crate::built::{has_uplinks, has_upstreams};
use crate::report::Report;
use crate::{
    icecast, listener_faults, master_faults, relay_faults, source_faults, two_masters, two_ways,
};

/// How long the long ones are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// As they are.
    Full,
    /// Breaks, memory and patience a tenth of it.
    Scaled,
}

impl Size {
    pub(crate) fn of<T>(self, full: T, scaled: T) -> T {
        match self {
            Self::Full => full,
            Self::Scaled => scaled,
        }
    }
}

pub(crate) type Run = fn(Size) -> Result<Report>;

/// What becomes of a fault here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// It must hold.
    Promise(Run),
    /// As [`Kind::Promise`], and shorter than it says unless all of it is asked for.
    Scaled(Run),
    /// Icecast is measured and nothing is demanded.
    Measure(Run),
    /// As [`Kind::Promise`], if the programs can do it.
    Where(fn() -> Result<bool>, Run),
    /// As [`Kind::Where`], and shorter than it says unless all of it is asked for.
    ScaledWhere(fn() -> Result<bool>, Run),
}

impl Kind {
    /// How it is run, and whether that is shorter than it says; `None`: Plenum cannot do it.
    pub(crate) fn run(self, size: Size) -> Result<Option<(Run, bool)>> {
        let is_scaled = size == Size::Scaled;
        Ok(match self {
            Self::Promise(run) | Self::Measure(run) => Some((run, false)),
            Self::Scaled(run) => Some((run, is_scaled)),
            Self::Where(is_built, run) => is_built()?.then_some((run, false)),
            Self::ScaledWhere(is_built, run) => is_built()?.then_some((run, is_scaled)),
        })
    }
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) criterion: &'static str,
    pub(crate) kind: Kind,
}

const fn fault(id: &'static str, what: &'static str, criterion: &'static str, kind: Kind) -> Fault {
    Fault {
        id,
        what,
        criterion,
        kind,
    }
}

use Kind::{Measure, Promise, Scaled, ScaledWhere, Where};

/// Plenum's.
pub(crate) const FAULTS: &[Fault] = &[
    fault(
        "F01",
        "source without network for 5 s",
        "R0; stall 0; back within 2 s",
        Promise(source_faults::short_break),
    ),
    fault(
        "F01s",
        "the same with the shipped settings (burst 4 s, filler after 2 s)",
        "bridged, filler for 5 s at most; stall 0; back within 2 s",
        Promise(source_faults::short_break_as_shipped),
    ),
    fault(
        "F02",
        "source without network for 60 s",
        "bridged, filler for 55 s at most; stall 0; back within 5 s; what was not heard is kept",
        Promise(source_faults::minute_break),
    ),
    fault(
        "F03",
        "source without network for 10 min",
        "bridged, filler for the break − 3 s at most; stall 0; back within 7 s; what was not heard is kept",
        Scaled(source_faults::long_break_of_a_source),
    ),
    fault(
        "F04",
        "source killed, started 1 s later",
        "nobody disconnected; one page lost at most, none doubled; stall 0; back within 1.5 s",
        Promise(source_faults::killed),
    ),
    fault(
        "F05",
        "source's computer asleep: stands still for 30 s, its clock 30 min on",
        "nobody disconnected; nothing repeated; time off by a burst at most; back within 5 s",
        Promise(source_faults::asleep),
    ),
    fault(
        "F06",
        "sound card pulled out for 5 s",
        "R0; stall 0; alarm within 1 s; time off by 50 ms at most; back within 2 s",
        Promise(source_faults::without_card),
    ),
    fault(
        "F08",
        "source with two uplinks, one dies",
        "R0; stall 0",
        Where(has_uplinks, two_ways::uplinks),
    ),
    fault(
        "F10",
        "master upgraded",
        "R0; stall 0; relays skip nothing",
        Promise(master_faults::upgraded),
    ),
    fault(
        "F11",
        "master killed, started 1 s later",
        "R0 at relays, whose connections skip nothing; stall 0; who listens at the master goes on within 3 s",
        Promise(master_faults::killed),
    ),
    fault(
        "F12",
        "master's host dead, standby promoted",
        "nobody at a relay disconnected; filler for 15 s at most",
        Promise(two_masters::promoted),
    ),
    fault(
        "F13",
        "disks of master and source full",
        "R0; stall 0; both say so",
        Promise(master_faults::disk_full),
    ),
    fault(
        "F14",
        "master with 256 descriptors and 300 callers",
        "R0; stall 0; the others get 503 within 200 ms",
        Promise(master_faults::no_descriptors),
    ),
    fault(
        "F15",
        "all clocks an hour forward, then two back",
        "R0; stall 0",
        Promise(master_faults::clock_set),
    ),
    fault(
        "F17",
        "relays without way to the master for 1 s",
        "R0; stall 0; back within 5 s",
        Promise(relay_faults::moment_away),
    ),
    fault(
        "F18",
        "relays without way to the master for 10 s",
        "R0; stall 2 s at most; back within 5 s",
        Promise(relay_faults::away),
    ),
    fault(
        "F19",
        "relays without way to the master for 60 s, no second upstream",
        "R0; stall 55 s at most; back within 5 s",
        Promise(relay_faults::minute_away),
    ),
    fault(
        "F19d",
        "relay with two upstreams, one dies for 60 s",
        "R0; stall 0",
        Where(has_upstreams, two_ways::minute_away),
    ),
    fault(
        "F20",
        "relays without way to the master for 10 min, longer than it remembers",
        "one announced jump; nobody disconnected within the hold, everybody beyond it; back within 7 s",
        Scaled(relay_faults::long_away),
    ),
    fault(
        "F20d",
        "relay with two upstreams, one dies for 10 min",
        "R0; stall 0",
        ScaledWhere(has_upstreams, two_ways::long_away),
    ),
    fault(
        "F21",
        "way to the master of 200 ms there and back, 2 % sent again",
        "R0; stall 0; 99 in 100 pages within 3 s",
        Promise(relay_faults::lossy),
    ),
    fault(
        "F22",
        "a router forgets the relay's connections",
        "R0; stall 0; resumed within 5 s",
        Promise(relay_faults::forgotten),
    ),
    fault(
        "F27",
        "relay's disk full, its log too",
        "R0; stall 0; it runs on",
        Promise(relay_faults::disk_full),
    ),
    fault(
        "F28",
        "relay upgraded",
        "R0; stall 0",
        Promise(relay_faults::upgraded),
    ),
    fault(
        "F29",
        "relays in a ring",
        "refused within 1 s",
        Where(has_upstreams, two_ways::circle),
    ),
    fault(
        "F30",
        "list of mounts empty, cut off, without mounts",
        "R0; stall 0; no mount dropped",
        Promise(relay_faults::maimed_list),
    ),
    fault(
        "F34",
        "40 listeners who read half as fast as sound is made",
        "R0 for the others; stall 0; the slow stay and are moved once a minute at most; 32 KiB for each",
        Promise(listener_faults::slow),
    ),
    fault(
        "F34l",
        "40 listeners behind a line for 20",
        "R0 for the others; stall 0; the slow are moved once a minute at most; nine in ten stay; 32 KiB for each",
        Promise(listener_faults::narrow),
    ),
    fault(
        "F34r",
        "20 radios with 5.7 kB of receive buffer, reading as fast as they play",
        "R0 for the others; no radio disconnected",
        Promise(listener_faults::radios),
    ),
    fault(
        "F37",
        "1000 listeners vanish",
        "R0 for the others; stall 0; gone within 45 s",
        Promise(listener_faults::vanished),
    ),
    fault(
        "F39",
        "relay killed, its listeners move to another",
        "R0; stall 0",
        Promise(listener_faults::moves),
    ),
];

/// The same at Debian's Icecast.
pub(crate) const AT_ICECAST: &[Fault] = &[
    fault(
        "I01",
        "source without network for 5 s",
        "measured only",
        Measure(icecast::short_break),
    ),
    fault(
        "I02",
        "source without network for 60 s",
        "measured only",
        Measure(icecast::minute_break),
    ),
    fault(
        "I11",
        "master killed, started 1 s later",
        "measured only",
        Measure(icecast::master_killed),
    ),
    fault(
        "I17",
        "relays without way to the master for 1 s",
        "measured only",
        Measure(icecast::moment_away),
    ),
    fault(
        "I18",
        "relays without way to the master for 10 s",
        "measured only",
        Measure(icecast::away),
    ),
    fault(
        "I19",
        "relays without way to the master for 60 s",
        "measured only",
        Measure(icecast::minute_away),
    ),
];

/// All of one kind or those that are named, in order; names that are none, second.
pub(crate) fn chosen(only: &[String], with_icecast: bool) -> (Vec<Fault>, Vec<String>) {
    let all = || FAULTS.iter().chain(AT_ICECAST);
    if only.is_empty() {
        let icecast = AT_ICECAST.iter().filter(|_| with_icecast);
        return (FAULTS.iter().chain(icecast).copied().collect(), Vec::new());
    }
    let is_known = |name: &&String| !all().any(|fault| fault.id.eq_ignore_ascii_case(name));
    let unknown = only.iter().filter(is_known).cloned().collect();
    let is_named = |fault: &&Fault| only.iter().any(|name| fault.id.eq_ignore_ascii_case(name));
    (all().filter(is_named).copied().collect(), unknown)
}
