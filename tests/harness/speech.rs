//! Makes people talk: WAV files of several voices with pauses, from espeak-ng and sox.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs::cache;
use crate::tools::run;

/// Samples a second in everything made here.
pub const RATE: u32 = 48_000;

/// One stretch of the programme.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Somebody speaks: voice, words a minute, pitch, level in dB, text.
    Voice(&'static str, u32, u32, i32, &'static str),
    /// Nobody speaks and the desk is digital: so many seconds of zeros.
    Silence(u32),
}

use Part::{Silence, Voice};

/// Two pauses are longer than six seconds: encoders that cut pages by bytes fail there.
const SITTING: &[Part] = &[
    Voice(
        "en-us+m3",
        150,
        40,
        -8,
        "The sitting is open. I welcome the members of the assembly, \
        our guests in the gallery, and everybody who listens at home.",
    ),
    Silence(7),
    Voice(
        "en-gb+f2",
        170,
        60,
        -22,
        "Thank you, Madam President. We debate the budget of next \
        year today, and I ask for your attention for twenty-five numbers.",
    ),
    Silence(1),
    Voice(
        "en-us+m7",
        190,
        30,
        3,
        "That is beyond belief! I object to this account with all \
        force. The papers came far too late, and half of them were missing!",
    ),
    Silence(8),
    Voice(
        "de+f4",
        145,
        50,
        -12,
        "Gibt es dazu Fragen? Das ist nicht der Fall. Dann kommen wir \
        zur Abstimmung. Wer dem Antrag zustimmen möchte, den bitte ich um das Handzeichen. \
        Danke. Die Gegenprobe. Enthaltungen? Damit ist der Antrag angenommen.",
    ),
    Silence(2),
    Voice(
        "en-gb+m1",
        160,
        45,
        -10,
        "The next item on the agenda is the report of the committee \
        on transport. The floor is yours.",
    ),
    Silence(3),
];

const DEMO: &[Part] = &[
    Voice(
        "en-us+f3",
        155,
        50,
        -6,
        "This is Plenum. You hear a programme that left the source a \
        few seconds ago, went through the master and a relay, and reached you where the \
        balancer sent you.",
    ),
    Silence(1),
    Voice(
        "en-gb+m3",
        150,
        40,
        -6,
        "To hear something of your own, stop the demonstration and \
        type: make demo, file equals, and the name of a sound file.",
    ),
    Silence(1),
    Voice(
        "en-us+m7",
        160,
        35,
        -6,
        "Kill any of the four programs and start it again. The others \
        stay up, and the programme comes back by itself.",
    ),
    Silence(2),
];

/// A sitting of about 70 seconds with five voices and long pauses, made once and kept.
///
/// # Errors
/// When espeak-ng or sox is missing or fails.
pub fn sitting() -> Result<PathBuf> {
    made("sitting.wav", SITTING)
}

/// The programme the demo plays when it is given no file, made once and kept.
///
/// # Errors
/// When espeak-ng or sox is missing or fails.
pub fn demo() -> Result<PathBuf> {
    made("demo.wav", DEMO)
}

/// The sitting as an Ogg Vorbis file, for those who send files.
///
/// # Errors
/// When the sitting cannot be made or encoded.
pub fn sitting_ogg() -> Result<PathBuf> {
    let wav = sitting()?;
    let path = wav.with_extension("ogg");
    if !path.is_file() {
        put(&path, |unfinished| {
            let mut oggenc = Command::new("oggenc");
            run(oggenc
                .args(["-Q", "-q", "2", "-o"])
                .arg(unfinished)
                .arg(&wav))
            .map(drop)
        })?;
    }
    Ok(path)
}

/// A minute of noise that swells and fades, made once and kept: no encoder can save on it, so
/// that a bitrate is kept.
///
/// # Errors
/// When sox is missing or fails.
pub fn noise() -> Result<PathBuf> {
    let path = cache("speech")?.join("noise.wav");
    if !path.is_file() {
        put(&path, |unfinished| {
            let mut sox = Command::new("sox");
            sox.args(["-R", "-n", "-r", "48000", "-c", "1", "-b", "16"]);
            sox.arg(unfinished);
            run(sox.args(["synth", "60", "pinknoise", "tremolo", "0.2", "60"])).map(drop)
        })?;
    }
    Ok(path)
}

fn made(name: &str, parts: &[Part]) -> Result<PathBuf> {
    let path = cache("speech")?.join(name);
    if !path.is_file() {
        put(&path, |unfinished| make(unfinished, parts))?;
    }
    Ok(path)
}

/// Makes a file beside its place and moves it there when it is whole, so that two tests at
/// once do no harm.
fn put(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    let workshop = tempfile::tempdir_in(folder)?;
    let unfinished = workshop.path().join(path.file_name().unwrap_or_default());
    make(&unfinished)?;
    std::fs::rename(&unfinished, path)
        .with_context(|| format!("cannot put {} in its place", path.display()))
}

fn make(path: &Path, parts: &[Part]) -> Result<()> {
    let mut join = Command::new("sox");
    for (n, part) in parts.iter().enumerate() {
        join.arg(record(part, &path.with_extension(format!("{n}.wav")))?);
    }
    run(join.arg(path)).map(drop)
}

/// One part at 48 kHz, mono, 16 bits.
fn record(part: &Part, path: &Path) -> Result<PathBuf> {
    // -D: no dither. Sox would put noise where there must be digital zeros.
    let format = ["-r", "48000", "-c", "1", "-b", "16"];
    let mut sox = Command::new("sox");
    match part {
        Silence(seconds) => {
            sox.args(["-D", "-n"]).args(format).arg(path);
            run(sox.args(["trim", "0", &seconds.to_string()]))?;
        }
        Voice(voice, speed, pitch, level, text) => {
            let spoken = path.with_extension("spoken.wav");
            let mut espeak = Command::new("espeak-ng");
            espeak.args([
                "-v",
                voice,
                "-s",
                &speed.to_string(),
                "-p",
                &pitch.to_string(),
            ]);
            run(espeak.arg("-w").arg(&spoken).arg(text))?;
            sox.arg("-D").arg(&spoken).args(format).arg(path);
            run(sox.args(["gain", &level.to_string()]))?;
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::samples;

    #[test]
    fn a_sitting_has_voices_and_long_pauses_of_digital_silence() -> Result<()> {
        let wav = std::fs::read(sitting()?)?;
        let samples = samples(&wav[44..]);
        let seconds = samples.len() / 48_000;
        assert!((60..=80).contains(&seconds), "{seconds} s");
        let longest = samples
            .split(|sample| *sample != 0)
            .map(<[i16]>::len)
            .max()
            .unwrap_or(0);
        assert!(
            longest > 6 * 48_000,
            "the longest silence has {longest} samples"
        );
        let loudest = samples.iter().map(|s| s.unsigned_abs()).max();
        assert!(loudest > Some(20_000), "{loudest:?}");
        Ok(())
    }
}
