//! What was measured, kept beside the build: a table can be made of runs of many days.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tests::programs::cache;

use crate::report::Report;

/// Runs with random faults begin so; then comes the seed.
pub(crate) const RANDOM: &str = "random-";

/// One fault, run once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) report: Report,
    /// Shorter than its name says.
    pub(crate) is_scaled: bool,
    /// How long all of it took.
    pub(crate) seconds: f64,
    /// Such as 2026-11-24.
    pub(crate) date: String,
    pub(crate) machine: String,
}

impl Record {
    pub(crate) fn new(id: &str, report: Report, is_scaled: bool, seconds: f64) -> Self {
        Self {
            id: id.to_owned(),
            report,
            is_scaled,
            seconds,
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            machine: machine(),
        }
    }

    /// Keeps it in the place of an earlier one.
    pub(crate) fn keep(&self) -> Result<()> {
        std::fs::write(path(&self.id, "json")?, serde_json::to_string_pretty(self)?)?;
        Ok(())
    }

    /// From now on nothing is known of this fault: what it did last says nothing of this run.
    pub(crate) fn forget(id: &str) -> Result<()> {
        match std::fs::remove_file(path(id, "json")?) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The one that was kept for this fault.
    pub(crate) fn kept(id: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path(id, "json")?)?;
        serde_json::from_str(&text).with_context(|| format!("the record of {id}"))
    }
}

/// What was kept of runs with random faults, by their seeds.
pub(crate) fn random_runs() -> Result<Vec<Record>> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(cache("faults")?)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(id) = name
            .strip_suffix(".json")
            .filter(|id| id.starts_with(RANDOM))
        {
            runs.push(Record::kept(id)?);
        }
    }
    runs.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(runs)
}

/// Where something about a fault is kept.
pub(crate) fn path(id: &str, ending: &str) -> Result<PathBuf> {
    Ok(cache("faults")?.join(format!("{id}.{ending}")))
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| Some(line.split_once(':')?.1.trim()));
    let n_processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let icecast = Command::new("icecast2").arg("-v").output();
    let icecast = icecast.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "{n_processors} × {}, Linux {}; Plenum {}, {}",
        name.unwrap_or("unknown processor"),
        read("/proc/sys/kernel/osrelease").trim(),
        env!("CARGO_PKG_VERSION"),
        icecast.unwrap_or_else(|_| "no icecast2".to_owned()),
    )
}
