//! How a relay stands, in one word. Pure.

/// How a relay stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Was taken out of the list.
    Removed,
    /// Has never reported.
    Unheard,
    /// Has not reported lately.
    Stale,
    /// The operator does not want it.
    Disabled,
    /// Wants no new listeners.
    Draining,
    /// Swallowed listeners, or serves something else.
    Quarantined,
    /// All its places are taken or promised.
    Full,
    /// Takes listeners.
    Open,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Unheard => "never heard of",
            Self::Stale => "silent",
            Self::Disabled => "disabled",
            Self::Draining => "draining",
            Self::Quarantined => "in quarantine",
            Self::Full => "full",
            Self::Open => "open",
        }
    }

    /// Whether it reported lately.
    pub fn is_fresh(self) -> bool {
        !matches!(self, Self::Removed | Self::Unheard | Self::Stale)
    }
}
