//! What could not be sent live comes later, for the recording: in the end nothing is missing there.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, PLAY_MAX, Role, STOP_MAX, Sound};
use tests::figures::note;
use tests::http::get;
use tests::line::Line;
use tests::pcm::compare;
use tests::players::{Decoder, oggz_validate};
use tests::programs::Program;
use tests::soak::listen_from_the_start;
use tests::wait::until;

use crate::spool::source_over;

const SECOND: i64 = 48_000;
/// Longer than what is sent late.
const CUT: Duration = Duration::from_secs(12);
const FILLED_MAX: Duration = Duration::from_secs(60);
/// What is sent late is less than what is cut off; what is left out is sent quickly later.
const SETTINGS: &str = "catch_up_seconds = 4\nfill_speed = 6\n";

/// A master that records, and a source that reaches it over a line that can be cut.
struct Stage {
    cluster: Cluster,
    line: Line,
    source: Program,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(filler: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state").display().to_string();
        let mut cluster = Cluster::prepare(0, &Sound::Tone)?
            .with_variable(Role::Master, "PLENUM_MASTER__STATE_DIRECTORY", &state)
            .with_variable(Role::Master, "PLENUM_MASTER__ARCHIVE__KEEP_HOURS", "1")
            .with_variable(Role::Master, "PLENUM_MASTER__ARCHIVE__PUBLIC", "true")
            .with_variable(Role::Master, "PLENUM_MASTER__FILLER_AFTER_SECONDS", filler);
        cluster.start_servers()?;
        let line = Line::to(cluster.ports().master)?;
        let source = source_over(&line, &cluster, SETTINGS, folder.path())?;
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

    fn marks(&self) -> String {
        let marks = self.folder.path().join("spool/marks.toml");
        std::fs::read_to_string(marks).unwrap_or_default()
    }

    /// Whether the source knows of nothing that the master misses.
    fn is_whole(&self) -> bool {
        let marks = self.marks();
        marks.contains("holes = []") && !marks.contains("holes]]") && !marks.contains("start")
    }

    /// The recordings, the newest first.
    fn recordings(&self) -> Result<Vec<Vec<u8>>> {
        let base = self.cluster.ports().master_url();
        let list = get(&format!("{base}/api/v1/archive/live.ogg"))?.text();
        let urls = list.split("\"url\":\"").skip(1);
        let urls = urls.filter_map(|rest| rest.split('"').next());
        urls.map(|url| Ok(get(&format!("{base}{url}"))?.body))
            .collect()
    }

    /// Every sample of a recording of the source is in one of the master.
    fn judge(&self, made: &str, recording: &[u8]) -> Result<()> {
        let made: PathBuf = self.folder.path().join(made);
        let file = self.folder.path().join("recording.ogg");
        std::fs::write(&file, recording)?;
        oggz_validate(&file)?;
        for decoder in [Decoder::Reference, Decoder::Ffmpeg] {
            let (made, kept) = (decoder.decode(&made)?, decoder.decode(&file)?);
            let comparison = compare(&made, &kept);
            note(&format!("{decoder:?}: back-filled recording: {comparison}"));
            ensure!(comparison.is_exact(), "{comparison}; {}", self.story());
            ensure!(comparison.n_same == made.len(), "{comparison}");
        }
        Ok(())
    }
}

fn a_long_break(filler: &str) -> Result<()> {
    let mut stage = Stage::new(filler)?;
    stage.source.start()?;
    let ear = listen_from_the_start(&stage.cluster, Role::Master)?;
    ear.wait_for_samples(4 * SECOND, PLAY_MAX)
        .with_context(|| stage.story())?;
    stage.line.cut();
    // Nothing can be watched here: time itself is the condition.
    sleep(CUT);
    stage.line.lose();
    stage.line.heal();
    until(FILLED_MAX, "something is missing", || !stage.is_whole())
        .with_context(|| stage.story())?;
    until(FILLED_MAX, "the source has filled it", || stage.is_whole())
        .with_context(|| stage.marks() + &stage.story())?;
    let n_heard = ear.heard().n_samples();
    ear.wait_for_samples(n_heard + 3 * SECOND, PLAY_MAX)?;
    // The restart of the master takes nothing of it away.
    stage.source.stop(STOP_MAX)?;
    stage.cluster.program(Role::Master).kill()?;
    stage.cluster.start_program(Role::Master)?;
    let recordings = stage.recordings()?;
    ensure!(recordings.len() == 1, "{}", stage.story());
    stage.judge("record.ogg", &recordings[0])
}

#[test]
fn a_recording_is_whole_after_a_break_that_was_bridged_with_silence() -> Result<()> {
    a_long_break("2.0")
}

#[test]
fn a_recording_is_whole_after_a_break_that_was_not_bridged() -> Result<()> {
    a_long_break("0.0")
}

#[test]
fn what_a_killed_source_had_not_sent_is_in_the_recording_after_its_next_start() -> Result<()> {
    let mut stage = Stage::new("2.0")?;
    stage.source.start()?;
    let ear = listen_from_the_start(&stage.cluster, Role::Master)?;
    ear.wait_for_samples(4 * SECOND, PLAY_MAX)
        .with_context(|| stage.story())?;
    stage.line.cut();
    sleep(CUT);
    stage.source.kill()?;
    // By now it is too old to be sent live, also the end of it.
    sleep(Duration::from_secs(5));
    stage.line.lose();
    stage.line.heal();
    stage.source.start()?;
    until(FILLED_MAX, "something is missing", || !stage.is_whole())
        .with_context(|| stage.story())?;
    until(FILLED_MAX, "the source has filled it", || stage.is_whole())
        .with_context(|| stage.marks() + &stage.story())?;
    stage.source.stop(STOP_MAX)?;
    let recordings = stage.recordings()?;
    ensure!(
        recordings.len() == 2,
        "{}; {}",
        recordings.len(),
        stage.story()
    );
    let file = stage.folder.path().join("first.ogg");
    std::fs::write(&file, &recordings[1])?;
    let made = Decoder::Reference.decode(&stage.folder.path().join("record.ogg"))?;
    let comparison = compare(&made, &Decoder::Reference.decode(&file)?);
    note(&format!(
        "of a killed source: {comparison} of {}",
        made.len()
    ));
    ensure!(comparison.is_exact(), "{comparison}; {}", stage.story());
    // A page that was recorded at the very moment of the kill may not be in the spool.
    ensure!(comparison.n_same + 48_000 / 2 > made.len(), "{comparison}");
    stage.judge("record-2.ogg", &recordings[0])
}
