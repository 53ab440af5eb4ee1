//! plenum-swarm: thousands of listeners on one core, and what they went through.

mod arguments;
mod arrivals;
mod caller;
mod crowd;
mod opening;
mod outcome;
mod player;
mod process;
mod run;
mod sampled;
mod seat;
mod table;
mod tally;
mod verdict;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;

/// The command line is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let password = match relay_password(&arguments) {
        Ok(password) => password,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(USAGE);
        }
    };
    match swarm(&arguments, password.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn relay_password(arguments: &Arguments) -> Result<Option<String>> {
    let Some(name) = &arguments.relay_password_env else {
        return Ok(None);
    };
    let password = std::env::var(name)
        .with_context(|| format!("--relay-password-env {name}: this variable is not set"))?;
    Ok(Some(password))
}

/// Whether everybody heard sound, and every page was right.
fn swarm(arguments: &Arguments, relay_password: Option<&str>) -> Result<bool> {
    let outcome = run::run(arguments, relay_password)?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcome)?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    say(&table::table(&outcome));
    let complaints = verdict::complaints(&outcome);
    say(&verdict::sentence(&complaints));
    Ok(complaints.is_empty())
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(text: &str) {
    print!("{text}");
}
