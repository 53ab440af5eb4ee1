//! The source's spool: what the network or a killed source cannot make lost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use stream::ogg::{Found, Framer, Page};
use tests::cluster::{Cluster, MOUNT, Role, STOP_MAX, Sound, write_private};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::line::Line;
use tests::pcm::compare;
use tests::players::Decoder;
use tests::programs::{Program, find};
use tests::soak::{hear_the_end, listen_from_the_start};
use tests::speech;
use tests::wait::{eventually, until};

const CUT: Duration = Duration::from_secs(5);
const EAR_MAX: Duration = Duration::from_secs(40);
/// The source may know so little less than the truth about what the master has.
const UNACKNOWLEDGED_MAX: u64 = 10;

/// Servers, and a source that reaches the master over a line that can be cut.
struct Stage {
    cluster: Cluster,
    line: Line,
    source: Program,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
        // With filler, what it stood in for is left out.
        let master = cluster.folder().join("master.toml");
        let text = std::fs::read_to_string(&master)?;
        std::fs::write(&master, format!("filler_after_seconds = 0.0\n{text}"))?;
        cluster.start_servers()?;
        let line = Line::to(cluster.ports().master)?;
        let folder = tempfile::tempdir()?;
        let source = source_over(&line, &cluster, "", folder.path())?;
        Ok(Self {
            cluster,
            line,
            source,
            folder,
        })
    }

    fn story(&self) -> String {
        self.source.story() + &self.cluster.story()
    }

    fn recording(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The newest mark in the spool: the page behind what the master has.
    fn acknowledged(&self) -> Result<u64> {
        let text = std::fs::read_to_string(self.folder.path().join("spool/marks.toml"))?;
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("acknowledged = "));
        Ok(lines.next_back().context("no mark")?.parse()?)
    }
}

/// A source that reaches the master over this line, loops speech, and keeps what it encodes
/// (`record.ogg`) and its spool in `folder`; with these settings besides.
pub(crate) fn source_over(
    line: &Line,
    cluster: &Cluster,
    settings: &str,
    folder: &Path,
) -> Result<Program> {
    let config = folder.join("source.toml");
    let url = format!("{}{MOUNT}", line.url());
    let text = configs::source(&url, &cluster.secrets().source, &folder.join("spool"));
    write_private(&config, &format!("{text}{settings}"))?;
    let config = config.display().to_string();
    let record = folder.join("record.ogg").display().to_string();
    let file = speech::sitting()?.display().to_string();
    let source = Program::new("source", find("plenum-source")?, folder)
        .arguments(["--config", &config].map(str::to_owned))
        .arguments(["--record", &record, "file", "--loop", &file].map(str::to_owned));
    Ok(source)
}

/// The pages with sound of each logical stream in a file, in order, without their stamps.
fn sounds(bytes: &[u8]) -> Vec<Vec<Bytes>> {
    let (mut framer, mut rest) = (Framer::new(), bytes);
    let mut order = Vec::new();
    let mut streams: HashMap<u32, Vec<Bytes>> = HashMap::new();
    while let Some(found) = framer.next(&mut rest) {
        let Found::Page(page) = found else { continue };
        if page.stamp().is_first {
            order.push(page.serial());
        }
        if is_sound(&page) {
            let body = Bytes::copy_from_slice(page.body());
            streams.entry(page.serial()).or_default().push(body);
        }
    }
    let take = |serial: &u32| streams.remove(serial).unwrap_or_default();
    order.iter().map(take).collect()
}

/// An end that was added behind the last sound is none.
fn is_sound(page: &Page) -> bool {
    page.stamp().granule > 0 && page.body().len() > 10
}

fn read_sounds(path: &Path) -> Result<Vec<Bytes>> {
    let bytes = std::fs::read(path)?;
    sounds(&bytes).into_iter().next().context("no stream")
}

