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

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;

fn main() -> ExitCode {
    match swarm(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everybody heard sound, and every page was right.
fn swarm(arguments: &Arguments) -> Result<bool> {
    let variable = arguments.relay_password_env.as_deref();
    let password = variable
        .map(|name| std::env::var(name).with_context(|| format!("{name} is not set")))
        .transpose()?;
    let outcome = run::run(arguments, password.as_deref())?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcome)?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    say(&table::table(&outcome));
    let have_heard = outcome.n_heard == outcome.n_asked;
    let have_others_heard = outcome.n_churned_heard == outcome.n_churned;
    let n_wrong = outcome.n_wrong_pages() + outcome.n_dropped;
    Ok(have_heard && have_others_heard && n_wrong == 0)
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(text: &str) {
    print!("{text}");
}
