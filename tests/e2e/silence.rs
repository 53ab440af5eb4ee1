//! Filler in real files: what other people's encoders make is measured to the sample, and
//! silence inside it is silence to other people's decoders.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::log::Splice;
use stream::ogg::{Found, Framer, Measure, Page};
use tests::figures::note;
use tests::players::oggz_validate;
use tests::tools::{run, samples};

/// Long enough to tell from a slip.
const FILLED: Duration = Duration::from_millis(3_300);
/// The longest overlap of two blocks: half of the longest that Vorbis has.
const OVERLAP_MAX: usize = 4096;
/// Opus: filters ring for a moment, and the encoder's memory is another after silence.
const OPUS_EDGE: usize = 48_000 / 2;

/// How a file is made, and how many samples a second it has.
struct Made {
    command: &'static str,
    rate_hertz: usize,
    n_channels: usize,
}

const fn made(command: &'static str, rate_hertz: usize, n_channels: usize) -> Made {
    Made {
        command,
        rate_hertz,
        n_channels,
    }
}

/// `IN` is a WAV file of the rate and the channels, `OUT` the file to make.
const VORBIS: [Made; 8] = [
    made("oggenc -Q -q 2 -o OUT IN", 48_000, 1),
    made("oggenc -Q -q 10 -o OUT IN", 44_100, 2),
    made("oggenc -Q -q -1 -o OUT IN", 22_050, 1),
    made("oggenc -Q -q 3 -o OUT IN", 8_000, 1),
    made("oggenc -Q -q 5 -o OUT IN", 96_000, 2),
    made("oggenc -Q -q 4 -o OUT IN", 48_000, 6),
    made("oggenc -Q --managed -b 64 -o OUT IN", 44_100, 2),
    made(
        "ffmpeg -loglevel error -i IN -c:a libvorbis -b:a 96k OUT",
        48_000,
        2,
    ),
];

const OPUS: [Made; 6] = [
    made("opusenc --quiet --bitrate 24 IN OUT", 48_000, 1),
    made("opusenc --quiet --bitrate 96 IN OUT", 48_000, 2),
    made(
        "opusenc --quiet --bitrate 12 --framesize 60 IN OUT",
        16_000,
        1,
    ),
    made("opusenc --quiet --framesize 2.5 IN OUT", 48_000, 2),
    made("opusenc --quiet --bitrate 256 IN OUT", 48_000, 6),
    made(
        "ffmpeg -loglevel error -i IN -c:a libopus -b:a 48k OUT",
        48_000,
        2,
    ),
];

/// Eight seconds of noise that begins and stops at once: long blocks and short ones.
fn make(folder: &Path, made: &Made) -> Result<PathBuf> {
    let (wav, ogg) = (folder.join("in.wav"), folder.join("out.ogg"));
    let mut sox = Command::new("sox");
    sox.args(["-D", "-R", "-n", "-b", "16"])
        .args([
            "-r",
            &made.rate_hertz.to_string(),
            "-c",
            &made.n_channels.to_string(),
        ])
        .arg(&wav)
        .args([
            "synth",
            "8",
            "pinknoise",
            "synth",
            "square",
            "amod",
            "1.7",
            "gain",
            "-6",
        ]);
    run(&mut sox)?;
    let words = made.command.split(' ').map(|word| match word {
        "IN" => wav.display().to_string(),
        "OUT" => ogg.display().to_string(),
        word => word.to_owned(),
    });
    let words: Vec<_> = words.collect();
    run(Command::new(&words[0]).args(&words[1..]))?;
    Ok(ogg)
}

fn pages(bytes: &[u8]) -> Vec<Page> {
    let (mut framer, mut rest) = (Framer::new(), bytes);
    std::iter::from_fn(|| framer.next(&mut rest))
        .filter_map(|found| match found {
            Found::Page(page) => Some(page),
            Found::Junk { .. } => None,
        })
        .collect()
}

/// The place of silence, in samples of the decoded sound.
struct Filled {
    pages: Vec<Page>,
    at: usize,
    n_samples: usize,
}

/// The file with filler behind so many of its pages.
fn fill(pages: &[Page], n_before: usize, rate_hertz: usize) -> Result<Filled> {
    let (mut splice, mut out) = (Splice::new(), Vec::new());
    for page in &pages[..n_before] {
        splice.take(page, || 5, &mut out);
    }
    let at = usize::try_from(out.last().context("has pages")?.stamp().granule)?;
    let filled = splice.fill(FILLED, &mut out);
    let n_samples = filled.as_nanos() * rate_hertz as u128 + 500_000_000;
    for page in &pages[n_before..] {
        splice.take(page, || 5, &mut out);
    }
    Ok(Filled {
        pages: out,
        at,
        n_samples: usize::try_from(n_samples / 1_000_000_000)?,
    })
}

fn write(path: &Path, pages: &[Page]) -> Result<()> {
    let bytes: Vec<_> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
    Ok(std::fs::write(path, bytes)?)
}

