//! Why a relay cannot take a listener. Pure.

use serde::Serialize;

/// A reason. The order says which of two tells a listener more: what comes last was closest to
/// being sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// It was taken out of the list while the balancer runs.
    Removed,
    /// It has never reported.
    Unheard,
    /// It has not reported lately.
    Stale,
    /// It does not know the mount.
    NoMount,
    /// It has the mount, without sound.
    NotOnAir,
    /// The operator does not want it.
    Disabled,
    /// It wants no new listeners, or the operator is taking it down.
    Draining,
    /// It swallowed listeners, or was found to serve something else.
    Quarantined,
    /// It does not speak the listener's scheme.
    WrongScheme,
    /// The listener cannot reach its address.
    WrongFamily,
    /// The listener needs a kind of address over which probes got nothing.
    FamilyDown,
    /// The operator does not want listeners of this country there.
    CountryDenied,
    /// It has just sent this listener back, or he two others.
    SentBack,
    /// He was sent there a moment ago and did not get there.
    NotReached,
    /// Too many are on their way to a relay that has not proved itself.
    Unproven,
    /// All its slots are taken, or promised.
    Full,
}

/// The reasons that do not depend on who asks, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Gate {
    /// See [`Excluded::Removed`].
    Removed = 1,
    /// See [`Excluded::Stale`].
    Stale = 2,
    /// See [`Excluded::Disabled`].
    Disabled = 4,
    /// See [`Excluded::Draining`].
    Draining = 8,
    /// See [`Excluded::Quarantined`].
    Quarantined = 16,
    /// See [`Excluded::Unproven`].
    Unproven = 32,
    /// See [`Excluded::Full`].
    Full = 64,
    /// See [`Excluded::Unheard`].
    Unheard = 128,
}

/// A set of them; empty: it takes listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates(u16);

impl Gates {
    /// Closed for this reason, or not.
    #[must_use]
    pub fn with(self, gate: Gate, is_closed: bool) -> Self {
        Self(self.0 | if is_closed { gate as u16 } else { 0 })
    }

    /// Whether it takes listeners.
    pub fn is_open(self) -> bool {
        self.0 == 0
    }

    /// Whether it is closed for this reason.
    pub fn has(self, gate: Gate) -> bool {
        self.0 & gate as u16 != 0
    }

    /// The reasons, the first one to be told first.
    pub fn reasons(self) -> impl Iterator<Item = Excluded> {
        [
            (Gate::Removed, Excluded::Removed),
            (Gate::Unheard, Excluded::Unheard),
            (Gate::Stale, Excluded::Stale),
            (Gate::Disabled, Excluded::Disabled),
            (Gate::Draining, Excluded::Draining),
            (Gate::Quarantined, Excluded::Quarantined),
            (Gate::Full, Excluded::Full),
            (Gate::Unproven, Excluded::Unproven),
        ]
        .into_iter()
        .filter_map(move |(gate, reason)| self.has(gate).then_some(reason))
    }
}
