//! What happens to a source: its network, its process, its computer, its card.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::alsa::Desk;
use tests::clock::Clock;
use tests::speech;
use tests::wait::until;

use crate::drift::drift;
use crate::kept::{n_missed_and_kept, n_repeated};
use crate::list::Size;
use crate::listener::Listener;
use crate::report::Report;
use crate::stage::{PATIENCE, Plan, RATE, Stage, freeze};

/// So much programme follows before it ends.
const AFTER: Duration = Duration::from_secs(8);
/// The source comes back on a page, which is as long as that; listeners are off by no more.
const PAGE_MAX: f64 = 0.25;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Time goes on as if nothing had been: what was lost is made up for by silence as long.
fn demand_time_goes_on(report: &mut Report, most: f64) {
    let samples = |n: usize| n as f64 / f64::from(RATE);
    let (late, early) = (
        samples(report.measured.n_doubled),
        samples(report.measured.n_lost),
    );
    report.note(format!("listeners' time off by {:+.2} s", early - late));
    report.demand(
        late <= most && early <= most,
        &format!("time off by {most:.2} s at most"),
    );
}

/// Silence stands in, nobody is sent away, and then the programme goes on where time is.
fn demand_bridged(report: &mut Report, filler_max: f64) {
    report.demand(report.measured.n_disconnected == 0, "nobody disconnected");
    report.demand(report.measured.n_jumps == 0, "page numbers without a break");
    demand_time_goes_on(report, PAGE_MAX);
    report.note(format!("filler {:.1} s", report.measured.filler));
    report.demand(
        report.measured.filler <= filler_max,
        &format!("filler for {filler_max:.0} s at most"),
    );
}

/// F01: no network for 5 s.
pub(crate) fn short_break(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    let healed = stage.cut_source(seconds(5))?;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, healed)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.demand_back(seconds(2));
    Ok(report)
}

/// The same with the settings that programs are shipped with.
pub(crate) fn short_break_as_shipped(_: Size) -> Result<Report> {
    let plan = Plan {
        burst: 4.0,
        filler_after: 2.0,
        ring: 60,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let healed = stage.cut_source(seconds(5))?;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, healed)?;
    demand_bridged(&mut report, 5.0);
    report.demand_stall(Duration::ZERO);
    report.demand_back(seconds(2));
    Ok(report)
}

/// F02: no network for 60 s.
pub(crate) fn minute_break(_: Size) -> Result<Report> {
    long_break(Plan::new()?, seconds(60), seconds(5))
}

/// F03: no network for 10 min; or for one, of which a sixth may be sent late. Less than what
/// filler waits for must not be: then the programme would jump over the difference.
pub(crate) fn long_break_of_a_source(size: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    let length = size.of(seconds(600), seconds(60));
    plan.hold = size.of(900, 90);
    plan.catch_up = size.of(60, 10);
    plan.ring = size.of(120, 12);
    long_break(plan, length, seconds(7))
}

fn long_break(plan: Plan, length: Duration, within: Duration) -> Result<Report> {
    let filler_max = length.as_secs_f64() - plan.burst + within.as_secs_f64();
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let healed = stage.cut_source(length)?;
    sleep(AFTER);
    stage.end_the_programme()?;
    let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
    let mut report = Report::of(&stage, &accounts, healed)?;
    demand_bridged(&mut report, filler_max);
    report.demand_stall(Duration::ZERO);
    report.demand_back(within);
    let heard = accounts.first().context("a listener")?;
    let (n_missed, n_kept) = n_missed_and_kept(&stage, &heard.heard.body)?;
    report.note(format!(
        "of {n_missed} pages not heard {n_kept} are kept for an archive"
    ));
    report.demand(n_kept == n_missed, "every page not heard is kept");
    Ok(report)
}

/// F04: the program is killed, and started again a second later.
pub(crate) fn killed(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    stage.source.program.kill()?;
    sleep(seconds(1));
    stage.source.program.start()?;
    let started = Instant::now();
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, started)?;
    report.demand(report.measured.n_disconnected == 0, "nobody disconnected");
    report.demand(report.measured.n_doubled == 0, "no sample doubled");
    // The page that was being made may have been recorded and not kept.
    let lost_max = (PAGE_MAX * f64::from(RATE)) as usize;
    report.demand(report.measured.n_lost <= lost_max, "one page lost at most");
    report.demand_stall(Duration::ZERO);
    report.demand_back(Duration::from_millis(1500));
    Ok(report)
}

/// F05: the computer sleeps: the program stands still for 30 s, and wakes half an hour later by
/// its clock.
pub(crate) fn asleep(_: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    let clock = Clock::new(plan.folder.path())?;
    plan.variables = clock.variables();
    let burst = plan.burst;
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    clock.step(1800)?;
    let slept = Instant::now();
    let woke = freeze(&stage.source.program, seconds(30))?;
    sleep(AFTER);
    stage.end_the_programme()?;
    let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
    let mut report = Report::of(&stage, &accounts, woke)?;
    // Nothing was captured while it slept, so the recording has no such time: the silence that
    // stood in counts as doubled there. What is really repeated shows in the pages.
    report.measured.n_doubled = 0;
    report.demand(report.measured.n_disconnected == 0, "nobody disconnected");
    report.demand(report.measured.n_jumps == 0, "page numbers without a break");
    for account in &accounts {
        let late = drift(account, slept, woke + seconds(4))?;
        report.demand(late.abs() <= burst, "no sound older than a burst");
        report.demand(n_repeated(&account.heard.body) == 0, "nothing repeated");
    }
    let late = drift(
        accounts.first().context("a listener")?,
        slept,
        woke + seconds(4),
    )?;
    report.note(format!("listeners' time off by {late:+.1} s"));
    report.demand_stall(Duration::ZERO);
    report.demand_back(seconds(5));
    Ok(report)
}

/// F06: the sound card is pulled out for 5 s.
pub(crate) fn without_card(_: Size) -> Result<Report> {
    let mut plan = Plan::new()?;
    plan.card = Some(Desk::playing(&speech::noise()?)?);
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let close = stage.listen_closely()?;
    // What it got as a burst is as late as it was itself.
    sleep(seconds(4));
    let desk = stage.plan.card.as_ref().context("a card")?;
    let n_before = stage.source.program.log().len();
    let pulled = Instant::now();
    desk.unplug()?;
    until(PATIENCE, "the source says so", || {
        stage.source.program.log()[n_before..].contains("sending silence")
    })
    .with_context(|| stage.story())?;
    let alarm = pulled.elapsed();
    sleep(seconds(5).saturating_sub(alarm));
    desk.plug_in()?;
    let plugged = Instant::now();
    sleep(AFTER);
    let off = drift(&close.stop(), pulled, plugged + seconds(4))?;
    let mut report = Report::take(&mut stage, audience, plugged)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.demand_back(seconds(2));
    report.note(format!("alarm after {:.1} s", alarm.as_secs_f64()));
    report.demand(alarm <= seconds(1), "alarm within 1 s");
    report.note(format!("time off by {:+.0} ms", off * 1000.0));
    report.demand(off.abs() <= 0.05, "time off by 50 ms at most");
    Ok(report)
}
