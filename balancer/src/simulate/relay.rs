//! A relay in a simulation: whom it lets in, what it says, and what it lends to several balancers
//! by the code that real relays lend with. Pure.

use std::time::{Duration, Instant};

use stream::lease::{Lease, Leases};
use stream::report::Receipt;

use super::policy::News;
use super::scene::Site;

/// One relay.
#[derive(Debug)]
pub(crate) struct Relay {
    slots: u32,
    n_listeners: u32,
    /// It says that all is well and lets nobody in.
    is_black: bool,
    n_news: u64,
    n_direct: u64,
    n_bounced: u64,
    /// Serial numbers that no news has told yet, by balancer.
    admitted: Vec<Vec<u32>>,
    /// Only where there are several balancers, and it is a Plenum relay: as real ones do.
    leases: Option<Leases>,
    began: Instant,
}

/// What has become of somebody at a relay's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Seated,
    Full,
    /// He hears nothing and is not sent on.
    Swallowed,
}

/// The run of the balancer at a place in the list, by which relays tell balancers apart.
pub(crate) fn run_of(balancer: usize) -> u32 {
    u32::try_from(balancer + 1).unwrap_or(u32::MAX)
}

impl Relay {
    /// As it is before anybody comes. `is_lending`: it lends its slots to so many balancers.
    pub(crate) fn new(site: &Site, n_balancers: usize, is_lending: bool, began: Instant) -> Self {
        Self {
            slots: site.slots,
            n_listeners: site.taken,
            is_black: site.is_black_hole,
            n_news: 0,
            n_direct: 0,
            n_bounced: 0,
            admitted: vec![Vec::new(); n_balancers],
            leases: is_lending.then(|| Leases::new(n_balancers, began)),
            began,
        }
    }

    /// What it tells each balancer now, with what it lends it.
    pub(crate) fn news(&mut self, now: Duration) -> Vec<News> {
        self.n_news += 1;
        let (slots, listeners, now) = (self.slots, self.n_listeners, self.began + now);
        let leases = &mut self.leases;
        let mut lend = |at| -> Option<Lease> {
            let leases = leases.as_mut()?;
            Some(leases.lend(at, slots, listeners, now))
        };
        let admitted = self.admitted.iter_mut().enumerate();
        let news = admitted.map(|(at, admitted)| News {
            slots,
            listeners,
            admitted: std::mem::take(admitted),
            n_direct: self.n_direct,
            n_bounced: self.n_bounced,
            sequence: self.n_news,
            lease: lend(at),
        });
        news.collect()
    }

    /// The balancers have answered its news. `true`: one of them should hear again at once.
    pub(crate) fn settle(&mut self, receipts: &[Option<Receipt>], now: Duration) -> bool {
        let Some(leases) = &mut self.leases else {
            return false;
        };
        let now = self.began + now;
        let mut is_due = false;
        for (at, receipt) in receipts.iter().enumerate() {
            if let Some(receipt) = receipt {
                is_due |= leases.settle(at, receipt.run, receipt.open, now);
            }
        }
        is_due
    }

    /// Somebody comes with the ticket that a balancer gave him.
    pub(crate) fn knock(&mut self, balancer: usize, serial: u32, now: Duration) -> Door {
        let door = self.enter();
        match door {
            Door::Seated => {
                self.admitted[balancer].push(serial);
                if let Some(leases) = &mut self.leases {
                    leases.came(run_of(balancer), self.began + now);
                }
            }
            Door::Full => self.n_bounced += 1,
            Door::Swallowed => {}
        }
        door
    }

    /// Somebody comes whom nobody sent.
    pub(crate) fn walk_in(&mut self) -> Door {
        let door = self.enter();
        self.n_direct += u64::from(door == Door::Seated);
        door
    }

    fn enter(&mut self) -> Door {
        if self.is_black {
            return Door::Swallowed;
        }
        if self.n_listeners >= self.slots {
            return Door::Full;
        }
        self.n_listeners += 1;
        Door::Seated
    }

    /// From now on it lets nobody in.
    pub(crate) fn turn_black(&mut self) {
        self.is_black = true;
    }

    /// Slots in which somebody could listen.
    pub(crate) fn n_free(&self) -> u64 {
        let free = self.slots.saturating_sub(self.n_listeners);
        if self.is_black { 0 } else { u64::from(free) }
    }

    pub(crate) fn n_listeners(&self) -> u32 {
        self.n_listeners
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Spot;

    fn site(slots: u32) -> Site {
        Site {
            name: "a".to_owned(),
            spot: Spot::default(),
            slots,
            taken: 0,
            is_black_hole: false,
            turns_black: None,
            is_proved: true,
        }
    }

    #[test]
    fn two_balancers_are_lent_what_there_is_and_never_more() {
        let mut relay = Relay::new(&site(10), 2, true, Instant::now());
        let lent = |relay: &mut Relay, now| {
            let news = relay.news(now);
            news.iter().map(|n| n.lease.unwrap().slots).sum::<u32>()
        };
        assert_eq!(lent(&mut relay, Duration::ZERO), 0, "nobody has answered");
        let receipt = |at| {
            Some(Receipt {
                run: run_of(at),
                ..Receipt::default()
            })
        };
        assert!(relay.settle(&[receipt(0), receipt(1)], Duration::ZERO));
        assert_eq!(lent(&mut relay, Duration::ZERO), 10);
        assert!(!relay.settle(&[receipt(0), receipt(1)], Duration::ZERO));
        for serial in 1..=4 {
            let door = relay.knock(0, serial, Duration::from_secs(1));
            assert_eq!(door, Door::Seated);
        }
        let now = Duration::from_secs(1);
        assert!(
            lent(&mut relay, now) <= 6,
            "what one holds the other is not lent"
        );
        assert!(!relay.settle(&[receipt(0), receipt(1)], now));
        assert_eq!(lent(&mut relay, now), 6);
    }

    #[test]
    fn one_balancer_alone_is_lent_nothing_and_may_use_all() {
        let mut relay = Relay::new(&site(1), 1, false, Instant::now());
        assert_eq!(relay.news(Duration::ZERO)[0].lease, None);
        assert_eq!(relay.knock(0, 1, Duration::ZERO), Door::Seated);
        assert_eq!(relay.knock(0, 2, Duration::ZERO), Door::Full);
        assert_eq!(relay.news(Duration::ZERO)[0].admitted, [1]);
        relay.turn_black();
        assert_eq!(relay.walk_in(), Door::Swallowed);
        assert_eq!(relay.n_free(), 0);
    }
}
