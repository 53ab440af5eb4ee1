//! Tones: which one is heard, and when. A source plays one for ever, and who hears another one, or
//! none, hears something else.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::configs::SOURCE_USER;
use crate::programs::Program;
use crate::tools::samples;
use crate::wait::until;

/// Samples a second of what is looked at here.
pub const RATE: usize = 48_000;
/// What the source of a mount plays, in hertz. No codec's frame lasts as long as whole turns of it,
/// or nearly: where one is missing, or comes twice, the tone jumps.
pub const OWN: usize = 405;
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

/// So many samples tell where in its turn a tone is.
const LOOK_SAMPLES: usize = RATE / 50;
/// A tone that is so much of a turn from where it was has jumped.
const JUMP_TURNS: f64 = 0.06;

/// How often this tone jumps.
pub fn n_jumps(sound: &[i16], hertz: usize) -> usize {
    let step = TAU * hertz as f64 / RATE as f64;
    let looks = sound.chunks_exact(LOOK_SAMPLES).enumerate();
    let turns: Vec<f64> = looks
        .map(|(look, samples)| {
            let (mut along, mut across) = (0.0, 0.0);
            for (n, sample) in samples.iter().enumerate() {
                // A soft beginning and end, as it is no whole number of turns.
                let weight = 1.0 - (TAU * n as f64 / LOOK_SAMPLES as f64).cos();
                let (sin, cos) = (step * (look * LOOK_SAMPLES + n) as f64).sin_cos();
                along += f64::from(*sample) * weight * cos;
                across += f64::from(*sample) * weight * sin;
            }
            across.atan2(along) / TAU
        })
        .collect();
    // The jump may be in the middle of the one between.
    let beyond = turns.windows(3).map(|three| {
        let moved = (three[2] - three[0]).rem_euclid(1.0);
        moved.min(1.0 - moved) > JUMP_TURNS
    });
    let beyond: Vec<bool> = std::iter::once(false).chain(beyond).collect();
    beyond.windows(2).filter(|two| !two[0] && two[1]).count()
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
        let step = TAU * hertz as f64 / RATE as f64;
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
    #[test]
    fn a_frame_that_is_missing_or_comes_twice_is_a_jump() {
        let whole = sine(OWN, 4);
        assert_eq!(n_jumps(&whole, OWN), 0);
        // Of Opus and Speex, Vorbis and AAC, MP3 (also from 44.1 kHz), FLAC (also from 44.1 kHz).
        for n_samples in [960, 1024, 1114, 1152, 1254, 4096, 4458, 4608] {
            for at in [50_000, 50_333] {
                let (before, behind) = (&whole[..at], &whole[at + n_samples..]);
                let missing = [before, behind].concat();
                assert_eq!(n_jumps(&missing, OWN), 1, "{n_samples} missing");
                let twice = [before, &whole[at - n_samples..]].concat();
                assert_eq!(n_jumps(&twice, OWN), 1, "{n_samples} twice");
            }
        }
    }
}
