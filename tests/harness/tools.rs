//! Runs other people's programs that do one thing and end.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;

use crate::programs::signal;
use crate::wait::{eventually, until};

/// A tool that takes longer hangs.
const TOOL_MAX: Duration = Duration::from_secs(120);
/// Who is asked to end has so long to end what it has started.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// Runs a tool to its end, at most [`TOOL_MAX`].
///
/// # Errors
/// When it is not installed, hangs or fails; with what it said.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = finish(command, TOOL_MAX)?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}): {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout),
        );
    }
    Ok(output)
}

/// Runs a tool to its end, whatever that is. Ended at the deadline, with all it has started.
///
/// # Errors
/// When it is not installed or still runs at the deadline.
pub fn finish(command: &mut Command, deadline: Duration) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {name}; `make setup` installs it"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both are read while it runs: a full pipe would stop it.
    let stdout = std::thread::spawn(move || read(stdout));
    let stderr = std::thread::spawn(move || read(stderr));
    let ended = eventually(deadline, &format!("{name} ends"), || {
        child.try_wait()?.context("still running")
    });
    if ended.is_err() {
        end(&mut child);
    }
    let join = |thread: std::thread::JoinHandle<Vec<u8>>| {
        thread.join().map_err(|_| anyhow!("reading {name} failed"))
    };
    let (stdout, stderr) = (join(stdout)?, join(stderr)?);
    let status = ended.with_context(|| String::from_utf8_lossy(&stderr).into_owned())?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Ends a tool and all it has started, also in groups of their own, as browsers are: who drives one
/// ends it when he is asked to. What is still there then is killed.
fn end(child: &mut Child) {
    let below = descendants(child.id());
    let _ = signal(child.id(), Signal::TERM);
    let _ = until(GOODBYE_MAX, "it ends", || {
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    let _ = child.kill();
    let _ = child.wait();
    for pid in below {
        let _ = signal(pid, Signal::KILL);
    }
}

/// The processes that this one has started, and those that they have, and so on.
fn descendants(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let started = tasks.into_iter().flatten().flatten().map(|task| {
        let children = std::fs::read_to_string(task.path().join("children"));
        children.unwrap_or_default()
    });
    let children: Vec<u32> = started
        .flat_map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|word| word.parse().ok())
        .collect();
    let below = children.iter().flat_map(|child| descendants(*child));
    children.iter().copied().chain(below).collect()
}

fn read(pipe: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// Raw sound, 16 bits, little end first.
pub fn samples(bytes: &[u8]) -> Vec<i16> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|two| i16::from_le_bytes([two[0], two[1]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::started_with;

    #[test]
    fn of_a_tool_that_hangs_nothing_stays() -> Result<()> {
        // One that does not listen, in a session of its own, as a browser is.
        let unique = format!("{}.5", 1000 + std::process::id());
        let inner = format!("trap '' TERM; sleep {unique} & wait");
        let outer = format!("setsid sh -c \"{inner}\" & echo started; trap '' TERM; wait");
        let mut shell = Command::new("sh");
        let ended = finish(shell.args(["-c", &outer]), Duration::from_secs(1));
        let complaint = ended.err().context("it has ended by itself")?;
        assert!(format!("{complaint:#}").contains("still running"));
        until(GOODBYE_MAX, "nothing of it is there", || {
            started_with(&unique).is_empty()
        })
    }
}
