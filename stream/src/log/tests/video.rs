//! Logs with a picture: joined where it decodes, and numbered and timed without a break.

use std::time::{Duration, Instant};

use super::*;
use crate::log::account::header_pages;
use crate::log::recorded::{Reader, encode, encode_prefix};
use crate::log::writer::Writer;
use crate::ogg::{Format, Stray};
use crate::webm::tests::pages;
use crate::webm::tests::stage::{header, second};

pub(super) fn writer() -> Writer {
    let keep = Keep {
        time: Duration::from_secs(3600),
        n_bytes: 1 << 24,
    };
    Writer::new(EPOCH.parse().unwrap(), keep)
}

/// What a source sends in so many seconds.
pub(super) fn sent(has_video: bool, uid: u8, n_seconds: u64) -> Vec<Page> {
    let seconds = (0..n_seconds).flat_map(|n| second(n * 1000, None));
    pages(
        &header(has_video, uid)
            .into_iter()
            .chain(seconds)
            .collect::<Vec<u8>>(),
    )
}

/// Sends pages, those of a second at once, a second after the other.
fn send(writer: &mut Writer, pages: &[Page], start: Instant) {
    for page in pages {
        let second = u64::try_from(page.stamp().granule / 1000).unwrap();
        let now = start + Duration::from_secs(second);
        writer.take(page, now, || 7).unwrap();
    }
}

fn all(writer: &Writer) -> Vec<Page> {
    let kept = writer.log().kept(0, usize::MAX).unwrap();
    kept.into_iter().map(|kept| kept.page).collect()
}

/// The pages that somebody gets who joins: their header, and the first one.
fn joined(writer: &Writer, burst: Duration) -> (Vec<Page>, Page, u64) {
    let (_, cursor, prefix) = writer.log().open(Wish::Join, burst).unwrap();
    let kept = writer.log().kept(cursor.offset(), 1).unwrap();
    (
        header_pages(&prefix).unwrap(),
        kept[0].page.clone(),
        cursor.offset(),
    )
}

#[test]
fn a_joiner_begins_with_a_key_frame_and_has_at_least_the_burst_if_there_is_one() {
    let (mut writer, start) = (writer(), Instant::now());
    send(&mut writer, &sent(true, 1, 10), start);
    let all = all(&writer);
    for (burst, from) in [(0, 9_000), (1, 8_000), (3, 6_000), (100, 0)] {
        let (head, first, _) = joined(&writer, Duration::from_secs(burst));
        assert!(!first.stamp().is_continued);
        if burst < 100 {
            assert_eq!(head, [all[0].clone()]);
            let (granule, from) = (first.stamp().granule, i64::from(from));
            assert!(
                (from..from + 300).contains(&granule),
                "{burst} s: {granule}"
            );
        }
    }
}

#[test]
fn where_key_frames_are_rare_a_joiner_goes_back_to_the_newest_one() {
    let (mut writer, start) = (writer(), Instant::now());
    let mut pages = sent(true, 1, 10);
    let is_late = |page: &Page| page.stamp().granule > 2_500;
    pages.retain(|page| page.stamp().is_continued || !is_late(page));
    send(&mut writer, &pages, start);
    for burst in [0, 3, 5] {
        let (_, first, offset) = joined(&writer, Duration::from_secs(burst));
        assert!(!first.stamp().is_continued);
        assert!((1_600..2_500).contains(&first.stamp().granule));
        // One who is too slow goes on there, too.
        assert_eq!(writer.log().live_edge(0).0, offset);
    }
}

#[test]
fn who_goes_back_in_memory_begins_at_the_key_frame_before() {
    let start = Instant::now();
    for (has_video, from) in [(true, 6_000), (false, 7_000)] {
        let mut writer = writer();
        send(&mut writer, &sent(has_video, 1, 10), start);
        let burst = Duration::from_millis(2_500);
        let (_, first, _) = joined(&writer, writer.log().burst_from_key_frame(burst));
        let granule = first.stamp().granule;
        assert!((from..from + 300).contains(&granule), "{granule}");
        // What is not kept cannot be gone back to.
        let long = Duration::from_secs(60);
        assert_eq!(writer.log().burst_from_key_frame(long), long);
    }
}

