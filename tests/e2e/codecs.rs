//! Sources that are away and do not send Vorbis: silence in Opus, a hold where there is none.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
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
/// Of each codec so much is at least 2 s of noise.
const BYTES_ONCE_MORE: [u64; 2] = [30_000, 200_000];

/// A mount that ffmpeg feeds, and who listens to it at the relay.
struct Station {
    ffmpeg: Program,
    relay: String,
    curl: Option<Player>,
    folder: TempDir,
}

impl Station {
    fn new(cluster: &Cluster, codec: &str, tone: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mount = format!("/{codec}.ogg");
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
            .arguments(["-c:a", codec, "-page_duration", "200000"])
            .arguments(["-content_type", "application/ogg", "-f", "ogg", &to]);
        let relay = cluster.url(Role::Relay(0)).context("listens")? + &mount;
        Ok(Self {
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
        let file = self.folder.path().join("heard.ogg");
        std::fs::write(&file, body)?;
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

#[test]
fn an_opus_source_that_is_away_is_silence_and_a_flac_source_is_waited_for() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    let tone = folder.path().join("tone.wav");
    run(Command::new("sox")
        .args(["-D", "-R", "-n", "-r", "48000", "-c", "1", "-b", "16"])
        .arg(&tone)
        .args(["synth", "20", "pinknoise"]))?;
    let mut stations = ["libopus", "flac"]
        .map(|codec| Station::new(&cluster, codec, &tone))
        .into_iter()
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
    sleep(AWAY);
    for ((station, before), once_more) in stations.iter_mut().zip(n_bytes).zip(BYTES_ONCE_MORE) {
        ensure!(before > 0, "{} sent nothing", station.relay);
        let gone = station.n_bytes();
        station.ffmpeg.start()?;
        until(WAIT_MAX, "the same response goes on", || {
            station.n_bytes() > gone + once_more
        })
        .with_context(|| station.ffmpeg.story() + &cluster.story())?;
    }
    let opus = stations[0].longest_silence()?;
    ensure!(opus > SILENCE_MIN, "{opus} samples of silence in Opus");
    let flac = stations[1].longest_silence()?;
    ensure!(flac < SILENCE_MAX, "{flac} samples of silence in FLAC");
    Ok(())
}
