//! Real browsers, driven by the scripts in `browser/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cluster::START_MAX;
use crate::programs::Program;
use crate::wait::until;

/// Where the scripts are, with what they need.
///
/// # Errors
/// When it was not installed. Says how.
pub fn scripts() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let driver = folder.join("node_modules/playwright-core");
    ensure!(
        driver.is_dir(),
        "`make setup` installs {}",
        driver.display()
    );
    Ok(folder)
}

/// A sound card that goes nowhere, at the speed of a real one, and the words to find it by:
/// Firefox does not play without one.
///
/// # Errors
/// When PulseAudio is missing or does not start.
pub fn sound_card(folder: &Path) -> Result<(Program, String)> {
    let socket = folder.join("pulse.sock");
    let door = format!(
        "module-native-protocol-unix auth-anonymous=1 socket={}",
        socket.display()
    );
    let mut card = Program::new("pulseaudio", "pulseaudio", folder)
        .arguments([
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
        ])
        .arguments(["--disable-shm=yes", "-L", &door])
        .arguments(["-L", "module-null-sink sink_name=null rate=48000"])
        .variable("HOME", &folder.display().to_string())
        .variable("XDG_RUNTIME_DIR", &folder.display().to_string());
    card.start()?;
    until(START_MAX, "PulseAudio listens", || socket.exists()).with_context(|| card.story())?;
    Ok((card, format!("unix:{}", socket.display())))
}
