//! plenum-bench: Plenum, its peers and a bare loop side by side, on one machine.

mod balance;
mod balance_plot;
mod balance_table;
mod curve;
mod document;
mod knock;
mod machine;
mod memory;
#[path = "../swarm/outcome.rs"]
mod outcome;
mod plan;
mod plot;
mod programme;
mod records;
mod redirects;
mod reporter;
mod run;
mod sound;
mod source;
mod subjects;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use tests::programs;

use machine::Machine;
use plan::{Effort, Plan};
use records::{Records, Scenario};
use redirects::Redirects;
use subjects::Subject;

/// With two processors: servers on the first, everything else on the second.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Runs Plenum and its peers one after another under the same load and compares them.
#[derive(Debug, Parser)]
#[command(
    name = "plenum-bench",
    version,
    after_help = "Examples:\n  \
        plenum-bench                     steady and crowd, quickly (a quarter of an hour)\n  \
        plenum-bench --full --docs       all of docs/benchmarks.md (about an hour)\n  \
        plenum-bench --scenarios idle --subjects plenum-1s,icecast2\n  \
        plenum-bench --scenarios churn --minutes 60\n                                   \
        2,000 listeners, 100 a second go and others come: is memory flat?\n  \
        plenum-bench --parts balance     only the balancer in simulated crowds (minutes)\n  \
        plenum-bench --from-files --docs writes the documents from the last results\n\n\
        Let the machine do nothing else meanwhile. Results: a table, target/bench/*.json"
)]
struct Arguments {
    /// What is done to the servers [default: steady,crowd; with --full held,idle too]
    #[arg(long, value_delimiter = ',', value_enum)]
    scenarios: Vec<Scenario>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Part::Fanout, Part::Balance, Part::Redirects])]
    parts: Vec<Part>,
    /// Only these servers
    #[arg(long, value_delimiter = ',', value_enum)]
    subjects: Vec<Subject>,
    /// More listeners, longer measurements
    #[arg(long)]
    full: bool,
    /// Another number of listeners
    #[arg(long, value_name = "N")]
    listeners: Option<usize>,
    /// Other bitrates, in kbit/s
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(32..=320))]
    kbits: Vec<u32>,
    /// Another number of rounds
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Another length of measurements
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// The same in minutes
    #[arg(long, value_name = "N", conflicts_with = "seconds",
          value_parser = clap::value_parser!(u64).range(1..=24 * 60))]
    minutes: Option<u64>,
    /// Runs nothing: takes the results of the last time
    #[arg(long)]
    from_files: bool,
    /// Writes docs/benchmarks.md and docs/benchmarks.svg
    #[arg(long)]
    docs: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What listeners cost, and how long they wait
    Fanout,
    /// The balancer against others in simulated crowds
    Balance,
    /// Redirects per second, the balancer and nginx
    Redirects,
}

impl Arguments {
    fn effort(&self) -> Effort {
        if self.full {
            Effort::Full
        } else {
            Effort::Quick
        }
    }
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    let folder = programs::cache("bench")?;
    if arguments.parts.contains(&Part::Fanout) {
        fanout(arguments, &folder)?;
    }
    if arguments.parts.contains(&Part::Redirects) && !arguments.from_files {
        let core = take_places(&Machine::here())?;
        let redirects = redirects::run(&folder, core, say)?;
        let text = serde_json::to_string_pretty(&redirects)? + "\n";
        write(&folder.join("redirects.json"), &text)?;
        say(&redirects::table(&redirects));
    }
    if arguments.parts.contains(&Part::Balance) {
        balance(arguments, &folder)?;
    }
    Ok(())
}

/// The balancer's tables.
fn balance(arguments: &Arguments, folder: &Path) -> Result<()> {
    let kept = folder.join("balance.json");
    if !arguments.from_files {
        let balance = balance::run(arguments.effort(), say)?;
        write(&kept, &(serde_json::to_string_pretty(&balance)? + "\n"))?;
    }
    let Some(balance) = read_json(&kept)? else {
        return Ok(());
    };
    say(&balance_table::tables(&balance));
    for sentence in balance_table::says(&balance) {
        say(&sentence);
    }
    if arguments.docs {
        let plot = balance_plot::plot(&balance);
        if let Some(svg) = &plot {
            write(&docs().join("balancer.svg"), svg)?;
        }
        let redirects: Option<Redirects> = read_json(&folder.join("redirects.json"))?;
        let table = redirects.map(|redirects| redirects::section(&redirects));
        let section = balance_table::section(&balance, plot.is_some()) + &table.unwrap_or_default();
        let file = docs().join("benchmarks.md");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let rest = text
            .split(balance_table::HEADING)
            .next()
            .unwrap_or_default();
        write(&file, &format!("{}\n\n{section}", rest.trim_end()))?;
    }
    Ok(())
}

