//! The whole chain, twenty listeners, and a fault every five seconds: nobody may miss a sample
//! or hear one twice. Those whose relay is killed go on elsewhere, at the next byte.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tests::proxy::Trouble;

use crate::listener::{Account, At, Listener};
use crate::report::{Report, stalled};
use crate::schedule::{EVERY, Event, schedule};
use crate::stage::{Plan, Stage, freeze};

/// Three relays, the last behind a proxy.
const N_RELAYS: usize = 3;
/// Listeners at the master and at each relay: twenty.
const N_AT: [(At, usize); 4] = [
    (At::Master, 2),
    (At::Relay(0), 6),
    (At::Relay(1), 6),
    (At::Relay(2), 6),
];
/// A line that carries next to nothing, in Mbit/s.
const NARROW: f64 = 0.3;
/// Whoever lost his connection looks for so long for another.
const GO_ON_MAX: Duration = Duration::from_secs(20);
/// So much follows the last fault.
const AFTER: Duration = Duration::from_secs(10);

/// Runs faults for so long; `say` hears of each.
pub(crate) fn run(seed: u64, length: Duration, say: &dyn Fn(&str)) -> Result<Report> {
    let plan = Plan {
        n_relays: N_RELAYS,
        proxied_from: N_RELAYS - 1,
        has_state: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let mut audience = Vec::new();
    for (at, n) in N_AT {
        for _ in 0..n {
            audience.push(stage.listen(at)?);
        }
    }
    let events = schedule(seed, length);
    let began = Instant::now();
    for (n, event) in (0..).zip(&events) {
        let due = began + EVERY * n;
        sleep(due.saturating_duration_since(Instant::now()));
        say(&format!("{:>4} s: {event:?}", began.elapsed().as_secs()));
        happen(&mut stage, *event).with_context(|| format!("{event:?}; {}", stage.story()))?;
        tend(&stage, &mut audience).with_context(|| format!("{event:?}; {}", stage.story()))?;
    }
    let mended = Instant::now();
    sleep(AFTER);
    tend(&stage, &mut audience)?;
    stage.end_the_programme()?;
    let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
    judge(&stage, &accounts, mended, events.len())
}

fn judge(stage: &Stage, accounts: &[Account], mended: Instant, n_events: usize) -> Result<Report> {
    let mut report = Report::of(stage, accounts, mended)?;
    report.demand_r0();
    report.demand_back(Duration::from_secs(5));
    let n_resumed: usize = accounts.iter().map(|account| account.n_resumed).sum();
    let n_cut = accounts
        .iter()
        .filter(|account| account.n_resumed > 0)
        .count();
    // The others wait until the laboratory gets to them.
    let kept = accounts.iter().filter(|account| account.n_resumed == 0);
    let stall = kept.map(stalled).max().unwrap_or_default();
    report.note(format!(
        "stall of those who kept their connection {:.1} s",
        stall.as_secs_f64()
    ));
    report.note(format!(
        "{n_events} faults; {n_cut} of {} lost their connection, {n_resumed} times in all, and \
         went on at the next byte",
        accounts.len()
    ));
    Ok(report)
}

fn happen(stage: &mut Stage, event: Event) -> Result<()> {
    match event {
        Event::CutSource(length) => stage.cut_source(length).map(drop),
        Event::CutRelay(n, length) => stage.cut_relays(&[n], length).map(drop),
        Event::Forget(n) => {
            let relay = &stage.relays[n].space;
            stage
                .laboratory
                .forget(relay, &stage.master.space)
                .map(drop)
        }
        Event::FreezeMaster(length) => freeze(&stage.master.program, length).map(drop),
        Event::FreezeSource(length) => freeze(&stage.source.program, length).map(drop),
        Event::FreezeRelay(n, length) => freeze(&stage.relays[n].program, length).map(drop),
        Event::KillMaster => {
            stage.master.program.kill()?;
            sleep(Duration::from_secs(1));
            stage.master.program.start()
        }
        Event::KillBalancer => {
            stage.balancer.program.kill()?;
            stage.balancer.start_server()
        }
        Event::KillRelay(n) => {
            stage.relays[n].program.kill()?;
            stage.relays[n].start_server()
        }
        Event::Narrow(length) => {
            stage.master.space.limit_rate(NARROW)?;
            sleep(length);
            stage.master.space.unlimit_rate()
        }
        Event::Reset(n) => {
            stage.proxies[n].as_ref().context("a proxy")?.reset();
            Ok(())
        }
        Event::HalfClose(n) => {
            stage.proxies[n].as_ref().context("a proxy")?.half_close();
            Ok(())
        }
        Event::Lossy(n, length) => {
            let proxy = stage.proxies[n].as_ref().context("a proxy")?;
            proxy.set(Trouble {
                delay: Duration::from_millis(100),
                slice: 1448,
                lost: 0.02,
                again: Duration::from_millis(400),
            });
            sleep(length);
            proxy.set(Trouble::default());
            Ok(())
        }
    }
}

/// Whoever has lost his connection goes on: at the master if he was there, else at whatever relay
/// has what follows.
fn tend(stage: &Stage, audience: &mut [Listener]) -> Result<()> {
    for listener in audience.iter_mut().filter(|listener| listener.has_ended()) {
        let places = match listener.at {
            At::Master => vec![At::Master],
            At::Relay(n) => (0..N_RELAYS)
                .map(|m| At::Relay((n + 1 + m) % N_RELAYS))
                .collect(),
        };
        let began = Instant::now();
        let mut tries = places.iter().cycle();
        let mut go_on = || {
            tries.by_ref().take(places.len()).any(|at| {
                listener
                    .go_on_within(stage, *at, Duration::from_secs(1))
                    .is_ok()
            })
        };
        while !go_on() {
            if began.elapsed() > GO_ON_MAX {
                bail!("a listener finds no place to go on");
            }
        }
    }
    Ok(())
}
