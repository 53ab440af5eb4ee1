//! A few hundred seeds, whatever else is tested.

use super::{report, run};

/// So many, on any machine in seconds.
const N_SEEDS: u64 = 200;

#[test]
fn whatever_breaks_no_byte_is_wrong_and_everybody_comes_back() {
    for seed in 1..=N_SEEDS {
        if let Some((wrong, lines)) = run(seed, false).wrong {
            panic!("{}", report(seed, &wrong, &lines, false));
        }
    }
}

#[test]
fn a_seed_breaks_the_same_things_whenever_it_is_run() {
    for seed in 1..=5 {
        let (one, other) = (run(seed, false), run(seed, false));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
