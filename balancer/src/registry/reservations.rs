//! The redirects to one relay that its last report cannot have counted yet. Pure.
//!
//! Let a report that says L listeners tell of the moment t0, and let P be the redirects that are
//! open here. Then L + P is an upper bound of the relay's listeners at every moment until the next
//! report, however late that comes, but for listeners who come without being sent:
//!
//! * Who left after t0 only lowers it.
//! * Who was sent and came before t0 is in L, or was and has left.
//! * Who was sent and came after t0 is in P. For a redirect leaves P in three ways only. One, a
//!   report names it: then he came before that report's t0. Two, the relay sent him back: then he
//!   is not there. Three, a report tells of a moment later than its issue by the longest time that
//!   a listener takes: then he came before that t0, or never comes. No redirect leaves by the
//!   passing of time alone: a report that is a minute old says nothing of who came since.
//!
//! So as long as the bound is below the slots whenever somebody is sent, nobody is sent to a full
//! relay. What the age of a report costs is free slots, never a rejection. A listener counted
//! twice (in L, and still in P) costs one until he is named, or the longest time is over.
//!
//! The longest time is [`Policy::hold`](crate::choice::Policy::hold) for tickets of relays that
//! name whom they admit, and [`Policy::arrival`](crate::choice::Policy::arrival) for listeners
//! without a ticket. Who comes later than that is missing in the sum until the next report counts
//! him; should the relay be full by then, it sends one listener back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// More open redirects than this to one relay do not go together: it counts as full.
pub const REDIRECTS_MAX: usize = 1 << 20;

/// Those who must have come and were named by nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// All of them.
    pub n: u32,
    /// Those who were sent after the last one who is known to have been there.
    pub n_in_a_row: u32,
}

/// Redirects to one relay, by their serial numbers.
#[derive(Debug, Default)]
pub struct Reservations {
    /// Rising serial numbers without a hole; the last one is `last_serial`.
    redirects: VecDeque<Redirect>,
    last_serial: u32,
    /// The last of those whose listener is known to have been there.
    last_seen: u32,
    n_open: u64,
}

#[derive(Debug)]
struct Redirect {
    issued: Instant,
    /// A short number of the listener's network.
    network: u32,
    state: State,
    /// He may be a player that asked twice, and need not come.
    is_spare: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody knows yet whether he came.
    Open,
    /// It takes no slot any more.
    Closed,
}

impl Reservations {
    /// One more listener is sent, of whatever network. Returns the serial number of his ticket.
    pub fn add(&mut self, now: Instant) -> u32 {
        self.add_from(0, now)
    }

    /// One more listener of this network is sent. Returns the serial number of his ticket.
    pub fn add_from(&mut self, network: u32, now: Instant) -> u32 {
        self.push(network, now, false)
    }

    /// A player has asked twice, or another one of his kind in his network. If nobody comes with
    /// this ticket, nobody is lost.
    pub fn add_spare(&mut self, network: u32, now: Instant) -> u32 {
        self.push(network, now, true)
    }

    fn push(&mut self, network: u32, now: Instant, is_spare: bool) -> u32 {
        self.last_serial = self.last_serial.wrapping_add(1);
        self.n_open += 1;
        self.redirects.push_back(Redirect {
            issued: now,
            network,
            state: State::Open,
            is_spare,
        });
        self.last_serial
    }

