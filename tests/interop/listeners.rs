//! Other people's players, each of which plays all formats that it can, into files: sound at
//! 48 kHz, mono, 16 bits, and pictures as JPEG.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tests::browser::scripts;
use tests::programs::Program;
use tests::radios::NOBODY;
use tests::tone::{OWN, RATE, hertz, is_near, n_jumps};
use tests::tools::{finish, samples};
use tests::wait::until;

use super::sources::plays_files;
use super::table::{Format, Line};

/// So much each plays.
const SECONDS: usize = 10;
const N_SAMPLES: usize = SECONDS * RATE;
/// In so many tenths of a second the tone that was sent must be heard: where a file begins anew,
/// or a decoder begins, it may be something else.
const N_TENTHS: usize = 10 * SECONDS - 5;
/// Where a decoder begins, it may still be something else.
const BEGINNING_SAMPLES: usize = RATE / 2;
/// So often the tone may jump where a file begins anew: at the end of the one and at the beginning of
/// the other, and once more where a sound card was too slow.
const JUMPS_MAX: usize = 3;
/// So many pictures must be seen of ten a second; VLC leaves some out when it is busy.
const N_PICTURES: usize = 4 * SECONDS;
/// It has played by then.
const PLAY_MAX: Duration = Duration::from_secs(90);
/// A browser has started and played by then.
const BROWSE_MAX: Duration = Duration::from_secs(150);
/// What VLC says when all is well goes beyond errors.
const VLC_ERRORS: [&str; 4] = ["corrupt", "decoder error", "demux error", "access error"];
/// What it says and plays on: of every live WebM, also of an Icecast's, and of its own queue before
/// a file.
const VLC_NO_ERRORS: [&str; 2] = ["cannot find any cluster", "buffer deadlock prevented"];
/// The head of a WAV as ogg123 writes it, and where in it the number of channels stands.
const WAV_HEAD_BYTES: usize = 44;
const WAV_CHANNELS_AT: usize = 22;

/// Who listens can wait: sources come first, and before these the tests beside this one.
const MODEST: [&str; 3] = ["nice", "-n", "10"];

fn modest(name: &str) -> Command {
    let mut command = Command::new(MODEST[0]);
    command.args(&MODEST[1..]).arg(name);
    command
}

/// It is the tone that was sent, nearly everywhere; and it jumps only where its source does.
fn check_sound(raw: &[u8], source: &Line) -> Result<()> {
    let sound = samples(raw);
    let heard: Vec<usize> = hertz(&sound).take(10 * SECONDS).collect();
    let n_right = heard.iter().filter(|hertz| is_near(**hertz, OWN)).count();
    ensure!(n_right >= N_TENTHS, "heard in hertz: {heard:?}");
    let heard = sound.get(BEGINNING_SAMPLES..N_SAMPLES.min(sound.len()));
    let n_jumps = n_jumps(heard.unwrap_or_default(), OWN);
    let n_jumps_max = if plays_files(source) { JUMPS_MAX } else { 0 };
    ensure!(n_jumps <= n_jumps_max, "the tone jumps {n_jumps} times");
    Ok(())
}

/// How many pictures of JPEG there are in a file, or in the files of a folder.
fn n_pictures(at: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(at) else {
        let bytes = std::fs::read(at).unwrap_or_default();
        return bytes
            .windows(3)
            .filter(|three| three == b"\xff\xd8\xff")
            .count();
    };
    entries.count()
}

fn check_pictures(format: Format, at: &Path) -> Result<()> {
    let n_pictures = n_pictures(at);
    ensure!(
        n_pictures >= N_PICTURES || !format.has_picture(),
        "{n_pictures} pictures"
    );
    Ok(())
}

