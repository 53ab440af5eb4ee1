//! Results as numbers for programs and as text for people. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::optimum::Solution;
use super::outcome::Outcome;
use super::scene::Scene;
use super::world::Terms;

/// Relays that a person is shown.
const RELAYS_SHOWN_MAX: usize = 20;
/// Countries that a person is shown.
const COUNTRIES_SHOWN_MAX: usize = 5;
const BAR_WIDTH: f64 = 24.0;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) scene: String,
    pub(crate) n_relays: usize,
    pub(crate) n_slots: u64,
    /// Listeners who were there before.
    pub(crate) n_before: u64,
    pub(crate) n_listeners: usize,
    pub(crate) span_seconds: f64,
    pub(crate) seed: u64,
    pub(crate) optimum: Option<Optimum>,
    pub(crate) runs: Vec<Run>,
}

/// The best that could be.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Optimum {
    pub(crate) n_served: i64,
    pub(crate) mean_km: f64,
}

/// What one balancer did at one age of news.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) policy: super::Kind,
    pub(crate) policy_name: &'static str,
    pub(crate) report_age_seconds: f64,
    pub(crate) n_balancers: usize,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) mean_km: f64,
    /// Of the best possible; null where not everybody can have a slot.
    pub(crate) of_optimum: Option<f64>,
    /// Of the relays' used shares: standard deviation, and the most.
    pub(crate) used_deviation: f64,
    pub(crate) used_most: f64,
    /// Listeners by country who have no slot, or a far one.
    pub(crate) badly_served: BTreeMap<String, u64>,
}

impl From<Solution> for Optimum {
    fn from(solution: Solution) -> Self {
        Self {
            n_served: solution.n_served,
            mean_km: solution.metres as f64 / 1000.0 / solution.n_served.max(1) as f64,
        }
    }
}

impl Results {
    /// Before anything was run.
    pub(crate) fn of(scene: &Scene, seed: u64) -> Self {
        let sum = |of: fn(&super::scene::Site) -> u32| {
            scene.relays.iter().map(|relay| u64::from(of(relay))).sum()
        };
        Self {
            scene: scene.name.clone(),
            n_relays: scene.relays.len(),
            n_slots: sum(|relay| relay.slots),
            n_before: sum(|relay| relay.taken),
            n_listeners: scene.arrivals.len(),
            span_seconds: scene.span.as_secs_f64(),
            seed,
            optimum: None,
            runs: Vec::new(),
        }
    }
}

impl Run {
    /// What an outcome says.
    pub(crate) fn of(
        terms: Terms,
        outcome: Outcome,
        optimum: Option<&Optimum>,
        scene: &Scene,
    ) -> Self {
        let mean_km = outcome.mean_km();
        let has_room = |best: &&Optimum| best.n_served as u64 >= outcome.n_asked;
        let (used_deviation, used_most) = outcome.spread();
        let mut badly_served = BTreeMap::new();
        for (spot, n) in scene.spots.iter().zip(&outcome.badly_served) {
            if let Some(country) = spot.country.filter(|_| *n > 0) {
                *badly_served.entry(country.to_string()).or_default() += *n;
            }
        }
        Self {
            policy: terms.kind,
            policy_name: terms.kind.name(),
            report_age_seconds: terms.interval.as_secs_f64(),
            n_balancers: terms.n_balancers,
            mean_km,
            of_optimum: optimum.filter(has_room).map(|best| mean_km / best.mean_km),
            used_deviation,
            used_most,
            badly_served,
            outcome,
        }
    }
}

/// For people: one run in full, several as a table.
pub(crate) fn text(results: &Results) -> String {
    let mut text = format!(
        "{}: {} listeners within {} s, {} relays with {} slots",
        results.scene,
        grouped(results.n_listeners as u64),
        results.span_seconds,
        grouped(results.n_relays as u64),
        grouped(results.n_slots),
    );
    if results.n_before > 0 {
        let _ = write!(text, ", of which {} are taken", grouped(results.n_before));
    }
    if let Some(best) = &results.optimum {
        let _ = write!(text, "; at best {:.0} km on average", best.mean_km);
    }
    let n_balancers = results.runs.first().map_or(1, |run| run.n_balancers);
    if n_balancers > 1 {
        let _ = write!(text, "; {n_balancers} balancers");
    }
    let _ = writeln!(text, "; seed {}\n", results.seed);
    match results.runs.as_slice() {
        [run] => in_full(&mut text, run),
        runs => table(&mut text, runs),
    }
    text
}

