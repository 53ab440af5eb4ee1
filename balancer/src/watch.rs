//! Tells the log what changes: relays that come and go, listeners that find no place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stream::shutdown::Shutdown;
use tracing::{info, warn};

use crate::balancer::Balancer;
use crate::registry::State;

/// How often it looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// As often as this in between it lets listeners in who wait for a slot.
const LETS_IN_PER_LOOK: u32 = 4;
/// What repeats is summed up over this long.
const SUM_INTERVAL: Duration = Duration::from_secs(10);

/// Looks until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    let mut sums = Sums::default();
    let mut next_sum = Instant::now() + SUM_INTERVAL;
    loop {
        for _ in 0..LETS_IN_PER_LOOK {
            let pause = tokio::time::sleep(LOOK_INTERVAL / LETS_IN_PER_LOOK);
            if shutdown.unless_requested(pause).await.is_none() {
                return;
            }
            balancer.let_in();
        }
        let now = Instant::now();
        let changes = balancer.registry().changes(now);
        for (name, before, after) in changes {
            tell(&balancer, &name, before, after);
        }
        if now >= next_sum {
            next_sum = now + SUM_INTERVAL;
            sums.tell(&balancer);
        }
    }
}

fn tell(balancer: &Balancer, name: &str, before: State, after: State) {
    match after {
        State::Unheard => {}
        State::Removed => info!(relay = name, "relay {name} was taken out of the list"),
        State::Disabled => info!(
            relay = name,
            "relay {name} is disabled: nobody is sent there"
        ),
        State::Quarantined => {
            let now = Instant::now();
            let registry = balancer.registry();
            let relay = registry.find(name).and_then(|at| registry.relay(at));
            let why = relay.and_then(|relay| relay.quarantine(now));
            let why = why.map_or("it is over already", |(why, _)| why);
            warn!(relay = name, "relay {name} is in quarantine: {why}");
        }
        State::Stale => {
            let seconds = balancer.config().report_stale_seconds;
            warn!(
                relay = name,
                "relay {name} has not reported for {seconds} s: nobody is sent there"
            );
        }
        State::Draining => info!(relay = name, "relay {name} is being taken down"),
        State::Full | State::Open if before == State::Unheard => {
            info!(relay = name, "relay {name} reports for the first time");
        }
        State::Full | State::Open => info!(relay = name, "relay {name} is back"),
    }
}

/// What the counters were at the last line.
#[derive(Default)]
struct Sums {
    unserved: u64,
    wrong_tokens: u64,
    wrong_passwords: u64,
}

impl Sums {
    fn tell(&mut self, balancer: &Balancer) {
        let counts = &balancer.counts;
        let n_unserved = risen(&counts.unserved, &mut self.unserved);
        if n_unserved > 0 {
            warn!(n_unserved, "{n_unserved} requests found no place in 10 s");
        }
        let n_wrong = risen(&counts.wrong_tokens, &mut self.wrong_tokens);
        if n_wrong > 0 {
            warn!(
                n_wrong,
                "{n_wrong} reports with a wrong token were refused in 10 s"
            );
        }
        let n_wrong = risen(&counts.wrong_passwords, &mut self.wrong_passwords);
        if n_wrong > 0 {
            warn!(
                n_wrong,
                "{n_wrong} wrong passwords of the operator were refused in 10 s"
            );
        }
    }
}

fn risen(counter: &AtomicU64, last: &mut u64) -> u64 {
    let now = counter.load(Ordering::Relaxed);
    let n = now.saturating_sub(*last);
    *last = now;
    n
}
