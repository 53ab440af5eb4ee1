//! What is going to happen, the earliest first. Pure.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events to come. Of two at one moment, the one that was planned first happens first.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    planned: BinaryHeap<Reverse<Planned<E>>>,
    n_planned: u64,
}

#[derive(Debug)]
struct Planned<E> {
    at: Duration,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// Nothing is going to happen.
    pub(crate) fn new() -> Self {
        Self {
            planned: BinaryHeap::new(),
            n_planned: 0,
        }
    }

    /// Something will happen at a moment.
    pub(crate) fn plan(&mut self, at: Duration, event: E) {
        self.n_planned += 1;
        self.planned.push(Reverse(Planned {
            at,
            number: self.n_planned,
            event,
        }));
    }

    /// What happens next, if it does before `moment`, and when.
    pub(crate) fn next_before(&mut self, moment: Duration) -> Option<(Duration, E)> {
        let Reverse(first) = self.planned.peek()?;
        if first.at >= moment {
            return None;
        }
        let Reverse(first) = self.planned.pop()?;
        Some((first.at, first.event))
    }
}

impl<E> Planned<E> {
    fn order(&self) -> (Duration, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_earliest_happens_first_and_what_was_planned_first_of_two_at_once() {
        let mut agenda = Agenda::new();
        for (ms, name) in [(30, "d"), (10, "a"), (20, "b"), (20, "c")] {
            agenda.plan(Duration::from_millis(ms), name);
        }
        let mut order = Vec::new();
        while let Some((_, name)) = agenda.next_before(Duration::from_millis(30)) {
            order.push(name);
        }
        assert_eq!(order, ["a", "b", "c"], "30 ms is not before 30 ms");
        let last = agenda.next_before(Duration::MAX);
        assert_eq!(last, Some((Duration::from_millis(30), "d")));
    }
}
