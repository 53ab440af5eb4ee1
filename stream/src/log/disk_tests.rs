//! What comes back from disk: a whole stretch of the log or nothing, whatever became of the files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::logical::tests::vorbis;
use super::segment::{Damage, Segment};
use super::tests::stage::{START_MS, Stage, epoch, keep, read, restore};
use super::writer::SKIP_BYTES;
use super::*;
use crate::ogg::Stamp;
use crate::ogg::tests::{opus, page};

/// Two links, of which the second goes on; several segments.
fn two_links() -> Stage {
    let mut stage = Stage::new(700);
    stage.play(&opus(1, 12));
    stage.play(&opus(2, 15));
    stage
}

#[test]
fn what_was_written_down_comes_back_as_it_was() {
    let stage = two_links();
    assert!(stage.files().len() > 3, "{}", stage.files().len());
    let mut restored = restore(&stage.files(), START_MS).unwrap().unwrap();
    let log = Arc::clone(restored.log());
    assert_eq!(read(&log), (0, stage.bytes()));
    assert_eq!(log.epoch(), epoch());
    assert_eq!(log.link_start(), stage.writer.log().link_start());
    let burst = Duration::from_secs(4);
    let join = |log: &Arc<Log>| {
        let (_, cursor, prefix) = log.open(resume::Wish::Join, burst).unwrap();
        (cursor.offset(), prefix)
    };
    assert_eq!(join(&log), join(stage.writer.log()));
    assert_eq!(log.farewell(), stage.writer.log().farewell());
    assert_eq!(restored.writer.splice().wanted(2), Some(17));
    assert_eq!(restored.writer.splice().wanted(1), None);
    // Headers again, three pages it has, then new ones: as if nothing had happened.
    let more = opus(2, 30);
    let mut original = two_links();
    original.play(&more[17..]);
    let again = [&more[..2], &more[14..]].concat();
    for page in &again {
        restored
            .writer
            .take(page, Instant::now(), || unreachable!("no new stream"))
            .unwrap();
    }
    assert_eq!(read(&log), (0, original.bytes()));
}

#[test]
fn a_log_goes_on_through_any_number_of_restarts() {
    let all = opus(1, 40);
    let mut uninterrupted = Stage::new(500);
    uninterrupted.play(&all);
    let mut stage = Stage::new(500);
    stage.play(&all[..3]);
    for n in 3..all.len() {
        let restored = restore(&stage.files(), START_MS).unwrap().unwrap();
        assert_eq!(
            restored.writer.splice().wanted(1),
            Some(u32::try_from(n).unwrap())
        );
        stage.writer = restored.writer;
        stage.attach(restored.account, 500);
        stage.play(&all[n..=n]);
    }
    assert_eq!(stage.bytes(), uninterrupted.bytes());
    assert_eq!(stage.writer.log().head(), uninterrupted.writer.log().head());
}

#[test]
fn files_torn_at_any_byte_give_a_whole_beginning_that_the_source_completes() {
    let stage = two_links();
    let whole = stage.bytes();
    let files = stage.files();
    let (index, pages) = files.last().unwrap().clone();
    let cuts = (0..=index.len())
        .map(|n| (n, pages.len()))
        .chain((0..=pages.len()).map(|n| (index.len(), n)));
    for (n_index, n_pages) in cuts {
        let mut files = files.clone();
        *files.last_mut().unwrap() = (index[..n_index].to_vec(), pages[..n_pages].to_vec());
        let restored = match restore(&files, START_MS) {
            Ok(Some(restored)) => restored,
            // Sound without the head that was written before it: that was no kill.
            Err(Damage::Head(_)) if n_pages > 0 => continue,
            other => panic!("cut at {n_index} and {n_pages}: {other:?}"),
        };
        let log = Arc::clone(restored.log());
        let (oldest, bytes) = read(&log);
        assert_eq!((oldest, &bytes[..]), (0, &whole[..bytes.len()]));
        // The source has the rest, and sends it again.
        let mut writer = restored.writer;
        let from = writer.splice().wanted(2).unwrap();
        for page in &opus(2, 15)[from as usize..] {
            writer.take(page, Instant::now(), || 0).unwrap();
        }
        assert_eq!(read(&log).1, whole, "cut at {n_index} and {n_pages}");
    }
}

#[test]
fn a_step_that_was_half_written_is_not_done() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let before = stage.bytes();
    // One step: the page that ends the old link, and the first of the new.
    stage.play(&opus(2, 0)[..1]);
    let mut files = stage.files();
    assert_eq!(files.len(), 2, "each link has its own segment");
    files[1].1.pop();
    let restored = restore(&files, START_MS).unwrap().unwrap();
    assert_eq!(read(restored.log()).1, before);
    files.pop();
    let restored = restore(&files, START_MS).unwrap().unwrap();
    assert_eq!(read(restored.log()).1, before);
    assert_eq!(restored.writer.splice().wanted(1), Some(7));
}

