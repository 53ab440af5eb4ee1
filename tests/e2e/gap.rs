//! A source that is away: its mount stays, its listeners stay, and time goes on in silence.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use stream::ogg::{Found, Framer, Page};
use tempfile::TempDir;
use tests::cluster::{Cluster, Role, STOP_MAX, Sound, write_private};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::http::{self, Connection, Request};
use tests::line::Line;
use tests::players::{Decoder, Player, oggz_validate};
use tests::programs::{Program, find, signal};
use tests::tools::{run, samples};
use tests::wait::{eventually, until};

const MOUNT: &str = "/live.ogg";
const RATE: usize = 48_000;
/// The source goes after so much, …
const BEFORE: Duration = Duration::from_secs(6);
/// … stays away for so long, …
const AWAY: Duration = Duration::from_secs(8);
/// … and has so much to say in all, heard or not.
const LENGTH: Duration = Duration::from_secs(20);
/// Filler begins after 2 s, and a listener is served every half second.
const GAP_MAX: Duration = Duration::from_millis(3_200);
/// Half of a long block: where sound and silence overlap.
const OVERLAP: usize = 1024;
/// Pages are cut to at most this.
const PAGE: usize = RATE / 4;
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Noise, so that every sample can be told from every other, in pages of 0.2 s.
fn noise(folder: &Path) -> Result<Vec<Page>> {
    let (wav, ogg) = (folder.join("noise.wav"), folder.join("noise.ogg"));
    let length = LENGTH.as_secs().to_string();
    run(Command::new("sox")
        .args(["-D", "-R", "-n", "-r", "48000", "-c", "1", "-b", "16"])
        .arg(&wav)
        .args(["synth", &length, "pinknoise"]))?;
    run(Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(&wav)
        .args(["-c:a", "libvorbis", "-page_duration", "200000"])
        .arg(&ogg))?;
    Ok(pages_in(&std::fs::read(&ogg)?))
}

fn pages_in(mut bytes: &[u8]) -> Vec<Page> {
    let mut framer = Framer::new();
    let found = std::iter::from_fn(|| framer.next(&mut bytes));
    let pages = found.filter_map(|found| match found {
        Found::Page(page) => Some(page),
        Found::Junk { .. } => None,
    });
    pages.collect()
}

/// The samples up to the end of a page.
fn end(page: &Page) -> usize {
    usize::try_from(page.stamp().granule).unwrap_or_default()
}

/// Sends pages at the speed of time, those that are due at once, until `until` has passed.
fn speak(
    upload: &mut Connection,
    pages: &[Page],
    start: Instant,
    until: Duration,
) -> Result<usize> {
    for (n, page) in pages.iter().enumerate() {
        let due = Duration::from_secs_f64(end(page) as f64 / RATE as f64);
        if due > until {
            return Ok(n);
        }
        sleep((start + due).saturating_duration_since(Instant::now()));
        upload.send(page.bytes())?;
    }
    Ok(pages.len())
}

fn connect(cluster: &Cluster, serial: u32) -> Result<(http::Head, Connection)> {
    let url = format!("{}{MOUNT}", cluster.ports().master_url());
    Request::new("SOURCE", &url)?
        .credentials("source", &cluster.secrets().source)
        .header("Content-Type", "application/ogg")
        .header("Stream-Serial", &serial.to_string())
        .open()
}

/// The mount as a server's status shows it.
fn status(cluster: &Cluster, role: Role) -> Result<String> {
    let url = cluster.url(role).context("listens")?;
    Ok(http::get(&format!("{url}/api/v1/status"))?.text())
}

/// The value of a figure of the mount at the master.
fn figure(cluster: &Cluster, name: &str) -> Result<f64> {
    let text = http::get(&format!("{}/metrics", cluster.ports().master_url()))?.text();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.with_context(|| format!("{name} is missing in {text}"))?;
    Ok(line.rsplit(' ').next().context("a value")?.parse()?)
}

