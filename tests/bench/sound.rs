//! Makes the sound of the benchmark once, with sox and oggenc, and keeps it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tests::tools::run;

use crate::programme::Programme;

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any run takes.
const LONG: Duration = Duration::from_secs(20 * 60);

/// A minute of sound at a bitrate, and the same repeated into a long file.
#[derive(Debug)]
pub(crate) struct Made {
    /// The minute.
    pub(crate) file: PathBuf,
    /// The long file.
    pub(crate) long_file: PathBuf,
    /// The minute, taken apart.
    pub(crate) programme: Arc<Programme>,
    /// Bytes of sound for a second of it.
    pub(crate) bytes_per_second: u64,
}

/// Makes what is not there yet.
///
/// # Errors
/// When a tool is missing or fails.
pub(crate) fn make(folder: &Path, kbits: u32) -> Result<Made> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join(format!("minute-{kbits}.ogg"));
    let long_file = folder.join(format!("long-{kbits}.ogg"));
    if !file.is_file() {
        encode(folder, &file, kbits)?;
    }
    let bytes = std::fs::read(&file)?;
    let programme = Programme::parse(&bytes).with_context(|| file.display().to_string())?;
    if !long_file.is_file() {
        std::fs::write(&long_file, repeated(&programme))?;
    }
    Ok(Made {
        file,
        long_file,
        bytes_per_second: bytes_per_second(&programme),
        programme: Arc::new(programme),
    })
}

fn repeated(programme: &Programme) -> Vec<u8> {
    let mut bytes = programme.headers.to_vec();
    for due in programme.endless().take_while(|due| due.at < LONG) {
        bytes.extend_from_slice(due.page.bytes());
    }
    bytes
}

fn bytes_per_second(programme: &Programme) -> u64 {
    let minute = programme.endless().take_while(|due| due.at < MINUTE);
    let n_bytes: usize = minute.map(|due| due.page.len()).sum();
    n_bytes as u64 / MINUTE.as_secs()
}

/// Noise that swells and fades: no encoder can save on it, so the bitrate is kept.
fn encode(folder: &Path, file: &Path, kbits: u32) -> Result<()> {
    let wav = folder.join(format!("minute-{kbits}.wav"));
    let mut sox = Command::new("sox");
    sox.args(["-R", "-n", "-r", "44100", "-c", "2", "-b", "16"])
        .arg(&wav)
        .args(["synth", "60", "pinknoise", "tremolo", "0.2", "60"]);
    run(&mut sox)?;
    let unfinished = file.with_extension("unfinished");
    let rate = kbits.to_string();
    let mut oggenc = Command::new("oggenc");
    oggenc
        .args(["-Q", "--managed", "-b", &rate, "-m", &rate, "-M", &rate])
        .arg("-o")
        .arg(&unfinished)
        .arg(&wav);
    run(&mut oggenc)?;
    std::fs::rename(&unfinished, file)?;
    std::fs::remove_file(&wav)?;
    Ok(())
}