#[test]
fn only_what_follows_the_last_hole_counts() {
    let mut stage = Stage::new(1 << 20);
    let all = opus(1, 20);
    stage.play(&all[..8]);
    stage.writer.sink().unwrap().removed();
    stage.play(&all[8..12]);
    let account = restore(&stage.files(), START_MS).unwrap().unwrap();
    assert_eq!(account.writer.splice().wanted(1), Some(8));
    // The disk has room again: the one who writes goes on from what the log is now.
    let mut whole = Stage::new(1 << 20);
    whole.play(&all[..12]);
    let at = restore(&whole.files(), START_MS).unwrap().unwrap().account;
    let n_before = whole.bytes().len();
    stage.attach(at, 1 << 20);
    stage.play(&all[12..]);
    let mut files = stage.files();
    let restored = restore(&files, START_MS).unwrap().unwrap();
    assert_eq!(
        read(restored.log()),
        (n_before as u64, stage.bytes()[n_before..].to_vec())
    );
    assert_eq!(restored.writer.splice().wanted(1), Some(22));
    // Nothing but the last segment: it is enough by itself.
    files.remove(0);
    let restored = restore(&files, START_MS).unwrap().unwrap();
    assert_eq!(read(restored.log()).0, n_before as u64);
}

#[test]
fn another_stream_never_stands_where_somebody_may_have_heard_the_old_one() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let head = stage.writer.log().head();
    for (other, from, is_skipped) in [
        (opus(1, 9), 7, false),
        (opus(1, 9), 8, true),
        (opus(2, 9), 0, true),
    ] {
        let restored = restore(&stage.files(), START_MS).unwrap().unwrap();
        let mut writer = restored.writer;
        let log = Arc::clone(writer.log());
        assert_eq!(log.head(), head);
        writer.take(&other[from], Instant::now(), || 5).unwrap();
        let is_far = log.head() > head + SKIP_BYTES;
        assert_eq!(is_far, is_skipped, "{:?}", other[from]);
        // Once is enough.
        let next = log.head();
        writer.take(&other[from + 1], Instant::now(), || 6).unwrap();
        assert!(log.head() < next + 1_000);
    }
}

#[test]
fn a_mere_end_never_stands_where_somebody_may_have_heard_sound() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let last = &opus(1, 9)[7];
    let own = last.restamped(Stamp {
        is_last: true,
        ..last.stamp()
    });
    let mere = crate::ogg::Page::end_of(&opus(1, 5)[6].stamp(), &[0]);
    for (end, is_skipped) in [(own, false), (mere, true)] {
        let mut writer = restore(&stage.files(), START_MS).unwrap().unwrap().writer;
        let head = writer.log().head();
        writer.take(&end, Instant::now(), || 5).unwrap();
        assert_eq!(writer.log().head() > head + SKIP_BYTES, is_skipped);
    }
}

#[test]
fn what_follows_a_page_that_was_dropped_is_not_the_very_next() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let mut writer = restore(&stage.files(), START_MS).unwrap().unwrap().writer;
    let (head, all) = (writer.log().head(), opus(1, 9));
    // One is missing, and this one goes on with it.
    let rest = all[8].restamped(Stamp {
        is_continued: true,
        ..all[8].stamp()
    });
    writer.take(&rest, Instant::now(), || 5).unwrap();
    assert_eq!(writer.log().head(), head);
    writer.take(&all[9], Instant::now(), || 5).unwrap();
    assert!(writer.log().head() > head + SKIP_BYTES);
}

#[test]
fn filler_comes_back_as_it_was_and_so_does_the_time_of_what_follows_it() {
    use crate::ogg::modes::Length::{Long, Short};
    let lengths = [Long, Long, Short, Short, Long, Short].repeat(10);
    let cuts = [(2, false), (3, true), (0, true), (1, false)].repeat(8);
    for all in [opus(1, 30), vorbis(1, &lengths, &cuts)] {
        for (n_before, n_between) in (5..20).flat_map(|n| [(n, 0), (n, 1), (n, 2)]) {
            let play = |restarts: bool| {
                let mut stage = Stage::new(300);
                stage.play(&all[..n_before]);
                stage.fill();
                stage.play(&all[n_before..n_before + n_between]);
                if restarts {
                    let restored = restore(&stage.files(), START_MS).unwrap().unwrap();
                    stage.writer = restored.writer;
                    stage.attach(restored.account, 300);
                }
                // What was dropped may be asked for again.
                let wanted = stage.writer.splice().wanted(1).unwrap();
                let filled = stage.writer.splice().filled(1);
                stage.play(&all[wanted as usize..]);
                (filled, stage.bytes())
            };
            assert!(play(true) == play(false), "{n_before} {n_between}");
        }
    }
}

