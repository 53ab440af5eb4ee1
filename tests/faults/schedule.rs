//! Which faults come when, from one number. Pure.

use std::time::Duration;

use fastrand::Rng;

/// One fault begins so long after another.
pub(crate) const EVERY: Duration = Duration::from_secs(5);
/// A break is no longer, so that what was missed can be had before silence would stand in.
const BREAK_MAX_MS: u64 = 3000;
/// The last relay is behind a proxy, and the one that is killed.
const LAST: usize = 2;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// No way between source and master.
    CutSource(Duration),
    /// No way between this relay and the master.
    CutRelay(usize, Duration),
    /// A router forgets this relay's connections.
    Forget(usize),
    /// The master stands still.
    FreezeMaster(Duration),
    /// The source stands still.
    FreezeSource(Duration),
    /// This relay stands still.
    FreezeRelay(usize, Duration),
    /// The master is killed, and started again.
    KillMaster,
    /// The balancer is killed, and started again.
    KillBalancer,
    /// This relay is killed, and started again: its listeners go on elsewhere.
    KillRelay(usize),
    /// The master's line carries next to nothing.
    Narrow(Duration),
    /// All connections of this relay are reset.
    Reset(usize),
    /// The master seems to close all connections of this relay.
    HalfClose(usize),
    /// This relay's way is long, and loses.
    Lossy(usize, Duration),
}

/// What happens, one after another.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<Event> {
    let mut random = Rng::with_seed(seed);
    let n_events = length.as_secs() / EVERY.as_secs();
    (0..n_events).map(|_| event(&mut random)).collect()
}

fn event(random: &mut Rng) -> Event {
    let length = Duration::from_millis(random.u64(300..=BREAK_MAX_MS));
    let relay = random.usize(0..=LAST);
    match random.u8(0..13) {
        0 => Event::CutSource(length),
        1 | 2 => Event::CutRelay(relay, length),
        // The last one's way begins at its proxy.
        3 => Event::Forget(relay % LAST),
        4 => Event::FreezeMaster(length),
        5 => Event::FreezeSource(length),
        6 => Event::FreezeRelay(relay, length),
        7 => Event::KillMaster,
        8 => Event::KillBalancer,
        9 => Event::KillRelay(LAST),
        10 => Event::Narrow(length),
        11 if random.bool() => Event::Reset(LAST),
        11 => Event::HalfClose(LAST),
        _ => Event::Lossy(LAST, length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_seed_gives_others() {
        let ten_minutes = Duration::from_secs(600);
        let once = schedule(7, ten_minutes);
        assert_eq!(once.len(), 120);
        assert_eq!(once, schedule(7, ten_minutes));
        assert_ne!(once, schedule(8, ten_minutes));
        assert_eq!(once[..12], schedule(7, EVERY * 12)[..]);
    }
}
