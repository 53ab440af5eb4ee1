//! Writes down every minute how things stand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stream::shutdown::Shutdown;
use tracing::error;

use crate::balancer::Balancer;
use crate::desk::history::Sample;
use crate::desk::keeping::{milliseconds_now, seconds_now, since_1970};
use crate::desk::past::Regret;
use crate::desk::regret::{Kind, compare, kinds, metres};
use crate::status::Totals;

const MINUTE: Duration = Duration::from_secs(60);

/// Writes until the program ends.
pub(crate) async fn write(balancer: Arc<Balancer>, shutdown: Shutdown) {
    let mut sums = Sums::of(&balancer);
    loop {
        let pause = tokio::time::sleep(until_next_minute(since_1970()));
        let is_over = shutdown.unless_requested(pause).await.is_none();
        // The last part of a minute counts, too: a restart loses no redirect of the history.
        let (balancer, last) = (Arc::clone(&balancer), sums);
        let work = move || minute(&balancer, last);
        match tokio::task::spawn_blocking(work).await {
            Ok(now) => sums = now,
            Err(error) => error!("the minute could not be written down: {error}"),
        }
        if is_over {
            return;
        }
    }
}

/// Counters at the beginning of a minute.
#[derive(Clone, Copy)]
struct Sums {
    redirects: u64,
    rejected: u64,
}

impl Sums {
    fn of(balancer: &Balancer) -> Self {
        let counts = &balancer.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            redirects: read(&counts.to_relay) + read(&counts.to_master),
            rejected: read(&counts.unserved),
        }
    }
}

fn minute(balancer: &Balancer, last: Sums) -> Sums {
    balancer.desk().keep_again();
    balancer.desk().set_clock_right(milliseconds_now());
    let now = Sums::of(balancer);
    let totals = Totals::of(balancer, Instant::now());
    let regret = regret_now(balancer);
    balancer.desk().set_regret(regret);
    balancer.desk().keep_sample(Sample {
        minute: ending_minute(since_1970()),
        listeners: totals.listeners,
        free: totals.free,
        redirects: now.redirects.saturating_sub(last.redirects),
        rejected: now.rejected.saturating_sub(last.rejected),
        mean_km: regret.map(|regret| regret.mean_km),
        regret_km: regret.map(|regret| regret.km()),
    });
    now
}

/// Compares the last redirects with the best ones. Listeners are served in between: the relays
/// are looked at for one kind of listener at a time.
fn regret_now(balancer: &Balancer) -> Option<Regret> {
    let (sample, share) = balancer.desk().recent().sample(seconds_now() / 60);
    let now = Instant::now();
    let places: HashMap<String, usize> = balancer
        .registry()
        .relays(now)
        .map(|(at, relay, _)| (relay.name().to_owned(), at))
        .collect();
    let kinds: Vec<Kind> = kinds(&sample, &places)
        .into_iter()
        .map(|(wish, sent)| Kind {
            sent,
            metres: metres(&mut balancer.registry(), wish, now),
        })
        .collect();
    let n_relays = kinds.iter().map(|kind| kind.metres.len()).max()?;
    let free: Vec<u64> = {
        let registry = balancer.registry();
        (0..n_relays)
            .map(|at| registry.n_free_at(at, now))
            .collect()
    };
    compare(&kinds, &free, share)
}

/// The minute that ends now, or is under way: the alarm may ring a moment early or late.
fn ending_minute(since_1970: Duration) -> u64 {
    since_1970.saturating_sub(MINUTE / 2).as_secs() / MINUTE.as_secs()
}

fn until_next_minute(since_1970: Duration) -> Duration {
    let begun = since_1970.as_millis() % MINUTE.as_millis();
    MINUTE - Duration::from_millis(u64::try_from(begun).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::desk::changes::tests::FILE;
    use crate::desk::changes::{Change, Changes};
    use crate::desk::keeping::{CHANGES_BYTES_MAX, CHANGES_FILE, Desk};
    use crate::geo::Geo;
    use crate::snapshot::{self, folder::Folder};

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_sample_belongs_to_the_minute_that_ends_whenever_the_alarm_rings() {
        for (seconds, minute) in [(120.0, 1), (119.9, 1), (121.5, 1), (150.0, 2), (0.0, 0)] {
            assert_eq!(ending_minute(at(seconds)), minute, "{seconds}");
        }
        assert_eq!(until_next_minute(at(61.5)), Duration::from_millis(58_500));
        assert_eq!(until_next_minute(at(120.0)), MINUTE);
    }

    #[test]
    fn every_minute_what_is_not_kept_is_tried_again_and_a_wrong_clock_set_right() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            state_directory: Some(folder.path().to_owned()),
            ..Config::default()
        };
        let open = || Desk::open(&config).unwrap();
        let balancer = Balancer::with_desk(config.clone(), Geo::default(), open());
        let change = |desk: &Desk, at_ms: u64| {
            let made = desk.changes().make("a", Change::PutAway, FILE, 1, at_ms);
            made.unwrap();
            desk.keep_changes();
        };
        let is_ahead = |changes: &Changes| changes.is_ahead_of(milliseconds_now());
        // Nothing can be written where a folder stands.
        let in_the_way = folder.path().join(format!("{CHANGES_FILE}.new"));
        std::fs::create_dir(&in_the_way).unwrap();
        change(balancer.desk(), milliseconds_now());
        assert!(balancer.desk().trouble().is_some());
        std::fs::remove_dir(&in_the_way).unwrap();
        minute(&balancer, Sums::of(&balancer));
        assert_eq!(balancer.desk().trouble(), None);

        let wrong = milliseconds_now() + 40 * 24 * 3_600_000;
        change(balancer.desk(), wrong);
        assert!(is_ahead(&balancer.desk().changes()));
        minute(&balancer, Sums::of(&balancer));
        assert!(!is_ahead(&balancer.desk().changes()));
        change(balancer.desk(), wrong);
        drop(balancer);
        // Also by the next one who begins with it, and on the disk.
        let desk = open();
        assert!(!is_ahead(&desk.changes()));
        drop(desk);
        let kept = Folder::open(folder.path()).unwrap();
        let kept = snapshot::precious(&kept, CHANGES_FILE, CHANGES_BYTES_MAX, |_| Ok(()));
        assert!(!is_ahead(&kept.unwrap().unwrap()));
    }
}