/// ffmpeg decodes a link and has nothing to complain of.
pub(super) fn ffmpeg_decodes(
    url: &str,
    (source, format): (&Line, Format),
    folder: &Path,
) -> Result<()> {
    let pictures = folder.join(url.rsplit('/').next().unwrap_or_default().to_owned() + ".mjpeg");
    let mut ffmpeg = modest("ffmpeg");
    // Counted, not timed: in a FLAC that it joins late, also at an Icecast, ffmpeg takes the first
    // page to be at 0, and the second where it is.
    let filter = format!("aresample={RATE},atrim=end_sample={N_SAMPLES}");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", url, "-map", "0:a"]);
    ffmpeg.args(["-af", &filter, "-ac", "1", "-f", "s16le", "-"]);
    if format.has_picture() {
        // As they come: not put into a grid.
        let passed = "-map 0:v -fps_mode passthrough -enc_time_base:v 1/1000 -f mjpeg";
        ffmpeg.args(passed.split(' '));
        ffmpeg.args(["-t", &SECONDS.to_string()]).arg(&pictures);
    }
    let output = finish(&mut ffmpeg, PLAY_MAX)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "{said}");
    check_sound(&output.stdout, source)?;
    check_pictures(format, &pictures)
}

/// What a browser's own player has come to.
#[derive(Debug, Deserialize)]
struct Heard {
    wrong: Option<String>,
    n_pictures: usize,
}

/// A browser has six connections to one server, and needs one to look whether it is time.
const LINKS_A_SERVER: usize = 5;

/// A browser's own player plays all mounts at once, in one page.
pub(super) fn browser_plays(
    line: &Line,
    mounts: &[(&Line, Format)],
    url: &str,
    sound_card: &str,
) -> Result<()> {
    let links = mounts.iter().enumerate().map(|(n, (source, format))| {
        let host = format!("127.0.0.{}", 1 + n / LINKS_A_SERVER);
        url.replace("127.0.0.1", &host) + &source.mount(*format)
    });
    let mut node = modest("node");
    node.current_dir(scripts()?)
        .env("PULSE_SERVER", sound_card)
        .args(["hear.mjs", line.slug, &SECONDS.to_string()])
        .args(links);
    let output = finish(&mut node, BROWSE_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = || format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<Heard> = serde_json::from_str(&said).with_context(wrong)?;
    ensure!(all.len() == mounts.len(), wrong());
    for ((source, format), heard) in mounts.iter().zip(&all) {
        let is_right = match format.has_picture() {
            true if line.is_tried_with(*format) => heard.n_pictures >= N_PICTURES,
            // What is said of it is to be true.
            true => heard.n_pictures == 0,
            false => true,
        };
        ensure!(
            heard.wrong.is_none() && is_right,
            "{} of {}: {}",
            format.name,
            source.name,
            wrong()
        );
    }
    Ok(())
}

/// A player that plays into files.
pub(super) struct Playing<'a> {
    program: Program,
    source: &'a Line,
    format: Format,
    folder: PathBuf,
}

