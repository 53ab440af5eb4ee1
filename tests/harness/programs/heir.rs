//! A program that another one has put in its place: no child of ours, but as good.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{Program, signal};
use crate::wait::{eventually, until};

/// What a program says that has handed over.
const SAID: &str = "handed over to process ";
/// What one says that goes on.
const REFUSED: &str = "no upgrade: ";
/// From the signal to the one or the other.
const UPGRADE_MAX: Duration = Duration::from_secs(30);
/// Whoever has handed over ends within this time.
const LEAVE_MAX: Duration = Duration::from_secs(15);

impl Program {
    /// Has it put a new one in its place (SIGUSR2), and waits until the old one has gone.
    ///
    /// # Errors
    /// When it goes on instead; the text says why.
    pub fn upgrade(&mut self) -> Result<()> {
        let before = self.hand_over()?;
        wait_for_end(before, LEAVE_MAX).with_context(|| self.story())
    }

    /// Has it put a new one in its place, and gives the old one, which may stay for a while.
    ///
    /// # Errors
    /// As [`Program::upgrade`].
    pub fn hand_over(&mut self) -> Result<u32> {
        let before = self.pid().context("it does not run")?;
        let n_known = self.log().len();
        signal(before, Signal::USR2)?;
        let said = eventually(UPGRADE_MAX, "an upgrade ends", || {
            let log = self.log();
            let news = log.get(n_known..).unwrap_or_default();
            let said = news
                .lines()
                .find(|line| line.contains(SAID) || line.contains(REFUSED));
            said.map(str::to_owned).context("nothing is said of it")
        })
        .with_context(|| self.story())?;
        let Some((_, heir)) = said.split_once(SAID) else {
            bail!("{said}");
        };
        self.heir = Some(heir.trim().parse()?);
        Ok(before)
    }
}

/// Whether there is such a process that has not ended. When it is killed its first thread may be
/// gone while another one still holds its sockets.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    let n_threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    n_threads > 1 || matches!(state, Some(Some(state)) if state != 'Z' && state != 'X')
}

/// Waits until there is no such process any more.
///
/// # Errors
/// When it is still there at the deadline.
pub fn wait_for_end(pid: u32, deadline: Duration) -> Result<()> {
    until(deadline, &format!("process {pid} ends"), || !is_alive(pid))
}
