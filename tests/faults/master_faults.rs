//! What happens to a master: its process, its disk, its descriptors, its clock.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::clock::Clock;
use tests::http::{Connection, Request};
use tests::wait::until;

use crate::list::Size;
use crate::listener::At;
use crate::report::Report;
use crate::stage::{PATIENCE, Plan, Stage};

const AFTER: Duration = Duration::from_secs(8);
/// Descriptors of a careless system, and callers who want more of them.
const N_FILES: &str = "--nofile=256:256";
const N_CALLERS: usize = 300;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// F10: another program takes its place.
pub(crate) fn upgraded(_: Size) -> Result<Report> {
    let plan = Plan {
        has_state: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    stage.master.program.upgrade()?;
    let upgraded = Instant::now();
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, upgraded)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let skipped = stage.relays[0].figure("skipped_bytes_total")?;
    report.demand(skipped == 0.0, "relays skip no byte");
    Ok(report)
}

/// F11: killed, and started again a second later.
pub(crate) fn killed(_: Size) -> Result<Report> {
    let plan = Plan {
        has_state: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let mut audience = stage.audience()?;
    stage.master.program.kill()?;
    sleep(seconds(1));
    stage.master.program.start()?;
    let started = Instant::now();
    let direct = audience.iter_mut().find(|one| one.at == At::Master);
    let direct = direct.context("one at the master")?;
    until(PATIENCE, "his connection ends", || direct.has_ended())?;
    let answered = direct.go_on(&stage, At::Master)? - started;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, started)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.demand_back(seconds(5));
    report.note(format!(
        "who listens at the master goes on after {:.1} s, at the next byte",
        answered.as_secs_f64()
    ));
    report.demand(answered <= seconds(3), "direct listeners go on within 3 s");
    let skipped = stage.relays[0].figure("skipped_bytes_total")?;
    report.demand(skipped == 0.0, "relays skip no byte");
    Ok(report)
}

/// F13: its disk is full, and so is the source's.
pub(crate) fn disk_full(_: Size) -> Result<Report> {
    let mut plan = Plan {
        has_state: true,
        ..Plan::new()?
    };
    let (state, spool) = (plan.path("state"), plan.path("spool"));
    plan.small_disk("master", &state, 300)?;
    plan.small_disk("source", &spool, 300)?;
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let began = Instant::now();
    let is_full = |stage: &Stage| {
        let (master, source) = (stage.master.program.log(), stage.source.program.log());
        master.contains("is not written to disk any more") && source.contains("takes no pages")
    };
    until(seconds(60), "both say that the disk is full", || {
        is_full(&stage)
    })
    .with_context(|| stage.story())?;
    sleep(AFTER);
    let failures = stage.master.figure("disk_failures_total")?;
    let mut report = Report::take(&mut stage, audience, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note("both disks full, and both say so".to_owned());
    report.demand(failures >= 1.0, "plenum_disk_failures_total counts it");
    Ok(report)
}

/// F14: more callers than descriptors.
pub(crate) fn no_descriptors(_: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    let words = ["prlimit".to_owned(), N_FILES.to_owned()];
    plan.behind.push(("master", words.to_vec()));
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let url = stage.mount_at(At::Master);
    let called = Instant::now();
    let (callers, counts, slowest) = stage.crowd.inside(|| call(&url))?;
    sleep(AFTER);
    drop(callers);
    let mut report = Report::take(&mut stage, audience, called)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let count = |status: u16| counts.get(&status).copied().unwrap_or_default();
    let (n_welcome, n_refused) = (count(200), count(503));
    report.note(format!(
        "{n_welcome} of {N_CALLERS} welcome, {n_refused} get 503, the slowest after {} ms",
        slowest.as_millis()
    ));
    report.demand(n_welcome + n_refused == N_CALLERS, "everybody is answered");
    report.demand(n_refused > 0, "there are more callers than descriptors");
    report.demand(slowest <= Duration::from_millis(200), "503 within 200 ms");
    Ok(report)
}

type Callers = (Vec<Connection>, HashMap<u16, usize>, Duration);

/// Callers one after another; those who are welcome stay, the others hang up. What they are
/// told, and how long a refusal took.
fn call(url: &str) -> Result<Callers> {
    let (mut callers, mut counts) = (Vec::new(), HashMap::new());
    let mut slowest = Duration::ZERO;
    for _ in 0..N_CALLERS {
        let began = Instant::now();
        let (head, connection) = Request::new("GET", url)?.open()?;
        *counts.entry(head.status).or_default() += 1;
        if head.status == 200 {
            callers.push(connection);
        } else {
            slowest = slowest.max(began.elapsed());
        }
    }
    Ok((callers, counts, slowest))
}

/// F15: all clocks are set an hour forward, then two back.
pub(crate) fn clock_set(_: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    let clock = Clock::new(plan.folder.path())?;
    plan.variables = clock.variables();
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let mut dates = Vec::new();
    let began = Instant::now();
    for step in [3600, -3600] {
        clock.step(step)?;
        // A source that sends nothing is let go after 10 s.
        sleep(seconds(13));
        dates.push(date(&stage)?);
    }
    ensure!(dates[0] != dates[1], "the clock was not set: {dates:?}");
    let mut report = Report::take(&mut stage, audience, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note(format!(
        "the master's clock said {}, then {}",
        dates[0], dates[1]
    ));
    Ok(report)
}

/// The time of day that the master puts into its answers.
fn date(stage: &Stage) -> Result<String> {
    let url = stage.mount_at(At::Master);
    let answer = stage.crowd.inside(|| Request::new("HEAD", &url)?.send())?;
    let date = answer.head.header("date").context("no Date")?;
    let time = date.split(' ').nth(4).context("no time")?;
    Ok(time.to_owned())
}
