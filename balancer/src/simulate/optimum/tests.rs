//! That nothing is better than what is called the best.

use super::*;

/// Tries everything.
fn best_of_all(problem: &Problem) -> i64 {
    fn place(problem: &Problem, people: &[usize], free: &mut [i64]) -> i64 {
        let Some((first, rest)) = people.split_first() else {
            return 0;
        };
        let mut best = i64::MAX / 2;
        for relay in 0..free.len() {
            if free[relay] > 0 {
                free[relay] -= 1;
                let metres = problem.metres[first * free.len() + relay];
                best = best.min(i64::from(metres) + place(problem, rest, free));
                free[relay] += 1;
            }
        }
        best
    }
    let people = problem.supply.iter().enumerate();
    let people: Vec<usize> = people.flat_map(|(at, n)| vec![at; *n as usize]).collect();
    place(problem, &people, &mut problem.slots.clone())
}

#[test]
fn nothing_that_can_be_tried_is_better() {
    let mut chance = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let (n_places, n_relays) = (chance.usize(1..4), chance.usize(1..4));
        let problem = Problem {
            supply: (0..n_places).map(|_| chance.i64(0..3)).collect(),
            slots: (0..n_relays).map(|_| chance.i64(2..7)).collect(),
            metres: (0..n_places * n_relays)
                .map(|_| chance.i32(0..50))
                .collect(),
        };
        let n_people: i64 = problem.supply.iter().sum();
        if n_people > problem.slots.iter().sum() {
            continue;
        }
        let solution = solve(&problem, &mut || ());
        assert_eq!(solution.n_served, n_people, "{problem:?}");
        assert_eq!(solution.metres, best_of_all(&problem), "{problem:?}");
    }
}

#[test]
fn large_ones_are_proved_by_their_prices() {
    let mut chance = fastrand::Rng::with_seed(8);
    let (n_places, n_relays) = (200, 60);
    let problem = Problem {
        supply: (0..n_places).map(|_| chance.i64(0..50)).collect(),
        slots: (0..n_relays).map(|_| chance.i64(1..300)).collect(),
        metres: (0..n_places * n_relays)
            .map(|_| chance.i32(0..9_000_000))
            .collect(),
    };
    let mut simplex = Simplex::new(&problem);
    while let Some((row, column)) = simplex.entering() {
        simplex.pivot(row, column);
    }
    // Every arc in use costs what its ends differ by, and no other costs less.
    for row in 0..simplex.n_rows {
        assert!((0..simplex.n_columns).all(|column| simplex.saved(row, column) >= 0));
    }
    for (node, arc) in simplex.arcs.iter().enumerate() {
        let step = simplex.potentials[node] - simplex.potentials[arc.parent];
        let upward = if arc.is_up { -step } else { step };
        assert_eq!(upward, arc.cost);
        assert!(arc.flow >= 0);
        assert!(arc.cost < ARTIFICIAL || arc.flow == 0);
    }
    let solution = simplex.solution(&problem);
    assert_eq!(solution.n_served, problem.supply.iter().sum::<i64>());
    let within = solution.at_relay.iter().zip(&problem.slots);
    assert!(within.into_iter().all(|(n, slots)| n <= slots));
}

#[test]
fn where_slots_are_missing_all_of_them_are_used() {
    let problem = Problem {
        supply: vec![5, 5],
        slots: vec![3, 0, 4],
        metres: vec![1, 0, 9, 2, 0, 3],
    };
    let solution = solve(&problem, &mut || ());
    assert_eq!(solution.at_relay, [3, 0, 4]);
    assert_eq!((solution.n_served, solution.metres), (7, 3 + 4 * 3));
}
