//! A second master in the place of the first, whose machine is gone.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::programs::find;
use tests::wait::eventually;

use crate::list::Size;
use crate::listener::At;
use crate::report::Report;
use crate::stage::{PATIENCE, Plan, Stage};

const AFTER: Duration = Duration::from_secs(10);
/// Silence that listeners may hear instead of the programme.
const FILLER_MAX: f64 = 15.0;

/// F12: it vanishes without a word, and somebody promotes the standby as soon as it lets him.
pub(crate) fn promoted(_: Size) -> Result<Report> {
    let plan = Plan {
        has_state: true,
        has_standby: true,
        ..Plan::new()?
    };
    let mut stage = Stage::start(plan)?;
    let audience = [At::Relay(0), At::Relay(0), At::Relay(1)].map(|at| stage.listen(at));
    let audience: Vec<_> = audience.into_iter().collect::<Result<_>>()?;
    for listener in &audience {
        listener.wait_for_seconds(stage.plan.burst * 0.8, PATIENCE)?;
    }
    let gone = Instant::now();
    stage.lose_master()?;
    eventually(PATIENCE, "it is promoted", || promote(&stage)).with_context(|| stage.story())?;
    let promoted = Instant::now();
    sleep(AFTER);
    let mut report = Report::take(&mut stage, audience, promoted)?;
    report.demand(report.measured.n_disconnected == 0, "nobody disconnected");
    report.demand(report.measured.n_doubled == 0, "no sample doubled");
    report.demand(report.measured.n_jumps == 0, "page numbers without a break");
    report.demand(
        report.measured.filler <= FILLER_MAX,
        "filler for 15 s at most",
    );
    report.demand_back(PATIENCE);
    report.note(format!(
        "promoted {:.1} s after the master had gone; filler {:.1} s",
        (promoted - gone).as_secs_f64(),
        report.measured.filler
    ));
    Ok(report)
}

/// As an operator does it on the second machine. An error: the first still counts as being there.
fn promote(stage: &Stage) -> Result<()> {
    let standby = stage.standby.as_ref().context("a standby")?;
    let config = stage.plan.path("standby.toml");
    let mut command = Command::new(find("plenum-master")?);
    command.arg("promote").arg("--config").arg(config);
    let output = standby.space.inside(|| Ok(command.output()?))?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
