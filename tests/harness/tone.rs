//! Tones: which one is heard, and when. A source plays one for ever, and who hears another one, or
//! none, hears something else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::configs::SOURCE_USER;
use crate::programs::Program;
use crate::tools::samples;
use crate::wait::until;

/// Samples a second of what is looked at here.
pub const RATE: usize = 48_000;
/// What the source of a mount plays, in hertz.
pub const OWN: usize = 400;
/// What is played in its place.
pub const OTHER: usize = 1600;

/// How many turns a second there are in each tenth of a second of it.
pub fn hertz(sound: &[i16]) -> impl Iterator<Item = usize> {
    sound.chunks_exact(RATE / 10).map(|tenth| {
        let turns = tenth.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0));
        turns.count() * 5
    })
}

/// Whether this is that tone.
pub fn is_near(hertz: usize, tone: usize) -> bool {
    hertz.abs_diff(tone) < tone / 10
}

/// Which of the two are heard, one after another; in a change neither may be.
pub fn tones(sound: &[i16]) -> Vec<usize> {
    let which = |hertz| [OWN, OTHER].into_iter().find(|tone| is_near(hertz, *tone));
    let mut heard: Vec<usize> = hertz(sound).filter_map(which).collect();
    heard.dedup();
    heard
}

/// ffmpeg, which plays a tone for ever and sends it as Vorbis; not started yet.
pub fn source(
    name: &str,
    (port, password): (u16, &str),
    mount: &str,
    hertz: usize,
    folder: &Path,
) -> Program {
    let to = format!("icecast://{SOURCE_USER}:{password}@127.0.0.1:{port}{mount}");
    let words = "-nostdin -loglevel warning -re -f lavfi -i";
    let coding = "-c:a libvorbis -b:a 64k -page_duration 200000";
    Program::new(name, "ffmpeg", folder)
        .arguments(words.split(' '))
        .arguments([format!("sine=frequency={hertz}:sample_rate={RATE}")])
        .arguments(coding.split(' '))
        .arguments(["-content_type", "application/ogg", "-f", "ogg", &to])
}

/// A player that goes on, and writes down what it hears: ffmpeg.
#[derive(Debug)]
pub struct Player {
    program: Program,
    sound: PathBuf,
}

impl Player {
    /// One that plays this link.
    ///
    /// # Errors
    /// When ffmpeg is missing.
    pub fn start(url: &str, folder: &Path) -> Result<Self> {
        let sound = folder.join("player.raw");
        let mut program = Program::new("player", "ffmpeg", folder)
            .arguments(["-nostdin", "-loglevel", "warning", "-i", url, "-ac", "1"])
            .arguments(["-f", "s16le", "-flush_packets", "1", "-y"])
            .arguments([sound.display().to_string()]);
        program.start()?;
        Ok(Self { program, sound })
    }

    /// How many samples it has heard.
    pub fn n_samples(&self) -> usize {
        let n_bytes = std::fs::metadata(&self.sound).map_or(0, |about| about.len());
        usize::try_from(n_bytes / 2).unwrap_or(usize::MAX)
    }

    /// Waits until it has heard these tones, one after another, and nothing else.
    ///
    /// # Errors
    /// When it does not within the deadline; says what it has heard.
    pub fn hears(&self, wanted: &[usize], deadline: Duration) -> Result<()> {
        let heard = || std::fs::read(&self.sound).map(|bytes| tones(&samples(&bytes)));
        let what = format!("the player has heard {wanted:?}");
        let hears = until(deadline, &what, || {
            heard().is_ok_and(|heard| heard == wanted)
        });
        hears.with_context(|| format!("{:?} {}", heard(), self.program.story()))
    }

    /// Ends it. Gives what it has complained of.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn stop(mut self) -> Result<String> {
        self.program.kill()?;
        Ok(self.program.log())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: usize, seconds: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz as f64 / RATE as f64;
        let sample = |n: usize| (step * n as f64).sin() * 8000.0;
        (0..seconds * RATE).map(|n| sample(n) as i16).collect()
    }

    #[test]
    fn a_tone_is_known_and_silence_is_none() {
        let sound = [sine(OWN, 1), vec![0; RATE], sine(OTHER, 1), sine(700, 1)].concat();
        assert_eq!(tones(&sound), [OWN, OTHER]);
        let n_near = hertz(&sound).filter(|hertz| is_near(*hertz, OWN)).count();
        assert_eq!(n_near, 10);
    }
}
