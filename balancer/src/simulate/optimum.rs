//! The best possible: which relay each place's listeners should go to so that all together
//! are as near as can be. Pure.
//!
//! A transportation problem, solved exactly by the network simplex method (Dantzig 1951) on
//! whole metres. Knows every arrival in advance, so no balancer can do better.
//! Strongly feasible trees (Cunningham 1976) keep it from going in circles.

/// Listeners at every place, slots at every relay, metres from each place to each relay.
#[derive(Debug)]
pub(crate) struct Problem {
    /// One number a place.
    pub(crate) supply: Vec<i64>,
    /// One number a relay.
    pub(crate) slots: Vec<i64>,
    /// Place after place, one number a relay.
    pub(crate) metres: Vec<i32>,
}

/// What is best.
#[derive(Debug, PartialEq)]
pub(crate) struct Solution {
    /// Listeners who have a slot.
    pub(crate) n_served: i64,
    /// The sum of their distances.
    pub(crate) metres: i64,
    /// Listeners at each relay, in the order of the problem.
    pub(crate) at_relay: Vec<i64>,
}

/// Dearer than every way through the tree, so that no such arc stays in use.
const ARTIFICIAL: i64 = 1 << 44;
/// Relays next to each other in the list are looked at together, and passed over together when
/// the nearest of them is too far for the dearest of them. It is quickest if neighbours in the
/// list are neighbours on the globe.
const CHUNK: usize = 32;
/// Arcs that are worth a second look.
const CANDIDATES_MAX: usize = 64;

/// Solves it. `step` is told now and then that time has passed.
pub(crate) fn solve(problem: &Problem, step: &mut dyn FnMut()) -> Solution {
    let mut simplex = Simplex::new(problem);
    let mut n_pivots = 0_usize;
    while let Some((row, column)) = simplex.entering() {
        simplex.pivot(row, column);
        n_pivots += 1;
        if n_pivots.is_multiple_of(1024) {
            step();
        }
    }
    simplex.solution(problem)
}

/// Rows are places, columns relays; one more of each stands for nobody and nowhere. The
/// node behind all of them is the root.
struct Simplex {
    n_rows: usize,
    n_columns: usize,
    /// Without rows and columns that have nothing.
    costs: Vec<i32>,
    columns: Vec<usize>,
    rows: Vec<usize>,
    /// Of each node but the root: the arc to its parent.
    arcs: Vec<Arc>,
    potentials: Vec<i64>,
    depths: Vec<u32>,
    children: Vec<Vec<u32>>,
    /// Of each node: its place among its siblings.
    places: Vec<u32>,
    /// The least cost of each chunk, row after row.
    floors: Vec<i32>,
    candidates: Vec<(usize, usize)>,
    next: usize,
}

#[derive(Clone, Copy)]
struct Arc {
    parent: usize,
    is_up: bool,
    flow: i64,
    cost: i64,
}

impl Simplex {
    fn new(problem: &Problem) -> Self {
        let with_something = |amounts: &[i64]| -> Vec<usize> {
            let indices = 0..amounts.len();
            indices.filter(|at| amounts[*at] > 0).collect()
        };
        let rows = with_something(&problem.supply);
        let columns = with_something(&problem.slots);
        let mut amounts: Vec<i64> = rows.iter().map(|at| problem.supply[*at]).collect();
        let n_supply: i64 = amounts.iter().sum();
        let n_slots: i64 = columns.iter().map(|at| problem.slots[*at]).sum();
        let (mut n_rows, mut n_columns) = (rows.len(), columns.len());
        if n_slots > n_supply {
            amounts.push(n_slots - n_supply);
            n_rows += 1;
        }
        amounts.extend(columns.iter().map(|at| problem.slots[*at]));
        if n_supply > n_slots {
            amounts.push(n_supply - n_slots);
            n_columns += 1;
        }
        let mut costs = vec![0; n_rows * n_columns];
        for (row, place) in rows.iter().enumerate() {
            for (column, relay) in columns.iter().enumerate() {
                let metres = problem.metres[place * problem.slots.len() + relay];
                costs[row * n_columns + column] = metres;
            }
        }
        let rows_of_costs = costs.chunks(n_columns.max(1));
        let chunks = rows_of_costs.flat_map(|row| row.chunks(CHUNK));
        let floors = chunks.map(|chunk| chunk.iter().min().copied().unwrap_or_default());
        let floors = floors.collect();
        let n_nodes = n_rows + n_columns;
        let arc = |node: usize| Arc {
            parent: n_nodes,
            is_up: node < n_rows,
            flow: amounts[node],
            cost: ARTIFICIAL,
        };
        let potential = |node: usize| {
            if node < n_rows {
                -ARTIFICIAL
            } else {
                ARTIFICIAL
            }
        };
        let mut children = vec![Vec::new(); n_nodes + 1];
        children[n_nodes] = (0..n_nodes).map(|node| node as u32).collect();
        Self {
            n_rows,
            n_columns,
            costs,
            floors,
            columns,
            rows,
            arcs: (0..n_nodes).map(arc).collect(),
            potentials: (0..n_nodes).map(potential).chain([0]).collect(),
            depths: (0..n_nodes).map(|_| 1).chain([0]).collect(),
            children,
            places: (0..=n_nodes as u32).collect(),
            candidates: Vec::new(),
            next: 0,
        }
    }

    /// An arc that saves something; none is left when all is best. Arcs that saved something at
    /// the last look are looked at first.
    fn entering(&mut self) -> Option<(usize, usize)> {
        loop {
            let mut candidates = std::mem::take(&mut self.candidates);
            candidates.retain(|(row, column)| self.saved(*row, *column) < 0);
            self.candidates = candidates;
            let best = self.candidates.iter();
            let best = best
                .min_by_key(|(row, column)| self.saved(*row, *column))
                .copied();
            if best.is_some() || !self.look() {
                return best;
            }
        }
    }

