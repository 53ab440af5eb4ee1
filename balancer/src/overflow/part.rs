//! What one of several balancers that send listeners to one master may give away. Pure.

/// The part of what the master has free that one of several balancers may give away: the same for
/// each, and what is left over to the first ones. They ask at different moments, but each asks again
/// before another forgets whom it sent (`arrival` is longer than [`ASK_INTERVAL`] and
/// [`ASK_TIME_MAX`] together): so what all of them give away is never more than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    rank: u32,
    pub(super) of: u32,
}

impl Default for Part {
    fn default() -> Self {
        Self { rank: 0, of: 1 }
    }
}

impl Part {
    /// That of the balancer with this many before it and this many others in all.
    pub fn new(before: usize, others: usize) -> Self {
        let of = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
        let rank = u32::try_from(before).unwrap_or(u32::MAX).min(of - 1);
        Self { rank, of }
    }

    pub(super) fn share(self, n: u32) -> u64 {
        u64::from(n / self.of + u32::from(self.rank < n % self.of))
    }
}
