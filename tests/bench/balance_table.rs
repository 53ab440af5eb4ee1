//! The balancer's tables, and what they say. Pure.

use std::fmt::Write as _;

use crate::balance::{Balance, Run, Scene};
use crate::table::grid;

/// The heading in `docs/benchmarks.md` under which all of this stands.
pub(crate) const HEADING: &str = "## The balancer in a crowd";

const METHOD: &str = "\
`plenum-balancer simulate` lets the crowd come in made-up time; the balancer in it is the code that serves, the others are written down from their formulas (`balancer/src/simulate/rivals.rs`).
Scene A: 13 relays, 2,500 slots, most of them in Germany, as are 85 % of the listeners; 2,000 come in a minute.
Scene B: 300 relays, 60,044 slots, half of them with European hosters, half wherever people are; 50,000 come in five minutes from everywhere.
Scene C: 5,000 relays, 1,249,000 slots; a million come in ten minutes.
Listeners are where the IPv4 addresses of the world are, by DB-IP City Lite in cells of two degrees.
A listener is at the relay 50 ms after his redirect and 0.4 s more on average; one in 200 takes 5 to 20 s, 3 in 100 never come.
All relays report at the same moments, a report takes 0.2 s; nobody leaves.
*Turned away* counts who found no slot although some relay had one free; only Plenum's relays send somebody back when they are full, and only Plenum holds its answer for up to 8 s.
Where there are several balancers, relays lend them their slots with the code of real relays; a lease lasts 15 s, and so do reports at most.
The best possible is the min-cost flow of all listeners who ask to all slots that those leave who do not, known in advance, solved exactly by the network simplex method.
It knows nothing but kilometres.
Where a third of all slots is wanted (median of seeds 1 to 3: 1.30 times the best), half of what is more comes from prices that spare slots for a crowd which does not come: without the part of the price that rises with the demand it is 1.14.
The 100 km within which all relays are alike, borders, and ties of 25 km, of which the best possible knows nothing either, make 0.02 or less each.
Distances of policies that turn many away say little: those who are served are few.
";

/// All tables of the balancer.
pub(crate) fn tables(balance: &Balance) -> String {
    let mut text = String::new();
    for scene in &balance.scenes {
        text.push_str(&rejected(scene));
    }
    text.push_str(&troubles(balance));
    text
}

/// The part of `docs/benchmarks.md`.
pub(crate) fn section(balance: &Balance, has_plot: bool) -> String {
    let mut text = format!("{HEADING}\n\n");
    if has_plot {
        text.push_str(
            "![Listeners turned away while slots were free, by age of reports](balancer.svg)\n\n",
        );
    }
    for sentence in says(balance) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "- {sentence}");
    }
    text.push('\n');
    text.push_str(&tables(balance));
    text.push_str(METHOD);
    let machine = &balance.machine;
    let _ = writeln!(
        text,
        "\nMeasured {} on {} × {}; seed 1. `make balance` makes the tables on your machine.",
        machine.date, machine.n_processors, machine.processor
    );
    text
}

/// What the scenes show, in sentences.
pub(crate) fn says(balance: &Balance) -> Vec<String> {
    let mut sentences = Vec::new();
    for scene in &balance.scenes {
        let ours: Vec<_> = scene
            .runs
            .iter()
            .filter(|run| run.policy == "plenum")
            .collect();
        let most = ours
            .iter()
            .map(|run| run.n_rejected_while_free)
            .max()
            .unwrap_or(0);
        let times = ours
            .iter()
            .filter_map(|run| run.of_optimum)
            .fold(0.0, f64::max);
        let old = scene.runs.iter().filter(|run| run.policy == "django2011");
        let old = old
            .map(|run| run.percent(run.n_rejected_while_free))
            .fold(0.0, f64::max);
        sentences.push(format!(
            "{}: at whatever age of reports, Plenum turns away at most {most} of {} while a slot \
             is free, and is at most {times:.3} times as far as the best possible; the algorithm \
             of 2011 turns away up to {old:.0} %.",
            upper(&scene.scene),
            scene.n_listeners
        ));
    }
    sentences
}

fn rejected(scene: &Scene) -> String {
    let mut ages: Vec<f64> = Vec::new();
    for run in &scene.runs {
        if !ages.contains(&run.report_age_seconds) {
            ages.push(run.report_age_seconds);
        }
    }
    let mut head = vec!["policy".to_owned()];
    head.extend(ages.iter().map(|age| format!("{age} s")));
    head.extend(["km", "of best", "load sd", "bounces", "µs"].map(str::to_owned));
    let mut policies: Vec<&str> = Vec::new();
    for run in &scene.runs {
        if !policies.contains(&run.policy.as_str()) {
            policies.push(&run.policy);
        }
    }
    let rows = policies.iter().map(|policy| {
        let runs: Vec<_> = scene
            .runs
            .iter()
            .filter(|run| run.policy == *policy)
            .collect();
        row(&runs)
    });
    let rows: Vec<_> = rows.collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let best = scene.optimum.as_ref().map_or(0.0, |best| best.mean_km);
    format!(
        "### {}: {} listeners in {} s, {} relays, {} slots: turned away while a slot was free, by \
         age of reports\n\nAt best {best:.0} km on average.\n\n{}\n",
        upper(&scene.scene),
        scene.n_listeners,
        scene.span_seconds,
        scene.n_relays,
        scene.n_slots,
        grid(&head, &rows)
    )
}

fn row(runs: &[&Run]) -> Vec<String> {
    let mut row: Vec<_> = runs
        .iter()
        .take(1)
        .map(|run| run.policy_name.clone())
        .collect();
    let rejected = runs
        .iter()
        .map(|run| percent(run.percent(run.n_rejected_while_free)));
    row.extend(rejected);
    let middle = runs.get(runs.len() / 2);
    let times = |run: &&Run| run.of_optimum.map(|times| format!("{times:.3}"));
    row.push(middle.map_or_else(String::new, |run| format!("{:.0}", run.mean_km)));
    row.push(middle.and_then(times).unwrap_or_default());
    row.push(middle.map_or_else(String::new, |run| format!("{:.2}", run.used_deviation)));
    row.push(middle.map_or_else(String::new, |run| run.n_bounces.to_string()));
    row.push(middle.map_or_else(String::new, |run| format!("{:.1}", run.us_per_choice)));
    row
}

fn troubles(balance: &Balance) -> String {
    let head = [
        "Plenum in trouble",
        "reports",
        "turned away",
        "… while free",
        "swallowed",
        "km",
        "of best",
        "bounces",
    ];
    let rows = balance.troubles.iter().flat_map(|trouble| {
        trouble.scene.runs.iter().map(|run| {
            vec![
                trouble.what.clone(),
                format!("{} s", run.report_age_seconds),
                format!(
                    "{} ({})",
                    run.n_rejected,
                    percent(run.percent(run.n_rejected))
                ),
                run.n_rejected_while_free.to_string(),
                format!(
                    "{} ({})",
                    run.n_swallowed,
                    percent(run.percent(run.n_swallowed))
                ),
                format!("{:.0}", run.mean_km),
                run.of_optimum
                    .map(|times| format!("{times:.3}"))
                    .unwrap_or_default(),
                run.n_bounces.to_string(),
            ]
        })
    });
    format!(
        "### What may go wrong\n\n{}\n",
        grid(&head, &rows.collect::<Vec<_>>())
    )
}

fn percent(value: f64) -> String {
    format!("{value:.2} %")
}

fn upper(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