#[test]
fn a_source_that_is_away_for_8_s_is_8_s_of_exact_silence_in_one_response() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    let pages = noise(folder.path())?;
    let serial = pages[0].serial();
    let start = Instant::now();
    let (_, mut upload) = connect(&cluster, serial)?;
    let n_sent = speak(&mut upload, &pages, start, Duration::from_secs(1))?;
    // They get the sound from its beginning: it is in the burst.
    let crowd = Crowd::listen(&cluster)?;
    let n_sent = n_sent + speak(&mut upload, &pages[n_sent..], start, BEFORE)?;
    drop(upload);

    sleep((start + BEFORE + AWAY).saturating_duration_since(Instant::now()));
    let shown = status(&cluster, Role::Master)?;
    ensure!(shown.contains("\"is_on_air\":false") && shown.contains("\"filler_since\""));
    ensure!(status(&cluster, Role::Relay(0))?.contains("\"filler_since\""));
    let (head, mut upload) = connect(&cluster, serial)?;
    ensure!(head.number("stream-sequence")? == n_sent as u64, "{head:?}");
    let filled = usize::try_from(head.number("stream-filled")?)? * RATE / 1000;
    let gone_at = end(&pages[n_sent - 1]);
    // It goes on where listeners would be if they had heard all of it.
    let live = |page: &Page| end(page) >= gone_at + filled;
    let n_resumed = 1 + pages.iter().position(live).context("more to say")?;
    for page in &pages[..2] {
        upload.send(page.bytes())?;
    }
    speak(&mut upload, &pages[n_resumed..], start, LENGTH * 2)?;
    let resumed_at = end(&pages[n_resumed - 1]);
    crowd.wait_for_end().with_context(|| cluster.story())?;
    ensure!(figure(&cluster, "plenum_gaps_total")? == 1.0);
    let seconds = figure(&cluster, "plenum_filler_seconds_total")?;
    ensure!((5.2..6.2).contains(&seconds), "{seconds} s of filler");
    crowd.check(&folder.path().join("noise.ogg"), gone_at, resumed_at)
}

/// Two curls, at the master and at the relay, and mpv and an ear at the relay.
struct Crowd {
    folders: [TempDir; 2],
    curls: Vec<Player>,
    mpv: Player,
    ear: Ear,
}

impl Crowd {
    fn listen(cluster: &Cluster) -> Result<Self> {
        let relay = cluster.mount_at(Role::Relay(0));
        until(WAIT_MAX, "the relay has it", || {
            Request::new("HEAD", &relay)
                .and_then(|request| request.send())
                .is_ok_and(|answer| answer.head.status == 200)
        })?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let urls = [cluster.mount_at(Role::Master), relay.clone()];
        let curls = urls.iter().zip(&folders);
        Ok(Self {
            curls: curls
                .map(|(url, folder)| Player::curl(url, folder.path()))
                .collect::<Result<_>>()?,
            mpv: Decoder::Mpv.play(&relay, folders[1].path())?,
            ear: Ear::listen(&relay)?,
            folders,
        })
    }

    fn wait_for_end(&self) -> Result<()> {
        for folder in &self.folders {
            until(WAIT_MAX, "the end is heard", || {
                let body = std::fs::read(folder.path().join("curl.ogg")).unwrap_or_default();
                let newest = pages_in(&body).pop();
                newest.is_some_and(|page| page.stamp().is_last)
            })?;
        }
        Ok(())
    }

    fn check(self, own: &Path, gone_at: usize, resumed_at: usize) -> Result<()> {
        let longest = self.ear.longest_gap();
        note(&format!(
            "8 s without the source: longest time without a page {longest:?}"
        ));
        ensure!(longest < GAP_MAX, "{longest:?} without a page");
        ensure!(!self.ear.heard().has_ended, "the response ended");
        self.ear.stop().check_order()?;
        for (curl, folder) in self.curls.into_iter().zip(&self.folders) {
            check(folder.path(), &curl.stop()?, own, gone_at, resumed_at)?;
        }
        let played = samples(&self.mpv.stop()?);
        let whole = Decoder::Mpv.decode(&self.folders[1].path().join("heard.ogg"))?;
        ensure!(whole.starts_with(&played), "mpv live and mpv later differ");
        let n_missing = whole.len() - played.len();
        ensure!(n_missing < RATE, "mpv did not play {n_missing} samples");
        Ok(())
    }
}

/// All of it is one stream: sound of the source, silence, sound of the source.
fn check(folder: &Path, body: &[u8], own: &Path, gone_at: usize, resumed_at: usize) -> Result<()> {
    let file = folder.join("heard.ogg");
    std::fs::write(&file, body)?;
    oggz_validate(&file)?;
    for decoder in [Decoder::Reference, Decoder::Ffmpeg] {
        let (own, heard) = (decoder.decode(own)?, decoder.decode(&file)?);
        let n_after = own.len() - resumed_at;
        let back_at = heard.len() - n_after;
        note(&format!(
            "{decoder:?}: {} samples sent or due, {} heard, silence from {gone_at} to {back_at}",
            own.len(),
            heard.len()
        ));
        ensure!(heard[..gone_at] == own[..gone_at], "before the gap");
        let silence = &heard[gone_at + OVERLAP..back_at];
        ensure!(silence.iter().all(|sample| *sample == 0), "in the gap");
        ensure!(
            heard[back_at + OVERLAP..] == own[resumed_at + OVERLAP..],
            "after the gap"
        );
        // Nobody is late by more than the page on which the source came back.
        let off = heard.len().abs_diff(own.len());
        ensure!(off <= PAGE, "{off} samples more or less than time");
    }
    Ok(())
}

