//! What came of it. Pure.

use serde::Serialize;

/// A relay farther away than this is a bad one.
pub(crate) const FAR_KM: f32 = 1500.0;

/// What happened to everybody.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Listeners who asked a balancer.
    pub(crate) n_asked: u64,
    /// Times a balancer chose; more than asked, with those who were sent back.
    pub(crate) n_choices: u64,
    pub(crate) n_served: u64,
    /// Turned away by a balancer, or by a relay for good.
    pub(crate) n_rejected: u64,
    /// Of them, while some relay had a free slot.
    pub(crate) n_rejected_while_free: u64,
    /// Waited for a balancer's answer.
    pub(crate) n_held: u64,
    /// The longest of these waits, in seconds.
    pub(crate) held_most: f64,
    /// Sent to a relay that lets nobody in.
    pub(crate) n_swallowed: u64,
    /// Asked, and never came.
    pub(crate) n_lost: u64,
    /// Times a full relay sent somebody back.
    pub(crate) n_bounces: u64,
    /// Listeners who asked nobody.
    pub(crate) n_direct: u64,
    /// Of them, those who found no slot.
    pub(crate) n_direct_rejected: u64,
    /// The sum of the distances of all who were served.
    pub(crate) km: f64,
    pub(crate) us_per_choice: f64,
    /// By spot: listeners who have no slot, or a far one.
    #[serde(skip)]
    pub(crate) badly_served: Vec<u64>,
    #[serde(skip)]
    pub(crate) loads: Vec<Load>,
}

/// A relay at the end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) listeners: u32,
}

impl Load {
    /// The share of its slots that are taken.
    pub(crate) fn used(&self) -> f64 {
        f64::from(self.listeners) / f64::from(self.slots.max(1))
    }
}

impl Outcome {
    /// In parts of all who asked.
    pub(crate) fn share(&self, n_listeners: u64) -> f64 {
        n_listeners as f64 / self.n_asked.max(1) as f64
    }

    /// How far a listener is from his relay.
    pub(crate) fn mean_km(&self) -> f64 {
        self.km / self.n_served.max(1) as f64
    }

    /// The standard deviation of the relays' used shares, and the highest.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let used = || self.loads.iter().map(Load::used);
        let n_relays = self.loads.len().max(1) as f64;
        let mean = used().sum::<f64>() / n_relays;
        let variance = used().map(|used| (used - mean).powi(2)).sum::<f64>() / n_relays;
        (variance.sqrt(), used().fold(0.0, f64::max))
    }
}
