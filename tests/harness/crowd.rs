//! A real flash crowd: real relays with few places, and nearly as many real listeners, who all come
//! within a minute through the balancer's 302s.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::cluster::Role;
use crate::figures::note;
use crate::fleet::{Fleet, Kind, Member};
use crate::programs::find;
use crate::tools::finish;

/// Beyond the time in which the crowd comes: until all have sound, and it has been listened to.
const AFTERWARDS: Duration = Duration::from_secs(90);
/// How often the balancer is asked how many listen where.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The scene of 2011: 13 relays, 2,500 places, most of them at a few.
pub const PLACES: [u32; 13] = [1000, 500, 300, 200, 120, 100, 80, 60, 50, 40, 25, 15, 10];

/// Who comes, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose relays.
    pub kind: Kind,
    /// How many places each has.
    pub places: Vec<u32>,
    /// How many come.
    pub n_listeners: u32,
    /// In how long.
    pub time: Duration,
}

/// What became of them.
#[derive(Clone, Debug)]
pub struct Outcome {
    plan: Plan,
    /// Answers by status, at the balancer and at relays.
    pub statuses: Vec<(u16, u64)>,
    /// Listeners who heard sound.
    pub n_heard: u64,
    /// Listeners who were cut off.
    pub n_dropped: u64,
    /// Pages that were not as they should be, of those listened to closely.
    pub n_wrong_pages: u64,
    /// From the first connection to the first page with sound, 99 of 100, in milliseconds.
    pub first_audio_p99_ms: f64,
    /// Of each relay: the most listeners that it told of, and its places.
    pub listeners: BTreeMap<String, (u64, u64)>,
}

impl Outcome {
    /// Listeners who were told no, or found nobody.
    pub fn n_refused(&self) -> u64 {
        u64::from(self.plan.n_listeners).saturating_sub(self.n_heard)
    }

    /// Relays that sent somebody away.
    pub fn n_turned_away(&self) -> u64 {
        let others = self
            .statuses
            .iter()
            .filter(|(status, _)| !matches!(status, 200 | 302));
        let n_redirects = self.of(302);
        // Who was sent back by a relay was redirected twice.
        let n_bounced = n_redirects.saturating_sub(u64::from(self.plan.n_listeners));
        others.map(|(_, n)| n).sum::<u64>() + n_bounced
    }

    fn of(&self, status: u16) -> u64 {
        let found = self.statuses.iter().find(|(own, _)| *own == status);
        found.map_or(0, |(_, n)| *n)
    }

    /// That everybody heard what he came for, and no relay had to turn anybody away.
    ///
    /// # Errors
    /// Says what was not so.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.n_refused() == 0,
            "{} heard nothing\n{self}",
            self.n_refused()
        );
        ensure!(
            self.n_turned_away() == 0,
            "{} were turned away\n{self}",
            self.n_turned_away()
        );
        ensure!(
            self.n_dropped == 0,
            "{} were cut off\n{self}",
            self.n_dropped
        );
        ensure!(
            self.n_wrong_pages == 0,
            "{} pages were wrong\n{self}",
            self.n_wrong_pages
        );
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            kind,
            places,
            n_listeners,
            time,
        } = &self.plan;
        let n_places: u32 = places.iter().sum();
        writeln!(
            f,
            "{n_listeners} listeners in {} s to {} relays ({kind:?}) with {n_places} places: \
             {} heard sound, {} refused, {} turned away by relays, {} cut off; \
             first sound within {:.0} ms for 99 %",
            time.as_secs(),
            places.len(),
            self.n_heard,
            self.n_refused(),
            self.n_turned_away(),
            self.n_dropped,
            self.first_audio_p99_ms,
        )?;
        for (name, (n, slots)) in &self.listeners {
            writeln!(f, "  {name}: {n} of {slots}")?;
        }
        Ok(())
    }
}

/// Has the crowd come.
///
/// # Errors
/// When the stage cannot be set.
pub fn run(plan: Plan) -> Result<Outcome> {
    let kind = plan.kind;
    let member = |n_places: &u32| Member {
        kind,
        n_places: *n_places,
    };
    let members: Vec<_> = plan.places.iter().map(member).collect();
    let mut fleet = Fleet::prepare(&members, "", "")?;
    fleet.start()?;
    let outcome = come(&fleet, plan).with_context(|| fleet.cluster.story());
    if outcome
        .as_ref()
        .is_ok_and(|outcome| outcome.check().is_err())
    {
        note(&fleet.cluster.story());
    }
    // In good order, so that the logs say how it ended.
    let _ = fleet.cluster.program(Role::Balancer).ask_to_stop();
    outcome
}

fn come(fleet: &Fleet, plan: Plan) -> Result<Outcome> {
    let json = fleet.cluster.folder().join("crowd.json");
    let rate = f64::from(plan.n_listeners) / plan.time.as_secs_f64();
    let mut swarm = Command::new(find("plenum-swarm")?);
    swarm
        .args([&fleet.cluster.link(), "--rate", &rate.to_string()])
        .args(["--listeners", &plan.n_listeners.to_string()])
        .args(["--settle", "1", "--seconds", "5", "--json"])
        .arg(&json);
    // What it complains of is in the result.
    let deadline = plan.time + AFTERWARDS;
    let (output, most) = std::thread::scope(|scope| {
        let running = scope.spawn(move || finish(&mut swarm, deadline));
        let mut most = BTreeMap::new();
        while !running.is_finished() {
            note_listeners(&fleet.status()?, &mut most);
            std::thread::sleep(LOOK_EVERY);
        }
        let output = running
            .join()
            .map_err(|_| anyhow!("the swarm's thread broke"))??;
        anyhow::Ok((output, most))
    })?;
    let text = std::fs::read_to_string(&json)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    outcome(plan, &serde_json::from_str(&text)?, most)
}

/// The most listeners that each relay told of, and its places.
type Most = BTreeMap<String, (u64, u64)>;

fn note_listeners(status: &Value, most: &mut Most) {
    for relay in status["relays"].as_array().into_iter().flatten() {
        let name = relay["name"].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| relay[key].as_u64().unwrap_or(0);
        let known = most.entry(name).or_default();
        *known = (known.0.max(number("listeners")), number("slots"));
    }
}

fn outcome(plan: Plan, heard: &Value, most: Most) -> Result<Outcome> {
    let number = |path: &str| {
        let value = heard.pointer(path).and_then(Value::as_u64);
        value.with_context(|| format!("{path} in {heard}"))
    };
    let statuses = heard["statuses"].as_object().context("statuses")?;
    let statuses = statuses.iter().map(|(status, n)| {
        let n = n.as_u64().context("a number")?;
        Ok((status.parse()?, n))
    });
    let mut n_wrong_pages = 0;
    for kind in ["n_bad", "n_gaps", "n_different"] {
        n_wrong_pages += number(&format!("/sample/{kind}"))?;
    }
    Ok(Outcome {
        n_heard: number("/n_heard")?,
        n_dropped: number("/n_dropped")?,
        n_wrong_pages,
        first_audio_p99_ms: heard["first_audio"]["p99_ms"].as_f64().unwrap_or(f64::NAN),
        statuses: statuses.collect::<Result<_>>()?,
        listeners: most,
        plan,
    })
}
