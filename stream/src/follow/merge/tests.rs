//! One log out of several ways, whatever breaks and in whatever order pages come.

use proptest::prelude::*;

use super::*;
use crate::ogg::tests::opus;

/// What follows two ways and writes one log: what `mirroring` does, without time and sockets.
struct Merger {
    log: Vec<u8>,
    ways: [Connection; 2],
}

#[derive(Default)]
struct Connection {
    next: usize,
    held: Held,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A way brings so many pages, …
    Brings(usize, usize),
    /// … or breaks and goes on with the page before the head, …
    Breaks(usize),
    /// … or goes on later, because its upstream has lost something.
    Jumps(usize, usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..2_usize, 1..6_usize).prop_map(|(way, n)| Event::Brings(way, n)),
        1 => (0..2_usize).prop_map(Event::Breaks),
        1 => (0..2_usize, 1..5_usize).prop_map(|(way, n)| Event::Jumps(way, n)),
    ];
    proptest::collection::vec(event, 0..80)
}

impl Merger {
    fn take(&mut self, offset: usize, page: &Page) -> Place {
        let place = Place::of(offset as u64, page.len(), self.log.len() as u64);
        match place {
            Place::Next => self.log.extend_from_slice(page.bytes()),
            Place::Below => assert_eq!(&self.log[offset..offset + page.len()], page.bytes()),
            Place::Above => {}
            Place::Across => panic!("the pages are the same on both ways"),
        }
        place
    }

    fn settle(&mut self) {
        for way in 0..2 {
            while let Some((offset, page, _)) = self.ways[way].held.take(self.log.len() as u64) {
                self.take(usize::try_from(offset).unwrap(), &page);
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_while_one_way_brings_what_the_other_misses(
        events in events()
    ) {
        let pages = opus(1, 60);
        let starts: Vec<usize> = pages
            .iter()
            .scan(0, |at, page| { let start = *at; *at += page.len(); Some(start) })
            .collect();
        let whole: Vec<u8> = pages.iter().flat_map(|page| page.bytes().to_vec()).collect();
        let now = Instant::now();
        let mut merger = Merger { log: Vec::new(), ways: Default::default() };
        for event in events {
            match event {
                Event::Brings(way, n) => {
                    for _ in 0..n {
                        let at = merger.ways[way].next;
                        let Some(page) = pages.get(at) else { break };
                        merger.ways[way].next += 1;
                        if merger.take(starts[at], page) == Place::Above {
                            prop_assert!(
                                merger.ways[way].held.keep(starts[at] as u64, page.clone(), Step::default(), now)
                            );
                        }
                    }
                }
                Event::Breaks(way) => {
                    let have = starts.iter().filter(|at| **at < merger.log.len()).count();
                    let next = have.saturating_sub(1);
                    merger.ways[way] = Connection { next, held: Held::default() };
                }
                Event::Jumps(way, n) => {
                    let next = merger.ways[way].next + n;
                    merger.ways[way] = Connection { next, held: Held::default() };
                }
            }
            merger.settle();
            prop_assert!(whole.starts_with(&merger.log));
            for way in &merger.ways {
                prop_assert!(way.held.first().is_none_or(|at| at > merger.log.len() as u64));
            }
        }
    }
}

#[test]
fn a_page_that_is_cut_otherwise_is_noticed() {
    assert_eq!(Place::of(90, 20, 100), Place::Across);
    assert_eq!(Place::of(90, 10, 100), Place::Below);
    assert_eq!(Place::of(100, 10, 100), Place::Next);
    assert_eq!(Place::of(101, 10, 100), Place::Above);
    assert_eq!(Place::of(u64::MAX, 10, 100), Place::Above);
}

#[test]
fn what_is_held_is_bounded_in_time_and_bytes() {
    let page = opus(1, 1).remove(2);
    let mut held = Held::default();
    let now = Instant::now();
    assert_eq!((held.until(), held.first()), (None, None));
    let n_max = HELD_BYTES_MAX / page.len();
    for n in 0..n_max {
        let offset = 1000 + (n * page.len()) as u64;
        let at = now + Duration::from_secs(n as u64);
        assert!(held.keep(offset, page.clone(), Step::default(), at));
    }
    assert!(!held.keep(u64::MAX, page.clone(), Step::default(), now));
    assert_eq!(
        (held.until(), held.first()),
        (Some(now + HELD_MAX), Some(1000))
    );
    assert_eq!(held.take(999), None);
    assert_eq!(held.take(1000), Some((1000, page, Step::default())));
}

#[test]
fn patience_is_the_source_s_own_rhythm_and_a_little_more() {
    let mut rhythm = Rhythm::default();
    assert_eq!(rhythm.patience(), LATE);
    rhythm.beat(Duration::from_secs(1));
    rhythm.beat(Duration::from_secs(20));
    assert_eq!(rhythm.patience(), Duration::from_secs(1) + LATE);
    for _ in 0..100 {
        rhythm.beat(Duration::from_millis(200));
    }
    assert_eq!(rhythm.patience(), Duration::from_millis(200) + LATE);
}
