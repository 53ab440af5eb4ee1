//! Titles in the middle of any stream: a decoder hears what it would have heard without them.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::TITLE_AFTER;
use crate::log::logical::tests::vorbis;
use crate::log::tests::stage::{START_MS, Stage, read, restore};
use crate::ogg::modes::tests::{identification, setup};
use crate::ogg::modes::{Length, Modes};
use crate::ogg::tests::{opus, page as plain_page};
use crate::ogg::{Codec, Links, Page, Role, Tags};

fn tags(title: &str) -> Tags {
    Tags {
        title: Some(title.to_owned()),
        artist: None,
    }
}

/// Plays pages one a second, and tells a title each time before one of these.
fn play(stage: &mut Stage, pages: &[Page], told_before: &[usize]) {
    for (n, page) in pages.iter().enumerate() {
        for told in told_before.iter().filter(|told| **told == n) {
            stage.retitle(tags(&format!("title {told}")));
        }
        stage.play(std::slice::from_ref(page));
    }
}

/// What decoders get who begin anew at each link.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    /// Every packet that makes a decoder put something out, and when that ends.
    packets: Vec<(Vec<u8>, i64)>,
    titles: Vec<String>,
}

fn hear(log: &[Page]) -> Heard {
    let modes = Modes::parse(&identification(2), &setup(&[false, true])).unwrap();
    let (mut links, mut heard) = (Links::new(), Heard::default());
    let (mut is_vorbis, mut before, mut open) = (false, None, Vec::new());
    let (mut n_samples, mut sequence, mut has_ended) = (None, 0, true);
    // Each link counts from its own beginning.
    let mut links_before = 0;
    for page in log {
        let role = links.take(page).unwrap();
        let stamp = page.stamp();
        if matches!(role, Role::Start) {
            assert!(has_ended && stamp.is_first, "every link before is ended");
            let first = page.packets().next().unwrap().0;
            is_vorbis = matches!(Codec::of(first), Codec::Vorbis(_));
            links_before += n_samples.unwrap_or_default();
            (before, n_samples, sequence) = (None, None, 0);
            assert!(open.is_empty());
        }
        assert_eq!(stamp.sequence, sequence);
        (sequence, has_ended) = (sequence + 1, stamp.is_last);
        match role {
            Role::HeadersComplete(link) => {
                heard
                    .titles
                    .push(link.tag("TITLE").unwrap_or_default().to_owned());
                continue;
            }
            Role::Start | Role::Header => continue,
            Role::Data(_) => {}
        }
        assert_eq!(stamp.is_continued, !open.is_empty());
        let from = heard.packets.len();
        for (part, ends) in page.packets() {
            open.extend_from_slice(part);
            if !ends {
                continue;
            }
            let packet = std::mem::take(&mut open);
            let block = modes.block(&packet).filter(|_| is_vorbis);
            let length = match (block, before) {
                (Some(block), Some(before)) => i64::from((block.n_samples + before) / 4),
                // The first one of a link only leads up to the next.
                (Some(_), None) => 0,
                // What ends a stream is not heard.
                (None, _) if packet == [0] => 0,
                (None, _) => 1024,
            };
            if let Some(block) = block {
                before = Some(block.n_samples);
            }
            if length > 0 {
                heard.packets.push((packet, length));
            }
        }
        // The time of a page is that of all samples before it.
        let n_here: i64 = heard.packets[from..].iter().map(|(_, length)| length).sum();
        if stamp.granule >= 0 {
            let due = n_samples.map_or(stamp.granule, |n_samples| n_samples + n_here);
            assert_eq!(stamp.granule, due, "{page:?}");
            n_samples = Some(due);
        }
        let mut at = links_before + stamp.granule;
        for (_, length) in heard.packets[from..].iter_mut().rev() {
            let ends = at;
            at -= *length;
            *length = ends;
        }
    }
    heard
}

fn log(stage: &Stage) -> Vec<Page> {
    let bytes = bytes::Bytes::from(stage.bytes());
    crate::log::account::header_pages(&bytes).unwrap()
}

fn told(pages: &[Page], told_before: &[usize]) -> Heard {
    let mut stage = Stage::new(1 << 20);
    play(&mut stage, pages, told_before);
    hear(&log(&stage))
}

fn flac(n_data: u32) -> Vec<Page> {
    let mut comments = b"\x84\0\0\0\x03\0\0\0abc\x01\0\0\0\x07\0\0\0ALBUM=x".to_vec();
    comments[3] = u8::try_from(comments.len() - 4).unwrap();
    let first = plain_page(9, 0, b"\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22");
    let stamp = crate::ogg::Stamp {
        granule: 0,
        ..plain_page(9, 1, b"").stamp()
    };
    let comments = plain_page(9, 1, &comments).restamped(stamp);
    let data = (2..2 + n_data).map(|n| plain_page(9, n, &[0xff, 0xf8, n as u8, 7]));
    [first, comments].into_iter().chain(data).collect()
}

#[test]
fn the_sound_of_each_codec_goes_on_behind_a_title() {
    let voice = vorbis(3, &[Length::Long; 80], &[(4, false); 20]);
    for pages in [voice, opus(5, 18), flac(18)] {
        let plain = told(&pages, &[]);
        let with = told(&pages, &[6, 12]);
        assert_eq!(with.packets, plain.packets);
        let first = plain.titles[0].clone();
        assert_eq!(with.titles, [&first, "title 6", "title 12"]);
    }
}

