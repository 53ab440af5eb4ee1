//! Who came to a relay, and with whose ticket: the balancer wants to know whether those whom it
//! sent have come. Pure but for the lock. Holds nothing of a listener but his ticket.
//!
//! A ticket is told once, however many connections a player opens with it and however often it
//! comes back within a minute.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::head::Head;
use crate::report::{Admitted, Arrivals, PROBE_AGENT};
use crate::ticket::{self, Bounced, Ticket, TicketKey, Way};

/// A ticket that comes again within this time is the same player.
const SEEN_LIFE: Duration = Duration::from_secs(60);
/// More tickets are not remembered: the oldest is forgotten.
pub const SEEN_MAX: usize = 20_000;
/// More tickets do not stand in one report: the others in the next one.
const TOLD_AT_ONCE_MAX: usize = 4_000;

/// Whether a balancer only looks whether this relay serves.
pub(super) fn is_probe(head: &Head) -> bool {
    let agent = head.header("user-agent");
    agent.is_some_and(|agent| agent.starts_with(PROBE_AGENT))
}

/// What a relay knows of tickets.
#[derive(Debug)]
pub struct Admissions {
    key: TicketKey,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    seen: HashSet<(u32, u32)>,
    order: VecDeque<((u32, u32), Instant)>,
    /// Run and serial number of the tickets that no report has told yet.
    untold: VecDeque<(u32, u32)>,
    n_direct: u64,
    n_probes: u64,
    n_bounced: u64,
    /// The balancer's operator is taking this relay down.
    is_draining: bool,
}

impl Admissions {
    /// Nobody has come yet to the relay with this key.
    pub fn new(key: TicketKey) -> Self {
        Self {
            key,
            known: Mutex::default(),
        }
    }

    /// A listener has a slot. The run of the balancer that sent him, if his ticket is new.
    pub fn admit(&self, head: &Head, now: Instant) -> Option<u32> {
        let ticket = self.ticket(head).filter(|ticket| ticket.run != 0);
        let mut known = self.known();
        let Some(ticket) = ticket else {
            if is_probe(head) {
                // It stays for a second, and is not one of a stream of others.
                known.n_probes += 1;
            } else {
                known.n_direct += 1;
            }
            return None;
        };
        let is_new = known.admit((ticket.run, ticket.serial), now);
        is_new.then_some(ticket.run)
    }

    /// Whether a listener has a ticket of this balancer.
    pub fn knows(&self, head: &Head) -> bool {
        self.ticket(head).is_some()
    }

    /// A listener has no slot here. The query with which he is to go back to the balancer; `None`:
    /// he was sent back too often.
    pub fn bounce(&self, head: &Head, second: u32) -> Option<String> {
        let given = self.ticket(head);
        let before = given.map_or_else(Bounced::default, |ticket| ticket.bounced);
        let bounced = before.with(self.key.relay())?;
        let back = Ticket {
            way: Way::Back,
            relay: self.key.relay(),
            run: given.map_or(0, |ticket| ticket.run),
            serial: given.map_or(0, |ticket| ticket.serial),
            second: given.map_or(second, |ticket| ticket.second),
            bounced,
        };
        self.known().n_bounced += 1;
        let (_, rest) = ticket::split_query(head.query.as_deref().unwrap_or_default());
        let and = if rest.is_empty() { "" } else { "&" };
        let text = self.key.write(&back);
        Some(format!("{rest}{and}{}={text}", ticket::QUERY))
    }

    /// Whether new listeners are to go back although there are slots. One who was sent back too
    /// often stays.
    pub fn turns_away(&self, head: &Head) -> bool {
        self.known().is_draining && !self.ticket(head).is_some_and(|t| t.bounced.is_full())
    }

    /// Whether the balancer's operator is taking this relay down.
    pub fn is_draining(&self) -> bool {
        self.known().is_draining
    }

    /// The balancer's operator is taking this relay down, or not any more.
    pub fn set_draining(&self, is_draining: bool) {
        self.known().is_draining = is_draining;
    }

    /// How many only looked whether this relay serves.
    pub fn n_probes(&self) -> u64 {
        self.known().n_probes
    }

