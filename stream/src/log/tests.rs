//! Properties of ring, resume and splice: wrap, joins, any offset, any order of pages.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::resume::{Answer, FOR_EVER, Wish, decide};
use super::*;
use crate::ogg::tests::{opus, page};
use crate::ogg::{Links, Page, Stamp};

mod copied;
mod frames;
mod skipped;
pub(crate) mod stage;
mod theora;
mod video;

const EPOCH: &str = "000102030405060708090a0b0c0d0e0f";

fn ring(keep_seconds: u64, keep_bytes: usize) -> Ring {
    let keep = Keep {
        time: Duration::from_secs(keep_seconds),
        n_bytes: keep_bytes,
    };
    Ring::new(EPOCH.parse().unwrap(), 0, keep)
}

/// Appends pages one a second, the first at `start`.
fn fill(ring: &mut Ring, pages: &[Page], start: Instant) {
    for (page, n) in pages.iter().zip(0..) {
        ring.append(page, start + Duration::from_secs(n)).unwrap();
    }
}

fn read(ring: &Ring, offset: u64, n_bytes_max: usize) -> Vec<u8> {
    let mut found = Vec::new();
    ring.read(offset, n_bytes_max, usize::MAX, &mut found)
        .unwrap();
    found.concat()
}

#[test]
fn a_joiner_gets_headers_then_whole_pages_of_the_burst() {
    let pages = opus(1, 20);
    let mut ring = ring(60, 1 << 20);
    fill(&mut ring, &pages, Instant::now());
    let join = ring.join(Duration::from_secs(4)).unwrap();
    assert_eq!(
        join.prefix,
        [pages[0].bytes().as_ref(), pages[1].bytes()].concat()
    );
    let wanted: Vec<u8> = pages[17..]
        .iter()
        .flat_map(|p| p.bytes().to_vec())
        .collect();
    assert_eq!(read(&ring, join.offset, usize::MAX), wanted);
    // No burst: the newest page, so that there is something to hear.
    let join = ring.join(Duration::ZERO).unwrap();
    assert_eq!(
        read(&ring, join.offset, usize::MAX),
        pages[21].bytes().as_ref()
    );
}

#[test]
fn a_joiner_never_starts_in_an_earlier_link() {
    let mut ring = ring(60, 1 << 20);
    let start = Instant::now();
    fill(&mut ring, &opus(1, 10), start);
    let second = opus(2, 0);
    fill(&mut ring, &second[..1], start + Duration::from_secs(12));
    // Half of the new link's headers: they come in the log, nothing goes before them.
    let join = ring.join(Duration::from_secs(30)).unwrap();
    assert_eq!((join.prefix.len(), join.offset), (0, ring.link_start()));
    fill(&mut ring, &second[1..], start + Duration::from_secs(13));
    assert_eq!(
        ring.join(Duration::from_secs(30)).unwrap().offset,
        ring.link_start()
    );
    fill(
        &mut ring,
        &[page(2, 2, b"sound")],
        start + Duration::from_secs(14),
    );
    let join = ring.join(Duration::from_secs(30)).unwrap();
    assert_eq!(
        read(&ring, join.offset, usize::MAX),
        page(2, 2, b"sound").bytes().as_ref()
    );
}

#[test]
fn an_empty_log_has_no_place_to_join() {
    assert_eq!(ring(60, 1 << 20).join(Duration::from_secs(3)), None);
}

#[test]
fn the_ring_is_bounded_by_time_and_by_bytes() {
    let pages = opus(1, 100);
    let mut by_time = ring(10, 1 << 20);
    fill(&mut by_time, &pages, Instant::now());
    assert_eq!(
        read(&by_time, by_time.oldest(), usize::MAX).len(),
        11 * pages[2].len()
    );
    let mut by_bytes = ring(1_000, 1_000);
    fill(&mut by_bytes, &pages, Instant::now());
    assert!(by_bytes.n_bytes() <= 1_000 && by_bytes.n_bytes() > 1_000 - pages[2].len());
    let mut found = Vec::new();
    let missed = by_bytes.oldest() - 5;
    assert_eq!(
        by_bytes.read(missed, 10, 10, &mut found),
        Err(FellBehind { n_bytes: 5 })
    );
}

