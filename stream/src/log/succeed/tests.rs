//! A log that was told page by page goes on elsewhere, byte for byte, wherever it was cut.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::log::Keep;
use crate::log::account::{Step, Trace};
use crate::log::logical::tests::vorbis;
use crate::log::recorded::{Damaged, Reader, encode, encode_prefix};
use crate::log::segment::Record;
use crate::log::tests::stage::{Stage, epoch, keep, read};
use crate::log::writer::SKIP_BYTES;
use crate::mount::{Facts, Mirror, MountPath, MountTable, Start};
use crate::ogg::modes::Length;
use crate::ogg::tests::opus;
use crate::ogg::{Links, Page};

/// What a log keeps from an offset on, as it is told.
fn told(log: &Log, from: u64) -> Bytes {
    let kept = log.kept(from, usize::MAX).unwrap();
    encode(&kept, Instant::now(), 0)
}

/// Adds what is new in the log.
fn listen(heard: &mut Vec<(Record, Page)>, log: &Log) {
    let end = |(record, page): &(Record, Page)| record.offset + page.len() as u64;
    let from = heard.last().map_or(0, end);
    heard.extend(pages(&told(log, from)));
}

fn pages(bytes: &[u8]) -> Vec<(Record, Page)> {
    let mut reader = Reader::default();
    reader.push(bytes);
    let mut found = Vec::new();
    while let Some(page) = reader.take().unwrap() {
        found.push(page);
    }
    found
}

fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

/// A mirror that has been told these pages, from the one of this number on.
fn mirror(told: &[(Record, Page)], from: usize) -> Mirror {
    let mut links = Links::new();
    for (_, page) in &told[..from] {
        links.take(page).unwrap();
    }
    // Nobody begins between the header pages of a link.
    let from = links.current().map_or(0, |_| from);
    let prefix = links.current().map(|link| header_pages(&link.prefix));
    let prefix = prefix.flatten().unwrap_or_default();
    let start = Start {
        epoch: epoch(),
        offset: told.get(from).map_or(0, |(record, _)| record.offset),
        prefix: &prefix,
        keep: keep(),
    };
    let table = Arc::new(MountTable::new());
    let now = Instant::now();
    let mut mirror = Mirror::open(&table, &live(), &Facts::default(), start, now).unwrap();
    for (record, page) in &told[from..] {
        mirror.append_step(page, Step::from(record), now).unwrap();
    }
    mirror
}

/// Two links with filler in the middle of the second, of which sound has followed.
fn programme() -> (Vec<Page>, Vec<Page>) {
    let lengths = [Length::Long, Length::Short, Length::Long].repeat(12);
    let sound = vorbis(9, &lengths, &[(2, true), (3, false), (4, false)].repeat(3));
    (opus(3, 6), sound)
}

#[test]
fn told_up_to_any_page_a_log_goes_on_elsewhere_byte_for_byte() {
    let (first, second) = programme();
    for n_before_filler in [4, 6, 7] {
        let mut stage = Stage::new(1 << 20);
        let mut all = Vec::new();
        stage.play(&first);
        stage.play(&second[..n_before_filler]);
        listen(&mut all, stage.writer.log());
        stage.fill();
        stage.play(&second[n_before_filler..]);
        listen(&mut all, stage.writer.log());
        let bytes: Vec<u8> = all
            .iter()
            .flat_map(|(_, page)| page.bytes().to_vec())
            .collect();
        let mut n_compared = 0;
        for (n_told, from) in (1..=all.len()).flat_map(|n| [(n, 0), (n, n / 2)]) {
            let log = mirror(&all[..n_told], from).mount().log();
            let (mut writer, account) = writer(&log, false, Instant::now()).unwrap();
            let head = log.head();
            assert_eq!(account.offset(), head);
            let Some(stream) = account.streams().last() else {
                continue;
            };
            // A stream of which only header pages came is nobody's.
            let trace = stream.trace;
            let known = writer.splice().wanted(trace.source_serial);
            let is_known = trace != Trace::unknown(stream.newest.serial);
            let Some(next) = known.filter(|_| is_known) else {
                continue;
            };
            let next = usize::try_from(next).unwrap();
            let source = [&first, &second][usize::from(trace.source_serial == 9)];
            // What is filled in the original is not filled here.
            let end = [source.len(), n_before_filler]
                [usize::from(trace.source_serial == 9 && next <= n_before_filler)];
            for page in &source[next..end] {
                writer.take(page, Instant::now(), || 77).unwrap();
            }
            let (oldest, found) = read(&log);
            if matches!(trace.shift, Shift::Due(1..)) {
                // Nobody can say what stands behind filler.
                assert!(log.head() == head || oldest >= head + SKIP_BYTES);
                continue;
            }
            let from = usize::try_from(oldest).unwrap();
            let n_bytes = found.len().min(bytes.len() - from);
            assert_eq!(found[..n_bytes], bytes[from..from + n_bytes], "{n_told}");
            n_compared += usize::from(log.head() > head);
        }
        assert!(n_compared > 20, "{n_compared}");
    }
}