    /// Whether there is somebody to tell of.
    pub fn has_news(&self) -> bool {
        !self.known().untold.is_empty()
    }

    /// Who came, for a report. Must be asked before the listeners are counted: then whoever is
    /// told of is among them.
    pub fn arrivals(&self) -> Arrivals {
        let known = self.known();
        let mut told: Vec<_> = known
            .untold
            .iter()
            .take(TOLD_AT_ONCE_MAX)
            .copied()
            .collect();
        let (n_direct, n_bounced) = (known.n_direct, known.n_bounced);
        drop(known);
        told.sort_unstable();
        // A ticket that came again after a minute, before any report was taken.
        told.dedup();
        Arrivals {
            direct: n_direct,
            bounced: n_bounced,
            admitted: stretches(&told),
        }
    }

    /// The last [`Admissions::arrivals`] were taken.
    pub fn told(&self, arrivals: &Arrivals) {
        let stretches = arrivals
            .admitted
            .iter()
            .flat_map(|admitted| &admitted.serials);
        let n_told: usize = stretches
            .map(|(first, last)| usize::try_from(last - first).map_or(0, |n| n + 1))
            .sum();
        let mut known = self.known();
        let n_untold = known.untold.len();
        known.untold.drain(..n_told.min(n_untold));
    }