#[test]
fn a_line_that_is_cut_for_5_s_costs_no_sample_and_the_source_knows_what_arrived() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.source.start()?;
    let ears = [
        listen_from_the_start(&stage.cluster, Role::Master)?,
        listen_from_the_start(&stage.cluster, Role::Relay(0))?,
    ];
    ears[0]
        .wait_for_samples(20 * 48_000, EAR_MAX)
        .with_context(|| stage.story())?;
    let record = stage.recording("record.ogg");
    let n_made = read_sounds(&record)?.len() as u64;
    let acknowledged = stage.acknowledged()?;
    note(&format!(
        "{n_made} pages made, acknowledged up to {acknowledged}"
    ));
    ensure!(
        acknowledged + UNACKNOWLEDGED_MAX > n_made,
        "{acknowledged} of {n_made}"
    );
    ensure!(acknowledged <= n_made + 10, "{acknowledged} of {n_made}");

    stage.line.cut();
    // Nothing can be watched here: time itself is the condition.
    std::thread::sleep(CUT);
    stage.line.heal();
    let n_before = ears[0].heard().n_samples();
    ears[0]
        .wait_for_samples(n_before + 10 * 48_000, EAR_MAX)
        .with_context(|| stage.story())?;
    stage.source.stop(STOP_MAX)?;
    for ear in ears {
        let heard = hear_the_end(ear).with_context(|| stage.story())?;
        heard.check_order()?;
        let file = stage.recording("heard.ogg");
        std::fs::write(&file, &heard.body)?;
        let comparison = compare(
            &Decoder::Ffmpeg.decode(&record)?,
            &Decoder::Ffmpeg.decode(&file)?,
        );
        note(&format!("cut for 5 s: {comparison}"));
        ensure!(comparison.is_exact(), "{comparison}; {}", stage.story());
        ensure!(comparison.n_heard > 30 * 48_000, "{comparison}");
    }
    Ok(())
}

#[test]
fn a_source_that_is_killed_while_cut_off_sends_what_was_missing_before_the_new() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.source.start()?;
    let ear = listen_from_the_start(&stage.cluster, Role::Master)?;
    ear.wait_for_samples(5 * 48_000, EAR_MAX)
        .with_context(|| stage.story())?;
    let [first, second] = ["record.ogg", "record-2.ogg"].map(|name| stage.recording(name));
    let has_made = |record: &Path, n: usize| read_sounds(record).is_ok_and(|made| made.len() >= n);
    let n_made = read_sounds(&first)?.len();
    stage.line.cut();
    until(EAR_MAX, "15 pages wait", || has_made(&first, n_made + 15))?;
    stage.source.kill()?;
    stage.line.lose();
    stage.source.start()?;
    until(EAR_MAX, "new ones wait", || has_made(&second, 5))?;
    stage.line.heal();
    until(EAR_MAX, "the second stream is heard", || {
        sounds(&ear.heard().body)
            .get(1)
            .is_some_and(|pages| pages.len() > 15)
    })
    .with_context(|| stage.story())?;
    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(ear).with_context(|| stage.story())?;
    heard.check_order()?;
    let heard = sounds(&heard.body);
    ensure!(
        heard.len() == 2,
        "{} streams; {}",
        heard.len(),
        stage.story()
    );
    let made = [read_sounds(&first)?, read_sounds(&second)?];
    note(&format!(
        "killed while cut off: {} of {} pages of the first run heard, {} of {} of the second",
        heard[0].len(),
        made[0].len(),
        heard[1].len(),
        made[1].len()
    ));
    // A page that was recorded at the very moment of the kill may not be in the spool.
    let n_first = made[0].len().saturating_sub(1);
    ensure!(
        heard[0].starts_with(&made[0][..n_first]),
        "{}",
        stage.story()
    );
    ensure!(made[0].starts_with(&heard[0]), "something was doubled");
    ensure!(heard[1] == made[1], "{}", stage.story());
    Ok(())
}

#[test]
fn a_spool_without_room_does_not_stop_the_stream() -> Result<()> {
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
    cluster.start_program(Role::Master)?;
    let folder = tempfile::tempdir()?;
    let (config, spool) = (
        folder.path().join("source.toml"),
        folder.path().join("spool"),
    );
    std::fs::create_dir(&spool)?;
    let url = cluster.mount_at(Role::Master);
    write_private(
        &config,
        &configs::source(&url, &cluster.secrets().source, &spool),
    )?;
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {} && exec {} --config {} file --loop {}",
        spool.display(),
        find("plenum-source")?.display(),
        config.display(),
        speech::sitting()?.display()
    );
    let arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    let mut source = Program::new("source", "/usr/bin/unshare", folder.path())
        .arguments(arguments.map(str::to_owned));
    source.start()?;
    until(EAR_MAX, "the spool is full", || {
        source.log().contains("takes no pages")
    })
    .with_context(|| source.story())?;
    let ear =
        eventually(EAR_MAX, "it plays", || Ear::listen(&url)).with_context(|| source.story())?;
    ear.wait_for_samples(8 * 48_000, EAR_MAX)
        .with_context(|| source.story())?;
    ensure!(source.log().contains("--spool"), "{}", source.story());
    source.stop(STOP_MAX)?;
    hear_the_end(ear)?.check_order()
}
