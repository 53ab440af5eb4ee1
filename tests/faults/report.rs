//! What listeners got during a fault, measured, and whether it is as it must be.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tests::heard::same_bytes;
use tests::pcm::{Comparison, compare};
use tests::players::Decoder;

use crate::listener::{Account, Listener};
use crate::stage::{RATE, Stage};

/// A player that is silent for less has only been late to look.
const STALL_MIN: Duration = Duration::from_millis(100);

/// What was measured over all listeners: the worst of each.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Measured {
    pub(crate) n_listeners: usize,
    /// Those whose connection ended, and who did not go on over another at the next byte.
    pub(crate) n_disconnected: usize,
    /// Those who did.
    #[serde(default)]
    pub(crate) n_resumed: usize,
    /// Samples that the source recorded and that are missing in the middle.
    pub(crate) n_lost: usize,
    /// Samples that came again.
    pub(crate) n_doubled: usize,
    /// Samples that the source did not record: silence that stood in.
    pub(crate) n_strange: usize,
    /// Breaks in the page numbers.
    pub(crate) n_jumps: usize,
    /// How long a player was silent, in seconds.
    pub(crate) stall: f64,
    /// Seconds from the mending until the programme came again.
    pub(crate) back: Option<f64>,
    /// Seconds of filler.
    pub(crate) filler: f64,
}

/// What came of a fault.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) measured: Measured,
    /// What else was measured, in words.
    pub(crate) notes: Vec<String>,
    /// What is not as it must be; none: passed.
    pub(crate) failures: Vec<String>,
    /// The end of every program's log.
    #[serde(skip)]
    pub(crate) story: String,
}

/// What listeners are compared with.
#[derive(Debug)]
pub(crate) struct Truth {
    /// What the source has recorded, run by run.
    pub(crate) recordings: Vec<PathBuf>,
    /// Where files may be put.
    pub(crate) folder: PathBuf,
    /// The end of every program's log.
    pub(crate) story: String,
}

impl Report {
    /// Ends the programme and compares what everybody got with what the source recorded. The
    /// fault was mended at `mended`.
    pub(crate) fn take(
        stage: &mut Stage,
        audience: Vec<Listener>,
        mended: Instant,
    ) -> Result<Self> {
        stage.end_the_programme()?;
        let accounts: Vec<_> = audience.into_iter().map(Listener::finish).collect();
        Self::of(stage, &accounts, mended)
    }

    /// As [`Report::take`], of accounts that were taken.
    pub(crate) fn of(stage: &Stage, accounts: &[Account], mended: Instant) -> Result<Self> {
        let truth = stage.truth();
        let recording = truth.samples()?;
        let mut report = Self {
            story: truth.story,
            ..Self::default()
        };
        for account in accounts {
            let found = report.listen_to(account, &recording, &truth.folder)?;
            report.add(account, &found, mended);
        }
        report.compare_logs(accounts);
        Ok(report)
    }

    fn listen_to(
        &mut self,
        account: &Account,
        recording: &[i16],
        folder: &Path,
    ) -> Result<Comparison> {
        let heard = &account.heard;
        if heard.n_junk > 0 {
            self.fail(format!(
                "{:?}: {} bytes belong to no page",
                account.at, heard.n_junk
            ));
        }
        if heard.n_jumps() == 0
            && let Err(error) = heard.check_order()
        {
            self.fail(format!("{:?}: {error:#}", account.at));
        }
        let file = folder.join("heard.ogg");
        std::fs::write(&file, &heard.body)?;
        Ok(compare(recording, &Decoder::Reference.decode(&file)?))
    }

