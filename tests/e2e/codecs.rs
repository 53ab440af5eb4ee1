//! Sources that are away and do not send Vorbis: silence in Opus, MP3 and AAC, a hold where there is
//! none.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use stream::mpeg::Sniffer;
use stream::ogg::Found;
use tempfile::TempDir;
use tests::cluster::{Cluster, Role, Sound};
use tests::figures::note;
use tests::http::{Address, Request};
use tests::players::{Decoder, Player};
use tests::programs::Program;
use tests::tools::run;
use tests::wait::until;

const RATE: usize = 48_000;
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Filler begins after 2 s, so there are at least 3 s of it.
const AWAY: Duration = Duration::from_secs(6);
const SILENCE_MIN: usize = 3 * RATE;
/// The program has no silence by itself: no longer than this is anything in it as quiet as that.
const SILENCE_MAX: usize = RATE / 100;
/// No gap is filled for longer than it lasts, but for what is skipped while everything starts.
const FILLED_MAX: usize = 9 * RATE;

/// What a station sends.
struct Kind {
    codec: &'static str,
    mount: &'static str,
    media_type: &'static str,
    format: &'static str,
    /// At least 2 s of noise.
    bytes_once_more: u64,
}

const fn kind(
    codec: &'static str,
    mount: &'static str,
    media_type: &'static str,
    format: &'static str,
    bytes_once_more: u64,
) -> Kind {
    Kind {
        codec,
        mount,
        media_type,
        format,
        bytes_once_more,
    }
}

const KINDS: [Kind; 4] = [
    kind("libopus", "/opus.ogg", "application/ogg", "ogg", 30_000),
    kind("flac", "/flac.ogg", "application/ogg", "ogg", 200_000),
    kind("libmp3lame", "/live.mp3", "audio/mpeg", "mp3", 30_000),
    kind("aac", "/live.aac", "audio/aac", "adts", 30_000),
];

/// A mount that ffmpeg feeds, and who listens to it at the relay.
struct Station {
    kind: &'static Kind,
    ffmpeg: Program,
    relay: String,
    curl: Option<Player>,
    folder: TempDir,
}

impl Station {
    fn new(cluster: &Cluster, kind: &'static Kind, tone: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mount = kind.mount;
        let Address { authority, .. } = Address::parse(&cluster.ports().master_url())?;
        let to = format!(
            "icecast://source:{}@{authority}{mount}",
            cluster.secrets().source
        );
        let tone = tone.display().to_string();
        let ffmpeg = Program::new("ffmpeg", "ffmpeg", folder.path())
            .arguments([
                "-nostdin",
                "-loglevel",
                "info",
                "-re",
                "-stream_loop",
                "-1",
                "-i",
                &tone,
            ])
            .arguments(["-c:a", kind.codec, "-b:a", "128k", "-flush_packets", "1"])
            .arguments(match kind.format {
                "ogg" => vec!["-page_duration", "200000"],
                _ => Vec::new(),
            })
            .arguments(["-content_type", kind.media_type, "-f", kind.format, &to]);
        let relay = cluster.url(Role::Relay(0)).context("listens")? + mount;
        Ok(Self {
            kind,
            ffmpeg,
            relay,
            curl: None,
            folder,
        })
    }

    fn go_on_air(&mut self) -> Result<()> {
        self.ffmpeg.start()?;
        until(WAIT_MAX, "the relay has it", || {
            Request::new("HEAD", &self.relay)
                .and_then(|request| request.send())
                .is_ok_and(|answer| answer.head.status == 200)
        })
        .with_context(|| self.ffmpeg.story())?;
        self.curl = Some(Player::curl(&self.relay, self.folder.path())?);
        Ok(())
    }

    fn n_bytes(&self) -> u64 {
        let heard = std::fs::metadata(self.folder.path().join("curl.ogg"));
        heard.map_or(0, |heard| heard.len())
    }

