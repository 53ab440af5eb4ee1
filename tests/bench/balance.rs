//! The balancer against others in simulated crowds: what is run, and how it is kept.
//!
//! `plenum-balancer simulate` does the work; here stands only which scenes, and with what.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tests::programs::find;
use tests::tools::finish;

use crate::machine::Machine;
use crate::plan::Effort;

/// The largest scene takes a quarter of an hour on a slow machine.
const RUN_MAX: Duration = Duration::from_secs(3600);
/// Who is compared, in the order of the tables.
const ALL: &str = "plenum,nearest-reserved,weighted,django2011,mirrorbits,random,radio";
/// In the largest scene only those that others stand for.
const FEW: &str = "plenum,weighted,django2011";
/// Ages of reports.
const AGES: &str = "1s,5s,15s,30s,60s,300s";
const FEW_AGES: &str = "1s,30s,300s";

/// All scenes and troubles.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Balance {
    /// On which machine, when.
    pub(crate) machine: Machine,
    /// Policies against each other, one entry a scene.
    pub(crate) scenes: Vec<Scene>,
    /// This balancer in trouble.
    pub(crate) troubles: Vec<Trouble>,
}

/// Something that is wrong with the world.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Trouble {
    /// In words.
    pub(crate) what: String,
    /// What came of it.
    pub(crate) scene: Scene,
}

/// What the simulator says; see `balancer/src/simulate/words.rs`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Scene {
    pub(crate) scene: String,
    pub(crate) n_relays: usize,
    pub(crate) n_slots: u64,
    pub(crate) n_listeners: usize,
    pub(crate) span_seconds: f64,
    pub(crate) seed: u64,
    pub(crate) optimum: Option<Optimum>,
    pub(crate) runs: Vec<Run>,
}

/// The best that could be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Optimum {
    pub(crate) mean_km: f64,
}

/// One policy at one age of reports.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    pub(crate) policy: String,
    pub(crate) policy_name: String,
    pub(crate) report_age_seconds: f64,
    pub(crate) n_asked: u64,
    pub(crate) n_rejected: u64,
    pub(crate) n_rejected_while_free: u64,
    pub(crate) n_swallowed: u64,
    pub(crate) n_bounces: u64,
    pub(crate) mean_km: f64,
    pub(crate) of_optimum: Option<f64>,
    pub(crate) used_deviation: f64,
    pub(crate) used_most: f64,
    pub(crate) us_per_choice: f64,
}

impl Run {
    /// In percent of all who asked.
    pub(crate) fn percent(&self, n_listeners: u64) -> f64 {
        100.0 * n_listeners as f64 / self.n_asked.max(1) as f64
    }
}

/// Words for a trouble, and the arguments that make it.
const TROUBLES: [(&str, &str); 9] = [
    (
        "B, 98 % of all slots wanted",
        "--scene b --listeners 58800 --report-age 1s,30s",
    ),
    (
        "B, a third of all slots wanted",
        "--scene b --listeners 20000 --report-age 1s,30s",
    ),
    (
        "B, 5 % of relays let nobody in, all relays new",
        "--scene b --black-holes 5 --unproved --report-age 1s,5s",
    ),
    (
        "B, 5 % of relays let nobody in any more, from half of the time on",
        "--scene b --black-later 5 --report-age 1s,5s",
    ),
    (
        "B, 20 % never come, 98 % of all slots wanted",
        "--scene b --listeners 58800 --lost 20 --report-age 1s,30s",
    ),
    (
        "B, 10 % come without asking",
        "--scene b --direct 10 --report-age 1s,30s",
    ),
    (
        "A, 4 balancers",
        "--scene a --balancers 4 --report-age 1s,5s,15s",
    ),
    (
        "B, 4 balancers",
        "--scene b --balancers 4 --report-age 1s,5s,15s",
    ),
    (
        "B, 55,000 in a minute, 4 balancers",
        "--scene b --listeners 55000 --in 60s --balancers 4 --report-age 1s,5s,15s",
    ),
];

/// Runs all of it. `say` is told of every scene.
///
/// # Errors
/// When the simulator does not work.
pub(crate) fn run(effort: Effort, say: fn(&str)) -> Result<Balance> {
    let scene = |line: &str| {
        say(&format!("plenum-balancer simulate {line}"));
        simulate(line)
    };
    let mut scenes = Vec::new();
    for name in ["a", "b"] {
        scenes.push(scene(&format!(
            "--scene {name} --policy {ALL} --report-age {AGES}"
        ))?);
    }
    let ages = if effort == Effort::Full {
        FEW_AGES
    } else {
        "30s"
    };
    scenes.push(scene(&format!(
        "--scene c --policy {FEW} --report-age {ages}"
    ))?);
    let troubles = TROUBLES.iter().map(|(what, line)| {
        Ok(Trouble {
            what: (*what).to_owned(),
            scene: scene(line)?,
        })
    });
    Ok(Balance {
        troubles: troubles.collect::<Result<_>>()?,
        machine: Machine::here(),
        scenes,
    })
}

fn simulate(line: &str) -> Result<Scene> {
    let mut command = Command::new(find("plenum-balancer")?);
    command
        .arg("simulate")
        .args(line.split_whitespace())
        .arg("--json");
    let output = finish(&mut command, RUN_MAX)?;
    ensure!(
        output.status.success(),
        "plenum-balancer simulate {line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("simulate {line}"))
}
