//! What probes have found out, about all relays.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::finding::{Fault, Finding};
use super::follow::Truths;
use super::ways::Ways;

/// All of it.
#[derive(Debug, Default)]
pub struct Probes {
    ways: Mutex<BTreeMap<String, Ways>>,
    /// What came out of them, by number.
    pub counts: Counts,
    /// What the master sent lately.
    pub(crate) truths: Truths,
}

/// Probes since the start, by what they found.
#[derive(Debug, Default)]
pub struct Counts {
    /// The master's bytes, in time.
    pub good: AtomicU64,
    /// Sound that was not compared with anything.
    pub heard: AtomicU64,
    /// Nothing that says anything about the relay.
    pub unclear: AtomicU64,
    /// In the order of [`Fault::ALL`].
    faults: [AtomicU64; Fault::ALL.len()],
}

impl Probes {
    /// Looks at what is known of one relay, or changes it. Held for as long as that takes.
    pub fn with<T>(&self, relay: &str, look: impl FnOnce(&mut Ways) -> T) -> T {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ways.get_mut(relay) {
            return look(known);
        }
        look(ways.entry(relay.to_owned()).or_default())
    }

    /// There is no such relay any more.
    pub(super) fn forget(&self, relay: &str) {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.remove(relay);
    }
}

impl Counts {
    pub(super) fn add(&self, finding: &Finding) {
        let counter = match finding {
            Finding::Good { is_compared: true } => &self.good,
            Finding::Good { is_compared: false } => &self.heard,
            Finding::Unclear(_) => &self.unclear,
            Finding::Soft(evidence) | Finding::Hard(evidence) => self.of(evidence.fault),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Probes that found this.
    pub fn of(&self, fault: Fault) -> &AtomicU64 {
        &self.faults[fault as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_counter_of_its_own() {
        let counts = Counts::default();
        for (n, fault) in (1..).zip(Fault::ALL) {
            counts.of(fault).store(n, Ordering::Relaxed);
        }
        for (n, fault) in (1..).zip(Fault::ALL) {
            assert_eq!(counts.of(fault).load(Ordering::Relaxed), n, "{fault:?}");
        }
    }
}