#[test]
fn listeners_stay_while_a_killed_source_is_away_and_others_may_join() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    // How long a relay holds a mount without its master says nothing here: the master is there.
    let file = cluster.folder().join("relay1.toml");
    std::fs::write(
        &file,
        "hold_seconds = 3\n".to_owned() + &std::fs::read_to_string(&file)?,
    )?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    cluster.wait_until_playing(WAIT_MAX)?;
    let ear = Ear::listen(&cluster.link())?;
    ear.wait_for_samples(2 * RATE as i64, WAIT_MAX)?;
    let before = (Instant::now(), ear.heard().n_samples());
    cluster.program(Role::Source).kill()?;
    until(WAIT_MAX, "filler begins", || {
        status(&cluster, Role::Relay(0)).is_ok_and(|s| s.contains("\"filler_since\""))
    })?;
    // The balancer sends newcomers to the relay, and they hear silence at once.
    let late = eventually(WAIT_MAX, "somebody joins", || Ear::listen(&cluster.link()))?;
    late.wait_for_samples(2 * RATE as i64, WAIT_MAX)?;
    sleep((before.0 + AWAY).saturating_duration_since(Instant::now()));
    cluster.program(Role::Source).start()?;
    until(WAIT_MAX, "the source is back", || {
        status(&cluster, Role::Relay(0)).is_ok_and(|s| !s.contains("\"filler_since\""))
    })
    .with_context(|| cluster.story())?;
    let n_then = ear.heard().n_samples();
    ear.wait_for_samples(n_then + 3 * RATE as i64, WAIT_MAX)?;
    let after = (Instant::now(), ear.heard().n_samples());
    let time = (after.0 - before.0).as_secs_f64();
    let heard = (after.1 - before.1) as f64 / RATE as f64;
    let longest = ear.longest_gap();
    note(&format!(
        "a source was killed: in {time:.1} s a listener got {heard:.1} s, longest time without a \
         page {longest:?}"
    ));
    ensure!((time - heard).abs() < 1.0, "{time} s, heard {heard} s");
    ensure!(longest < GAP_MAX, "{longest:?} without a page");
    ensure!(!ear.heard().has_ended, "the response ended");
    ear.stop().check_order()?;
    let log = cluster.program(Role::Master).log();
    ensure!(
        log.contains("filler stands in") && log.contains("of filler stood in"),
        "{log}"
    );
    let ends: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" ended /"))
        .collect();
    ensure!(
        ends.first()
            .is_some_and(|line| line.contains("its connection broke")),
        "{ends:?}"
    );
    cluster.program(Role::Source).stop(STOP_MAX)?;
    until(WAIT_MAX, "its end is seen", || {
        let log = cluster.program(Role::Master).log();
        log.contains(" s: it finished")
    })?;
    Ok(())
}

#[test]
fn our_source_leaves_out_what_was_silence_and_nobody_is_late() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let line = Line::to(cluster.ports().master)?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("source.toml");
    let (url, spool) = (
        format!("{}{MOUNT}", line.url()),
        folder.path().join("spool"),
    );
    let text = configs::source(&url, &cluster.secrets().source, &spool);
    write_private(&config, &text)?;
    let config = config.display().to_string();
    let mut source = Program::new("source", find("plenum-source")?, folder.path())
        .arguments(["--config", &config, "tone"].map(str::to_owned));
    source.start()?;
    let relay = cluster.mount_at(Role::Relay(0));
    let ear = eventually(WAIT_MAX, "it plays", || Ear::listen(&relay))?;
    ear.wait_for_samples(3 * RATE as i64, WAIT_MAX)?;
    let lead = |start: Instant| ear.heard().n_samples() as f64 / RATE as f64 - seconds(start);
    let start = Instant::now();
    let before = lead(start);
    line.cut();
    sleep(AWAY);
    line.lose();
    line.heal();
    let n_then = ear.heard().n_samples();
    ear.wait_for_samples(n_then + 6 * RATE as i64, WAIT_MAX)
        .with_context(|| source.story() + &cluster.story())?;
    let late = lead(start) - before;
    note(&format!(
        "our source was cut off for 8 s: listeners are {late:.2} s ahead of before"
    ));
    ensure!(late.abs() < 0.9, "{late} s; {}", source.story());
    ensure!(figure(&cluster, "plenum_gaps_total")? == 1.0);
    ensure!(source.log().contains("are left out"), "{}", source.story());
    ear.stop().check_order()
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

#[test]
fn a_master_that_was_stopped_itself_fills_nothing() -> Result<()> {
    let mut cluster = Cluster::start(1, &Sound::Tone)?;
    let ear = Ear::listen(&cluster.link())?;
    ear.wait_for_samples(RATE as i64, WAIT_MAX)?;
    let pid = cluster.program(Role::Master).pid().context("runs")?;
    signal(pid, Signal::STOP)?;
    sleep(Duration::from_secs(4));
    signal(pid, Signal::CONT)?;
    let n_then = ear.heard().n_samples();
    ear.wait_for_samples(n_then + 6 * RATE as i64, WAIT_MAX)?;
    ensure!(figure(&cluster, "plenum_gaps_total")? == 0.0);
    ear.stop().check_order()
}
