//! The balancers that send listeners to a relay: who came through whom, what each was lent, and
//! the way back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::admissions::Admissions;
use super::head::Head;
use crate::lease::{Lease, Leases};
use crate::mount::{Class, MountPath, Slot, Slots};
use crate::report::Receipt;
use crate::ticket::TicketKey;

/// All balancers of a relay, in the order of its settings.
#[derive(Debug)]
pub struct Overflow {
    ways: Vec<Way>,
    /// Only where there are several: one alone may use every slot.
    leases: Option<Mutex<Leases>>,
}

#[derive(Debug)]
struct Way {
    /// Its address without path.
    balancer: String,
    admissions: Admissions,
    /// It took the last report.
    is_up: AtomicBool,
}

impl Overflow {
    /// The balancers at these addresses, and what their tickets are signed with.
    pub fn new(balancers: impl IntoIterator<Item = (String, TicketKey)>, now: Instant) -> Self {
        let way = |(balancer, key)| Way {
            balancer,
            admissions: Admissions::new(key),
            is_up: AtomicBool::new(false),
        };
        let ways: Vec<_> = balancers.into_iter().map(way).collect();
        Self {
            leases: (ways.len() > 1).then(|| Mutex::new(Leases::new(ways.len(), now))),
            ways,
        }
    }

    /// Who came through the balancer at this place.
    pub fn admissions(&self, at: usize) -> &Admissions {
        &self.ways[at].admissions
    }

    /// Whether new listeners are to go back although there are slots.
    pub fn turns_away(&self, head: &Head) -> bool {
        let mut admissions = self.ways.iter().map(|way| &way.admissions);
        admissions.any(|admissions| admissions.turns_away(head))
    }

    /// Whether the operator of another balancer than the one at this place is taking this relay
    /// down: this one should not send anybody either. Its own order it knows.
    pub fn is_drained_by_others(&self, at: usize) -> bool {
        let mut ways = self.ways.iter().enumerate();
        ways.any(|(n, way)| n != at && way.admissions.is_draining())
    }

    /// A slot for a listener, if there is one. His ticket is noted.
    pub fn take(&self, slots: &Slots, head: &Head, now: Instant) -> Option<Slot> {
        // Held so that nobody is lent a slot between the moment when it is taken and the moment
        // when it is known for whom.
        let mut leases = self.leases();
        let slot = slots.take(Class::Listener)?;
        let is_known = self.ways.iter().any(|way| way.admissions.knows(head));
        let mut newcomer = None;
        for way in &self.ways {
            if !is_known || way.admissions.knows(head) {
                newcomer = way.admissions.admit(head, now).or(newcomer);
            }
        }
        if let (Some(leases), Some(run)) = (&mut leases, newcomer) {
            leases.came(run, now);
        }
        Some(slot)
    }

    /// Where a listener is to go for whom there is no slot, with path and query. `None`: he was
    /// sent back too often.
    pub fn back(&self, head: &Head, second: u32) -> Option<String> {
        let is_his = |way: &&Way| way.admissions.knows(head);
        let is_up = |way: &&Way| way.is_up.load(Ordering::Relaxed);
        let way = self.ways.iter().find(is_his);
        let way = way.or_else(|| self.ways.iter().find(is_up));
        let way = way.or_else(|| self.ways.first())?;
        let query = way.admissions.bounce(head, second)?;
        let path = MountPath::spelling_of(&head.path);
        Some(format!("{}{path}?{query}", way.balancer))
    }

    /// How many listeners there are, and what the balancer at this place is lent.
    pub fn lend(&self, at: usize, slots: &Slots, now: Instant) -> (u32, Option<Lease>) {
        let mut leases = self.leases();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let n_listeners = count(slots.n_taken(Class::Listener));
        let n_max = count(slots.n_max(Class::Listener));
        let lease = leases
            .as_mut()
            .map(|leases| leases.lend(at, n_max, n_listeners, now));
        (n_listeners, lease)
    }

    /// The balancer at this place has taken the last report. `true`: it should get another one at
    /// once.
    pub fn settle(&self, at: usize, receipt: &Receipt, now: Instant) -> bool {
        self.ways[at].is_up.store(true, Ordering::Relaxed);
        self.leases()
            .is_some_and(|mut leases| leases.settle(at, receipt.run, receipt.open, now))
    }