fn in_full(text: &mut String, run: &Run) {
    let outcome = &run.outcome;
    let percent = |n| 100.0 * outcome.share(n);
    let mut line = |what: &str, words: String| {
        let _ = writeln!(text, "{what:<16} {words}");
    };
    line("asked", grouped(outcome.n_asked));
    line("served", grouped(outcome.n_served));
    line(
        "turned away",
        format!(
            "{} ({:.2} %), of them {} ({:.2} %) while a slot was free",
            grouped(outcome.n_rejected),
            percent(outcome.n_rejected),
            grouped(outcome.n_rejected_while_free),
            percent(outcome.n_rejected_while_free),
        ),
    );
    line("never came", grouped(outcome.n_lost));
    for (what, n) in [
        ("waited a moment", outcome.n_held),
        ("swallowed", outcome.n_swallowed),
        ("sent back", outcome.n_bounces),
        ("came directly", outcome.n_direct),
        ("… and no slot", outcome.n_direct_rejected),
    ] {
        if n > 0 {
            line(what, grouped(n));
        }
    }
    let times = run.of_optimum;
    let times = times.map(|times| format!(", {times:.3} times the best possible"));
    let distance = format!(
        "{:.0} km on average{}",
        run.mean_km,
        times.unwrap_or_default()
    );
    line("distance", distance);
    let spread = format!(
        "standard deviation {:.2}, most {:.0} %",
        run.used_deviation,
        run.used_most * 100.0
    );
    line("load of relays", spread);
    line("a choice takes", format!("{:.1} µs", outcome.us_per_choice));
    missing(text, run);
    loads(text, outcome);
}

/// Where slots are missing.
fn missing(text: &mut String, run: &Run) {
    if run.badly_served.is_empty() {
        return;
    }
    let mut countries: Vec<_> = run.badly_served.iter().collect();
    countries.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let all: u64 = run.badly_served.values().sum();
    let most = countries.iter().take(COUNTRIES_SHOWN_MAX);
    let most: Vec<_> = most
        .map(|(country, n)| format!("{country} {}", grouped(**n)))
        .collect();
    let _ = writeln!(
        text,
        "\n{} listeners have no slot or one farther than {:.0} km; most of them in {}.",
        grouped(all),
        super::outcome::FAR_KM,
        most.join(", ")
    );
}

fn loads(text: &mut String, outcome: &Outcome) {
    let mut loads: Vec<_> = outcome.loads.iter().collect();
    loads.sort_by_key(|load| std::cmp::Reverse(load.slots));
    let widest = loads
        .iter()
        .take(RELAYS_SHOWN_MAX)
        .map(|load| load.name.chars().count());
    let widest = widest.max().unwrap_or(0);
    text.push('\n');
    for load in loads.iter().take(RELAYS_SHOWN_MAX) {
        let full = (load.used().min(1.0) * BAR_WIDTH).round() as usize;
        let _ = writeln!(
            text,
            "{:<widest$} {}{} {:>3.0} % of {}",
            load.name,
            "█".repeat(full),
            "░".repeat(BAR_WIDTH as usize - full),
            load.used() * 100.0,
            grouped(u64::from(load.slots)),
        );
    }
    if let Some(more) = loads.len().checked_sub(RELAYS_SHOWN_MAX).filter(|n| *n > 0) {
        let _ = writeln!(text, "… and {} smaller ones", grouped(more as u64));
    }
}

fn table(text: &mut String, runs: &[Run]) {
    let _ = writeln!(
        text,
        "{:<24} {:>7} {:>9} {:>13} {:>10} {:>8} {:>7} {:>5} {:>5} {:>8} {:>6}",
        "policy",
        "reports",
        "rejected",
        "… while free",
        "swallowed",
        "km",
        "of best",
        "sd",
        "most",
        "bounces",
        "µs"
    );
    for run in runs {
        let outcome = &run.outcome;
        let percent = |n| format!("{:.2} %", 100.0 * outcome.share(n));
        let best = run.of_optimum.map(|times| format!("{times:.3}"));
        let _ = writeln!(
            text,
            "{:<24} {:>5} s {:>9} {:>13} {:>10} {:>8.0} {:>7} {:>5.2} {:>5.2} {:>8} {:>6.1}",
            run.policy.name(),
            run.report_age_seconds,
            percent(outcome.n_rejected),
            percent(outcome.n_rejected_while_free),
            percent(outcome.n_swallowed),
            run.mean_km,
            best.unwrap_or_default(),
            run.used_deviation,
            run.used_most,
            outcome.n_bounces,
            outcome.us_per_choice,
        );
    }
}

/// `1,234,567`
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
