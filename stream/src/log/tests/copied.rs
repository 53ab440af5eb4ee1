//! A log that goes on in another program: the same bytes, whatever it had just come to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::stage::{Stage, epoch, keep, read};
use crate::log::account::Step;
use crate::log::logical::tests::vorbis;
use crate::log::restore::{Restored, from_copy};
use crate::log::writer::Writer;
use crate::log::{Keep, Log, resume};

use crate::ogg::modes::Length;
use crate::ogg::tests::opus;
use crate::ogg::{Page, Stamp};

const NOW_MS: i64 = 1_790_000_000_000;

pub(super) fn moved(stage: &Stage, keep: Keep, now: Instant) -> Restored {
    let traces = stage.writer.splice().traces();
    let log = stage.writer.log();
    let copied = log.copy(&traces, now, NOW_MS);
    let (index, pages) = (Bytes::from(copied.index), Bytes::from(copied.pages));
    let mut restored = from_copy(&index, &pages, keep, now, NOW_MS).unwrap();
    restored.writer.go_on(&stage.writer.state(now), now);
    restored
}

fn same(one: &Arc<Log>, other: &Arc<Log>) {
    assert_eq!(read(one), read(other));
    assert_eq!((one.epoch(), one.head()), (other.epoch(), other.head()));
    assert_eq!(one.link_start(), other.link_start());
    assert_eq!(one.farewell(), other.farewell());
    for burst in [0, 3, 1_000] {
        let join = |log: &Arc<Log>| {
            let found = log.open(resume::Wish::Join, Duration::from_secs(burst));
            found.map(|(_, cursor, prefix)| (cursor.offset(), prefix))
        };
        assert_eq!(join(one), join(other), "burst {burst}");
    }
}

fn links() -> Vec<Page> {
    [opus(1, 12), opus(2, 3), voice(12)].concat()
}

/// Vorbis, two blocks a page, every other page cut in the middle of a packet.
fn voice(n_pages: usize) -> Vec<Page> {
    let lengths = [Length::Long, Length::Short, Length::Short].repeat(n_pages);
    let pages: Vec<(usize, bool)> = (0..n_pages).map(|n| (2, n % 2 == 1)).collect();
    vorbis(3, &lengths, &pages)
}

#[test]
fn a_log_goes_on_elsewhere_after_any_page() {
    let all = links();
    let mut whole = Stage::new(1 << 20);
    whole.play(&all);
    for n in 0..=all.len() {
        let mut stage = Stage::new(1 << 20);
        stage.play(&all[..n]);
        let now = Instant::now() + Duration::from_secs(1_000);
        let restored = moved(&stage, keep(), now);
        same(restored.log(), stage.writer.log());
        stage.writer = restored.writer;
        stage.play(&all[n..]);
        same(stage.writer.log(), whole.writer.log());
    }
}

#[test]
fn a_ring_that_has_forgotten_its_beginning_goes_on_too() {
    let all = links();
    let small = Keep {
        n_bytes: 700,
        ..keep()
    };
    for n in 1..=all.len() {
        let log = Log::new(epoch(), 0, small);
        let now = Instant::now();
        for page in &all[..n] {
            log.append(page, Step::default(), now).unwrap();
        }
        let copied = log.copy(&[], now, NOW_MS);
        let (index, pages) = (Bytes::from(copied.index), Bytes::from(copied.pages));
        let restored = from_copy(&index, &pages, small, now, NOW_MS).unwrap();
        assert_eq!(restored.log().head(), log.head());
        for page in &all[n..] {
            restored.log().append(page, Step::default(), now).unwrap();
            log.append(page, Step::default(), now).unwrap();
        }
        assert_eq!(read(restored.log()).1.last(), read(&log).1.last());
        assert_eq!(restored.log().link_start(), log.link_start());
    }
}

/// FLAC, each header on a page of its own.
fn flac(serial: u32) -> Vec<Page> {
    let first = [&b"\x7fFLAC\x01\0\0\x03fLaC"[..], &[0; 38]].concat();
    let headers = [
        &first[..],
        b"\x01\0\0\x01.",
        b"\x01\0\0\x02..",
        b"\x81\0\0\x01.",
    ];
    let bodies = headers.into_iter().chain([&b"sound"[..]; 3]);
    let page = |(sequence, body): (u32, &[u8])| {
        let stamp = Stamp {
            serial,
            sequence,
            granule: i64::from(sequence.saturating_sub(3)) * 4096,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[body.len() as u8], body)
    };
    (0..).zip(bodies).map(page).collect()
}

#[test]
fn a_ring_in_which_only_the_later_headers_of_a_link_are_left_goes_on_too() {
    let one_page = Keep {
        n_bytes: 1,
        ..keep()
    };
    let all = [flac(1), opus(2, 3), flac(3)].concat();
    for n in 1..=all.len() {
        let (mut stage, mut whole) = (Stage::new(1 << 20), Stage::new(1 << 20));
        for stage in [&mut stage, &mut whole] {
            stage.writer = Writer::new(epoch(), one_page);
            stage.play(&all[..n]);
        }
        let restored = moved(&stage, one_page, Instant::now());
        same(restored.log(), whole.writer.log());
        stage.writer = restored.writer;
        for page in &all[n..] {
            stage.play(std::slice::from_ref(page));
            whole.play(std::slice::from_ref(page));
            same(stage.writer.log(), whole.writer.log());
        }
    }
}

#[test]
fn filler_goes_on_where_it_was() {
    let all = voice(30);
    for n in 4..20 {
        let (mut stage, mut other) = (Stage::new(1 << 20), Stage::new(1 << 20));
        for stage in [&mut stage, &mut other] {
            stage.play(&all[..n]);
            stage.fill();
        }
        let now = Instant::now();
        let mut restored = moved(&stage, keep(), now);
        assert!(restored.writer.is_filled());
        assert_eq!(restored.writer.filler(), other.writer.filler());
        same(restored.log(), other.writer.log());
        std::mem::swap(&mut stage.writer, &mut restored.writer);
        for stage in [&mut stage, &mut other] {
            stage.fill();
            stage.play(&all[n..]);
        }
        assert_eq!(stage.bytes(), other.bytes(), "after {n} pages");
    }
}
