//! Theora beside sound, with Skeleton: joined where a key frame begins.

use std::time::{Duration, Instant};

use super::*;
use crate::log::account::header_pages;
use crate::log::writer::Writer;
use crate::ogg::Codec;
use crate::ogg::theora::begins_with_key_frame;

/// Bits of a granule position for the frames since the key frame.
const SHIFT: u32 = 6;
const KEY: u8 = 0x3f;
const INTER: u8 = 0x7f;
const SKELETON: u32 = 1;
const PICTURE: u32 = 2;
const SOUND: u32 = 3;

fn packed(stamp: Stamp, packets: &[Vec<u8>]) -> Page {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    Page::build(stamp, &lacing, &packets.concat())
}

fn stamp(serial: u32, sequence: u32, granule: i64) -> Stamp {
    Stamp {
        serial,
        sequence,
        granule,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    }
}

fn headers() -> Vec<Page> {
    let mut identification = b"\x80theora\x03\x02\x01".to_vec();
    identification.resize(42, 0);
    identification[40..].copy_from_slice(&[(SHIFT >> 3) as u8, ((SHIFT & 7) << 5) as u8]);
    let comments = b"\x81theora\x01\0\0\0v\x01\0\0\0\x09\0\0\0TITLE=abc".to_vec();
    let setup = [&b"\x82theora"[..], &[1; 600]].concat();
    let sound = opus(SOUND, 0);
    let end = Stamp {
        is_last: true,
        ..stamp(SKELETON, 2, 0)
    };
    vec![
        page(SKELETON, 0, b"fishead\0and more"),
        packed(stamp(PICTURE, 0, 0), &[identification]),
        sound[0].clone(),
        packed(stamp(SKELETON, 1, 0), &[b"fisbone\0".to_vec()]),
        packed(stamp(PICTURE, 1, 0), &[comments, setup]),
        sound[1].restamped(stamp(SOUND, 1, 0)),
        packed(end, &[Vec::new()]),
    ]
}

/// So many frames, every tenth a key frame, three on a page; and sound beside each page.
fn data(n_frames: i64) -> Vec<Page> {
    let granule = |n: i64| (n / 10 * 10 + 1) << SHIFT | (n % 10);
    let mut pages = Vec::new();
    for (n, sequence) in (0..n_frames).step_by(3).zip(2..) {
        let frame = |n: i64| vec![if n % 10 == 0 { KEY } else { INTER }; 300];
        let frames: Vec<_> = (n..n + 3).map(frame).collect();
        pages.push(packed(stamp(PICTURE, sequence, granule(n + 2)), &frames));
        let at = i64::from(sequence) * 14_400;
        pages.push(packed(stamp(SOUND, sequence, at), &[vec![0xfc, 1, 2]]));
    }
    pages
}

fn written(pages: &[Page]) -> (Writer, Vec<Page>) {
    let mut writer = Writer::new(EPOCH.parse().unwrap(), Keep::default());
    let (start, mut serial) = (Instant::now(), 100);
    for (n, page) in (0..).zip(pages) {
        let chance = || {
            serial += 1;
            serial
        };
        writer
            .take(page, start + n * Duration::from_millis(150), chance)
            .unwrap();
    }
    let kept = writer.log().kept(0, usize::MAX).unwrap();
    let all = kept.into_iter().map(|kept| kept.page).collect();
    (writer, all)
}