    fn ticket(&self, head: &Head) -> Option<Ticket> {
        let (text, _) = ticket::split_query(head.query.as_deref()?);
        self.key.read(text?, Way::There)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn admit(&mut self, name: (u32, u32), now: Instant) -> bool {
        let is_old = |seen: &(_, Instant)| now.saturating_duration_since(seen.1) >= SEEN_LIFE;
        while self.order.front().is_some_and(is_old) || self.order.len() >= SEEN_MAX {
            if let Some((name, _)) = self.order.pop_front() {
                self.seen.remove(&name);
            }
        }
        if !self.seen.insert(name) {
            return false;
        }
        self.order.push_back((name, now));
        // Those in front may be in a report that is under way.
        if self.untold.len() < SEEN_MAX {
            self.untold.push_back(name);
        }
        true
    }
}

/// Sorted tickets as stretches without holes.
fn stretches(tickets: &[(u32, u32)]) -> Vec<Admitted> {
    let mut all: Vec<Admitted> = Vec::new();
    for (run, serial) in tickets.iter().copied() {
        let admitted = match all.last_mut() {
            Some(admitted) if admitted.run == run => admitted,
            _ => {
                all.push(Admitted {
                    run,
                    serials: vec![(serial, serial)],
                });
                continue;
            }
        };
        match admitted.serials.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(serial) => *last = serial,
            _ => admitted.serials.push((serial, serial)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(token: &str) -> TicketKey {
        TicketKey::of(&Secret::given(token))
    }

    fn head(query: &str) -> Head {
        let text = format!("GET /live.ogg?{query} HTTP/1.1\r\n\r\n");
        Head::parse(text.as_bytes()).unwrap().unwrap()
    }

    fn ticket(serial: u32) -> Ticket {
        Ticket {
            way: Way::There,
            relay: key("ours").relay(),
            run: 7,
            serial,
            second: 1_000,
            bounced: Bounced::default(),
        }
    }

    fn with_ticket(serial: u32) -> Head {
        head(&format!("ticket={}", key("ours").write(&ticket(serial))))
    }

    #[test]
    fn a_ticket_is_told_once_however_many_connections_come_with_it() {
        let start = Instant::now();
        let admissions = Admissions::new(key("ours"));
        for serial in [3, 1, 2, 3, 9, 3, 11, 10] {
            admissions.admit(&with_ticket(serial), start);
        }
        let arrivals = admissions.arrivals();
        let serials = vec![(1, 3), (9, 11)];
        assert_eq!(arrivals.admitted, [Admitted { run: 7, serials }]);
        assert_eq!(arrivals.direct, 0);
        assert_eq!(admissions.arrivals(), arrivals, "until it was taken");
        admissions.admit(&with_ticket(12), start);
        admissions.told(&arrivals);
        assert!(admissions.has_news(), "12 came since");
        admissions.told(&admissions.arrivals());
        admissions.admit(&with_ticket(1), start + 59 * SECOND);
        assert!(!admissions.has_news(), "VLC comes back with the same one");
    }

    #[test]
    fn a_ticket_that_comes_again_before_any_report_was_taken_is_told_once() {
        let start = Instant::now();
        let admissions = Admissions::new(key("ours"));
        for (serial, second) in [(1, 0), (2, 0), (1, 61), (2, 61)] {
            admissions.admit(&with_ticket(serial), start + second * SECOND);
        }
        let serials = vec![(1, 2)];
        let arrivals = admissions.arrivals();
        assert_eq!(arrivals.admitted, [Admitted { run: 7, serials }]);
        admissions.told(&arrivals);
        admissions.told(&admissions.arrivals());
        assert!(!admissions.has_news(), "and then it is told");
    }

    #[test]
    fn who_has_no_ticket_of_ours_came_directly() {
        let admissions = Admissions::new(key("ours"));
        let foreign = key("theirs").write(&ticket(1));
        for query in ["", "from=-15m", "ticket=x", &format!("ticket={foreign}")] {
            admissions.admit(&head(query), Instant::now());
        }
        assert_eq!(admissions.arrivals().direct, 4);
        assert!(admissions.arrivals().admitted.is_empty());
    }

    #[test]
    fn a_probe_is_counted_apart() {
        let admissions = Admissions::new(key("ours"));
        for agent in ["Plenum-probe/0.1.0", "mpv"] {
            let text = format!("GET /live.ogg HTTP/1.1\r\nUser-Agent: {agent}\r\n\r\n");
            let head = Head::parse(text.as_bytes()).unwrap().unwrap();
            admissions.admit(&head, Instant::now());
        }
        assert_eq!(admissions.arrivals().direct, 1);
        assert_eq!(admissions.n_probes(), 1);
    }

    #[test]
    fn one_without_a_slot_goes_back_with_a_ticket_and_no_more_than_twice() {
        let admissions = Admissions::new(key("ours"));
        let given = key("ours").write(&ticket(5));
        let query = admissions.bounce(&head(&format!("x=1&ticket={given}&y=2")), 9);
        let query = query.unwrap();
        let (text, rest) = ticket::split_query(&query);
        let back = key("ours").read(text.unwrap(), Way::Back).unwrap();
        assert_eq!(rest, "x=1&y=2");
        assert_eq!((back.run, back.serial, back.second), (7, 5, 1_000));
        assert_eq!(
            back.bounced.iter().collect::<Vec<_>>(),
            [key("ours").relay()]
        );
        let twice = Ticket {
            bounced: back.bounced.with(key("theirs").relay()).unwrap(),
            ..ticket(6)
        };
        let twice = head(&format!("ticket={}", key("ours").write(&twice)));
        assert_eq!(admissions.bounce(&twice, 9), None);
        admissions.set_draining(true);
        assert!(admissions.turns_away(&with_ticket(7)) && !admissions.turns_away(&twice));
        let direct = admissions.bounce(&head(""), 9).unwrap();
        let back = key("ours").read(direct.strip_prefix("ticket=").unwrap(), Way::Back);
        assert_eq!(back.unwrap().run, 0);
        assert_eq!(admissions.arrivals().bounced, 2);
    }

    #[test]
    fn a_balancer_that_is_away_costs_no_memory_without_end() {
        let start = Instant::now();
        let mut known = Known::default();
        for serial in 0..3 * SEEN_MAX as u32 {
            known.admit((7, 2 * serial), start);
        }
        assert!(known.seen.len() <= SEEN_MAX && known.order.len() <= SEEN_MAX);
        assert_eq!(known.untold.len(), SEEN_MAX);
        let told: Vec<_> = known
            .untold
            .iter()
            .take(TOLD_AT_ONCE_MAX)
            .copied()
            .collect();
        let text = serde_json::to_string(&stretches(&told)).unwrap();
        assert!(
            text.len() < crate::report::REPORT_BYTES_MAX,
            "{}",
            text.len()
        );
    }
}