    fn add(&mut self, account: &Account, found: &Comparison, mended: Instant) {
        let heard = &account.heard;
        let all = &mut self.measured;
        all.n_listeners += 1;
        all.n_disconnected += usize::from(heard.has_ended);
        all.n_resumed += usize::from(account.n_resumed > 0 && !heard.has_ended);
        all.n_lost = all.n_lost.max(found.n_lost);
        all.n_doubled = all.n_doubled.max(found.n_doubled);
        all.n_strange = all.n_strange.max(found.n_strange);
        all.n_jumps = all.n_jumps.max(heard.n_jumps());
        all.filler = all.filler.max(account.filler_seconds());
        all.stall = all.stall.max(stalled(account).as_secs_f64());
        let back = account.back(mended).map(|back| back.as_secs_f64());
        all.back = match (all.n_listeners, all.back, back) {
            (1, _, back) => back,
            (_, Some(worst), Some(back)) => Some(worst.max(back)),
            _ => None,
        };
        if found.n_same == 0 {
            self.fail(format!("{:?} heard nothing of the programme", account.at));
        }
    }

    /// Whoever hears one log gets the same bytes of it.
    fn compare_logs(&mut self, accounts: &[Account]) {
        let tag = |account: &Account| account.heard.head.header("etag").map(str::to_owned);
        let whole: Vec<_> = accounts.iter().filter(|a| a.heard.n_jumps() == 0).collect();
        let Some((first, others)) = whole.split_first() else {
            return;
        };
        for other in others.iter().filter(|other| tag(other) == tag(first)) {
            let same = first
                .heard
                .log()
                .and_then(|one| same_bytes(one, other.heard.log()?));
            if let Err(error) = same {
                self.fail(format!("{:?} and {:?}: {error:#}", first.at, other.at));
            }
        }
    }

    pub(crate) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    pub(crate) fn fail(&mut self, words: impl Into<String>) {
        self.failures.push(words.into());
    }

    /// `what` must be.
    pub(crate) fn demand(&mut self, is_so: bool, what: &str) {
        if !is_so {
            self.fail(what);
        }
    }

    /// Every sample once, in order, and nobody sent away.
    pub(crate) fn demand_r0(&mut self) {
        let m = self.measured.clone();
        self.demand(m.n_lost == 0, "no sample lost");
        self.demand(m.n_doubled == 0, "no sample doubled");
        self.demand(m.n_strange == 0, "no sample of anything else");
        self.demand(m.n_jumps == 0, "page numbers without a break");
        self.demand(m.n_disconnected == 0, "nobody disconnected");
    }

    /// Players are silent for at most so long.
    pub(crate) fn demand_stall(&mut self, most: Duration) {
        let most = most.max(STALL_MIN).as_secs_f64();
        self.demand(
            self.measured.stall <= most,
            &format!("players silent for {most:.1} s at most"),
        );
    }

    /// The programme is back so soon.
    pub(crate) fn demand_back(&mut self, within: Duration) {
        let within = within.as_secs_f64();
        let is_back = self.measured.back.is_some_and(|back| back <= within);
        self.demand(is_back, &format!("back within {within:.1} s"));
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.measured;
        write!(
            f,
            "lost {}, doubled {}, silence {:.1} s, stall {:.1} s, disconnects {} of {}",
            m.n_lost,
            m.n_doubled,
            f64::from(u32::try_from(m.n_strange).unwrap_or(u32::MAX)) / f64::from(RATE),
            m.stall,
            m.n_disconnected,
            m.n_listeners
        )?;
        if m.n_resumed > 0 {
            write!(f, ", resumed {}", m.n_resumed)?;
        }
        if m.n_jumps > 0 {
            write!(f, ", jumps {}", m.n_jumps)?;
        }
        match m.back {
            Some(back) => write!(f, ", back after {back:.1} s")?,
            None => write!(f, ", not back")?,
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

impl Truth {
    /// All that the source has recorded, decoded.
    pub(crate) fn samples(&self) -> Result<Vec<i16>> {
        let mut samples = Vec::new();
        for path in &self.recordings {
            let own = Decoder::Reference.decode(path);
            samples.extend(own.with_context(|| self.story.clone())?);
        }
        Ok(samples)
    }
}

/// How long this listener's player would have been silent.
pub(crate) fn stalled(account: &Account) -> Duration {
    let heard = &account.heard;
    // Behind the last page there is nothing to play, and nobody misses it.
    let until = heard.pages.last().map_or(account.until, |page| page.at);
    heard.stalled(until, RATE)
}
