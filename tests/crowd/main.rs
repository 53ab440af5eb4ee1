//! `make crowd`: 2,000 listeners in a minute, 13 relays with 2,500 places, and nobody is refused.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tests::crowd::{PLACES, Plan, run};
use tests::fleet::Kind;

/// Has a crowd come to real relays through a real balancer: once to ours, once to Debian's
/// Icecasts, which are asked how they stand. All on this machine; `ulimit -n` must allow twice as
/// many files as listeners.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many come
    #[arg(long, default_value_t = 2000)]
    listeners: u32,
    /// In how many seconds
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// To which relays
    #[arg(long, default_value = "all")]
    to: To,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// Ours
    Plenum,
    /// Debian's Icecasts
    Icecast,
    /// First the ones, then the others
    All,
}

fn main() -> ExitCode {
    match crowds(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `true`: nobody was refused.
fn crowds(arguments: &Arguments) -> Result<bool> {
    let kinds = match arguments.to {
        To::Plenum => &[Kind::Plenum][..],
        To::Icecast => &[Kind::IcecastStats],
        To::All => &[Kind::Plenum, Kind::IcecastStats],
    };
    let mut is_well = true;
    for kind in kinds {
        let outcome = run(Plan {
            kind: *kind,
            places: PLACES.to_vec(),
            n_listeners: arguments.listeners,
            time: Duration::from_secs_f64(arguments.seconds.clamp(1.0, 3600.0)),
        })?;
        match outcome.check() {
            Ok(()) => say(&outcome.to_string()),
            Err(error) => say(&format!("not well: {error:#}")),
        }
        is_well &= outcome.check().is_ok();
    }
    Ok(is_well)
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
