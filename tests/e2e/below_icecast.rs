//! Our relay below Debian's Icecast: what is there comes once, whatever breaks between them.

use std::path::{Path, PathBuf};
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
const MP3_FRAME_BYTES: usize = 384;
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

/// ffmpeg, which sends the frames of `speech.mp3`, or `speech.aac`, as they are.
fn frames_source(folder: &Path, url: &str, password: &str) -> Result<Program> {
    let (ending, coding, sending) = match url.ends_with("mp3") {
        true => (
            "mp3",
            "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0",
            "-write_xing 0 -id3v2_version 0 -content_type audio/mpeg -f mp3",
        ),
        false => (
            "aac",
            "-c:a aac -b:a 128k",
            "-content_type audio/aac -f adts",
        ),
    };
    let file = folder.join(format!("speech.{ending}"));
    run(Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(speech::sitting()?)
        .args(["-t", "60"])
        .args(coding.split(' '))
        .arg(&file))?;
    let to = url.replace("http://", &format!("icecast://source:{password}@"));
    Ok(Program::new(ending, "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "error", "-re", "-i"])
        .arguments([file.display().to_string()])
        .arguments(["-c", "copy", "-flush_packets", "1"])
        .arguments(sending.split(' '))
        .arguments([to]))
}

/// How many bytes of `heard` are `sent`, from `from` on.
fn n_same(heard: &[u8], sent: &[u8]) -> usize {
    heard.iter().zip(sent).take_while(|(a, b)| a == b).count()
}

/// How many bytes the whole frames have among the first `n_bytes`. Heads are alike, so two streams
/// may part within a frame.
fn whole_frames(sent: &[u8], n_bytes: usize) -> usize {
    let mut at = 0;
    loop {
        let length = match sent.get(at..at + 6) {
            // AAC says how long its frames are (ISO 13818-7 §6.2).
            Some(&[0xFF, 0xF0..=0xF1, _, high, middle, low]) => {
                usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5
            }
            _ => MP3_FRAME_BYTES,
        };
        if at + length > n_bytes {
            return at;
        }
        at += length;
    }
}

fn find_in(sent: &[u8], start: &[u8]) -> Result<usize> {
    let mut places = sent.windows(start.len());
    places.position(|piece| piece == start).context("not sent")
}

/// What was heard is what was sent up to a restart of the source, and what was sent from its
/// beginning on after it; each frame once.
fn check_once(heard: &[u8], sent: &[u8]) -> Result<()> {
    let from = find_in(sent, &heard[..2_000])?;
    let n_first = whole_frames(&sent[from..], n_same(heard, &sent[from..]));
    let again = find_in(sent, &heard[n_first..][..2_000])?;
    ensure!(again < 32_000, "after the restart it begins at {again}");
    let n_second = n_same(&heard[n_first..], &sent[again..]);
    note(&format!(
        "{n_first} bytes through two breaks, {n_second} after a restart"
    ));
    ensure!(n_first > 90_000, "something is wrong after {n_first} bytes");
    let n_rest = heard.len() - n_first;
    ensure!(n_second == n_rest, "{n_second} of {n_rest}");
    Ok(())
}

/// One who writes down what he hears of a mount.
struct Follower {
    player: Player,
    heard: PathBuf,
}

impl Follower {
    fn start(url: &str, folder: &Path) -> Result<Self> {
        eventually(EAR_MAX, "the relay plays", || {
            let head = Request::new("HEAD", url)?.send()?.head;
            ensure!(head.status == 200, "{head:?}");
            Ok(())
        })?;
        std::fs::create_dir_all(folder)?;
        let heard = folder.join("curl.ogg");
        let mut player = Player::curl(url, folder)?;
        player.wait_for_bytes(30_000, EAR_MAX)?;
        Ok(Self { player, heard })
    }

    fn hears_on(&mut self, n_bytes: u64) -> Result<()> {
        let n_heard = std::fs::metadata(&self.heard).map_or(0, |about| about.len());
        self.player.wait_for_bytes(n_heard + n_bytes, EAR_MAX)
    }
}

/// MP3 and AAC have no numbers: what comes twice is known by what it holds.
#[test]
fn our_relay_under_icecast_plays_mp3_and_aac_once_through_breaks_and_a_restart_of_their_sources()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let no_password = |_: &str| String::new();
    let (mp3, aac) = ("/live.mp3", "/live.aac");
    let mut below = Below::start_with(folder.path(), no_password, mp3, frames_source)?;
    let to = format!("{}{aac}", below.icecast.url);
    let mut other = frames_source(folder.path(), &to, PASSWORD)?;
    other.start()?;
    let followers = [mp3, aac].map(|mount| {
        let url = below.url.replace(mp3, mount);
        Follower::start(&url, &folder.path().join(&mount[6..])).with_context(|| below.story())
    });
    let mut followers = followers.into_iter().collect::<Result<Vec<_>>>()?;
    let hear_on = |below: &Below, followers: &mut [Follower], n_bytes| {
        let mut all = followers.iter_mut();
        let heard = all.try_for_each(|follower| follower.hears_on(n_bytes));
        heard.with_context(|| below.story())
    };
    for is_lost in [true, false] {
        below.line.cut();
        // Nothing can be watched here: time itself is the condition.
        sleep(Duration::from_secs(2));
        if is_lost {
            below.line.lose();
        }
        below.line.heal();
        hear_on(&below, &mut followers, 30_000)?;
    }
    for (mount, title) in [(mp3, "Caf%E9"), (aac, "Th%E9")] {
        let icecast = &below.icecast.url;
        let title = format!("{icecast}/admin/metadata?mode=updinfo&mount={mount}&song={title}");
        let request = Request::new("GET", &title)?;
        request.credentials("source", PASSWORD).send()?;
    }
    let relay = below.url.replace(mp3, "/status-json.xsl");
    eventually(EAR_MAX, "the titles are told", || {
        let status = get(&relay)?.text();
        ensure!(
            status.contains("\"Café\"") && status.contains("\"Thé\""),
            "{status}"
        );
        Ok(())
    })?;
    below.source.kill()?;
    other.kill()?;
    below.source.start()?;
    other.start()?;
    hear_on(&below, &mut followers, 40_000)?;
    for (follower, ending) in followers.into_iter().zip(["mp3", "aac"]) {
        let mut player = follower.player;
        ensure!(!player.has_ended(), "the listener was sent away");
        let sent = std::fs::read(folder.path().join(format!("speech.{ending}")))?;
        check_once(&player.stop()?, &sent).context(ending)?;
    }
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