impl<'a> Playing<'a> {
    pub(super) fn start(
        line: &Line,
        (source, format): (&'a Line, Format),
        url: &str,
        folder: &Path,
    ) -> Result<Self> {
        let mount = url.rsplit('/').next().unwrap_or_default();
        let folder = folder.join(format!("{}-{mount}", line.slug));
        std::fs::create_dir_all(&folder)?;
        // VLC is somebody else.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
        let (name, words) = command(line.slug, url, format, &folder);
        let home = folder.display().to_string();
        let mut program = Program::new(name, name, &folder)
            .behind(MODEST)
            .arguments(words)
            .variable("HOME", &home);
        if line.slug == "vlc" && rustix::process::getuid().is_root() {
            program = program.behind(NOBODY);
        }
        program.start()?;
        Ok(Self {
            program,
            source,
            format,
            folder,
        })
    }

    /// Waits until it has played, and looks what it has to say.
    pub(super) fn plays(mut self) -> Result<()> {
        let (sound, pictures) = (self.folder.join("sound.raw"), self.folder.join("pictures"));
        let n_bytes = || mono(self.program.name(), &sound).map_or(0, |sound| sound.len());
        let has_seen = || !self.format.has_picture() || n_pictures(&pictures) >= N_PICTURES;
        until(PLAY_MAX, "it plays", || {
            n_bytes() >= 2 * N_SAMPLES && has_seen()
        })
        .with_context(|| format!("{} bytes; {}", n_bytes(), self.program.story()))?;
        let said = self.program.log();
        let has_ended = !self.program.is_running();
        let _ = self.program.kill();
        ensure!(!has_ended, "it ended: {said}");
        let is_clean = match self.program.name() {
            "cvlc" => !said.to_lowercase().lines().any(|line| {
                let is_error = VLC_ERRORS.iter().any(|word| line.contains(word));
                is_error && !VLC_NO_ERRORS.iter().any(|fine| line.contains(fine))
            }),
            _ => said.trim().is_empty(),
        };
        ensure!(is_clean, "{said}");
        check_sound(&mono(self.program.name(), &sound)?, self.source)
    }
}

/// What a player has written. All but ogg123 write one channel; of its own it is the first one.
fn mono(player: &str, file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file)?;
    if player != "ogg123" {
        return Ok(bytes);
    }
    let n_channels = usize::from(*bytes.get(WAV_CHANNELS_AT).unwrap_or(&1)).max(1);
    let samples = bytes.get(WAV_HEAD_BYTES..).unwrap_or_default();
    let samples = samples.as_chunks::<2>().0.iter().step_by(n_channels);
    Ok(samples.flatten().copied().collect())
}

/// What a player is called with to put sound and pictures into a folder.
fn command(player: &str, url: &str, format: Format, folder: &Path) -> (&'static str, Vec<String>) {
    let to = folder.join("sound.raw").display().to_string();
    let seen = folder.join("pictures").display().to_string();
    let (name, words) = match player {
        "mpv" => {
            let picture = match format.has_picture() {
                true => format!("--vo=image --vo-image-format=jpg --vo-image-outdir={seen}"),
                false => "--no-video".to_owned(),
            };
            let sound = "--audio-format=s16 --audio-samplerate=48000 --audio-channels=mono";
            let file = format!("--ao=pcm --ao-pcm-waveheader=no --ao-pcm-file={to}");
            let quiet = "--no-config --msg-level=all=error";
            ("mpv", format!("{quiet} {picture} {sound} {file} {url}"))
        }
        "vlc" => {
            let sound = "transcode{acodec=s16l,samplerate=48000,channels=1}";
            let sound = format!("{sound}:std{{access=file,mux=raw,dst={to}}}");
            let picture = "transcode{vcodec=mjpg,venc=avcodec{strict=-1}}";
            let picture = format!("{picture}:std{{access=file,mux=raw,dst={seen}}}");
            let chain = match format.has_picture() {
                true => {
                    format!("duplicate{{dst='{sound}',select=audio,dst='{picture}',select=video}}")
                }
                false => sound,
            };
            let quiet = "-I dummy --no-dbus --sout-keep";
            ("cvlc", format!("{quiet} --sout #{chain} {url}"))
        }
        "mpg123" => ("mpg123", format!("-q -r 48000 -m -e s16 -O {to} {url}")),
        "ogg123" => ("ogg123", format!("-q -d wav -f {to} {url}")),
        _ => return gstreamer(url, &to, &seen),
    };
    (name, words.split_whitespace().map(str::to_owned).collect())
}

/// GStreamer as its players use it: it goes on where one song follows another.
fn gstreamer(url: &str, to: &str, seen: &str) -> (&'static str, Vec<String>) {
    let words = [
        "-q".to_owned(),
        "playbin".to_owned(),
        format!("uri={url}"),
        format!(
            "audio-sink=audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! filesink location={to}"
        ),
        format!("video-sink=videoconvert ! jpegenc ! filesink location={seen}"),
    ];
    ("gst-launch-1.0", words.to_vec())
}