#[test]
fn headers_of_all_streams_are_the_prefix_and_a_joiner_begins_with_a_key_frame() {
    let (headers, data) = (headers(), data(60));
    let (writer, all) = written(&[headers.clone(), data].concat());
    let link = writer
        .log()
        .link()
        .expect("Skeleton has ended its headers itself");
    assert_eq!(header_pages(&link.prefix).unwrap().len(), headers.len());
    assert_eq!(link.streams.len(), 3);
    assert_eq!(
        (link.tag("TITLE"), link.media_type()),
        (Some("abc"), Some("video/ogg"))
    );
    let picture = link.streams[1].serial;
    for burst in [0, 1, 2, 4] {
        let (_, cursor, _) = writer
            .log()
            .open(Wish::Join, Duration::from_secs(burst))
            .unwrap();
        let first = writer.log().kept(cursor.offset(), 1).unwrap();
        assert_eq!(first[0].page.serial(), picture);
        assert!(begins_with_key_frame(&first[0].page));
    }
    let begins: Vec<_> = all
        .iter()
        .filter(|page| begins_with_key_frame(page))
        .collect();
    assert_eq!(begins.len(), 6, "each key frame begins a page");
}

#[test]
fn a_page_cut_at_a_key_frame_has_the_same_frames_and_right_granule_positions() {
    let (_, all) = written(&[headers(), data(60)].concat());
    let picture = all[1].serial();
    let (mut n_frames, mut key, mut sequence) = (0, 0, 0);
    for page in all.iter().filter(|page| page.serial() == picture) {
        let stamp = page.stamp();
        assert_eq!(stamp.sequence, sequence);
        sequence += 1;
        if sequence <= 2 {
            continue;
        }
        for (packet, ends) in page.packets() {
            assert!(ends && packet.len() == 300);
            n_frames += 1;
            if packet[0] == KEY {
                key = n_frames;
            }
        }
        assert_eq!(
            stamp.granule,
            key << SHIFT | (n_frames - key),
            "frame {n_frames}"
        );
    }
    assert_eq!(n_frames, 60);
}

#[test]
fn a_key_frame_longer_than_a_page_is_joined_where_it_begins() {
    let mut pages = headers();
    let large = Page::build(stamp(PICTURE, 2, -1), &[255; 255], &[KEY; 255 * 255]);
    let rest = Stamp {
        is_continued: true,
        ..stamp(PICTURE, 3, 1 << SHIFT)
    };
    pages.push(large.clone());
    pages.push(Page::build(rest, &[90], &[KEY; 90]));
    pages.push(packed(stamp(SOUND, 2, 960), &[vec![0xfc]]));
    let (writer, _) = written(&pages);
    let (_, cursor, _) = writer.log().open(Wish::Join, Duration::ZERO).unwrap();
    let first = writer.log().kept(cursor.offset(), 1).unwrap();
    assert_eq!(first[0].page.body(), large.body());
}

proptest! {
    #[test]
    fn any_page_is_cut_without_losing_a_byte(
        lengths in proptest::collection::vec((0usize..700, any::<bool>()), 1..40),
        granule in -1i64..1 << 40,
        is_continued in any::<bool>(),
        is_open in any::<bool>(),
    ) {
        let packets: Vec<Vec<u8>> = lengths
            .iter()
            .map(|(n_bytes, is_key)| vec![if *is_key { KEY } else { INTER }; *n_bytes])
            .collect();
        let whole = Stamp { is_continued, is_last: true, ..stamp(9, 5, granule) };
        let mut whole = packed(whole, &packets);
        if is_open && whole.lacing().len() < 255 {
            let lacing = [whole.lacing(), &[255]].concat();
            let body = [whole.body(), &[KEY; 255]].concat();
            whole = Page::build(whole.stamp(), &lacing, &body);
        }
        let Codec::Theora(frames) = Codec::of(headers()[1].body()) else {
            panic!("it is Theora");
        };
        let parts = frames.parts(&whole, 7);
        let body: Vec<u8> = parts.iter().flat_map(|page| page.body().to_vec()).collect();
        prop_assert_eq!(body, whole.body());
        for page in &parts[1..] {
            prop_assert!(begins_with_key_frame(page));
        }
        prop_assert_eq!(parts.last().unwrap().stamp().granule, granule);
        prop_assert!(parts.last().unwrap().stamp().is_last);
    }
}