    /// What one listener more on this arc costs; less than 0: it saves so much.
    fn saved(&self, row: usize, column: usize) -> i64 {
        let cost = i64::from(self.costs[row * self.n_columns + column]);
        cost + self.potentials[row] - self.potentials[self.n_rows + column]
    }

    /// Finds the best arc of each of the next rows. `false`: there is no such arc in any row.
    fn look(&mut self) -> bool {
        let targets = &self.potentials[self.n_rows..self.n_rows + self.n_columns];
        let chunks = targets.chunks(CHUNK);
        let highest: Vec<_> = chunks.map(|chunk| chunk.iter().max().copied()).collect();
        for _ in 0..self.n_rows {
            let row = self.next;
            self.next = (row + 1) % self.n_rows;
            let costs = self.costs[row * self.n_columns..][..self.n_columns].chunks(CHUNK);
            let floors = &self.floors[row * highest.len()..][..highest.len()];
            let reach = self.potentials[row];
            let (mut best, mut found) = (0, None);
            for (n, (costs, targets)) in costs.zip(targets.chunks(CHUNK)).enumerate() {
                if highest[n].is_some_and(|highest| reach + i64::from(floors[n]) - highest >= best)
                {
                    continue;
                }
                for (at, (cost, target)) in costs.iter().zip(targets).enumerate() {
                    let saved = reach + i64::from(*cost) - target;
                    if saved < best {
                        (best, found) = (saved, Some(n * CHUNK + at));
                    }
                }
            }
            self.candidates.extend(found.map(|column| (row, column)));
            if self.candidates.len() >= CANDIDATES_MAX {
                break;
            }
        }
        !self.candidates.is_empty()
    }

    /// The arc from `row` to `column` comes into use, and another one leaves.
    fn pivot(&mut self, row: usize, column: usize) {
        let (from, to) = (row, self.n_rows + column);
        let join = self.join(from, to);
        // Of several arcs that run dry, the last one behind the join leaves.
        let (mut flow, mut leaving) = (i64::MAX, (from, true));
        let mut node = from;
        while node != join {
            let arc = self.arcs[node];
            if arc.is_up && arc.flow < flow {
                (flow, leaving) = (arc.flow, (node, true));
            }
            node = arc.parent;
        }
        node = to;
        while node != join {
            let arc = self.arcs[node];
            if !arc.is_up && arc.flow <= flow {
                (flow, leaving) = (arc.flow, (node, false));
            }
            node = arc.parent;
        }
        for (mut node, is_from) in [(from, true), (to, false)] {
            while node != join {
                let arc = &mut self.arcs[node];
                arc.flow += if arc.is_up == is_from { -flow } else { flow };
                node = arc.parent;
            }
        }
        let cost = i64::from(self.costs[row * self.n_columns + column]);
        let (leaves, is_from) = leaving;
        let (inside, outside) = if is_from { (from, to) } else { (to, from) };
        let entering = Arc {
            parent: outside,
            is_up: is_from,
            flow,
            cost,
        };
        self.hang(inside, leaves, entering);
    }

    fn join(&self, from: usize, to: usize) -> usize {
        let (mut one, mut other) = (from, to);
        while one != other {
            if self.depths[one] >= self.depths[other] {
                one = self.arcs[one].parent;
            } else {
                other = self.arcs[other].parent;
            }
        }
        one
    }

    /// What hangs below `leaves` is turned round and hangs from `inside` by `entering`.
    fn hang(&mut self, inside: usize, leaves: usize, entering: Arc) {
        let (mut node, mut arc) = (inside, entering);
        loop {
            let old = self.arcs[node];
            let siblings = &mut self.children[old.parent];
            siblings.swap_remove(self.places[node] as usize);
            if let Some(moved) = siblings.get(self.places[node] as usize) {
                self.places[*moved as usize] = self.places[node];
            }
            let siblings = &mut self.children[arc.parent];
            self.places[node] = siblings.len() as u32;
            siblings.push(node as u32);
            self.arcs[node] = arc;
            if node == leaves {
                break;
            }
            arc = Arc {
                parent: node,
                is_up: !old.is_up,
                ..old
            };
            node = old.parent;
        }
        let above = self.potentials[entering.parent];
        let potential = if entering.is_up {
            above - entering.cost
        } else {
            above + entering.cost
        };
        let shift = potential - self.potentials[inside];
        let mut below = vec![inside];
        while let Some(node) = below.pop() {
            self.potentials[node] += shift;
            self.depths[node] = self.depths[self.arcs[node].parent] + 1;
            below.extend(self.children[node].iter().map(|child| *child as usize));
        }
    }

    fn solution(&self, problem: &Problem) -> Solution {
        let mut solution = Solution {
            n_served: 0,
            metres: 0,
            at_relay: vec![0; problem.slots.len()],
        };
        for (node, arc) in self.arcs.iter().enumerate() {
            let (row, column) = match node < self.n_rows {
                true => (node, arc.parent.wrapping_sub(self.n_rows)),
                false => (arc.parent, node - self.n_rows),
            };
            if let (Some(_), Some(relay)) = (self.rows.get(row), self.columns.get(column)) {
                solution.n_served += arc.flow;
                solution.metres += arc.flow * arc.cost;
                solution.at_relay[*relay] += arc.flow;
            }
        }
        solution
    }
}

#[cfg(test)]
mod tests;
