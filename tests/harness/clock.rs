//! A wall clock that can be set while programs run: Debian's libfaketime, which they are started
//! with. Their monotonic clock stays as it is, as it does when a machine's clock is set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where Debian puts it, for threads.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Programs look at the file so often, in seconds.
const LOOKS_EVERY: &str = "1";

/// The clock of those programs that were started with its variables.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that goes right; what it says is kept in this folder.
    ///
    /// # Errors
    /// When libfaketime is not installed, or the folder cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        ensure!(
            Path::new(LIBRARY).is_file(),
            "{LIBRARY} is not there; `make setup` installs it"
        );
        let clock = Self {
            file: folder.join("clock"),
        };
        clock.step(0)?;
        Ok(clock)
    }

    /// What programs need in their environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        let file = self.file.display().to_string();
        let variables = [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_CACHE_DURATION", LOOKS_EVERY),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        variables
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// From now on it is so many seconds before or behind the real one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn step(&self, seconds: i64) -> Result<()> {
        // Whole or not at all: it is read all the time.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n"))?;
        std::fs::rename(&new, &self.file).context("cannot set the clock")
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::tools::run;

    #[test]
    fn a_program_sees_the_wall_clock_step_and_not_the_monotonic_one() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let clock = Clock::new(folder.path())?;
        let year = || -> Result<String> {
            let mut date = Command::new("date");
            date.args(["-u", "+%Y"]).envs(clock.variables());
            Ok(String::from_utf8(run(&mut date)?.stdout)?)
        };
        let now: i64 = year()?.trim().parse()?;
        clock.step(-2 * 366 * 86_400)?;
        let then: i64 = year()?.trim().parse()?;
        assert!((2..=3).contains(&(now - then)), "{now} {then}");
        Ok(())
    }
}
