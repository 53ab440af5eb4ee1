//! The long run: speech through the whole chain, and every sample accounted for.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::{Cluster, PLAY_MAX, Role, STOP_MAX, Sound};
use crate::ear::Ear;
use crate::figures::note;
use crate::heard::Heard;
use crate::pcm::{Comparison, compare};
use crate::players::{Decoder, ogginfo, oggz_validate};
use crate::wait::eventually;

/// How often somebody who waits is told how it goes.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// The longest time without a page that a listener may see.
pub const GAP_MAX: Duration = Duration::from_secs(1);

/// What one listener got in the long run.
#[derive(Debug)]
pub struct Outcome {
    /// Where it listened.
    pub url: String,
    /// Every decoded sample against the recording.
    pub comparison: Comparison,
    /// The longest time without a page.
    pub longest_gap: Duration,
    /// What the checkers complain of.
    pub complaints: Vec<String>,
}

impl Outcome {
    /// Whether nothing is wrong with it.
    pub fn is_perfect(&self) -> bool {
        self.comparison.is_exact() && self.longest_gap < GAP_MAX && self.complaints.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.url)?;
        writeln!(f, "  {}", self.comparison)?;
        writeln!(f, "  longest time without a page: {:?}", self.longest_gap)?;
        if self.complaints.is_empty() {
            return write!(f, "  oggz-validate and ogginfo have no complaint");
        }
        write!(f, "  complaints: {}", self.complaints.join("; "))
    }
}

/// That somebody heard all of the source's `recording`, once, in order, in one logical stream.
///
/// # Errors
/// When he did not; the text says what is missing or too much.
pub fn every_sample_once(recording: &Path, heard: &Heard) -> Result<()> {
    heard.check_order()?;
    let serials = heard.pages.iter().filter(|page| page.stamp.is_first);
    ensure!(serials.count() == 1, "more than one logical stream");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("heard.ogg");
    std::fs::write(&file, &heard.body)?;
    let comparison = compare(
        &Decoder::Reference.decode(recording)?,
        &Decoder::Reference.decode(&file)?,
    );
    note(&format!("source to listener: {comparison}"));
    ensure!(comparison.is_exact(), "{comparison}");
    Ok(())
}

/// Plays `sound` through a master and two relays for `length`, with a listener at each
/// relay from the first page to the last. `say` hears from time to time how it goes.
///
/// # Errors
/// When the chain does not play, or a listener's stream ends before the source does.
pub fn run(sound: &Sound, length: Duration, say: impl Fn(&str)) -> Result<Vec<Outcome>> {
    let mut cluster = Cluster::prepare_recorded(2, sound)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let ears: Vec<_> = [Role::Relay(0), Role::Relay(1)]
        .into_iter()
        .map(|relay| listen_from_the_start(&cluster, relay))
        .collect::<Result<_>>()?;
    let start = Instant::now();
    let mut said = start;
    while start.elapsed() < length {
        std::thread::sleep(Duration::from_millis(100));
        if ears.iter().any(|ear| ear.heard().has_ended) {
            bail!(
                "a listener's stream ended after {:?}\n{}",
                start.elapsed(),
                cluster.story()
            );
        }
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let longest = ears.iter().map(Ear::longest_gap).max().unwrap_or_default();
            say(&format!(
                "{} min: longest time without a page {longest:?}",
                start.elapsed().as_secs() / 60
            ));
        }
    }
    cluster
        .program(Role::Source)
        .stop(STOP_MAX)
        .context("the source stops")?;
    ears.into_iter().map(|ear| judge(&cluster, ear)).collect()
}

/// A listener who misses nothing: the burst reaches back to the first page.
///
/// # Errors
/// When the relay does not carry the mount soon enough.
pub fn listen_from_the_start(cluster: &Cluster, role: Role) -> Result<Ear> {
    let url = cluster.mount_at(role);
    let ear = eventually(PLAY_MAX, &format!("{url} plays"), || Ear::listen(&url))
        .with_context(|| cluster.story())?;
    Ok(ear)
}

/// Waits until the last page of the source's stream has come.
///
/// # Errors
/// When it has not come in time.
pub fn hear_the_end(ear: Ear) -> Result<Heard> {
    let what = format!("the last page arrives from {}", ear.url());
    eventually(STOP_MAX, &what, || {
        let heard = ear.heard();
        let last = heard.pages.last().filter(|page| page.stamp.is_last);
        last.map(drop).context("not the last page")
    })?;
    Ok(ear.stop())
}

fn judge(cluster: &Cluster, ear: Ear) -> Result<Outcome> {
    let url = ear.url().to_owned();
    let heard = hear_the_end(ear)?;
    let file = cluster.folder().join("heard.ogg");
    std::fs::write(&file, &heard.body)?;
    let comparison = compare(
        &Decoder::Reference.decode(&cluster.recording())?,
        &Decoder::Reference.decode(&file)?,
    );
    let end = heard.pages.last().map_or(Duration::ZERO, |page| page.at);
    Ok(Outcome {
        url,
        comparison,
        longest_gap: heard.longest_gap(end),
        complaints: complaints(&heard, &file)?,
    })
}

fn complaints(heard: &Heard, file: &Path) -> Result<Vec<String>> {
    let mut complaints = ogginfo(file)?;
    complaints.extend(oggz_validate(file).err().map(|error| format!("{error:#}")));
    complaints.extend(heard.check_order().err().map(|error| format!("{error:#}")));
    Ok(complaints)
}