    /// How many listeners may be on their way.
    pub fn count(&self) -> u64 {
        self.n_open
    }

    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.redirects.len() >= REDIRECTS_MAX
    }

    /// Whether nobody knows yet if the listener with this ticket came.
    pub fn is_open(&self, serial: u32) -> bool {
        self.place(serial)
            .is_some_and(|at| self.redirects[at].state == State::Open)
    }

    /// A report names these, the first and the last one included. Returns how many of them were
    /// open; `came` hears of their networks.
    pub fn admit(&mut self, (first, last): (u32, u32), mut came: impl FnMut(u32)) -> u32 {
        let Some(oldest) = self.oldest() else {
            return 0;
        };
        // Whatever the report says, no more is looked at than there is.
        let (first, last) = (first.max(oldest), last.min(self.last_serial));
        let mut n_open = 0;
        for serial in first..=last {
            if let Some(network) = self.close(serial) {
                n_open += 1;
                came(network);
            }
        }
        if n_open > 0 {
            self.last_seen = self.last_seen.max(last);
        }
        n_open
    }

    /// For how long those are on their way at this moment who were sent after the last one who is
    /// known to have been there, the last one first; and their networks.
    pub fn waiting(&self, moment: Instant) -> impl DoubleEndedIterator<Item = (u32, Duration)> {
        let n_later = self.last_serial.wrapping_sub(self.last_seen);
        let later = usize::try_from(n_later).unwrap_or(usize::MAX);
        let sent = self.redirects.iter().rev().take(later);
        let open = sent.filter(|redirect| redirect.state == State::Open && !redirect.is_spare);
        open.map(move |redirect| {
            let age = moment.saturating_duration_since(redirect.issued);
            (redirect.network, age)
        })
    }

    /// The relay sent him back. Whether that was still open.
    pub fn bounce(&mut self, serial: u32) -> bool {
        let was_open = self.close(serial).is_some();
        if was_open {
            self.last_seen = self.last_seen.max(serial);
        }
        was_open
    }

    /// A report tells of a moment so late that whoever was sent until `last_issue` has come, if
    /// ever. Returns who of these should have come and was named by nobody, as far as he
    /// `counts`, by his network and when he was sent.
    pub fn expire(
        &mut self,
        last_issue: Instant,
        mut counts: impl FnMut(u32, Instant) -> bool,
    ) -> Lost {
        let mut lost = Lost::default();
        while let Some(redirect) = self.redirects.front() {
            if redirect.state != State::Closed {
                if redirect.issued > last_issue {
                    break;
                }
                self.n_open -= 1;
                let is_missed =
                    u32::from(!redirect.is_spare && counts(redirect.network, redirect.issued));
                lost.n += is_missed;
                if self.oldest().is_some_and(|oldest| oldest > self.last_seen) {
                    lost.n_in_a_row += is_missed;
                }
            }
            self.redirects.pop_front();
        }
        lost
    }

    /// The network of the one who is not on his way any more.
    fn close(&mut self, serial: u32) -> Option<u32> {
        let at = self.place(serial)?;
        let redirect = &mut self.redirects[at];
        if redirect.state != State::Open {
            return None;
        }
        redirect.state = State::Closed;
        self.n_open -= 1;
        Some(redirect.network)
    }

    fn place(&self, serial: u32) -> Option<usize> {
        let at = serial.checked_sub(self.oldest()?)?;
        usize::try_from(at)
            .ok()
            .filter(|at| *at < self.redirects.len())
    }

    /// The serial number of the first one that is kept.
    fn oldest(&self) -> Option<u32> {
        let n = u32::try_from(self.redirects.len()).ok()?;
        (n > 0).then(|| self.last_serial.wrapping_sub(n).wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_redirect_counts_until_it_is_named_or_bounced_or_a_report_is_late_enough() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        let serials: Vec<u32> = (0..5).map(|_| reservations.add(start)).collect();
        assert_eq!(serials, [1, 2, 3, 4, 5]);
        assert_eq!(reservations.admit((2, 3), |_| ()), 2);
        assert_eq!(
            reservations.admit((0, u32::MAX - 1), |_| ()),
            3,
            "2 and 3 were named"
        );
        assert_eq!(reservations.count(), 0);
        let serial = reservations.add(start + SECOND);
        assert!(reservations.is_open(serial) && reservations.bounce(serial));
        assert!(!reservations.bounce(serial) && !reservations.is_open(serial));
        reservations.add(start + 2 * SECOND);
        reservations.add_spare(0, start + 2 * SECOND);
        assert_eq!(reservations.expire(start + SECOND, |_, _| true).n, 0);
        assert_eq!(reservations.count(), 2);
        assert_eq!(
            reservations.expire(start + 2 * SECOND, |_, _| true).n,
            1,
            "the other may have been the same player"
        );
        assert_eq!((reservations.count(), reservations.redirects.len()), (0, 0));
    }

    #[test]
    fn only_those_wait_who_were_sent_after_the_last_one_who_came() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        for second in 0..6 {
            reservations.add(start + second * SECOND);
        }
        let waiting = |reservations: &Reservations| {
            let ages = reservations.waiting(start + 4 * SECOND);
            ages.map(|(_, age)| age.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(waiting(&reservations), [0, 0, 1, 2, 3, 4]);
        reservations.admit((2, 2), |_| ());
        assert_eq!(waiting(&reservations), [0, 0, 1, 2]);
        reservations.bounce(4);
        assert_eq!(waiting(&reservations), [0, 0]);
        reservations.admit((1, 1), |_| ());
        assert_eq!(waiting(&reservations), [0, 0], "he came late");
    }

    #[test]
    fn serial_numbers_that_were_never_given_out_change_nothing() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        assert_eq!(reservations.admit((0, u32::MAX), |_| ()), 0);
        reservations.add(start);
        assert_eq!(reservations.admit((2, u32::MAX), |_| ()), 0);
        assert_eq!(reservations.admit((5, 1), |_| ()), 0);
        assert!(!reservations.bounce(0) && !reservations.bounce(2));
        assert_eq!(reservations.count(), 1);
    }

    #[test]
    fn one_that_nobody_names_stays_but_those_around_it_need_no_memory_in_the_end() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        for second in 0..100 {
            let serial = reservations.add(start + second * SECOND);
            if second != 50 {
                reservations.admit((serial, serial), |_| ());
            }
        }
        assert_eq!(reservations.expire(start + 49 * SECOND, |_, _| true).n, 0);
        assert_eq!(
            (reservations.count(), reservations.redirects.len()),
            (1, 50)
        );
        let lost = reservations.expire(start + 50 * SECOND, |_, _| true);
        assert_eq!((lost.n, lost.n_in_a_row), (1, 0), "others came after him");
        assert_eq!(reservations.redirects.len(), 0);
    }
}
