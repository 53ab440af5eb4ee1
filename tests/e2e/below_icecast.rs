//! Our relay below Debian's Icecast: what is there comes once, whatever breaks between them.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{MOUNT, STOP_MAX, write_private};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::http::{Address, Request, get};
use tests::line::Line;
use tests::pcm::compare;
use tests::peers::Icecast;
use tests::players::{Decoder, Player};
use tests::ports;
use tests::programs::{Program, find};
use tests::soak::hear_the_end;
use tests::speech;
use tests::tools::run;
use tests::wait::eventually;

const EAR_MAX: Duration = Duration::from_secs(20);
/// At 128 kbit/s and 48 kHz.
const FRAME_BYTES: usize = 384;
const PASSWORD: &str = "a-password-for-icecast";

/// Our relay under an Icecast, and the way between them.
struct Below {
    icecast: Icecast,
    line: Line,
    relay: Program,
    source: Program,
    url: String,
}

impl Below {
    /// Our own source. `settings`: how the relay learns which mounts there are.
    fn start(folder: &Path, settings: impl Fn(&str) -> String) -> Result<Self> {
        Self::start_with(folder, settings, MOUNT, our_source)
    }

    fn start_with(
        folder: &Path,
        settings: impl Fn(&str) -> String,
        mount: &str,
        source: impl Fn(&Path, &str, &str) -> Result<Program>,
    ) -> Result<Self> {
        let password = PASSWORD;
        let mut icecast = Icecast::new(folder, password)?;
        icecast.program.start()?;
        let address = Address::parse(&icecast.url)?;
        eventually(EAR_MAX, "Icecast answers", || address.connect())?;
        let (_, port) = address.authority.rsplit_once(':').context("has a port")?;
        let line = Line::to(port.parse()?)?;
        let own_port = ports::free()?;
        let config = folder.join("relay.toml");
        let text = format!(
            "listen = \"127.0.0.1:{own_port}\"\n[icecast]\nurl = \"{}\"\n{}\n",
            line.url(),
            settings(password)
        );
        write_private(&config, &text)?;
        let mut relay = Program::new("relay", find("plenum-relay")?, folder)
            .arguments(["--config".to_owned(), config.display().to_string()]);
        relay.start()?;
        let mut source = source(folder, &format!("{}{mount}", icecast.url), password)?;
        source.start()?;
        Ok(Self {
            icecast,
            line,
            relay,
            source,
            url: format!("http://127.0.0.1:{own_port}{mount}"),
        })
    }

    fn listen(&self) -> Result<Ear> {
        eventually(EAR_MAX, "the relay plays", || Ear::listen(&self.url))
            .with_context(|| self.story())
    }

    /// Waits for so many more seconds of sound.
    fn hear_on(&self, ear: &Ear, seconds: i64) -> Result<()> {
        let n_samples = ear.heard().n_samples() + seconds * 48_000;
        ear.wait_for_samples(n_samples, EAR_MAX)
            .with_context(|| self.story())
    }

    fn story(&self) -> String {
        let programs = [&self.relay, &self.icecast.program, &self.source];
        programs.map(Program::story).join("\n")
    }
}

fn our_source(folder: &Path, url: &str, password: &str) -> Result<Program> {
    let config = folder.join("source.toml");
    write_private(&config, &configs::source(url, password, Path::new("")))?;
    let recording = folder.join("recording.ogg").display().to_string();
    let sitting = speech::sitting()?.display().to_string();
    Ok(Program::new("source", find("plenum-source")?, folder)
        .arguments(["--config".to_owned(), config.display().to_string()])
        .arguments(["--record".to_owned(), recording, "file".to_owned(), sitting]))
}

