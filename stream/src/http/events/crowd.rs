//! How many watch from where: nobody may take all places. No address is kept: of each a number is
//! made with a secret of this run, and several addresses share one.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many watch from one address, or one network of IPv6 (/64); a further one gets 503. Those behind
/// a proxy that is not trusted come from one address.
const WATCHERS_OF_ONE_MAX: usize = 256;
/// So many numbers are made of addresses.
const NUMBERS_MAX: usize = 4096;

/// The counts.
#[derive(Debug)]
pub(super) struct Crowd {
    secret: RandomState,
    counts: Box<[AtomicUsize]>,
}

/// Somebody's place. Given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Seat(Arc<Crowd>, usize);

impl Default for Crowd {
    fn default() -> Self {
        Self {
            secret: RandomState::new(),
            counts: std::iter::repeat_with(AtomicUsize::default)
                .take(NUMBERS_MAX)
                .collect(),
        }
    }
}

impl Crowd {
    /// A place for somebody from this address. `None`: too many have one.
    pub(super) fn take(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Seat> {
        let at = self.number(from);
        let count = self.counts.get(at)?;
        let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n < WATCHERS_OF_ONE_MAX).then_some(n + 1)
        });
        taken.ok().map(|_| Seat(Arc::clone(self), at))
    }

    fn number(&self, from: Option<IpAddr>) -> usize {
        let network = from.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            // Whoever has one address of a /64 has all of them.
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(0),
        });
        let number = self.secret.hash_one(network) % NUMBERS_MAX as u64;
        usize::try_from(number).unwrap_or(0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(count) = self.0.counts.get(self.1) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_its_share_and_gives_it_back() {
        let crowd = Arc::new(Crowd::default());
        let ip = |text: &str| Some(text.parse().unwrap());
        let mut seats: Vec<_> = (0..WATCHERS_OF_ONE_MAX)
            .map(|n| crowd.take(ip(&format!("2001:db8::{n:x}"))).unwrap())
            .collect();
        assert!(crowd.take(ip("2001:db8::ffff")).is_none());
        // By chance another one has the same number, but not so many.
        let others = (0..64).filter(|n| crowd.take(ip(&format!("192.0.2.{n}"))).is_some());
        assert!(others.count() > 60);
        seats.pop();
        assert!(crowd.take(ip("2001:db8::ffff")).is_some());
        drop(seats);
        let counts = crowd.counts.iter();
        assert_eq!(counts.map(|n| n.load(Ordering::Relaxed)).sum::<usize>(), 0);
        let mapped = ip("::ffff:192.0.2.1");
        assert_eq!(crowd.number(mapped), crowd.number(ip("192.0.2.1")));
    }
}
