//! Runs a plan: server after server, round after round, each with a swarm on its own core.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tests::programs::find;
use tests::tools::finish;

use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::records::{Record, cost};
use crate::sound;
use crate::subjects::{Ground, Subject};

/// After this time every server has a whole burst to give.
const WARM_UP: Duration = Duration::from_secs(6);
/// A swarm that takes so much longer than it should hangs.
const SWARM_SLACK: Duration = Duration::from_secs(60);
/// The swarm calls from these, so that there are ports enough.
const LOCALS: &str = "127.0.0.2,127.0.0.3,127.0.0.4";

/// Runs all of it. `say` is told of every run.
///
/// # Errors
/// When a server or a tool does not work. Servers that serve badly are no error.
pub(crate) fn run(
    plan: &Plan,
    folder: &Path,
    core: Option<usize>,
    say: fn(&str),
) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for kbits in &plan.kbits {
        let made = sound::make(&folder.join("sound"), *kbits)?;
        let ground = Ground {
            folder: folder.join("servers"),
            file: made.file,
            long_file: made.long_file,
            programme: made.programme,
            bytes_per_second: made.bytes_per_second,
            core,
        };
        std::fs::create_dir_all(&ground.folder)?;
        for round in 1..=plan.n_rounds {
            for subject in &plan.subjects {
                let outcome = one(plan, &ground, *subject).with_context(|| {
                    format!("{}, {kbits} kbit/s, round {round}", subject.name())
                })?;
                say(&line(*kbits, round, *subject, &outcome));
                records.push(Record {
                    kbits: *kbits,
                    subject: *subject,
                    round,
                    outcome,
                });
            }
        }
    }
    Ok(records)
}

fn one(plan: &Plan, ground: &Ground, subject: Subject) -> Result<Outcome> {
    let mut server = subject.start(ground)?;
    sleep(WARM_UP);
    let json = ground.folder.join("swarm.json");
    let pid = server.pid()?;
    let outcome = swarm(plan, &server.url, pid, &json);
    let stopped = server.stop();
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

fn swarm(plan: &Plan, url: &str, server: u32, json: &PathBuf) -> Result<Outcome> {
    let _ = std::fs::remove_file(json);
    let mut command = Command::new(find("plenum-swarm")?);
    command
        .arg(url)
        .args(["--local", LOCALS])
        .arg("--json")
        .arg(json);
    for (name, value) in [
        ("--listeners", plan.n_listeners.to_string()),
        ("--before", plan.n_before.to_string()),
        ("--rate", plan.rate.to_string()),
        ("--churn", plan.churn.to_string()),
        ("--settle", plan.settle.as_secs().to_string()),
        ("--seconds", plan.seconds.as_secs().to_string()),
        ("--patience", plan.patience.as_secs().to_string()),
        ("--server-pid", server.to_string()),
    ] {
        command.args([name, &value]);
    }
    let joining = match usize::try_from(plan.rate)? {
        0 => 0,
        rate => plan.n_listeners / rate,
    };
    let deadline = plan.seconds + plan.settle * 2 + plan.patience * 2 + SWARM_SLACK;
    let output = finish(&mut command, deadline + Duration::from_secs(joining as u64))?;
    // A server that lost somebody makes the swarm fail: that is a result, too.
    let Ok(text) = std::fs::read_to_string(json) else {
        bail!("the swarm: {}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(serde_json::from_str(&text)?)
}

fn line(kbits: u32, round: usize, subject: Subject, outcome: &Outcome) -> String {
    let cost = cost(&[outcome]).map_or(0.0, |cost| cost.median);
    format!(
        "{kbits:>4} kbit/s round {round} {:<22} {cost:>7.2} µs, {} of {} heard, \
         first sound p99 {:.0} ms, {} bad, {} stalls, swarm {:.0} %",
        subject.name(),
        outcome.n_heard,
        outcome.n_asked,
        outcome.first_audio.p99_ms,
        outcome.n_wrong_pages(),
        outcome.sample.n_stalls,
        outcome.hold.own_core_share * 100.0,
    )
}
