//! What a balancer is in a simulation: it hears news of relays and sends people to them. Pure.

use std::rc::Rc;
use std::time::Duration;

use stream::lease::Lease;
use stream::report::Receipt;

use super::ground::Ground;
use super::ours::Ours;
use super::rivals;
use super::scene::Scene;

/// A balancer.
pub(crate) trait Policy {
    /// A relay's news arrive. What it answers, if its relays want to know.
    fn hear(&mut self, relay: usize, news: &News, now: Duration) -> Option<Receipt>;
    /// Somebody asks. `None`: he is turned away.
    fn send(&mut self, who: &Asker, now: Duration) -> Option<Sent>;
    /// Whether it holds its answer for a while when no slot is free.
    fn is_holding(&self) -> bool {
        false
    }
    /// Whether its relays send people back to it when they are full.
    fn is_bounced(&self) -> bool {
        false
    }
}

/// What a relay says.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) slots: u32,
    pub(crate) listeners: u32,
    /// Serial numbers of those who have come since the last news.
    pub(crate) admitted: Vec<u32>,
    /// Who came without asking, since the beginning.
    pub(crate) n_direct: u64,
    /// Who was sent back, since the beginning.
    pub(crate) n_bounced: u64,
    /// Counts its news.
    pub(crate) sequence: u64,
    /// What this balancer may send there, if there are others.
    pub(crate) lease: Option<Lease>,
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker<'a> {
    /// Where he is, by place in the list of spots.
    pub(crate) spot: usize,
    /// Names his network.
    pub(crate) key: u64,
    /// Relays that have sent him back, with the serial number he came with.
    pub(crate) sent_back_by: &'a [(usize, u32)],
}

/// Where he is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) relay: usize,
    /// Numbers the redirects to this relay; the relay confirms them.
    pub(crate) serial: u32,
}

/// The balancers that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// This balancer: its own code
    Plenum,
    /// Most free slots in the listener's country, else in the world
    Django2011,
    /// The formula of mirrorbits: distance and country, no load
    Mirrorbits,
    /// Any relay, all alike
    Random,
    /// R-a-dio: the least used relay at the last look is where everybody goes
    Radio,
    /// The relay with the fewest listeners at the last look
    LeastListeners,
    /// The less used of two drawn relays
    TwoChoices,
    /// At random, as often as it had free slots at the last look
    Weighted,
    /// The nearest relay that had a free slot at the last look
    Nearest,
    /// The nearest one that has room, own redirects counted
    NearestReserved,
}

impl Kind {
    /// As it stands in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plenum => "Plenum",
            Self::Django2011 => "Django, 2011",
            Self::Mirrorbits => "mirrorbits' formula",
            Self::Random => "uniform random",
            Self::Radio => "R-a-dio, one winner",
            Self::LeastListeners => "fewest listeners",
            Self::TwoChoices => "two choices",
            Self::Weighted => "weighted by free slots",
            Self::Nearest => "nearest with a free slot",
            Self::NearestReserved => "nearest, reserved",
        }
    }

    /// A balancer of this kind that has heard nothing yet.
    pub(crate) fn make(
        self,
        scene: &Scene,
        ground: &Rc<Ground>,
        interval: Duration,
        (seed, run): (u64, u32),
    ) -> Box<dyn Policy> {
        let view = || rivals::View::new(Rc::clone(ground), seed);
        match self {
            Self::Plenum => Box::new(Ours::new(scene, interval, run)),
            Self::Django2011 => Box::new(rivals::Django2011(view())),
            Self::Mirrorbits => Box::new(rivals::Mirrorbits(view())),
            Self::Random => Box::new(rivals::Random(view())),
            Self::Radio => Box::new(rivals::Radio(view())),
            Self::LeastListeners => Box::new(rivals::LeastListeners(view())),
            Self::TwoChoices => Box::new(rivals::TwoChoices(view())),
            Self::Weighted => Box::new(rivals::Weighted(view())),
            Self::Nearest => Box::new(rivals::Nearest(view())),
            Self::NearestReserved => Box::new(rivals::NearestReserved::new(view())),
        }
    }
}
