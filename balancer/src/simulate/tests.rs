//! The promises of the choice, in numbers: a quick version of what `make bench` measures.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn simulated(line: &str) -> Results {
    let words = ["simulate"].into_iter().chain(line.split_whitespace());
    results(&Line::try_parse_from(words).unwrap().arguments).unwrap()
}

fn refused(line: &str) -> String {
    let words = ["simulate"].into_iter().chain(line.split_whitespace());
    match Line::try_parse_from(words) {
        Err(error) => error.to_string(),
        Ok(line) => format!("{:#}", run(&line.arguments).unwrap_err()),
    }
}

/// Of those who asked, the part that was turned away while a slot was free.
fn needlessly_rejected(run: &Run) -> f64 {
    run.outcome.share(run.outcome.n_rejected_while_free)
}

fn check(results: &Results, of_optimum_max: f64) {
    for run in &results.runs {
        let (age, rejected) = (run.report_age_seconds, needlessly_rejected(run));
        assert!(rejected <= 0.001, "{}, {age} s: {rejected}", results.scene);
        let times = run.of_optimum.unwrap();
        assert!(
            (0.99..=of_optimum_max).contains(&times),
            "{}, {age} s: {times}",
            results.scene
        );
    }
}

#[test]
fn a_national_crowd_finds_every_slot_however_old_reports_are() {
    check(
        &simulated("--scene a --report-age 1s,5s,15s,30s,60s,300s"),
        1.10,
    );
    check(
        &simulated("--scene a --report-age 5s,60s --in 5s --seed 2"),
        1.10,
    );
}

#[test]
fn a_crowd_all_over_the_world_finds_every_slot() {
    check(&simulated("--scene b --report-age 5s,60s"), 1.05);
}

#[test]
fn a_crowd_for_which_a_third_of_all_slots_will_do_is_not_sent_far() {
    check(
        &simulated("--scene b --listeners 20000 --report-age 5s"),
        1.35,
    );
}

#[test]
fn a_crowd_that_asks_four_balancers_is_hardly_sent_farther() {
    check(
        &simulated("--scene a --balancers 4 --report-age 1s,5s"),
        1.15,
    );
}

#[test]
fn relays_that_swallow_listeners_get_few() {
    let results = simulated("--scene b --report-age 5s --black-holes 5 --no-optimum");
    let [run] = results.runs.as_slice() else {
        panic!("one run")
    };
    let share = run.outcome.share(run.outcome.n_swallowed);
    assert!(share <= 0.001, "{share}");
}

#[test]
fn relays_that_turn_bad_after_a_good_life_swallow_few() {
    let results = simulated("--scene b --report-age 1s --black-later 5 --no-optimum");
    for run in &results.runs {
        let share = run.outcome.share(run.outcome.n_swallowed);
        assert!(run.outcome.n_swallowed > 0 && share <= 0.0025, "{share}");
        assert!(needlessly_rejected(run) <= 0.001);
    }
}

#[test]
fn four_balancers_that_know_nothing_of_each_other_find_every_slot_and_book_none_twice() {
    for line in [
        "--scene a --report-age 1s,5s,15s",
        "--scene b --report-age 1s,15s --listeners 55000 --in 60s",
    ] {
        for run in simulated(&format!("{line} --balancers 4 --no-optimum")).runs {
            let (age, outcome) = (run.report_age_seconds, &run.outcome);
            let n_rejected = outcome.n_rejected_while_free;
            assert!(n_rejected <= 1, "{line}: {age} s: {n_rejected}");
            // Only who takes longer than the 10 s for which his place is kept, one in 400, may meet
            // a full relay.
            let n_bounces = outcome.n_bounces;
            assert!(n_bounces <= 30, "{line}: {age} s: {n_bounces} sent back");
        }
    }
}

#[test]
fn the_algorithm_of_2011_fails_as_it_did() {
    let results = simulated("--scene a --report-age 60s --policy django2011,nearest,random");
    for run in &results.runs {
        let rejected = needlessly_rejected(run);
        assert!(rejected > 0.3, "{}: {rejected}", run.policy.name());
    }
}

#[test]
fn everybody_is_accounted_for() {
    let line = "--scene a --policy plenum,random --direct 10 --black-holes 10 --listeners 3000";
    for run in simulated(line).runs {
        let outcome = &run.outcome;
        let there: u64 = outcome
            .loads
            .iter()
            .map(|load| u64::from(load.listeners))
            .sum();
        let direct = outcome.n_direct - outcome.n_direct_rejected;
        assert_eq!(there, outcome.n_served + direct);
        let gone = outcome.n_rejected + outcome.n_lost + outcome.n_swallowed;
        assert_eq!(outcome.n_served + gone, outcome.n_asked);
        assert_eq!(outcome.n_asked + outcome.n_direct, 3000);
        assert!(
            outcome
                .loads
                .iter()
                .all(|load| load.listeners <= load.slots)
        );
    }
}

#[test]
fn a_seed_gives_the_same_results_again() {
    let line = "--scene a --policy plenum,two-choices --listeners 500 --seed 4";
    let words = |results: Results| {
        let runs = results.runs.iter();
        runs.map(|run| (run.outcome.n_rejected, run.mean_km.to_bits()))
            .collect::<Vec<_>>()
    };
    assert_eq!(words(simulated(line)), words(simulated(line)));
}

#[test]
fn a_person_and_a_program_and_a_browser_can_read_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("a.svg");
    let line = format!("--scene a --listeners 300 --svg {}", svg.display());
    let words = ["simulate"].into_iter().chain(line.split_whitespace());
    let text = run(&Line::try_parse_from(words).unwrap().arguments).unwrap();
    assert!(
        text.contains("300 listeners within 60 s, 13 relays with 2,500 slots"),
        "{text}"
    );
    assert!(text.contains("turned away      0 (0.00 %)"), "{text}");
    assert!(text.contains("relay-13"), "{text}");
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(
        drawn.starts_with("<svg") && drawn.contains("of 1000"),
        "{drawn}"
    );
    let json = serde_json::to_value(simulated("--scene a --listeners 300")).unwrap();
    assert_eq!(json["runs"][0]["policy"], "plenum");
    assert_eq!(json["runs"][0]["n_asked"], 300);
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    for (line, complaint) in [
        ("", "--scene"),
        ("--scene d", "--scene"),
        ("--scene a --relays x.json", "cannot be used with"),
        ("--scene a --in 5x", "not a time"),
        ("--scene a --in 0s", "not between"),
        ("--scene a --in NaNs", "not a time"),
        ("--scene a --lost 101", "not between 0 and 100"),
        ("--scene a --listeners 0", "0"),
        ("--scene a --from DE=60,FR=60", "120 %"),
        ("--relays /nowhere.json", "cannot read /nowhere.json"),
    ] {
        let refused = refused(line);
        assert!(refused.contains(complaint), "{line}: {refused}");
    }
}
