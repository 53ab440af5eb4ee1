//! `make uplink`: twice what the master's line carries is asked of it, for minutes; relays must
//! not notice.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tests::uplink::{Plan, run};

/// Puts a master behind a small line, with two relays and so many listeners that they ask for
/// twice of it; once with the line's size in its settings, once without. Needs root.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How long, for each of the two
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// What the line carries
    #[arg(long, default_value_t = 20.0)]
    megabits: f64,
    /// How much of it is asked for
    #[arg(long, default_value_t = 2.0)]
    asked: f64,
    /// The master's congestion control, such as reno [default: that of this machine]
    #[arg(long)]
    congestion: Option<String>,
    /// Only the half in which the master is not told
    #[arg(long)]
    only_measured: bool,
}

fn main() -> ExitCode {
    match uplink(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `true`: relays were served first both times.
fn uplink(arguments: &Arguments) -> Result<bool> {
    let mut is_kept = true;
    let halves = [true, false]
        .into_iter()
        .skip(usize::from(arguments.only_measured));
    for is_configured in halves {
        let outcome = run(Plan {
            megabits: arguments.megabits,
            is_configured,
            asked: arguments.asked,
            length: Duration::from_secs_f64(arguments.minutes.clamp(0.1, 600.0) * 60.0),
            congestion: arguments.congestion.clone(),
        })?;
        match outcome.check() {
            Ok(()) => say(&outcome.to_string()),
            Err(error) => say(&format!("{error:#}")),
        }
        is_kept &= outcome.check().is_ok();
    }
    Ok(is_kept)
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
