//! Beside Debian's Icecast: our source feeds it, and it mirrors our master.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::mpeg::Framer;
use stream::ogg::Found;
use tempfile::TempDir;
use tests::cluster::{Cluster, MOUNT, Role, STOP_MAX, Sound};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::HeardPage;
use tests::http::Request;
use tests::netns::{Laboratory, Namespace};
use tests::pcm::compare;
use tests::peers::Icecast;
use tests::players::{Decoder, Player};
use tests::programs::{Program, find};
use tests::speech;
use tests::wait::eventually;

const EAR_MAX: Duration = Duration::from_secs(20);
/// A page is never longer than this.
const PAGE: i64 = 14_400;
/// The kernel's buffer holds less than this.
const TWICE_MAX: i64 = 20 * 48_000;

#[test]
fn our_source_plays_through_debians_icecast() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = "a-password-for-icecast";
    let mut icecast = Icecast::new(folder.path(), password)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let config = folder.path().join("source.toml");
    std::fs::write(
        &config,
        configs::source(&url, password, &folder.path().join("spool")),
    )?;
    let recording = folder.path().join("recording.ogg");
    let mut source = Program::new("source", find("plenum-source")?, folder.path())
        .arguments(["--config".to_owned(), config.display().to_string()])
        .arguments(["--record".to_owned(), recording.display().to_string()])
        .arguments(["file".to_owned(), speech::sitting()?.display().to_string()]);
    source.start()?;
    let ear = eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url))
        .with_context(|| source.story())?;
    ear.wait_for_samples(12 * 48_000, EAR_MAX)
        .with_context(|| source.story())?;
    source.stop(STOP_MAX)?;
    let file = folder.path().join("heard.ogg");
    std::fs::write(&file, ear.stop().body)?;
    let comparison = compare(
        &Decoder::Ffmpeg.decode(&recording)?,
        &Decoder::Ffmpeg.decode(&file)?,
    );
    note(&format!("through Debian's Icecast: {comparison}"));
    ensure!(comparison.is_exact(), "{comparison}");
    Ok(())
}

#[test]
fn our_source_comes_back_when_debians_icecast_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = "a-password-for-icecast";
    let mut icecast = Icecast::new(folder.path(), password)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let config = folder.path().join("source.toml");
    std::fs::write(
        &config,
        configs::source(&url, password, &folder.path().join("spool")),
    )?;
    let mut source = Program::new("source", find("plenum-source")?, folder.path())
        .arguments(["--config".to_owned(), config.display().to_string()])
        .arguments(["tone"]);
    source.start()?;
    for _ in 0..2 {
        let ear = eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url))
            .with_context(|| source.story())?;
        ear.wait_for_samples(2 * 48_000, EAR_MAX)?;
        icecast.program.kill()?;
        ear.wait_for_end(EAR_MAX)?;
        icecast.program.start()?;
    }
    eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url)).with_context(|| source.story())?;
    Ok(())
}

/// Our source beside an Icecast, each in a network of its own, so that the way can be cut.
struct Apart {
    icecast: Icecast,
    source: Program,
    url: String,
    source_space: Namespace,
    icecast_space: Namespace,
    laboratory: Laboratory,
    _folder: TempDir,
}

impl Apart {
    fn start() -> Result<Self> {
        let mut laboratory = Laboratory::new()?;
        let (icecast_space, source_space) = (laboratory.add("icecast")?, laboratory.add("source")?);
        let folder = tempfile::tempdir()?;
        let password = "a-password-for-icecast";
        let mut icecast = Icecast::new(folder.path(), password)?;
        let address = icecast_space.address().to_string();
        let file = folder.path().join("icecast.xml");
        // Who comes hears everything from the first page on.
        let all =
            "</source-timeout><burst-size>4000000</burst-size><queue-size>8000000</queue-size>";
        let text = std::fs::read_to_string(&file)?
            .replace("<bind-address>127.0.0.1", "<bind-address>0.0.0.0")
            .replace("</source-timeout>", all);
        std::fs::write(&file, text)?;
        let url = format!("{}{MOUNT}", icecast.url.replace("127.0.0.1", &address));
        let config = folder.path().join("source.toml");
        std::fs::write(&config, configs::source(&url, password, "".as_ref()))?;
        let outside = Program::new("", "", "".as_ref());
        icecast.program = icecast_space.program(std::mem::replace(&mut icecast.program, outside));
        icecast.program.start()?;
        let source = Program::new("source", find("plenum-source")?, folder.path())
            .arguments(["--config".to_owned(), config.display().to_string()])
            .arguments(["tone"]);
        let mut source = source_space.program(source);
        source.start()?;
        Ok(Self {
            icecast,
            source,
            url,
            source_space,
            icecast_space,
            laboratory,
            _folder: folder,
        })
    }

