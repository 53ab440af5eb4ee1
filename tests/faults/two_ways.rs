//! Two ways where there was one: either may die for any time, and nobody hears it. And relays
//! that follow each other.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::wait::until;

use crate::list::Size;
use crate::report::Report;
use crate::stage::{PATIENCE, Plan, Stage};

const AFTER: Duration = Duration::from_secs(8);
/// The first relay follows its sibling as well, which lets it.
const SIBLINGS: [&str; 2] = [
    "[[upstream]]\nurl = \"@2\"\npassword = \"@password\"\n",
    "[relay]\npassword = \"@password\"\n",
];
/// The first relay follows the second, by mistake: that one follows it.
const CIRCLE: [&str; 2] = [
    "[[upstream]]\nurl = \"@2\"\npassword = \"@password\"\nstandby = false\n\
     [relay]\npassword = \"@password\"\n",
    "[relay]\npassword = \"@password\"\n",
];

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// F08: first one uplink is away for 20 s, then the other.
pub(crate) fn uplinks(_: Size) -> Result<Report> {
    let plan = Plan {
        has_uplinks: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let addresses = [Some(stage.master.space.address()), stage.second];
    let mut healed = Instant::now();
    for address in addresses {
        let address = address.context("a second address")?;
        stage
            .laboratory
            .cut(stage.source.space.address(), address)?;
        sleep(seconds(20));
        stage
            .laboratory
            .heal(stage.source.space.address(), address)?;
        healed = Instant::now();
        // The way has to be in use again before the other one goes.
        sleep(seconds(12));
    }
    let mut report = Report::take(&mut stage, audience, healed)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.demand(report.measured.filler == 0.0, "no silence stands in");
    Ok(report)
}

fn without_master(mut plan: Plan, length: Duration) -> Result<Report> {
    plan.relays_more = SIBLINGS.to_vec();
    let mut stage = Stage::start(plan)?;
    let audience = stage.audience()?;
    let healed = stage.cut_relays(&[0], length)?;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, healed)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    Ok(report)
}

/// F19: for 60 s; the relay has a sibling.
pub(crate) fn minute_away(_: Size) -> Result<Report> {
    without_master(Plan::new()?, seconds(60))
}

/// F20: for longer than the master remembers.
pub(crate) fn long_away(size: Size) -> Result<Report> {
    let plan = Plan {
        ring: size.of(120, 12),
        ..Plan::new()?
    };
    without_master(plan, size.of(seconds(600), seconds(60)))
}

/// F29: a relay follows one that follows it.
pub(crate) fn circle(_: Size) -> Result<Report> {
    let plan = Plan {
        relays_more: CIRCLE.to_vec(),
        is_in_a_row: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let began = Instant::now();
    until(PATIENCE, "the circle is noticed", || {
        let relays = stage.relays.iter();
        relays
            .into_iter()
            .any(|relay| relay.program.log().contains("follows us"))
    })
    .with_context(|| stage.story())?;
    let audience = stage.audience()?;
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note("refused, and logged");
    Ok(report)
}
