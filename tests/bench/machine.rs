//! On what was measured: processor, kernel, versions of the peers, date.

use std::process::Command;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A machine on a day.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// The day, such as 2026-11-24.
    pub(crate) date: String,
    /// The processor's name for itself.
    pub(crate) processor: String,
    /// How many of them.
    pub(crate) n_processors: usize,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// The versions of the programs.
    pub(crate) programs: Vec<String>,
}

impl Machine {
    /// This one, today.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let name = info.lines().find(|line| line.starts_with("model name"));
        let name = name.and_then(|line| Some(line.split_once(':')?.1.trim()));
        Self {
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            processor: name.unwrap_or("unknown processor").to_owned(),
            n_processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            programs: vec![
                format!("Plenum {}", env!("CARGO_PKG_VERSION")),
                version("icecast2", "-v"),
                version("nginx", "-v"),
            ],
        }
    }
}

/// What a program says of its version, on either output.
fn version(program: &str, word: &str) -> String {
    let Ok(output) = Command::new(program).arg(word).output() else {
        return format!("no {program}");
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let first = said.lines().next().unwrap_or_default();
    first.trim_start_matches("nginx version: ").to_owned()
}