#[test]
fn a_mirror_that_missed_bytes_goes_on_behind_them() {
    let pages = opus(1, 3);
    let mut mirror = Ring::new(EPOCH.parse().unwrap(), 5_000, Keep::default());
    mirror.learn_header(&pages[0]).unwrap();
    mirror.learn_header(&pages[1]).unwrap();
    mirror.append(&pages[2], Instant::now()).unwrap();
    mirror.skip_to(9_000);
    assert_eq!((mirror.oldest(), mirror.head()), (9_000, 9_000));
    mirror.append(&pages[3], Instant::now()).unwrap();
    let join = mirror.join(Duration::from_secs(9)).unwrap();
    assert_eq!((join.offset, join.prefix.is_empty()), (9_000, false));
}

fn wish(range: &str, if_range: &str) -> Wish {
    Wish::parse(
        Some(range).filter(|r| !r.is_empty()),
        Some(if_range).filter(|r| !r.is_empty()),
    )
}

#[test]
fn only_a_resume_we_understand_is_a_resume() {
    let tag = format!("\"{EPOCH}\"");
    for (range, if_range) in [
        ("", ""),
        ("bytes=0-", ""),
        ("bytes=72388-", ""),
        ("bytes=5-", "\"another server's\""),
        ("bytes=5-", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("bytes=-5", tag.as_str()),
        ("bytes=5-9, 20-30", tag.as_str()),
        ("bytes=9-5", tag.as_str()),
        ("bytes=+5-", tag.as_str()),
        ("bytes=99999999999999999999999-", tag.as_str()),
        ("items=5-", tag.as_str()),
        ("bytes=5-", EPOCH),
    ] {
        assert_eq!(wish(range, if_range), Wish::Join, "{range} {if_range}");
    }
    let epoch = EPOCH.parse().unwrap();
    let all = Wish::Resume {
        epoch,
        first: 5,
        last: FOR_EVER,
    };
    assert_eq!(wish("bytes=5-", &tag), all);
    assert_eq!(wish("bytes=5-9223372036854775807", &tag), all);
    // A number that is one byte from being none.
    assert_eq!(wish("bytes=5-18446744073709551615", &tag), all);
}

#[test]
fn a_resume_gets_exactly_its_bytes_or_a_fresh_start() {
    let pages = opus(1, 30);
    let mut ring = ring(10, 1 << 20);
    fill(&mut ring, &pages, Instant::now());
    let tag = format!("\"{EPOCH}\"");
    let check = |first: u64| decide(&ring, wish(&format!("bytes={first}-"), &tag));
    assert_eq!(check(0), Answer::Join);
    let oldest = ring.oldest();
    assert_eq!(
        check(oldest),
        Answer::Exact {
            first: oldest,
            last: FOR_EVER
        }
    );
    assert_eq!(
        check(ring.head()),
        Answer::Exact {
            first: ring.head(),
            last: FOR_EVER
        }
    );
    assert_eq!(check(ring.head() + 1), Answer::Ahead { head: ring.head() });
    let other = wish("bytes=5-", "\"ffffffffffffffffffffffffffffffff\"");
    assert_eq!(decide(&ring, other), Answer::Join);
}

fn splice(splice: &mut Splice, pages: &[Page]) -> Vec<Page> {
    let mut out = Vec::new();
    let mut next_serial = 1_000;
    for page in pages {
        splice.take(
            page,
            || {
                next_serial += 1;
                next_serial
            },
            &mut out,
        );
    }
    out
}

/// What every log must be: each link complete, sequence numbers contiguous, every link
/// before the last ended.
fn assert_faultless(pages: &[Page]) {
    let mut links = Links::new();
    let mut next = std::collections::HashMap::new();
    for page in pages {
        links.take(page).unwrap();
        let stamp = page.stamp();
        if stamp.is_first {
            assert_eq!(
                next.insert(stamp.serial, 0),
                None,
                "a serial number is used once"
            );
        }
        let next = next.get_mut(&stamp.serial).unwrap();
        assert_eq!(stamp.sequence, *next, "no page is missing or doubled");
        *next += 1;
    }
}

#[test]
fn what_is_already_right_only_gets_a_serial_number_of_the_log() {
    assert_eq!(splice(&mut Splice::new(), &opus(1, 5)), opus(1_001, 5));
}

#[test]
fn a_source_that_returns_goes_on_without_a_doubled_page() {
    let pages = opus(1, 10);
    let mut state = Splice::new();
    let mut log = splice(&mut state, &pages[..6]);
    assert_eq!(state.wanted(1), Some(6));
    // It sends its headers again, three pages that arrived before, and the rest.
    let again = [&pages[..2], &pages[3..]].concat();
    log.extend(splice(&mut state, &again));
    assert_eq!(log, opus(1_001, 10));
    assert_eq!(state.counts().n_doubled, 5);
}

#[test]
fn the_source_of_a_stream_that_has_ended_hears_that_nothing_is_missing() {
    let mut state = Splice::new();
    let mut pages = opus(1, 6);
    let last = pages[5].stamp();
    pages[5] = pages[5].restamped(Stamp {
        is_last: true,
        ..last
    });
    splice(&mut state, &pages);
    assert_eq!(state.wanted(1), Some(6));
}

#[test]
fn a_hole_is_closed_in_the_numbers_and_counted() {
    let pages = opus(1, 10);
    let mut state = Splice::new();
    let out = splice(&mut state, &[&pages[..4], &pages[7..]].concat());
    assert_faultless(&out);
    assert_eq!(state.counts().n_missing, 3);
}

#[test]
fn a_new_source_ends_the_link_that_was_left_open() {
    let mut state = Splice::new();
    let mut log = splice(&mut state, &opus(1, 3));
    // Another encoder that happens to use the same serial number.
    let mut other = opus(1, 3);
    other[0] = page(1, 0, b"OpusHead\x01\x01\0\0\0\0\0\0\0\0\0");
    log.extend(splice(&mut state, &other));
    assert_faultless(&log);
    assert!(log[5].stamp().is_last && log[5].serial() == log[0].serial());
    assert_ne!(log[6].serial(), log[0].serial());
}

#[test]
fn pages_that_belong_nowhere_are_dropped() {
    let mut state = Splice::new();
    let out = splice(&mut state, &[page(7, 4, b"late"), page(7, 5, b"later")]);
    assert_eq!((out.len(), state.counts().n_stray), (0, 2));
}

proptest! {
    #[test]
    fn whatever_sources_send_the_log_is_faultless(
        sends in proptest::collection::vec((1u32..4, 0usize..8, 0usize..8), 0..30),
    ) {
        let mut state = Splice::new();
        let mut log = Vec::new();
        for (serial, from, to) in sends {
            let pages = opus(serial, 6);
            let (from, to) = (from.min(to), from.max(to));
            log.extend(splice(&mut state, &pages[..2]));
            log.extend(splice(&mut state, &pages[from..to]));
        }
        assert_faultless(&log);
    }

    #[test]
    fn reading_in_any_steps_gives_the_same_bytes(
        n_pages in 1u32..40,
        steps in proptest::collection::vec(0usize..900, 1..30),
        start in any::<prop::sample::Index>(),
        keep_bytes in 500usize..8_000,
    ) {
        let mut ring = ring(1_000, keep_bytes);
        let pages = opus(1, n_pages);
        fill(&mut ring, &pages, Instant::now());
        let all: Vec<u8> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
        let span = usize::try_from(ring.head() - ring.oldest()).unwrap();
        let mut at = ring.oldest() + start.index(span + 1) as u64;
        for step in steps {
            let mut found: Vec<Bytes> = Vec::new();
            let next = ring.read(at, step, 1 + step % 7, &mut found).unwrap();
            let (from, to) = (usize::try_from(at).unwrap(), usize::try_from(next).unwrap());
            prop_assert_eq!(found.concat(), &all[from..to]);
            at = next;
        }
    }

    #[test]
    fn a_join_is_always_headers_and_a_page_boundary(
        n_pages in 1u32..40, burst in 0u64..60, keep_seconds in 1u64..50,
    ) {
        let mut ring = ring(keep_seconds, 1 << 20);
        let pages = opus(1, n_pages);
        fill(&mut ring, &pages, Instant::now());
        let join = ring.join(Duration::from_secs(burst)).unwrap();
        let mut stream = join.prefix.to_vec();
        stream.extend(read(&ring, join.offset, usize::MAX));
        let mut framer = crate::ogg::Framer::new();
        let mut links = Links::new();
        let mut input = stream.as_slice();
        let mut n_pages_heard = 0;
        while let Some(found) = framer.next(&mut input) {
            let crate::ogg::Found::Page(page) = found else { panic!("only whole pages") };
            links.take(&page).unwrap();
            n_pages_heard += 1;
        }
        prop_assert!(n_pages_heard > 2, "headers and at least one page of sound");
        prop_assert_eq!(framer.n_held(), 0);
    }
}
