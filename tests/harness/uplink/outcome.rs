//! What came of an uplink that was asked for too much, and whether that is as promised. Pure.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::N_RELAYS;
use crate::heard::{Heard, HeardPage, same_bytes};

/// While a crowd comes the line fills up before anybody can notice; a relay may then be so late:
/// the burst of its listeners is as long, so none of them falls silent.
pub const LAG_BEFORE_MAX: Duration = Duration::from_secs(4);
/// A relay may be so late with one page in a hundred.
pub const LAG_MAX: Duration = Duration::from_millis(500);
/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the master's line carries.
    pub megabits: f64,
    /// Whether the master is told, or has to find out.
    pub is_configured: bool,
    /// What listeners ask for, as a multiple of it.
    pub asked: f64,
    /// For so long after all of them have come.
    pub length: Duration,
    /// The master's congestion control, such as `reno`; that of this machine if `None`.
    pub congestion: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was tried.
    pub plan: Plan,
    /// Listeners, and what one of them asks for, in Mbit/s.
    pub n_listeners: usize,
    /// Mbit/s of the stream.
    pub stream_megabits: f64,
    /// Mbit/s that listeners got in all.
    pub given_megabits: f64,
    /// How much later than at the master pages came at the relays while the crowd came, sorted.
    pub lags_before: Vec<Duration>,
    /// The same from then on.
    pub lags: Vec<Duration>,
    /// Pages that came at the master and not at a relay.
    pub n_lost: usize,
    /// What a relay did otherwise than it should.
    pub complaints: Vec<String>,
    /// What the master counted: its figures by name.
    pub counts: HashMap<String, f64>,
    /// The master's log lines about its uplink.
    pub log: Vec<String>,
}

impl Outcome {
    /// Whether relays were served first, and listeners gave way.
    ///
    /// # Errors
    /// Says what was otherwise.
    pub fn check(&self) -> Result<()> {
        let wanted = self.plan.length.as_secs() as usize;
        ensure!(self.lags.len() > wanted, "too few pages to judge: {self}");
        ensure!(self.n_lost == 0, "relays lost pages: {self}");
        ensure!(self.complaints.is_empty(), "{self}");
        ensure!(
            within(&self.lags, 99) <= LAG_MAX,
            "relays were late: {self}"
        );
        ensure!(
            within(&self.lags_before, 100) <= LAG_BEFORE_MAX,
            "relays were late while the crowd came: {self}"
        );
        ensure!(
            self.count("put_off_total") > 0.0,
            "nobody gave way, so this proves nothing: {self}"
        );
        ensure!(
            self.given_megabits > self.plan.megabits * 0.5,
            "listeners gave way more than they had to: {self}"
        );
        Ok(())
    }

    fn count(&self, name: &str) -> f64 {
        self.counts.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.plan.is_configured {
            true => "configured",
            false => "measured",
        };
        let asked = self.n_listeners as f64 * self.stream_megabits;
        let relays = N_RELAYS as f64 * self.stream_megabits;
        writeln!(f, "uplink {how}, {} s", self.plan.length.as_secs())?;
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<28} {value}");
        row("capacity", format!("{:.1} Mbit/s", self.plan.megabits))?;
        row(
            "asked by listeners",
            format!("{asked:.1} Mbit/s, {} listeners", self.n_listeners),
        )?;
        row(
            "taken by relays",
            format!("{relays:.1} Mbit/s, {N_RELAYS} relays"),
        )?;
        let given = self.given_megabits;
        let share = given / asked * 100.0;
        row(
            "got by listeners",
            format!("{given:.1} Mbit/s, {share:.0} % of what they asked"),
        )?;
        row("relay lag p50 / p99 / max", spread(&self.lags))?;
        row("and while the crowd came", spread(&self.lags_before))?;
        row("pages lost on relays", self.n_lost.to_string())?;
        for (name, figure) in [
            ("listeners' turns put off", "put_off_total"),
            ("listeners moved to live", "fell_behind_total"),
            (
                "listeners closed as too slow",
                "closes_total{reason=\"too_slow\"}",
            ),
        ] {
            row(name, self.count(figure).to_string())?;
        }
        for line in self.complaints.iter().chain(&self.log) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// So many of a hundred are not longer than this.
fn within(lags: &[Duration], percent: usize) -> Duration {
    let at = (lags.len() * percent).div_ceil(100).saturating_sub(1);
    lags.get(at).copied().unwrap_or_default()
}

fn spread(lags: &[Duration]) -> String {
    let [p50, p99, max] = [50, 99, 100].map(|percent| within(lags, percent).as_millis());
    format!("{p50} / {p99} / {max} ms, {} pages", lags.len())
}

impl Outcome {
    /// Compares what a relay's listener heard with what was heard at the master. `note`
    /// gets when each page came at the master and at the relay.
    pub(super) fn compare(
        &mut self,
        relay: &Heard,
        reference: &Heard,
        mut note: impl FnMut(&mut Self, Duration, Duration),
    ) {
        let key = |page: &HeardPage| (page.stamp.serial, page.stamp.sequence);
        let there: HashMap<_, _> = relay.sound().map(|page| (key(page), page.at)).collect();
        for page in reference
            .sound()
            .skip_while(|page| !there.contains_key(&key(page)))
        {
            match there.get(&key(page)) {
                Some(at) => note(self, page.at, *at),
                None => self.n_lost += 1,
            }
        }
        let order = relay.check_order();
        let bytes = relay
            .log()
            .and_then(|log| same_bytes(log, reference.log()?));
        let errors = [order.err(), bytes.err()].into_iter().flatten();
        self.complaints
            .extend(errors.map(|error| format!("{error:#}")));
    }
}