/// Decodes with a command that writes raw 16 bit samples.
fn decode(command: &str, file: &Path) -> Result<Vec<i16>> {
    let raw = file.with_extension("raw");
    let words = command.split(' ').map(|word| match word {
        "IN" => file.display().to_string(),
        "OUT" => raw.display().to_string(),
        word => word.to_owned(),
    });
    let words: Vec<_> = words.collect();
    let output = run(Command::new(&words[0]).args(&words[1..]))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.trim().is_empty(), "{command}: {said}");
    Ok(samples(&std::fs::read(&raw)?))
}

const OGGDEC: &str = "oggdec -Q -R -b 16 -o OUT IN";
const OPUSDEC: &str = "opusdec --quiet --no-dither --rate 48000 IN OUT";
const FFMPEG: &str = "ffmpeg -nostdin -loglevel warning -i IN -f s16le -y OUT";

#[test]
fn the_length_of_every_packet_of_every_encoder_is_known_to_the_sample() -> Result<()> {
    for made in VORBIS.iter().chain(&OPUS) {
        let folder = tempfile::tempdir()?;
        let pages = pages(&std::fs::read(make(folder.path(), made)?)?);
        let mut measure = Measure::new(pages[0].body());
        let mut n_samples = 0;
        let mut offset = None;
        let mut n_checked = 0;
        for page in &pages {
            n_samples += i64::try_from(measure.take(page))?;
            let stamp = page.stamp();
            // The last page may be cut short, and the first ones begin at a time of their own.
            if stamp.granule > 0 && !stamp.is_last && n_samples > 0 {
                let offset = *offset.get_or_insert(stamp.granule - n_samples);
                let own = stamp.granule - offset;
                ensure!(own == n_samples, "{}: {own} is {n_samples}", made.command);
                n_checked += 1;
            }
        }
        ensure!(n_checked >= 3, "{}: {n_checked} pages", made.command);
    }
    Ok(())
}

/// Sound up to the filler is the file's, filler is zero, sound after it is the file's.
fn check_vorbis(made: &Made, decoder: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = make(folder.path(), made)?;
    let pages = pages(&std::fs::read(&file)?);
    // To one decoder behind the first page with sound, to the other in the middle.
    let n_before = if decoder == OGGDEC {
        3
    } else {
        pages.len() / 2
    };
    let filled = fill(&pages, n_before, made.rate_hertz)?;
    let with = folder.path().join("with.ogg");
    write(&with, &filled.pages)?;
    oggz_validate(&with)?;
    let (own, heard) = (decode(decoder, &file)?, decode(decoder, &with)?);
    let per = |n: usize| n * made.n_channels;
    let added = heard.len().saturating_sub(own.len());
    let n_bridged = added.checked_sub(per(filled.n_samples));
    ensure!(
        n_bridged.is_some_and(|n| n <= per(OVERLAP_MAX)),
        "{} samples became {}, filler is {}",
        own.len(),
        heard.len(),
        per(filled.n_samples)
    );
    let (at, after) = (per(filled.at), heard.len() - own.len());
    let overlap = per(OVERLAP_MAX);
    ensure!(heard[..at] == own[..at], "before the filler");
    let silence = &heard[at + overlap..at + after - overlap];
    ensure!(silence.iter().all(|sample| *sample == 0), "in the filler");
    let resumed = at + overlap;
    ensure!(
        heard[resumed + after..] == own[resumed..],
        "after the filler"
    );
    Ok(())
}

#[test]
fn silence_inside_a_vorbis_file_is_exact_to_libvorbis_and_ffmpeg() -> Result<()> {
    for made in &VORBIS {
        for decoder in [OGGDEC, FFMPEG] {
            check_vorbis(made, decoder).with_context(|| format!("{}: {decoder}", made.command))?;
        }
    }
    Ok(())
}

fn check_opus(made: &Made, decoder: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = make(folder.path(), made)?;
    let pages = pages(&std::fs::read(&file)?);
    let filled = fill(&pages, pages.len() / 2, 48_000)?;
    let with = folder.path().join("with.ogg");
    write(&with, &filled.pages)?;
    oggz_validate(&with)?;
    let (own, heard) = (decode(decoder, &file)?, decode(decoder, &with)?);
    let per = |n: usize| n * made.n_channels;
    let added = heard.len() - own.len();
    ensure!(added == per(filled.n_samples), "{added} samples more");
    // What is skipped at the start is counted in granule positions.
    let at = per(filled.at).min(own.len());
    let silence = &heard[at + per(OPUS_EDGE)..at + added - per(OPUS_EDGE)];
    let loudest = silence.iter().map(|s| s.unsigned_abs()).max();
    note(&format!(
        "{}, {decoder}: loudest in silence {loudest:?}",
        made.command
    ));
    ensure!(loudest == Some(0), "{loudest:?}");
    Ok(())
}

#[test]
fn silence_inside_an_opus_file_is_exact_to_libopus_and_ffmpeg() -> Result<()> {
    for made in &OPUS {
        for decoder in [OPUSDEC, FFMPEG] {
            check_opus(made, decoder).with_context(|| format!("{}: {decoder}", made.command))?;
        }
    }
    Ok(())
}
