//! What a process has used, from `/proc`, and how many files this one may open.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A process on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    folder: String,
}

impl Process {
    /// The process with this number.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let process = Self {
            folder: format!("/proc/{pid}"),
        };
        process
            .processor_time()
            .with_context(|| format!("cannot see process {pid}"))?;
        Ok(process)
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self {
            folder: "/proc/self".to_owned(),
        }
    }

    /// The processor time of all its threads, its own and the kernel's in its name.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let path = format!("{}/stat", self.folder);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let ticks = ticks(&text).with_context(|| format!("{path} is not as it should be"))?;
        let per_second = clock_ticks_per_second().max(1);
        Ok(Duration::from_millis(ticks * 1000 / per_second))
    }

    /// Memory it holds, in KiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn rss_kib(&self) -> Result<u64> {
        let path = format!("{}/status", self.folder);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("{path} does not tell the memory"))
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`. The name in field 2 may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let behind_name = stat.rsplit_once(')')?.1;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Lets this process open as many files as it may at most, and says how many that is.
pub(crate) fn raise_files_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.rss_kib().unwrap() > 100);
        assert!(own.processor_time().is_ok());
    }
}