/// What listeners cost.
fn fanout(arguments: &Arguments, folder: &Path) -> Result<()> {
    let scenarios = if arguments.from_files {
        Scenario::value_variants().to_vec()
    } else {
        run_all(arguments, folder)?
    };
    let all = read_all(folder)?;
    for records in all.iter().filter(|r| scenarios.contains(&r.scenario)) {
        say(&table::tables(records));
        for sentence in document::says(records) {
            say(&sentence);
        }
    }
    if arguments.docs && !all.is_empty() {
        write_documents(&all)?;
    }
    Ok(())
}

/// Runs what is asked for, keeps the results, and says what it was.
fn run_all(arguments: &Arguments, folder: &Path) -> Result<Vec<Scenario>> {
    let machine = Machine::here();
    let core = take_places(&machine)?;
    let effort = arguments.effort();
    let scenarios = match arguments.scenarios.as_slice() {
        [] => effort.scenarios(),
        some => some,
    };
    for scenario in scenarios {
        let mut plan = Plan::of(*scenario, effort);
        adjust(&mut plan, arguments);
        say(&begin(&plan));
        let records = Records {
            scenario: *scenario,
            n_listeners: plan.n_listeners,
            seconds: plan.seconds.as_secs(),
            machine: machine.clone(),
            records: run::run(&plan, folder, core, say)?,
        };
        let text = serde_json::to_string_pretty(&records)?;
        write(&file(folder, *scenario), &(text + "\n"))?;
    }
    Ok(scenarios.to_vec())
}

/// What a person may expect of a scenario's start: the long ones show nothing for long.
fn begin(plan: &Plan) -> String {
    let seconds = plan.seconds.as_secs();
    let length = match seconds {
        ..=600 => format!("{seconds} s"),
        _ => format!("{} minutes", seconds / 60),
    };
    format!(
        "{}: {} listeners, {length} for each server and round",
        plan.scenario.name(),
        plan.n_listeners
    )
}

fn adjust(plan: &mut Plan, arguments: &Arguments) {
    if !arguments.subjects.is_empty() {
        plan.subjects.clone_from(&arguments.subjects);
    }
    if !arguments.kbits.is_empty() {
        plan.kbits.clone_from(&arguments.kbits);
    }
    if plan.scenario != Scenario::Idle {
        plan.n_listeners = arguments.listeners.unwrap_or(plan.n_listeners);
    }
    plan.n_rounds = arguments.rounds.unwrap_or(plan.n_rounds);
    let minutes = arguments.minutes.map(|minutes| minutes * 60);
    let seconds = arguments.seconds.or(minutes);
    plan.seconds = seconds.map_or(plan.seconds, Duration::from_secs);
}

/// Gives this process and its swarm one core, and says which one is for the servers. All may
/// open as many files as there are.
fn take_places(machine: &Machine) -> Result<Option<usize>> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).context("cannot open more files")?;
    if machine.n_processors < 2 {
        say("only one processor: servers and load share it, and the numbers are worth little");
        return Ok(None);
    }
    let mut load = CpuSet::new();
    load.set(LOAD_CORE);
    sched_setaffinity(None, &load).context("cannot stay on one core")?;
    Ok(Some(SERVER_CORE))
}

fn read_all(folder: &Path) -> Result<Vec<Records>> {
    let mut all = Vec::new();
    for scenario in Scenario::value_variants() {
        let path = file(folder, *scenario);
        if path.is_file() {
            let text = std::fs::read_to_string(&path)?;
            let records = serde_json::from_str(&text)
                .with_context(|| format!("cannot read {}", path.display()))?;
            all.push(records);
        }
    }
    Ok(all)
}

/// What was kept of the last time, if it is there.
fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    if !file.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file)?;
    let read = serde_json::from_str(&text);
    read.map(Some)
        .with_context(|| format!("cannot read {}", file.display()))
}

fn write_documents(all: &[Records]) -> Result<()> {
    let docs = docs();
    let plot = plot::plot(all);
    if let Some(svg) = &plot {
        write(&docs.join("benchmarks.svg"), svg)?;
    }
    let text = document::document(all, plot.is_some());
    // The balancer's part is measured by itself.
    let file = docs.join("benchmarks.md");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let balancer = before.split_once(balance_table::HEADING);
    let balancer = balancer.map(|(_, rest)| format!("\n{}{rest}", balance_table::HEADING));
    write(&file, &(text + &balancer.unwrap_or_default()))
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn file(folder: &Path, scenario: Scenario) -> PathBuf {
    folder.join(format!("{}.json", scenario.name()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn say(text: &str) {
    println!("{text}");
}