#[test]
fn of_titles_within_a_second_the_newest_gets_a_link_and_one_that_is_there_gets_none() {
    let pages = opus(5, 30);
    let mut stage = Stage::new(1 << 20);
    play(&mut stage, &pages[..6], &[]);
    for n in 0..50 {
        stage.retitle(tags(&format!("{n}")));
    }
    play(&mut stage, &pages[6..12], &[]);
    stage.retitle(tags("49"));
    play(&mut stage, &pages[12..18], &[]);
    // What was told while another was waiting, and is what the link says.
    stage.retitle(tags("gone"));
    stage.retitle(tags("49"));
    play(&mut stage, &pages[18..], &[]);
    assert_eq!(hear(&log(&stage)).titles, ["abc", "49"]);
}

#[test]
fn a_title_waits_for_its_second_and_for_the_source() {
    let pages = opus(5, 9);
    let mut stage = Stage::new(1 << 20);
    stage.retitle(tags("early"));
    stage.play(&pages[..5]);
    assert_eq!(hear(&log(&stage)).titles, ["abc", "early"]);
    let (writer, now) = (&mut stage.writer, Instant::now() + Duration::from_secs(900));
    writer.retitle(tags("next"), now);
    let before = now + TITLE_AFTER - Duration::from_millis(1);
    writer.take(&pages[5], before, || 7_000).unwrap();
    assert_eq!(hear(&log(&stage)).titles.len(), 2, "not yet");
    let later = now + TITLE_AFTER;
    stage.writer.take(&pages[6], later, || 7_001).unwrap();
    assert_eq!(hear(&log(&stage)).titles, ["abc", "early", "next"]);
}

#[test]
fn several_streams_and_those_without_comments_keep_their_titles_beside_them() {
    let (one, other) = (opus(1, 9), opus(2, 9));
    let headers = [&one[..1], &other[..1], &one[1..2], &other[1..2]].concat();
    let both = [&headers[..], &one[2..], &other[2..]].concat();
    let speex: Vec<_> = (0..12).map(|n| plain_page(4, n, b"Speex   ")).collect();
    for pages in [both, speex] {
        let mut stage = Stage::new(1 << 20);
        play(&mut stage, &pages, &[4, 8]);
        assert_eq!(log(&stage).len(), pages.len());
        assert!(!stage.writer.is_title_due());
    }
}

#[test]
fn a_link_of_the_source_itself_follows_that_of_a_title() {
    let all = [opus(1, 8), opus(2, 8)].concat();
    let heard = told(&all, &[4, 14]);
    assert_eq!(heard.titles, ["abc", "title 4", "abc", "title 14"]);
    assert_eq!(heard.packets.len(), 16);
}

#[test]
fn filler_and_the_source_go_on_in_the_link_of_a_title() {
    let pages = vorbis(3, &[Length::Long; 80], &[(4, false); 20]);
    let mut stage = Stage::new(1 << 20);
    play(&mut stage, &pages[..8], &[6]);
    for _ in ["announced", "written"] {
        let late = Instant::now() + Duration::from_secs(20);
        stage.writer.fill(Duration::ZERO, late);
    }
    assert!(stage.writer.is_filled());
    play(&mut stage, &pages[8..], &[4]);
    let heard = hear(&log(&stage));
    assert_eq!(heard.titles.len(), 3);
    let own = heard
        .packets
        .iter()
        .filter(|(packet, _)| packet.len() == 40);
    assert_eq!(own.count(), 79);
}

#[test]
fn a_source_goes_on_with_its_very_next_page_after_a_restart_behind_a_title() {
    for pages in [
        opus(1, 14),
        vorbis(3, &[Length::Long; 60], &[(4, false); 14]),
    ] {
        for n_before in 5..12 {
            let mut stage = Stage::new(300);
            play(&mut stage, &pages[..n_before], &[3]);
            let mut again = restore(&stage.files(), START_MS).unwrap().unwrap().writer;
            assert_eq!(read(again.log()), read(stage.writer.log()));
            // As our source does: its headers first, then what is wanted.
            let serial = pages[0].serial();
            assert_eq!(again.splice().wanted(serial), Some(n_before as u32));
            for page in pages[..2].iter().chain(&pages[n_before..]) {
                again.take(page, Instant::now(), || 8_000).unwrap();
            }
            stage.play(&pages[n_before..]);
            assert_eq!(read(again.log()), read(stage.writer.log()));
        }
    }
}

proptest! {
    #[test]
    fn wherever_titles_come_a_decoder_hears_the_same(
        is_long in proptest::collection::vec(any::<bool>(), 90..91),
        cuts in proptest::collection::vec((0usize..6, any::<bool>()), 1..24),
        told_before in proptest::collection::vec(2usize..26, 0..8),
    ) {
        let length = |is_long: &bool| if *is_long { Length::Long } else { Length::Short };
        let lengths: Vec<_> = is_long.iter().map(length).collect();
        let pages = vorbis(1, &lengths, &cuts);
        let (plain, with) = (told(&pages, &[]), told(&pages, &told_before));
        prop_assert_eq!(with.packets, plain.packets);
        prop_assert!(with.titles.len() <= 1 + told_before.len());
    }
}
