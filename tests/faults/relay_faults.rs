//! What happens to a relay: its way to the master, its disk, the list of mounts it is given.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::proxy::{Lie, Trouble};
use tests::wait::until;

use crate::lag::lags;
use crate::list::Size;
use crate::listener::{At, Listener};
use crate::report::Report;
use crate::stage::{PATIENCE, Plan, Stage};

const AFTER: Duration = Duration::from_secs(8);
/// How long the relay with the short patience keeps a mount without its master.
const SHORT_HOLD: u32 = 20;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The way from all relays to the master is away for so long, and nothing may be missing.
fn cut(length: Duration) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let burst = stage.plan.burst;
    let audience = stage.audience()?;
    let healed = stage.cut_relays(&[0, 1], length)?;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, healed)?;
    report.demand_r0();
    let more = if length > seconds(10) { 5.0 } else { 2.0 };
    let stall = (length.as_secs_f64() + more - burst).max(0.0);
    report.demand_stall(Duration::from_secs_f64(stall));
    report.demand_back(seconds(5));
    Ok(report)
}

/// F28: another program takes the place of the first relay.
pub(crate) fn upgraded(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    stage.relays[0].program.upgrade()?;
    let upgraded = Instant::now();
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, upgraded)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    Ok(report)
}

/// F17: no way to the master for 1 s.
pub(crate) fn moment_away(_: Size) -> Result<Report> {
    let mut report = cut(seconds(1))?;
    report.demand_stall(Duration::ZERO);
    Ok(report)
}

/// F18: for 10 s, as long as players have in hand.
pub(crate) fn away(_: Size) -> Result<Report> {
    cut(seconds(10))
}

/// F19: for 60 s; the relay has no other way.
pub(crate) fn minute_away(_: Size) -> Result<Report> {
    cut(seconds(60))
}