/// ffmpeg, which sends the frames of `speech.mp3` as they are.
fn mp3_source(folder: &Path, url: &str, password: &str) -> Result<Program> {
    let file = folder.join("speech.mp3");
    run(Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(speech::sitting()?)
        .args(["-t", "60", "-c:a", "libmp3lame", "-b:a", "128k"])
        .args(["-write_xing", "0", "-id3v2_version", "0"])
        .arg(&file))?;
    let to = url.replace("http://", &format!("icecast://source:{password}@"));
    Ok(Program::new("ffmpeg", "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "error", "-re", "-i"])
        .arguments([file.display().to_string()])
        .arguments(["-c", "copy", "-write_xing", "0", "-id3v2_version", "0"])
        .arguments(["-content_type", "audio/mpeg", "-flush_packets", "1"])
        .arguments(["-f", "mp3", &to]))
}

/// How many bytes of `heard` are `sent`, from `from` on.
fn n_same(heard: &[u8], sent: &[u8]) -> usize {
    heard.iter().zip(sent).take_while(|(a, b)| a == b).count()
}

fn find_in(sent: &[u8], start: &[u8]) -> Result<usize> {
    let mut places = sent.windows(start.len());
    places.position(|piece| piece == start).context("not sent")
}

/// MP3 has no numbers: what comes twice is known by what it holds.
#[test]
fn our_relay_under_icecast_plays_mp3_once_through_breaks_and_a_restart_of_its_source() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let mount = "/live.mp3";
    let no_password = |_: &str| String::new();
    let mut below = Below::start_with(folder.path(), no_password, mount, mp3_source)?;
    eventually(EAR_MAX, "the relay plays", || {
        let head = Request::new("HEAD", &below.url)?.send()?.head;
        ensure!(head.status == 200, "{head:?}");
        Ok(())
    })
    .with_context(|| below.story())?;
    let mut curl = Player::curl(&below.url, folder.path())?;
    let heard = folder.path().join("curl.ogg");
    let n_heard = || std::fs::metadata(&heard).map_or(0, |about| about.len());
    curl.wait_for_bytes(30_000, EAR_MAX)?;
    for is_lost in [true, false] {
        below.line.cut();
        // Nothing can be watched here: time itself is the condition.
        sleep(Duration::from_secs(2));
        if is_lost {
            below.line.lose();
        }
        below.line.heal();
        curl.wait_for_bytes(n_heard() + 30_000, EAR_MAX)
            .with_context(|| below.story())?;
    }
    let title = format!(
        "{}/admin/metadata?mode=updinfo&mount={mount}&song=Caf%E9",
        below.icecast.url
    );
    Request::new("GET", &title)?
        .credentials("source", PASSWORD)
        .send()?;
    let relay = below.url.replace(mount, "/status-json.xsl");
    eventually(EAR_MAX, "the title is told", || {
        let status = get(&relay)?.text();
        ensure!(status.contains("\"Café\""), "{status}");
        Ok(())
    })?;
    below.source.kill()?;
    below.source.start()?;
    let n_before = n_heard();
    curl.wait_for_bytes(n_before + 40_000, EAR_MAX)
        .with_context(|| below.story())?;
    ensure!(!curl.has_ended(), "the listener was sent away");
    let heard = curl.stop()?;
    let sent = std::fs::read(folder.path().join("speech.mp3"))?;
    let from = find_in(&sent, &heard[..2_000])?;
    let n_first = n_same(&heard, &sent[from..]);
    // All heads are the same.
    let n_first = n_first - n_first % FRAME_BYTES;
    let again = find_in(&sent, &heard[n_first..][..2_000])?;
    ensure!(again < 32_000, "after the restart it begins at {again}");
    let n_second = n_same(&heard[n_first..], &sent[again..]);
    note(&format!(
        "{n_first} bytes of MP3 through two breaks, {n_second} after a restart"
    ));
    ensure!(n_first > 90_000, "something is wrong after {n_first} bytes");
    ensure!(
        n_first + n_second == heard.len(),
        "{n_second} of {}",
        heard.len() - n_first
    );
    Ok(())
}

#[test]
fn our_relay_under_icecast_loses_nothing_while_the_way_is_cut_for_3_s() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = |password: &str| format!("password = \"{password}\"");
    let mut below = Below::start(folder.path(), password)?;
    let ear = below.listen()?;
    below.hear_on(&ear, 5)?;
    for is_lost in [true, false] {
        below.line.cut();
        // Nothing can be watched here: time itself is the condition.
        sleep(Duration::from_secs(3));
        if is_lost {
            below.line.lose();
        }
        below.line.heal();
        below.hear_on(&ear, 6)?;
    }
    below.source.stop(STOP_MAX)?;
    let heard = hear_the_end(ear).with_context(|| below.story())?;
    heard.check_order().with_context(|| below.story())?;
    let file = folder.path().join("heard.ogg");
    std::fs::write(&file, &heard.body)?;
    let comparison = compare(
        &Decoder::Ffmpeg.decode(&folder.path().join("recording.ogg"))?,
        &Decoder::Ffmpeg.decode(&file)?,
    );
    note(&format!("Icecast to our relay's listener: {comparison}"));
    ensure!(comparison.is_exact(), "{comparison}");
    Ok(())
}

#[test]
fn our_relay_under_icecast_keeps_its_listeners_when_the_source_there_is_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut below = Below::start(folder.path(), |_| String::new())?;
    let ear = below.listen()?;
    below.hear_on(&ear, 3)?;
    below.source.stop(STOP_MAX)?;
    below.source.start()?;
    below.hear_on(&ear, 6)?;
    ensure!(!ear.heard().has_ended, "the listener was sent away");
    let heard = ear.stop();
    heard.check_order()?;
    let n_links = heard
        .pages
        .iter()
        .filter(|page| page.stamp.is_first)
        .count();
    ensure!(n_links == 2, "{n_links} links");
    Ok(())
}
