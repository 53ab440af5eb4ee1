//! Silence in MP3 and AAC: inside files, and while an encoder is away.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::mpeg::{Bridge, Silence, Sniffer};
use stream::ogg::{Found, Page};
use tests::figures::note;
use tests::tools::{run, samples};

const FILLED: Duration = Duration::from_millis(1_300);

/// How a file is made (`IN` is a WAV file, `OUT` the file to make), and the rate and the channels of
/// that.
struct Made {
    command: &'static str,
    rate_hertz: usize,
    n_channels: usize,
    ending: &'static str,
}

const fn made(
    command: &'static str,
    rate_hertz: usize,
    n_channels: usize,
    ending: &'static str,
) -> Made {
    Made {
        command,
        rate_hertz,
        n_channels,
        ending,
    }
}

const MADE: [Made; 11] = [
    made("lame --quiet -t -b 128 IN OUT", 44_100, 2, "mp3"),
    made("lame --quiet -t -b 32 IN OUT", 44_100, 1, "mp3"),
    made("lame --quiet -t -V 4 IN OUT", 48_000, 2, "mp3"),
    made("lame --quiet -t -p -b 64 IN OUT", 48_000, 2, "mp3"),
    made("lame --quiet -t -b 320 -m s IN OUT", 44_100, 2, "mp3"),
    made("lame --quiet -t -b 32 IN OUT", 22_050, 2, "mp3"),
    made("lame --quiet -t -p -b 16 IN OUT", 11_025, 1, "mp3"),
    made(
        "ffmpeg -v error -i IN -c:a mp2 -b:a 192k OUT",
        48_000,
        2,
        "mp2",
    ),
    made(
        "ffmpeg -v error -i IN -c:a aac -aac_pns 0 -b:a 128k OUT",
        44_100,
        2,
        "aac",
    ),
    made(
        "ffmpeg -v error -i IN -c:a aac -aac_pns 0 -b:a 48k OUT",
        48_000,
        1,
        "aac",
    ),
    made(
        "ffmpeg -v error -i IN -c:a aac -aac_pns 0 -b:a 24k OUT",
        16_000,
        2,
        "aac",
    ),
];

/// Three seconds of noise that is never quiet for long.
fn make(folder: &Path, made: &Made) -> Result<PathBuf> {
    let (wav, out) = (
        folder.join("in.wav"),
        folder.join("out").with_extension(made.ending),
    );
    let (rate, channels) = (made.rate_hertz.to_string(), made.n_channels.to_string());
    run(Command::new("sox")
        .args(["-D", "-R", "-n", "-b", "16", "-r", &rate, "-c", &channels])
        .arg(&wav)
        .args([
            "synth",
            "3",
            "pinknoise",
            "synth",
            "square",
            "amod",
            "1.7",
            "gain",
            "-6",
        ]))?;
    command(made.command, &wav, &out)?;
    Ok(out)
}

/// Runs a command that must have nothing to complain of.
fn command(command: &str, from: &Path, to: &Path) -> Result<()> {
    let words = command.split(' ').map(|word| match word {
        "IN" => from.display().to_string(),
        "OUT" => to.display().to_string(),
        word => word.to_owned(),
    });
    let words: Vec<_> = words.collect();
    let output = run(Command::new(&words[0]).args(&words[1..]))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.trim().is_empty(), "{command}: {said}");
    Ok(())
}

fn pages(mut bytes: &[u8]) -> Vec<Page> {
    let mut framer = Sniffer::new();
    let mut pages = Vec::new();
    while let Some(found) = framer.next(&mut bytes) {
        if let Found::Page(page) = found {
            pages.push(page);
        }
    }
    pages
}

fn bytes(pages: &[Page]) -> Vec<u8> {
    pages
        .iter()
        .flat_map(|page| page.bytes().to_vec())
        .collect()
}

