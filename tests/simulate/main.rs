//! plenum-simulate: source, master, relays and listeners in one thread, with a clock, a network and
//! disks that exist only in memory. A seed says what breaks when; the same seed breaks the same.
//!
//! What is simulated are the real log, splice, filler, publisher, mirror, scribe and backlog; what
//! tasks and sockets do around them is done step by step here. Begin with `plan` (what a seed
//! means) and `world` (one run of it); `book` says what must hold.

mod air;
mod book;
mod chief;
mod disk;
mod listener;
mod load;
mod mirror;
mod network;
mod plan;
mod serving;
mod speaker;
mod spool;
mod studio;
mod uplink;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use world::{Outcome, run};

/// Lets everything break in thousands of ways, in virtual time, and checks that no byte is wrong.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 5_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Write down what happens.
    #[arg(long)]
    trace: bool,
    /// Go on after a seed has failed, and count.
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let (first, n_seeds) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first, arguments.seeds),
    };
    let mut sum = Outcome::default();
    let mut n_wrong = 0;
    for seed in first..first.saturating_add(n_seeds) {
        let outcome = run(seed, arguments.trace);
        sum.add(&outcome);
        if let Some((wrong, lines)) = outcome.wrong {
            n_wrong += 1;
            say(&report(
                seed,
                &wrong,
                &lines,
                arguments.all || arguments.trace,
            ));
            if !arguments.all {
                break;
            }
        }
    }
    let counts = sum.counts.iter().map(|(what, n)| format!("{n} {what}"));
    say(&counts.collect::<Vec<_>>().join(", "));
    say(&format!(
        "{n_seeds} seeds, {} faults, {} pages, {:.1} h of virtual time in {:.0} s: {n_wrong} wrong",
        sum.n_faults,
        sum.n_pages,
        sum.virtual_time.as_secs_f64() / 3_600.0,
        began.elapsed().as_secs_f64()
    ));
    if n_wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What went wrong, and how to see it again.
fn report(seed: u64, wrong: &str, lines: &[String], is_short: bool) -> String {
    let again =
        format!("cargo run -p tests --release --bin plenum-simulate -- --seed {seed} --trace");
    if is_short {
        return format!("seed {seed}: {wrong}");
    }
    format!("{}\nseed {seed}: {wrong}\nagain: {again}", lines.join("\n"))
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.n_faults += other.n_faults;
        self.n_pages += other.n_pages;
        for (what, n) in &other.counts {
            *self.counts.entry(what).or_default() += n;
        }
        self.virtual_time += other.virtual_time;
    }
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests;
