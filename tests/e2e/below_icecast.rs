//! Our relay below Debian's Icecast: what is there comes once, whatever breaks between them.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{MOUNT, STOP_MAX, write_private};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::http::Address;
use tests::line::Line;
use tests::pcm::compare;
use tests::peers::Icecast;
use tests::players::Decoder;
use tests::ports;
use tests::programs::{Program, find};
use tests::soak::hear_the_end;
use tests::speech;
use tests::wait::eventually;

const EAR_MAX: Duration = Duration::from_secs(20);

/// Our relay under an Icecast, and the way between them.
struct Below {
    icecast: Icecast,
    line: Line,
    relay: Program,
    source: Program,
    url: String,
}

impl Below {
    /// `settings`: how the relay learns which mounts there are.
    fn start(folder: &Path, settings: impl Fn(&str) -> String) -> Result<Self> {
        let password = "a-password-for-icecast";
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
        let config = folder.join("source.toml");
        let text = configs::source(&format!("{}{MOUNT}", icecast.url), password, Path::new(""));
        write_private(&config, &text)?;
        let recording = folder.join("recording.ogg").display().to_string();
        let sitting = speech::sitting()?.display().to_string();
        let mut source = Program::new("source", find("plenum-source")?, folder)
            .arguments(["--config".to_owned(), config.display().to_string()])
            .arguments(["--record".to_owned(), recording, "file".to_owned(), sitting]);
        source.start()?;
        Ok(Self {
            icecast,
            line,
            relay,
            source,
            url: format!("http://127.0.0.1:{own_port}{MOUNT}"),
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