fn decode(decoder: &str, frames: &[u8], folder: &Path, ending: &str) -> Result<Vec<i16>> {
    let (file, raw) = (
        folder.join("whole").with_extension(ending),
        folder.join("raw"),
    );
    std::fs::write(&file, frames)?;
    command(decoder, &file, &raw)?;
    Ok(samples(&std::fs::read(&raw)?))
}

const FFMPEG: &str = "ffmpeg -nostdin -v error -err_detect crccheck -i IN -f s16le -y OUT";
const MPG123: &str = "mpg123 -q --no-gapless -e s16 -O OUT IN";

/// The sound of the file, silence, the sound of the file.
fn check(made: &Made) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let pages = pages(&std::fs::read(make(folder, made)?)?);
    let (before, after) = pages.split_at(pages.len() / 2);
    let silence = before.last().and_then(Silence::behind);
    let (mut with, mut bridge) = (before.to_vec(), Bridge::default());
    let length = silence.context("has silence")?.write(FILLED, &mut with);
    bridge.begin();
    with.extend(after.iter().map(|page| bridge.cross(page)));
    let frame = before[0].frame().context("has frames")?;
    let n_frame = usize::try_from(frame.n_samples)? * usize::from(frame.n_channels);
    let n_filled = (length.as_secs_f64() * f64::from(frame.rate_hertz)).round() as usize;
    let n_filled = n_filled * usize::from(frame.n_channels);
    let decoders = match made.ending {
        "aac" => &[FFMPEG][..],
        _ => &[FFMPEG, MPG123],
    };
    for decoder in decoders {
        let own = decode(decoder, &bytes(&pages), folder, made.ending)?;
        let heard = decode(decoder, &bytes(&with), folder, made.ending)?;
        let place = own.len() * bytes(before).len() / bytes(&pages).len();
        compare(&own, &heard, place, n_filled, n_frame)
            .with_context(|| format!("{}: {decoder}", made.command))?;
    }
    Ok(())
}

/// Silence was put in at about this place, of so many samples; and so many a frame has.
fn compare(
    own: &[i16],
    heard: &[i16],
    place: usize,
    n_filled: usize,
    n_frame: usize,
) -> Result<()> {
    ensure!(
        heard.len() == own.len() + n_filled,
        "{} samples",
        heard.len()
    );
    // mpg123 rounds otherwise where it stands elsewhere in its ring of samples.
    let is_same = |(a, b): &(&i16, &i16)| a.abs_diff(**b) <= 1;
    let at = own.iter().zip(heard).take_while(is_same).count();
    let back = own.iter().rev().zip(heard.iter().rev());
    let back = heard.len() - back.take_while(is_same).count();
    let silent = &heard[at + 3 * n_frame..at + n_filled - 2 * n_frame];
    let loudest = silent.iter().map(|s| s.unsigned_abs()).max();
    ensure!(loudest == Some(0), "{loudest:?} in the silence");
    ensure!(at.abs_diff(place) < own.len() / 10, "other sound before it");
    // Its sound lies in the frames before it: so long the file is silent.
    let wrong = &heard[back.min(at + n_filled)..back];
    let n_wrong = wrong.len() / n_frame;
    ensure!(n_wrong < 5, "{n_wrong} frames are not as they were");
    let loudest = |sound: &[i16]| sound.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    note(&format!(
        "silence of {n_filled}, back after {n_wrong} frames, loudest in them {} of {}",
        loudest(wrong),
        loudest(own)
    ));
    ensure!(
        loudest(wrong) <= loudest(own),
        "noise where the sound comes back"
    );
    Ok(())
}

#[test]
fn silence_inside_mp3_and_aac_is_exact_to_ffmpeg_and_mpg123() -> Result<()> {
    let checks: Vec<_> = MADE
        .iter()
        .map(|made| thread::spawn(|| check(made)))
        .collect();
    for check in checks {
        check.join().ok().context("a check panicked")??;
    }
    Ok(())
}