    /// The longest silence in what one response brought, in samples.
    fn longest_silence(&mut self) -> Result<usize> {
        let body = self.curl.take().context("listens")?.stop()?;
        let file = self
            .folder
            .path()
            .join("heard")
            .with_extension(self.kind.format);
        match self.kind.format {
            "ogg" => std::fs::write(&file, body)?,
            _ => check_frames(&file, &body)?,
        }
        let heard = Decoder::Ffmpeg.decode(&file)?;
        let n_loud = heard.iter().filter(|sample| **sample != 0).count();
        let silences = heard.split(|sample| *sample != 0);
        let longest = silences.map(<[i16]>::len).max().unwrap_or(0);
        let relay = &self.relay;
        note(&format!(
            "{relay}: {n_loud} samples of noise, {longest} of silence at a stretch"
        ));
        ensure!(n_loud > 3 * RATE, "too little is heard: {n_loud} samples");
        Ok(longest)
    }
}

/// Writes the frames that came, and nothing else came. Decoders have no complaint.
fn check_frames(file: &Path, mut body: &[u8]) -> Result<()> {
    let (mut sniffer, mut frames) = (Sniffer::new(), Vec::new());
    while let Some(found) = sniffer.next(&mut body) {
        match found {
            Found::Page(page) => frames.extend_from_slice(page.bytes()),
            junk => bail!("{junk:?} after {} bytes", frames.len()),
        }
    }
    std::fs::write(file, frames)?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(file);
    let mut decoders = vec![ffmpeg.args(["-f", "null", "-"])];
    let mut mpg123 = Command::new("mpg123");
    if file.extension().is_some_and(|format| format == "mp3") {
        decoders.push(mpg123.args(["-q", "-w", "/dev/null"]).arg(file));
    }
    for decoder in decoders {
        let said = run(decoder)?.stderr;
        let said = String::from_utf8_lossy(&said);
        ensure!(said.trim().is_empty(), "{decoder:?} says {said}");
    }
    Ok(())
}

/// Whether filler stands in for all that can have it.
fn all_are_filled(cluster: &Cluster) -> bool {
    let url = cluster.url(Role::Relay(0)).unwrap_or_default();
    let status = tests::http::get(&format!("{url}/api/v1/status"));
    status.is_ok_and(|status| status.text().matches("\"filler_since\"").count() == KINDS.len() - 1)
}

#[test]
fn opus_mp3_and_aac_sources_that_are_away_are_silence_and_flac_is_waited_for() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    let tone = folder.path().join("tone.wav");
    run(Command::new("sox")
        .args(["-D", "-R", "-n", "-r", "48000", "-c", "1", "-b", "16"])
        .arg(&tone)
        .args(["synth", "20", "pinknoise"]))?;
    let mut stations = KINDS
        .iter()
        .map(|kind| Station::new(&cluster, kind, &tone))
        .collect::<Result<Vec<_>>>()?;
    for station in &mut stations {
        station.go_on_air()?;
    }
    sleep(Duration::from_secs(3));
    let mut n_bytes = Vec::new();
    for station in &mut stations {
        station.ffmpeg.kill()?;
        n_bytes.push(station.n_bytes());
    }
    let back_at = Instant::now() + AWAY;
    until(WAIT_MAX, "filler stands in", || all_are_filled(&cluster))?;
    // Another program goes on with it.
    cluster.program(Role::Master).upgrade()?;
    sleep(back_at.saturating_duration_since(Instant::now()));
    let mut gone = Vec::new();
    for (station, before) in stations.iter_mut().zip(n_bytes) {
        ensure!(before > 0, "{} sent nothing", station.relay);
        gone.push(station.n_bytes());
        station.ffmpeg.start()?;
    }
    for (station, gone) in stations.iter_mut().zip(gone) {
        until(WAIT_MAX, "the same response goes on", || {
            station.n_bytes() > gone + station.kind.bytes_once_more
        })
        .with_context(|| station.ffmpeg.story() + &cluster.story())?;
    }
    for station in &mut stations {
        let n_silent = station.longest_silence()?;
        let is_right = match station.kind.codec {
            "flac" => n_silent < SILENCE_MAX,
            _ => (SILENCE_MIN..FILLED_MAX).contains(&n_silent),
        };
        let codec = station.kind.codec;
        ensure!(is_right, "{n_silent} samples of silence in {codec}");
    }
    Ok(())
}
