//! Connections whose head has not come yet: who waits longest, and who has to make room. Pure.

use std::collections::VecDeque;

/// At most so many wait, oldest first. Whoever is inside has a place that stays the same.
#[derive(Debug)]
pub(super) struct Porch<T> {
    n_max: usize,
    n_waiting: usize,
    places: Vec<Place<T>>,
    free: Vec<usize>,
    /// In the order in which they came; some of them have left.
    order: VecDeque<(usize, u32)>,
}

#[derive(Debug)]
struct Place<T> {
    /// How many have left this place: tells the one who waits from those before him.
    n_left: u32,
    waiting: Option<T>,
}

impl<T> Porch<T> {
    pub(super) fn new(n_max: usize) -> Self {
        Self {
            n_max,
            n_waiting: 0,
            places: Vec::new(),
            free: Vec::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether the next one needs somebody else's place.
    pub(super) fn is_full(&self) -> bool {
        self.n_waiting >= self.n_max
    }

    /// One more waits; make room first. Gives his place.
    pub(super) fn enter(&mut self, waiting: T) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                n_left: 0,
                waiting: None,
            });
            self.places.len() - 1
        });
        if self.order.len() >= 2 * self.n_max {
            self.forget_those_who_left();
        }
        self.order.push_back((at, self.places[at].n_left));
        self.places[at].waiting = Some(waiting);
        self.n_waiting += 1;
        at
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.places.get_mut(at)?.waiting.as_mut()
    }

    /// All who wait.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.places
            .iter()
            .filter_map(|place| place.waiting.as_ref())
    }

    pub(super) fn leave(&mut self, at: usize) -> Option<T> {
        let place = self.places.get_mut(at)?;
        let waiting = place.waiting.take()?;
        place.n_left = place.n_left.wrapping_add(1);
        self.free.push(at);
        self.n_waiting -= 1;
        Some(waiting)
    }

    /// Who has waited longest, and his place.
    pub(super) fn oldest(&mut self) -> Option<(usize, &T)> {
        while let Some((at, n_left)) = self.order.front().copied() {
            if self.places[at].n_left == n_left {
                return self.places[at]
                    .waiting
                    .as_ref()
                    .map(|waiting| (at, waiting));
            }
            self.order.pop_front();
        }
        None
    }

    fn forget_those_who_left(&mut self) {
        let places = &self.places;
        self.order
            .retain(|(at, n_left)| places[*at].n_left == *n_left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_those_inside_is_known_whoever_left() {
        let mut porch = Porch::new(3);
        let places: Vec<_> = (0..3).map(|name| porch.enter(name)).collect();
        assert!(porch.is_full());
        assert_eq!(porch.oldest(), Some((places[0], &0)));
        assert_eq!(porch.leave(places[0]), Some(0));
        assert!(!porch.is_full());
        let again = porch.enter(3);
        assert_eq!(again, places[0], "a place is used again");
        assert_eq!(porch.oldest(), Some((places[1], &1)));
        for at in [places[1], places[2]] {
            porch.leave(at);
        }
        assert_eq!(porch.oldest(), Some((again, &3)));
        assert_eq!(porch.leave(again), Some(3));
        assert_eq!((porch.leave(again), porch.oldest()), (None, None));
    }

    #[test]
    fn those_who_pass_quickly_leave_nothing_behind_one_who_stays() {
        let mut porch = Porch::new(10);
        porch.enter(0);
        for name in 1..10_000 {
            let at = porch.enter(name);
            porch.leave(at);
        }
        assert!(porch.order.len() <= 20 && porch.places.len() == 2);
        assert_eq!(porch.oldest().map(|(_, name)| *name), Some(0));
    }
}