#[test]
fn a_source_that_comes_back_with_the_same_tracks_goes_on_in_the_same_link() {
    let (mut writer, start) = (writer(), Instant::now());
    for uid in 1..4 {
        send(&mut writer, &sent(true, uid, 3), start);
    }
    let all = all(&writer);
    assert_eq!(all.iter().filter(|page| is_head(page)).count(), 1);
    check_numbers(&all);
    let newest = all.last().unwrap().stamp().granule;
    // Three seconds, less a frame of sound, thrice, and two joints.
    assert_eq!(newest, 3 * 2_980 + 2 * 40);
}

#[test]
fn other_tracks_are_a_new_link_in_which_time_goes_on() {
    let (mut writer, start) = (writer(), Instant::now());
    send(&mut writer, &sent(true, 1, 2), start);
    let link_start = writer.log().head();
    let more = sent(false, 1, 2);
    for page in &more {
        writer.take(page, start, || 8).unwrap();
    }
    let all = all(&writer);
    assert_eq!(all.iter().filter(|page| is_head(page)).count(), 2);
    assert_eq!(writer.log().link_start(), link_start);
    assert_eq!(
        writer.log().link().unwrap().media_type(),
        Some("audio/webm")
    );
    check_numbers(&all);
    let is_other = |page: &Page| page.is_ogg() || page.is_frames();
    assert!(!all.iter().any(is_other) && writer.log().farewell().is_empty());
    // Nobody can play Ogg in the middle of it.
    let ogg = writer.take(&opus(1, 1)[0], start, || 9);
    assert_eq!(ogg, Err(Stray::OtherFormat));
    assert_eq!(writer.log().link().unwrap().format(), Format::Webm);
}

fn is_head(page: &Page) -> bool {
    page.bytes().starts_with(&[0x1a])
}

/// Numbers are contiguous in each link, and time never goes back.
fn check_numbers(all: &[Page]) {
    let mut before: Option<Stamp> = None;
    let mut newest = 0;
    for page in all {
        let stamp = page.stamp();
        let expected = match (before, is_head(page)) {
            (Some(before), false) => (before.serial, before.sequence + 1),
            _ => (stamp.serial, 0),
        };
        assert_eq!((stamp.serial, stamp.sequence), expected);
        if !is_head(page) {
            assert!(stamp.granule >= newest);
            newest = stamp.granule;
        }
        before = Some(stamp);
    }
}

#[test]
fn another_program_goes_on_with_the_very_next_cluster() {
    let (start, pages) = (Instant::now(), sent(true, 1, 4));
    let mut whole = writer();
    send(&mut whole, &sent(true, 9, 1), start);
    send(&mut whole, &pages, start);
    for cut in [1, 2, 20, pages.len() - 1] {
        let mut first = writer();
        send(&mut first, &sent(true, 9, 1), start);
        send(&mut first, &pages[..cut], start);
        let copied = first.log().copy(&[], start, 0);
        let keep = Keep::default();
        let (index, bytes) = (copied.index.into(), copied.pages.into());
        let restored = restore::from_copy(&index, &bytes, keep, start, 0).unwrap();
        let mut next = restored.writer;
        let state = serde_json::to_string(&first.state(start)).unwrap();
        next.go_on(&serde_json::from_str(&state).unwrap(), start);
        send(&mut next, &pages[cut..], start);
        assert_eq!(all(&next), all(&whole), "cut at {cut}");
    }
}

#[test]
fn what_a_standby_is_told_is_the_same_pages() {
    let (mut writer, start) = (writer(), Instant::now());
    send(&mut writer, &sent(true, 1, 2), start);
    let prefix = writer.log().link().unwrap().prefix.clone();
    let kept = writer.log().kept(0, usize::MAX).unwrap();
    let mut reader = Reader::default();
    reader.push(&encode_prefix(&prefix));
    reader.push(&encode(&kept, start, 0));
    let mut found = Vec::new();
    while let Some((_, page)) = reader.take().unwrap() {
        found.push(page);
    }
    assert_eq!(found[1..], all(&writer));
    assert_eq!(found[0], all(&writer)[0]);
    let going_on = succeed::writer(writer.log(), false, start);
    let (mut next, _) = going_on.unwrap();
    for page in sent(true, 2, 1) {
        next.take(&page, start, || 9).unwrap();
    }
    let (_, newest) = next.log().tail();
    assert!(newest.iter().all(|kept| !is_head(&kept.page)));
}
