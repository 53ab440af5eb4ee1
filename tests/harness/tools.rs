//! Runs other people's programs that do one thing and end.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::wait::eventually;

/// A tool that takes longer hangs.
const TOOL_MAX: Duration = Duration::from_secs(120);

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

/// Runs a tool to its end, whatever that is. Killed at the deadline.
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
        let _ = child.kill();
        let _ = child.wait();
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
