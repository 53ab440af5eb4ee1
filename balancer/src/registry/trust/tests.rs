//! Good relays, bad ones, and those that change.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_window_doubles_while_listeners_come_and_is_open_in_the_end() {
    let (policy, now) = (Policy::default(), Instant::now());
    let mut trust = Trust::new(&policy);
    let mut windows = Vec::new();
    while let Some(window) = trust.window() {
        windows.push(window);
        assert!(!trust.settle(window, 0, 100, &policy, now));
    }
    assert_eq!(windows, [2, 4, 8, 16, 32, 64]);
    assert!(!trust.settle(0, 3, 100, &policy, now), "three say nothing");
    assert_eq!(trust.window(), None);
}

#[test]
fn a_relay_that_swallows_listeners_is_put_away_for_longer_each_time() {
    let (policy, start) = (Policy::default(), Instant::now());
    let mut trust = Trust::new(&policy);
    for (n_lost, pause) in [(2, 60), (1, 240), (1, 960), (1, 3_600)] {
        for n in 1..=n_lost {
            let is_put_away = trust.settle(0, 1, 100, &policy, start);
            assert_eq!(is_put_away, n == n_lost, "{n} of {n_lost}");
        }
        let until = start + pause * SECOND;
        assert_eq!(trust.quarantined_until(start), Some(until));
        assert_eq!(trust.quarantined_until(until), None);
        assert_eq!(trust.window(), Some(1));
    }
    for _ in 0..20 {
        trust.settle(0, 100, 100, &policy, start);
    }
    assert_eq!(
        trust.quarantined_until(start),
        Some(start + policy.quarantine_max)
    );
    trust.lift();
    assert_eq!(trust.quarantined_until(start), None);
}

#[test]
fn some_who_never_come_are_forgiven() {
    let (policy, now) = (Policy::default(), Instant::now());
    let mut trust = Trust::new(&policy);
    for _ in 0..1_000 {
        assert!(!trust.settle(7, 3, 1_000, &policy, now));
    }
    assert_eq!(trust.window(), None);
    // One that turns bad after a good life is noticed within its next few listeners.
    let n = (1..100).find(|_| trust.settle(0, 4, 1_000, &policy, now));
    assert!(n.is_some_and(|n| n < 20), "{n:?}");
}

/// A relay that was good for so long, with so many lost of a hundred.
fn good(policy: &Policy, start: Instant, lost: u32) -> Trust {
    let mut trust = Trust::new(policy);
    for n in 1..=40 {
        let now = start + n * SECOND;
        let n_arrived = 100 - lost;
        let lost = Lost {
            n: lost,
            n_in_a_row: 0,
        };
        assert!(!trust.settle(n_arrived, lost.n, 100, policy, now));
        assert!(!trust.watch(n_arrived, lost, std::iter::empty(), policy, now));
    }
    assert_eq!(trust.window(), None);
    trust
}

/// What a report without anybody's name does, when so many are on their way for so long.
fn silence(trust: &mut Trust, n_lost: u32, ms: &[u64]) -> bool {
    let (policy, now) = (Policy::default(), Instant::now());
    let ages = ms.iter().copied().map(Duration::from_millis);
    trust.settle(0, n_lost, 100, &policy, now)
        || trust.watch(0, in_a_row(n_lost), ages, &policy, now)
}

fn in_a_row(n: u32) -> Lost {
    Lost { n, n_in_a_row: n }
}

#[test]
fn one_that_turns_bad_after_a_good_life_is_in_doubt_as_soon_as_two_are_late() {
    let policy = Policy::default();
    let mut trust = good(&policy, Instant::now(), 3);
    for young in [&[] as &[u64], &[900, 400], &[5_000], &[1_000, 700, 300]] {
        assert!(!silence(&mut trust, 0, young));
        assert!(!trust.is_doubted(), "{young:?} is nothing unusual");
    }
    assert!(!silence(&mut trust, 0, &[1_300, 1_200]));
    assert!(trust.is_doubted(), "two are late");
    assert!(!silence(&mut trust, 2, &[]));
    assert!(
        !trust.is_doubted(),
        "nobody is on his way: it is tried again"
    );
    assert!(!silence(&mut trust, 0, &[900]));
    assert!(trust.is_doubted(), "after two who never came one is enough");
    assert!(!silence(&mut trust, 1, &[]));
    assert!(silence(&mut trust, 1, &[]), "the fourth in a row");
    assert_eq!(trust.window(), Some(policy.window_again));
}

#[test]
fn who_comes_takes_every_doubt_away_and_so_does_a_probe_or_one_sent_back() {
    let policy = Policy::default();
    type Cure = fn(&mut Trust, &Policy);
    let cures: [Cure; 4] = [
        |trust, policy| {
            let none = std::iter::empty();
            trust.watch(1, Lost::default(), none, policy, Instant::now());
        },
        |trust, _| trust.vouch(),
        |trust, _| trust.lift(),
        |trust, _| trust.see(),
    ];
    for cure in cures {
        let mut trust = good(&policy, Instant::now(), 3);
        assert!(!silence(&mut trust, 3, &[2_000, 2_000]));
        assert!(trust.is_doubted());
        cure(&mut trust, &policy);
        assert!(!trust.is_doubted());
        assert!(!silence(&mut trust, 3, &[]), "the count begins again");
    }
}

#[test]
fn where_many_never_come_it_takes_more_of_them_to_raise_an_alarm() {
    let policy = Policy::default();
    for (lost, n_alarm) in [(3, 4), (20, 8), (50, 17)] {
        let mut trust = good(&policy, Instant::now(), lost);
        let n = (1..50).find(|_| {
            let now = Instant::now();
            trust.watch(0, in_a_row(1), std::iter::empty(), &policy, now)
        });
        assert_eq!(n, Some(n_alarm), "{lost} of a hundred never come");
    }
}

#[test]
fn false_alarms_are_rare_whatever_share_never_comes() {
    let (policy, start) = (Policy::default(), Instant::now());
    for (never, alarms_max) in [(0.03, 2), (0.2, 5), (0.5, 20)] {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut trust = Trust::new(&policy);
        let n_alarms = (0..100_000).filter(|_| {
            let is_lost = chance.f64() < never;
            let lost = in_a_row(u32::from(is_lost));
            trust.watch(
                u32::from(!is_lost),
                lost,
                std::iter::empty(),
                &policy,
                start,
            )
        });
        let n_alarms = n_alarms.count();
        assert!(n_alarms <= alarms_max, "{never}: {n_alarms}");
    }
}