/// F20: for longer than the master remembers. One relay keeps its listeners, the other gives up.
pub(crate) fn long_away(size: Size) -> Result<Report> {
    let plan = Plan {
        ring: size.of(120, 12),
        burst: 8.0,
        filler_after: 6.0,
        relay_holds: vec![size.of(1200, 120), SHORT_HOLD],
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let healed = stage.cut_relays(&[0, 1], size.of(seconds(600), seconds(60)))?;
    sleep(AFTER);
    let (gone, kept): (Vec<_>, Vec<_>) =
        audience.into_iter().partition(|one| one.at == At::Relay(1));
    let n_left = gone.iter().filter(|one| !one.has_ended()).count();
    let skipped = stage.relays[0].figure("skipped_bytes_total")?;
    stage
        .listen(At::Relay(1))
        .context("it takes listeners again")?;
    stage.end_the_programme()?;
    let accounts: Vec<_> = kept.into_iter().map(Listener::finish).collect();
    let mut report = Report::of(&stage, &accounts, healed)?;
    let m = report.measured.clone();
    report.demand(m.n_disconnected == 0, "nobody disconnected within the hold");
    report.demand(m.n_doubled == 0, "no sample doubled");
    report.demand(m.n_jumps == 1, "exactly one jump");
    report.demand_back(seconds(7));
    report.note(format!("{skipped:.0} bytes skipped, counted by the relay"));
    report.demand(skipped > 0.0, "the jump is announced");
    report.note(format!(
        "a relay with a hold of {SHORT_HOLD} s sent its listeners home"
    ));
    report.demand(n_left == 0, "beyond the hold listeners are sent home");
    Ok(report)
}

/// F21: a way of 200 ms there and back, on which 2 % have to be sent again.
pub(crate) fn lossy(_: Size) -> Result<Report> {
    let plan = Plan {
        n_relays: 1,
        proxied_from: 0,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let proxy = stage.proxies[0].as_ref().context("a proxy")?;
    proxy.set(Trouble {
        delay: Duration::from_millis(100),
        slice: 1448,
        lost: 0.02,
        again: Duration::from_millis(400),
    });
    // What has begun before is on the good way.
    proxy.reset();
    let began = Instant::now();
    sleep(seconds(2));
    let audience = stage.audience()?;
    let close = stage.listen_closely()?;
    sleep(seconds(30));
    stage.end_the_programme()?;
    let close = close.finish();
    let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
    let mut report = Report::of(&stage, &accounts, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let relay = accounts.iter().find(|account| account.at == At::Relay(0));
    let lags = lags(&close, relay.context("one at the relay")?);
    ensure!(lags.len() > 50, "{} pages", lags.len());
    let p99 = lags[lags.len() * 99 / 100];
    report.note(format!(
        "99 in 100 pages within {:.2} s of the master",
        p99.as_secs_f64()
    ));
    report.demand(p99 <= seconds(3), "99 in 100 pages within 3 s");
    Ok(report)
}

/// F22: a router forgets the connections to the master; new ones get through.
pub(crate) fn forgotten(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    let relay = &stage.relays[0].space;
    let n_forgotten = stage.laboratory.forget(relay, &stage.master.space)?;
    let forgotten = Instant::now();
    sleep(AFTER + AFTER);
    stage.end_the_programme()?;
    let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
    let mut report = Report::of(&stage, &accounts, forgotten)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let gap = accounts
        .iter()
        .filter(|account| account.at == At::Relay(0))
        .map(|account| account.heard.longest_gap(Duration::ZERO))
        .max()
        .unwrap_or_default();
    report.note(format!(
        "{n_forgotten} connections forgotten; longest time without a page {:.1} s",
        gap.as_secs_f64()
    ));
    report.demand(n_forgotten > 0, "something was forgotten");
    report.demand(gap > seconds(2), "the way was silent");
    report.demand(gap <= seconds(5), "noticed and resumed within 5 s");
    Ok(report)
}

/// F27: no byte can be written, not even a line of its log.
pub(crate) fn disk_full(_: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    let disk = plan.path("disk");
    plan.small_disk("relay1", &disk, 4)?;
    let disk = disk.display();
    let script = format!(
        "cd '{disk}' && {{ cat /dev/zero > zero 2>/dev/null; TMPDIR='{disk}' exec \"$0\" \"$@\" \
         2>log; }}"
    );
    let words = ["sh".to_owned(), "-c".to_owned(), script];
    plan.behind.push(("relay1", words.to_vec()));
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    // Things happen that it wants to log.
    let healed = stage.cut_relays(&[0], seconds(6))?;
    sleep(AFTER);
    let is_there = stage.relays[0].program.is_running();
    let mut report = Report::take(&mut stage, audience, healed)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.demand(is_there, "the relay still runs");
    Ok(report)
}

/// F30: the list of mounts comes empty, cut off, and with nothing in it.
pub(crate) fn maimed_list(_: Size) -> Result<Report> {
    let plan = Plan {
        n_relays: 1,
        proxied_from: 0,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let began = Instant::now();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n";
    let lies = [
        String::new(),
        r#"{"run":"f3","version":99,"mounts":[{"path":"/li"#.to_owned(),
        "{\"run\":\"f3\",\"version\":99,\"mounts\":[],\"removed\":[]}\n".to_owned(),
    ];
    let proxy = stage.proxies[0].as_ref().context("a proxy")?;
    let mut n_listed = 0;
    for (n, body) in (1..).zip(&lies) {
        proxy.lie(Some(Lie {
            path: "/api/v1/catalog".to_owned(),
            answer: format!("{head}{body}").into_bytes(),
        }));
        let before = proxy.n_lies();
        proxy.reset();
        until(PATIENCE, "the relay is lied to", || {
            proxy.n_lies() > before + 1
        })
        .with_context(|| stage.story())?;
        let status = stage.relays[0].page("/api/v1/status")?;
        n_listed += usize::from(status.contains("/live.ogg"));
        ensure!(n_listed == n, "the mount is gone after {body:?}: {status}");
    }
    proxy.lie(None);
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note(format!(
        "{n_listed} of {} lies believed by nobody",
        lies.len()
    ));
    Ok(report)
}
