//! A sound card that is not there, for programs that capture from ALSA.
//!
//! A plugin for the ALSA library (`alsa/desk_pcm.c`), compiled here, plays a file as if it
//! came from a press desk. It can be unplugged and can stall.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::tools::run;

/// The name under which programs open the card.
pub const DEVICE: &str = "press";

const PLUGIN: &str = include_str!("alsa/desk_pcm.c");

/// A card and what plays on it. Gone when dropped.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A card on which `wav` (48 kHz, mono, 16 bits) plays in a loop.
    ///
    /// # Errors
    /// When sox or gcc is missing or fails.
    pub fn playing(wav: &Path) -> Result<Self> {
        let desk = Self {
            folder: tempfile::Builder::new().prefix("plenum-desk").tempdir()?,
        };
        run(Command::new("sox")
            .arg(wav)
            .args(["-t", "raw", "-e", "signed", "-b", "16"])
            .arg(desk.path("speech.raw")))?;
        std::fs::write(desk.path("desk_pcm.c"), PLUGIN)?;
        run(Command::new("gcc")
            .args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-DPIC", "-o"])
            .arg(desk.path("libasound_module_pcm_desk.so"))
            .arg(desk.path("desk_pcm.c"))
            .arg("-lasound"))?;
        std::fs::write(desk.config(), desk.describe())?;
        Ok(desk)
    }

    /// The ALSA configuration: goes into the environment as `ALSA_CONFIG_PATH`.
    pub fn config(&self) -> PathBuf {
        self.path("asound.conf")
    }

    /// Pulls the cable.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn unplug(&self) -> Result<()> {
        Ok(std::fs::write(self.path("unplugged"), "")?)
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// When it was not pulled.
    pub fn plug_in(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path("unplugged"))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self) -> String {
        let path = |name| self.path(name).display().to_string();
        format!(
            "</usr/share/alsa/alsa.conf>\n\
             pcm_type.desk {{ lib \"{}\" }}\n\
             pcm.{DEVICE} {{\n  type desk\n  file \"{}\"\n  rate 48000\n  channels 1\n\
             \x20 unplugged \"{}\"\n  stalled \"{}\"\n\
             \x20 hint {{ show on  description \"Press feed (test)\" }}\n}}\n\
             pcm.!default {{ type plug slave.pcm \"{DEVICE}\" }}\n",
            path("libasound_module_pcm_desk.so"),
            path("speech.raw"),
            path("unplugged"),
            path("stalled"),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tools::{finish, samples};
    use crate::{pcm, speech};

    fn arecord(desk: &Desk, seconds: &str) -> Result<std::process::Output> {
        let mut command = Command::new("arecord");
        command
            .env("ALSA_CONFIG_PATH", desk.config())
            .args(["-q", "-D", DEVICE, "-f", "S16_LE", "-r", "48000", "-c", "1"])
            .args(["-t", "raw", "-d", seconds]);
        finish(&mut command, Duration::from_secs(20))
    }

    #[test]
    fn what_is_captured_is_what_plays_at_the_right_speed() -> Result<()> {
        let desk = Desk::playing(&speech::sitting()?)?;
        let start = std::time::Instant::now();
        let output = arecord(&desk, "3")?;
        let took = start.elapsed().as_secs_f64();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let heard = samples(&output.stdout);
        assert_eq!(heard.len(), 3 * 48_000);
        assert!((2.8..4.5).contains(&took), "3 s took {took} s");
        let played = samples(&std::fs::read(desk.path("speech.raw"))?);
        let comparison = pcm::compare(&played, &heard);
        assert!(comparison.is_exact(), "{comparison}");
        Ok(())
    }

    #[test]
    fn an_unplugged_card_is_gone_until_it_is_plugged_in() -> Result<()> {
        let desk = Desk::playing(&speech::sitting()?)?;
        desk.unplug()?;
        assert!(!arecord(&desk, "1")?.status.success());
        desk.plug_in()?;
        assert!(arecord(&desk, "1")?.status.success());
        Ok(())
    }
}