    fn listen(&self) -> Result<Ear> {
        let listen = || eventually(EAR_MAX, "Icecast plays", || Ear::listen(&self.url));
        let ear = self.icecast_space.inside(listen);
        let ear = ear.with_context(|| self.source.story() + &self.icecast.program.story())?;
        ear.wait_for_samples(3 * 48_000, EAR_MAX)?;
        Ok(ear)
    }
}

/// Icecast says nothing of what it has. What it had when the way was cut, and what it got first
/// afterwards, must touch.
#[test]
fn after_a_silent_break_debians_icecast_gets_what_it_cannot_have_got() -> Result<()> {
    let mut apart = Apart::start()?;
    let before = apart.listen()?;
    let (one, other) = (&apart.source_space, &apart.icecast_space);
    apart.laboratory.blackhole(one, other)?;
    let before = before.wait_for_end(EAR_MAX)?;
    apart.laboratory.unblackhole(one, other)?;
    let after = apart.listen()?.stop();
    apart.source.stop(STOP_MAX)?;
    let granule = |page: Option<&HeardPage>| page.map(|page| page.stamp.granule);
    let had = granule(before.sound().last()).context("sound before the break")?;
    let got = granule(after.sound().next()).context("sound after it")?;
    note(&format!(
        "Icecast had {had} samples when the way was cut, and went on with {got}"
    ));
    after.check_order()?;
    ensure!(got <= had + PAGE, "{} samples are missing", got - had);
    ensure!(had - got < TWICE_MAX, "{} samples came twice", had - got);
    Ok(())
}

/// Vorbis from our own source and MP3 from ffmpeg, each of which is started again in the middle.
#[test]
fn debians_icecast_mirrors_our_master_as_a_slave() -> Result<()> {
    let sitting = speech::sitting()?;
    let mut cluster = Cluster::start(1, &Sound::File(sitting.clone()))?;
    let folder = tempfile::tempdir()?;
    let master = cluster.ports().master_url();
    let to = master.replace(
        "http://",
        &format!("icecast://source:{}@", cluster.secrets().source),
    );
    let mut ffmpeg = Program::new("ffmpeg", "ffmpeg", folder.path())
        .arguments(["-nostdin", "-loglevel", "error", "-re", "-i"])
        .arguments([sitting.display().to_string()])
        .arguments([
            "-c:a",
            "libmp3lame",
            "-b:a",
            "64k",
            "-flush_packets",
            "1",
            "-f",
            "mp3",
        ])
        .arguments([format!("{to}/talk.mp3")]);
    ffmpeg.start()?;
    let mut icecast = Icecast::slave(folder.path(), &master, &cluster.secrets().relay)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let ear = eventually(EAR_MAX, "the slave plays", || Ear::listen(&url))
        .with_context(|| icecast.program.story() + &cluster.story())?;
    let talk = format!("{}/talk.mp3", icecast.url);
    eventually(EAR_MAX, "the slave has MP3, too", || {
        let (head, _) = Request::new("GET", &talk)?.open()?;
        ensure!(head.status == 200, "{head:?}");
        Ok(())
    })
    .with_context(|| icecast.program.story() + &ffmpeg.story())?;
    let mut curl = Player::curl(&talk, folder.path())?;
    ear.wait_for_samples(4 * 48_000, EAR_MAX)
        .with_context(|| cluster.story())?;
    curl.wait_for_bytes(20_000, EAR_MAX)?;
    cluster.program(Role::Source).kill()?;
    ffmpeg.kill()?;
    cluster.start_program(Role::Source)?;
    ffmpeg.start()?;
    let n_samples = ear.heard().n_samples();
    ear.wait_for_samples(n_samples + 6 * 48_000, EAR_MAX)
        .with_context(|| icecast.program.story() + &cluster.story())?;
    let n_bytes = std::fs::metadata(folder.path().join("curl.ogg"))?.len();
    curl.wait_for_bytes(n_bytes + 40_000, EAR_MAX)
        .with_context(|| icecast.program.story() + &ffmpeg.story())?;
    ensure!(!ear.heard().has_ended && !curl.has_ended(), "sent away");
    ear.stop().check_order()?;
    let heard = curl.stop()?;
    let (mut framer, mut input, mut n_pages) = (Framer::new(), heard.as_slice(), 0);
    while let Some(found) = framer.next(&mut input) {
        // Icecast begins in the middle of a frame.
        let is_page = matches!(found, Found::Page(_));
        ensure!(
            is_page || n_pages == 0,
            "{found:?} after {n_pages} portions"
        );
        n_pages += u32::from(is_page);
    }
    // And our own listeners go on beside it.
    let ours = Ear::listen(&cluster.mount_at(Role::Relay(0)))?;
    ours.wait_for_samples(48_000, EAR_MAX)
}