#[test]
fn a_step_that_is_not_whole_stays_out_of_the_log() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let mut all = Vec::new();
    listen(&mut all, stage.writer.log());
    stage.fill();
    listen(&mut all, stage.writer.log());
    let n_unfinished = all
        .iter()
        .filter(|(record, _)| record.is_unfinished)
        .count();
    assert!(n_unfinished > 20, "{n_unfinished}");
    let copy = mirror(&all[..all.len() - 1], 0);
    let n_sound: usize = opus(1, 5).iter().map(Page::len).sum();
    assert_eq!(copy.mount().log().head(), n_sound as u64);
    assert_eq!(copy.head(), all.last().unwrap().0.offset);
    // Over another connection it may come again.
    let (held, next) = (&all[all.len() - 2], &all[all.len() - 1]);
    assert_eq!(copy.has(held.0.offset, &held.1), Some(true));
    assert_eq!(copy.has(held.0.offset, &next.1), Some(false));
}

#[test]
fn where_filler_may_be_missing_not_even_the_next_page_stands() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 5));
    let all = pages(&told(stage.writer.log(), 0));
    for (may_be_filled, skips) in [(false, false), (true, true)] {
        let log = mirror(&all, 0).mount().log();
        let head = log.head();
        let (mut writer, _) = writer(&log, may_be_filled, Instant::now()).unwrap();
        writer.take(&opus(1, 9)[7], Instant::now(), || 5).unwrap();
        assert_eq!(log.head() > head + SKIP_BYTES, skips);
    }
}

#[test]
fn header_pages_are_told_like_any_others() {
    let prefix: Vec<u8> = opus(1, 0).iter().flat_map(|p| p.bytes().to_vec()).collect();
    let told = pages(&encode_prefix(&Bytes::from(prefix)));
    let told: Vec<Page> = told.into_iter().map(|(_, page)| page).collect();
    assert_eq!(told, opus(1, 0));
}

#[test]
fn an_empty_log_can_be_begun() {
    let log = Log::new(epoch(), 0, Keep::default());
    let (mut writer, _) = writer(&log, false, Instant::now()).unwrap();
    for page in opus(1, 3) {
        writer.take(&page, Instant::now(), || 5).unwrap();
    }
    assert!(log.link().is_some());
}

proptest! {
    #[test]
    fn in_any_portions_the_same_pages_come_out_and_damage_is_named(
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        flip in proptest::option::of((any::<prop::sample::Index>(), 1u8..)),
    ) {
        let mut stage = Stage::new(1 << 20);
        stage.play(&opus(1, 9));
        let mut bytes = told(stage.writer.log(), 0).to_vec();
        let whole = pages(&bytes);
        if let Some((at, mask)) = flip {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = Reader::default();
        let mut found = Vec::new();
        let mut is_damaged = false;
        for pair in cuts.windows(2) {
            reader.push(&bytes[pair[0]..pair[1]]);
            loop {
                match reader.take() {
                    Ok(Some(page)) => found.push(page),
                    Ok(None) => break,
                    Err(Damaged) => {
                        is_damaged = true;
                        break;
                    }
                }
            }
            if is_damaged {
                break;
            }
        }
        prop_assert_eq!(is_damaged, flip.is_some());
        prop_assert_eq!(&whole[..found.len()], &found[..]);
        prop_assert!(is_damaged || found.len() == whole.len());
    }
}
