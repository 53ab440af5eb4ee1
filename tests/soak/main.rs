//! `make soak`: speech through the whole chain for a long time, every sample accounted for.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tests::cluster::Sound;
use tests::soak::{Outcome, run};
use tests::speech;

/// Plays speech through a master and two relays, with a listener at each, and compares
/// what they decode with what the source encoded, sample by sample.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

fn main() -> ExitCode {
    let length = Duration::from_secs(Arguments::parse().minutes * 60);
    match soak(length) {
        Ok(outcomes) if outcomes.iter().all(Outcome::is_perfect) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn soak(length: Duration) -> Result<Vec<Outcome>> {
    say(&format!(
        "{} minutes of speech through two relays",
        length.as_secs() / 60
    ));
    let outcomes = run(&Sound::File(speech::sitting()?), length, say)?;
    for outcome in &outcomes {
        say(&outcome.to_string());
    }
    Ok(outcomes)
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
