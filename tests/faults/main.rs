//! `make faults`: breaks whatever can break, and compares what listeners heard with what the
//! source recorded.
//!
//! Reading order: `list` (what is broken, what must hold), `stage` (the chain), `listener`,
//! `report` (measuring and judging), then the faults of each role. `random` breaks something
//! every five seconds, `icecast` does the same to Debian's Icecast.

mod built;
mod document;
mod drift;
mod icecast;
mod kept;
mod lag;
mod list;
mod listener;
mod listener_faults;
mod master_faults;
mod random;
mod record;
mod relay_faults;
mod report;
mod schedule;
mod settings;
mod source_faults;
mod stage;
mod two_masters;
mod two_ways;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;

use list::{AT_ICECAST, FAULTS, Fault, Kind, Size, chosen};
use record::{RANDOM, Record, path, random_runs};
use report::Report;

/// The page that is written.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");

/// Runs Plenum in network namespaces, breaks it, and says for each fault what was lost, doubled
/// and silent. Needs root. Ends with 1 if a promise did not hold.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only these, such as F11,F17
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Long breaks as long as they are called, instead of a tenth
    #[arg(long)]
    full: bool,
    /// Also the same at Debian's icecast2, to compare
    #[arg(long)]
    icecast: bool,
    /// Instead: a random fault every 5 s, for so many minutes
    #[arg(long, value_name = "MINUTES")]
    random: Option<f64>,
    /// The number that random faults come from [default: another each time]
    #[arg(long, requires = "random")]
    seed: Option<u64>,
    /// So many faults at the same time, each in networks of its own
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write docs/faults.md from the newest run of each
    #[arg(long)]
    docs: bool,
}

fn main() -> ExitCode {
    let result = faults(&Arguments::parse());
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `true`: all promises held.
fn faults(arguments: &Arguments) -> Result<bool> {
    let has_held = if let Some(minutes) = arguments.random {
        random_faults(minutes, arguments.seed)?
    } else {
        let (faults, unknown) = chosen(&arguments.only, arguments.icecast);
        ensure!(
            unknown.is_empty(),
            "there is no fault called {}",
            unknown.join(", ")
        );
        let size = if arguments.full {
            Size::Full
        } else {
            Size::Scaled
        };
        run_all(&faults, size, arguments.jobs.max(1))
    };
    if arguments.docs {
        let all = FAULTS.iter().chain(AT_ICECAST);
        let records: Vec<_> = all
            .filter_map(|fault| Record::kept(fault.id).ok())
            .collect();
        let text = document::document(&records, &random_runs()?);
        std::fs::write(PAGE, text)?;
        say("docs/faults.md is written");
    }
    Ok(has_held)
}

/// Runs them, so many at a time.
fn run_all(faults: &[Fault], size: Size, n_jobs: usize) -> bool {
    let queue = Mutex::new(faults.iter());
    let held = Mutex::new(Vec::new());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..n_jobs {
            scope.spawn(|| {
                while let Some(fault) = take() {
                    let has_held = run(fault, size);
                    held.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(has_held);
                }
            });
        }
    });
    let held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    let n_held = held.iter().filter(|has_held| **has_held).count();
    say(&format!(
        "{n_held} of {} faults as they must be",
        held.len()
    ));
    n_held == held.len()
}

/// `None`: nothing was promised, or Plenum cannot do it yet.
fn run(fault: &Fault, size: Size) -> Option<bool> {
    let kind = Record::forget(fault.id).and_then(|()| fault.kind.run(size));
    let (run, is_scaled) = match kind {
        Ok(Some(run)) => run,
        Ok(None) => {
            say(&format!(
                "{:4} not built | {} | {}",
                fault.id, fault.what, fault.criterion
            ));
            return None;
        }
        Err(error) => {
            say(&format!("{:4} FAIL | {} | {error:#}", fault.id, fault.what));
            return Some(false);
        }
    };
    say(&format!("     … {}: {}", fault.id, fault.what));
    let began = Instant::now();
    let result = run(size);
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(report) => {
            let record = Record::new(fault.id, report, is_scaled, seconds);
            tell(fault, &record);
            if let Err(error) = record.keep() {
                say(&format!(
                    "the record of {} cannot be kept: {error:#}",
                    fault.id
                ));
            }
            let is_promise = !matches!(fault.kind, Kind::Measure(_));
            is_promise.then_some(record.report.has_passed())
        }
        Err(error) => {
            say(&format!(
                "{:4} FAIL | {} | it did not get so far: {error:#}",
                fault.id, fault.what
            ));
            Some(false)
        }
    }
}

fn tell(fault: &Fault, record: &Record) {
    let report = &record.report;
    let verdict = match fault.kind {
        Kind::Measure(_) => "    ",
        _ if report.has_passed() => "PASS",
        _ => "FAIL",
    };
    let scaled = if record.is_scaled {
        " (scaled 1:10)"
    } else {
        ""
    };
    say(&format!(
        "{:4} {verdict} | {}{scaled} | {} | {report}",
        fault.id, fault.what, fault.criterion
    ));
    complain(fault.id, report);
}

/// Says what is wrong, and where the programs' logs are, which are kept in any case.
fn complain(id: &str, report: &Report) {
    for failure in &report.failures {
        say(&format!("     it must be: {failure}"));
    }
    let log = path(id, "log").and_then(|path| {
        std::fs::write(&path, &report.story)?;
        Ok(path)
    });
    match log {
        Ok(path) if !report.has_passed() => {
            say(&format!("     what the programs said: {}", path.display()));
        }
        Ok(_) => {}
        Err(error) => say(&format!("     what the programs said is lost: {error:#}")),
    }
}

fn random_faults(minutes: f64, seed: Option<u64>) -> Result<bool> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let again = format!("make faults RANDOM={minutes} SEED={seed}");
    say(&format!("seed {seed}; the same again: {again}"));
    let length = Duration::from_secs_f64(minutes.clamp(0.1, 600.0) * 60.0);
    let id = format!("{RANDOM}{seed}");
    Record::forget(&id)?;
    let began = Instant::now();
    let mut report = random::run(seed, length, &say)?;
    report.note(format!("{minutes} minutes, seed {seed}"));
    let verdict = if report.has_passed() { "PASS" } else { "FAIL" };
    say(&format!("{verdict} | {report}"));
    complain(&id, &report);
    let has_passed = report.has_passed();
    Record::new(&id, report, false, began.elapsed().as_secs_f64()).keep()?;
    Ok(has_passed)
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