#[test]
fn where_there_may_have_been_filler_not_even_the_next_page_stands() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let mut writer = restore(&stage.files(), START_MS).unwrap().unwrap().writer;
    writer.suspect_filler();
    let head = writer.log().head();
    writer.take(&opus(1, 9)[7], Instant::now(), || 5).unwrap();
    assert!(writer.log().head() > head + SKIP_BYTES);
    // Nor does filler stand where there may have been sound.
    let mut writer = restore(&stage.files(), START_MS).unwrap().unwrap().writer;
    for _ in ["announced", "written"] {
        writer.fill(Duration::ZERO, Instant::now() + Duration::from_secs(6_000));
    }
    assert!(writer.log().head() > head + SKIP_BYTES);
}

#[test]
fn whatever_the_clock_did_arrivals_rise_and_the_ring_is_not_emptied() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 20));
    let year_ms = 365 * 24 * 3_600_000;
    for now_ms in [
        START_MS + 25_000,
        START_MS - year_ms,
        START_MS + year_ms,
        i64::MAX,
        0,
    ] {
        let restored = restore(&stage.files(), now_ms).unwrap().unwrap();
        let log = restored.log();
        let arrivals: Vec<_> = (0..log.head()).map(|at| log.arrival(at).unwrap()).collect();
        assert!(arrivals.is_sorted());
        let now = Instant::now() + Duration::from_secs(5_000);
        assert!(now - *arrivals.last().unwrap() <= keep().time + Duration::from_secs(1));
        assert_eq!(read(log).0, 0);
    }
}

#[test]
fn a_stretch_of_zeros_is_cut_off_and_a_head_of_zeros_refused() {
    let stage = two_links();
    let whole = stage.bytes();
    let mut files = stage.files();
    let (index, pages) = files.last_mut().unwrap();
    let n_kept = index.len() - 3 * segment::RECORD_BYTES;
    index[n_kept..].fill(0);
    let n_kept = pages.len() - 200;
    pages[n_kept..].fill(0);
    let restored = restore(&files, START_MS).unwrap().unwrap();
    let bytes = read(restored.log()).1;
    assert_eq!(bytes, whole[..bytes.len()]);
    files.last_mut().unwrap().0.fill(0);
    assert!(matches!(restore(&files, START_MS), Err(Damage::Head(_))));
}

#[test]
fn a_damaged_page_that_others_follow_is_named() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 9));
    let mut files = stage.files();
    let middle = files[0].1.len() / 2;
    files[0].1[middle] ^= 1;
    assert!(matches!(restore(&files, START_MS), Err(Damage::Page(_))));
    // The last one may just be what was being written.
    let mut files = stage.files();
    *files[0].1.last_mut().unwrap() ^= 1;
    let restored = restore(&files, START_MS).unwrap().unwrap();
    let n_last = page(1, 10, &[10; 90]).len();
    assert_eq!(
        restored.log().head(),
        stage.writer.log().head() - n_last as u64
    );
}

proptest! {
    #[test]
    fn damaged_bytes_never_become_wrong_sound(
        flips in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), any::<prop::sample::Index>(), 1u8..),
            1..6,
        ),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0usize..99), 0..2),
    ) {
        let stage = two_links();
        let whole = stage.bytes();
        let mut files = stage.files();
        for (segment, is_index, at, mask) in flips {
            let segment = segment.index(files.len());
            let file = if is_index { &mut files[segment].0 } else { &mut files[segment].1 };
            let at = at.index(file.len());
            file[at] ^= mask;
        }
        for (segment, is_index, n_cut) in cuts {
            let segment = segment.index(files.len());
            let file = if is_index { &mut files[segment].0 } else { &mut files[segment].1 };
            file.truncate(file.len().saturating_sub(n_cut));
        }
        if let Ok(Some(restored)) = restore(&files, START_MS) {
            let (oldest, bytes) = read(restored.log());
            let from = usize::try_from(oldest).unwrap();
            prop_assert_eq!(&bytes[..], &whole[from..from + bytes.len()]);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_no_segment_and_no_panic(
        index in proptest::collection::vec(any::<u8>(), 0..300),
        pages in proptest::collection::vec(any::<u8>(), 0..300),
        has_magic in any::<bool>(),
    ) {
        let mut bytes = if has_magic { b"PLENUM1\n".to_vec() } else { Vec::new() };
        bytes.extend(index);
        let _ = Segment::read(&Bytes::from(bytes), &Bytes::from(pages));
    }
}