    /// It has not.
    pub fn fail(&self, at: usize) {
        self.ways[at].is_up.store(false, Ordering::Relaxed);
    }

    fn leases(&self) -> Option<MutexGuard<'_, Leases>> {
        let leases = self.leases.as_ref()?;
        Some(leases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::ticket::{Bounced, Ticket, Way as Direction};

    fn key(token: &str) -> TicketKey {
        TicketKey::of(&Secret::given(token))
    }

    fn head(token: &str, run: u32, serial: u32) -> Head {
        let key = key(token);
        let ticket = key.write(&Ticket {
            way: Direction::There,
            relay: key.relay(),
            run,
            serial,
            second: 1_000,
            bounced: Bounced::default(),
        });
        let text = format!("GET /live.ogg?ticket={ticket} HTTP/1.1\r\n\r\n");
        Head::parse(text.as_bytes()).unwrap().unwrap()
    }

    fn receipt(run: u32) -> Receipt {
        Receipt {
            run,
            ..Receipt::default()
        }
    }

    fn overflow(now: Instant) -> Overflow {
        let balancers = [("http://a", "token a"), ("http://b", "token b")];
        let ways = balancers.map(|(url, token)| (url.to_owned(), key(token)));
        Overflow::new(ways, now)
    }

    #[test]
    fn one_balancers_draining_is_told_to_the_other_and_not_back_to_it() {
        let overflow = overflow(Instant::now());
        let told = |overflow: &Overflow| [0, 1].map(|at| overflow.is_drained_by_others(at));
        assert_eq!(told(&overflow), [false, false]);
        overflow.admissions(0).set_draining(true);
        assert_eq!(told(&overflow), [false, true]);
        overflow.admissions(0).set_draining(false);
        assert_eq!(told(&overflow), [false, false]);
    }

    #[test]
    fn a_ticket_counts_with_the_balancer_that_signed_it() {
        let now = Instant::now();
        let (overflow, slots) = (overflow(now), Slots::new(10, 0));
        let _a = overflow.take(&slots, &head("token a", 1, 1), now).unwrap();
        let _b = overflow.take(&slots, &head("token b", 2, 1), now).unwrap();
        let _c = overflow.take(&slots, &head("stranger", 2, 1), now).unwrap();
        for (at, run) in [(0, 1), (1, 2)] {
            let arrivals = overflow.admissions(at).arrivals();
            assert_eq!(arrivals.admitted.len(), 1);
            assert_eq!((arrivals.admitted[0].run, arrivals.direct), (run, 1));
        }
    }

    #[test]
    fn two_balancers_together_are_lent_no_more_than_there_is() {
        let now = Instant::now();
        let (overflow, slots) = (overflow(now), Slots::new(10, 0));
        for (at, run) in [(0, 1), (1, 2)] {
            assert_eq!(overflow.lend(at, &slots, now).1, Some(Lease::default()));
            assert!(
                overflow.settle(at, &receipt(run), now),
                "it gets another at once"
            );
        }
        let lent = |at| overflow.lend(at, &slots, now).1.unwrap().slots;
        assert_eq!(lent(0) + lent(1), 10);
        let _a = overflow.take(&slots, &head("token a", 1, 1), now).unwrap();
        assert_eq!(overflow.lend(0, &slots, now).0, 1);
        assert!(lent(0) + lent(1) <= 9 + 1);
    }

    #[test]
    fn one_balancer_alone_needs_no_lease() {
        let now = Instant::now();
        let overflow = Overflow::new([("http://a".to_owned(), key("token a"))], now);
        assert_eq!(overflow.lend(0, &Slots::new(10, 0), now), (0, None));
        assert!(!overflow.settle(0, &receipt(1), now));
    }

    #[test]
    fn he_goes_back_to_whoever_sent_him_and_a_stranger_to_one_that_is_there() {
        let now = Instant::now();
        let overflow = overflow(now);
        let back = |head: &Head| overflow.back(head, 1).unwrap();
        assert!(back(&head("token b", 2, 1)).starts_with("http://b/live.ogg?ticket="));
        assert!(back(&head("stranger", 2, 1)).starts_with("http://a/"));
        overflow.settle(1, &receipt(2), now);
        assert!(back(&head("stranger", 2, 1)).starts_with("http://b/"));
        overflow.fail(1);
        assert!(back(&head("stranger", 2, 1)).starts_with("http://a/"));
    }
}
