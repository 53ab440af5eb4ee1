//! Properties of elements, framer and cutter: any cut, any length, any damage.

use proptest::prelude::*;

use super::ebml::{self, Look, Varint};
use super::page::{BLOCK_BYTES_MAX, is_whole, restamped, time};
use super::*;
use crate::mpeg::{Sniffer, sniff};
use crate::ogg::{Damage, Found, Link, Links, Page, Role, Stamp};
use stage::{cluster_of, element, header, second, simple_block, stream, stretch};

mod elements;
mod lost;
pub(crate) mod stage;

/// The pages of what a source sends.
pub(crate) fn pages(bytes: &[u8]) -> Vec<Page> {
    let (pages, n_junk) = frame(Framer::new(), bytes, &[]);
    assert_eq!(n_junk, 0);
    pages
}

fn frame(mut framer: Framer, bytes: &[u8], cuts: &[usize]) -> (Vec<Page>, usize) {
    let (mut pages, n_junk) = framed(&mut framer, bytes, cuts);
    pages.extend(framer.finish());
    (pages, n_junk)
}

fn framed(framer: &mut Framer, bytes: &[u8], cuts: &[usize]) -> (Vec<Page>, usize) {
    let (mut pages, mut n_junk, mut start) = (Vec::new(), 0, 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let end = end.clamp(start, bytes.len());
        let mut input = &bytes[start..end];
        start = end;
        while let Some(found) = framer.next(&mut input) {
            match found {
                Found::Page(page) => pages.push(page),
                Found::Junk { n_bytes, .. } => n_junk += n_bytes,
            }
        }
        assert!(input.is_empty(), "the framer takes all it is given");
    }
    (pages, n_junk)
}

/// The content of every block, with its time and track.
fn blocks(pages: &[Page]) -> Vec<(u64, i64, usize)> {
    let mut found = Vec::new();
    for page in pages {
        let Some(at) = time(page.bytes()) else {
            continue;
        };
        for (id, _, content) in ebml::elements(&page.bytes()[page::CLUSTER_HEAD_BYTES..]) {
            let block = match id {
                ebml::SIMPLE_BLOCK => content,
                _ => ebml::find(content, ebml::BLOCK).unwrap(),
            };
            let after = i64::from(i16::from_be_bytes([block[1], block[2]]));
            assert!(after >= 0, "no block is before its cluster");
            found.push((u64::from(block[0] & 0x7f), at as i64 + after, block.len()));
        }
    }
    found
}

pub(crate) fn link(page: &Page) -> std::sync::Arc<Link> {
    let mut links = Links::new();
    assert!(matches!(links.take(page), Ok(Role::Start)));
    std::sync::Arc::clone(links.current().unwrap())
}

#[test]
fn numbers_of_all_lengths_are_read_and_too_long_ones_are_not() {
    for n_bytes in 1..=8_usize {
        let mask = (1_u64 << (7 * n_bytes)) - 1;
        for value in [0, 1, mask - 1, mask] {
            let bytes = (value | 1 << (7 * n_bytes)).to_be_bytes();
            let bytes = &bytes[8 - n_bytes..];
            let expected = (value != mask).then_some(value);
            let read = Varint::Number {
                n_bytes,
                value: expected,
            };
            assert_eq!(ebml::varint(bytes), read);
            for cut in 0..n_bytes {
                assert_eq!(ebml::varint(&bytes[..cut]), Varint::More);
            }
        }
    }
    assert_eq!(ebml::varint(&[0; 9]), Varint::Damaged);
    assert_eq!(ebml::opening(&[0x0f, 0x80]), Look::Damaged);
    assert_eq!(ebml::number(&[1; 9]), None);
}

#[test]
fn a_stream_cut_at_every_position_gives_the_same_pages() {
    let bytes = [
        header(true, 1),
        stretch(0, 320, None),
        stretch(320, 320, Some(2)),
    ]
    .concat();
    let whole = pages(&bytes);
    assert!(whole.len() > 4, "{}", whole.len());
    for cut in 0..bytes.len() {
        let (cut_up, n_junk) = frame(Framer::new(), &bytes, &[cut]);
        assert!(cut_up == whole && n_junk == 0, "cut at {cut}");
    }
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(frame(Framer::new(), &bytes, &every_byte), (whole, 0));
}

#[test]
fn all_lengths_of_a_cluster_give_the_same_pages_without_losing_a_block() {
    let [one, other, none] = [Some(4), Some(8), None].map(|n_length| {
        let bytes = [header(true, 1), second(0, n_length), second(1000, n_length)];
        pages(&bytes.concat())
    });
    assert!(one == other && other == none);
    let found = blocks(&one);
    assert_eq!(found.len(), 120);
    let sound: Vec<_> = found.iter().filter(|(track, ..)| *track == 2).collect();
    assert!(
        sound.windows(2).all(|two| two[1].1 - two[0].1 == 20),
        "{sound:?}"
    );
}

#[test]
fn a_decoder_may_begin_where_the_first_picture_is_a_key_frame() {
    let all = pages(&stream());
    let head = Head::parse(all[0].bytes()).unwrap();
    assert_eq!(head.media_type(), "video/webm");
    assert_eq!(head.tracks.len(), 2);
    assert_eq!(
        (head.tracks[0].codec, head.tracks[1].codec),
        ("VP8", "Opus")
    );
    assert_eq!(head.tracks[1].rate_hertz, Some(48_000));
    assert!(
        all[0].stamp().is_continued,
        "nobody begins with a head alone"
    );
    let begins: Vec<_> = all[1..]
        .iter()
        .filter(|page| !page.stamp().is_continued)
        .collect();
    assert_eq!(begins.len(), 20, "two key frames a second");
    for page in begins {
        let first = blocks(std::slice::from_ref(page));
        let picture = first.iter().find(|(track, ..)| *track == 1).unwrap();
        assert!(picture.1 % 1000 % 600 == 0, "{first:?}");
    }
    for page in &all[1..] {
        assert!(page.len() < 4000, "they are short");
        assert!(page.stamp().granule < 10_000);
    }
    // Where there is no picture, anywhere.
    let sound = pages(&[header(false, 1), second(0, None)].concat());
    assert!(sound[1..].iter().all(|page| !page.stamp().is_continued));
    assert_eq!(
        Head::parse(sound[0].bytes()).unwrap().media_type(),
        "audio/webm"
    );
}

#[test]
fn laced_blocks_and_times_before_the_cluster_pass_as_they_are() {
    let laced = [
        simple_block(2, -5, 0x80 | 0x02, b"\x01\x05Xiph lacing"),
        simple_block(2, 3, 0x80 | 0x06, b"\x01\x85EBML lacing"),
        simple_block(2, 9, 0x80 | 0x04, b"\x01fixed lacing"),
    ];
    let all = pages(&[header(false, 1), cluster_of(100, &laced, None)].concat());
    let times: Vec<_> = blocks(&all).iter().map(|block| block.1).collect();
    assert_eq!(times, [95, 103, 109]);
    let page = all[1].bytes();
    let found = page.windows(11).any(|part| part == b"EBML lacing");
    assert!(found, "what is in it is not touched");
}

#[test]
fn what_makes_no_sense_is_refused_and_what_is_too_long_says_so() {
    let first = |bytes: &[u8]| Sniffer::new().next(&mut &*bytes);
    let is_foreign = |bytes: &[u8]| match first(bytes) {
        Some(Found::Junk { n_bytes, why }) => sniff::is_foreign(0, n_bytes, why),
        _ => false,
    };
    let ebml = element(ebml::EBML, 1, &element(0x4282, 1, b"webm"));
    assert!(is_foreign(&second(0, None)), "without a header");
    assert!(is_foreign(&[&ebml[..], &[0x42; 9]].concat()));
    let why = |bytes: &[u8]| match frame_first_junk(bytes) {
        Some(Found::Junk { why, .. }) => Some(why),
        _ => None,
    };
    let long = [
        &header(true, 1)[..],
        &second(0, None)[..15],
        &[0xa3, 0x10, 0x40, 0, 0],
    ]
    .concat();
    assert_eq!(why(&long), Some(Damage::TooLong));
    let absurd = [
        &header(true, 1)[..],
        &[0x12, 0x54, 0xc3, 0x67, 1, 0xff, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(why(&absurd.concat()), Some(Damage::TooLong));
    let empty = [
        ebml,
        element(ebml::INFO, 1, &[]),
        element(ebml::TRACKS, 1, &[]),
    ];
    assert_eq!(why(&empty.concat()), Some(Damage::NoTracks));
}

fn frame_first_junk(bytes: &[u8]) -> Option<Found> {
    let (mut framer, mut input) = (Framer::new(), bytes);
    while let Some(found) = framer.next(&mut input) {
        if matches!(found, Found::Junk { .. }) {
            return Some(found);
        }
    }
    None
}

#[test]
fn a_block_of_a_large_picture_is_a_cluster_of_its_own() {
    let large = simple_block(1, 0, 0x80, &vec![7; BLOCK_BYTES_MAX - 10]);
    let more = simple_block(1, 100, 0, &[8; 100]);
    let all = pages(&[header(true, 1), cluster_of(0, &[large, more], None)].concat());
    assert_eq!(all.len(), 3);
    assert!(all[1].len() <= CLUSTER_BYTES_MAX);
    let log: Vec<u8> = all.iter().flat_map(|page| page.bytes().to_vec()).collect();
    assert_eq!(cut(&log, &[]), all);
}

/// The pages of a log.
fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Page> {
    let (mut sniffer, mut pages, mut start) = (Sniffer::trusting(), Vec::new(), 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut input = &bytes[start..end];
        start = end;
        while let Some(found) = sniffer.next(&mut input) {
            let Found::Page(page) = found else {
                panic!("{found:?}");
            };
            pages.push(page);
        }
    }
    assert!(sniffer.held().is_empty());
    pages
}

#[test]
fn a_log_cut_at_every_position_and_read_from_any_page_on_is_the_same_again() {
    let all = pages(&[header(true, 1), stretch(0, 400, None)].concat());
    let bytes = |pages: &[Page]| -> Vec<u8> {
        pages
            .iter()
            .flat_map(|page| page.bytes().to_vec())
            .collect()
    };
    let log = bytes(&all);
    for at in 0..log.len() {
        assert_eq!(cut(&log, &[at]), all, "cut at {at}");
    }
    for n in 0..all.len() {
        assert_eq!(cut(&bytes(&all[n..]), &[]), all[n..]);
    }
    for page in &all {
        for end in 0..page.len() {
            assert!(!is_whole(&page.bytes()[..end]));
        }
        assert!(Page::parse([&page.bytes()[..], &[0]].concat().into()).is_err());
    }
}

#[test]
fn a_stamp_says_where_a_page_is_and_moves_its_blocks_in_time() {
    for page in pages(&stream()) {
        let before = page.stamp();
        let stamp = Stamp {
            serial: 0xdead_beef,
            sequence: 77,
            granule: before.granule + 5000,
            ..before
        };
        let moved = Page::parse(restamped(page.bytes(), stamp).into()).unwrap();
        assert_eq!((moved.stamp(), moved.len()), (stamp, page.len()));
        let times = |page: &Page| -> Vec<i64> {
            let blocks = blocks(std::slice::from_ref(page));
            blocks.iter().map(|block| block.1).collect()
        };
        let expected: Vec<_> = times(&page).iter().map(|time| time + 5000).collect();
        assert_eq!(times(&moved), expected);
    }
}

#[test]
fn another_framer_goes_on_anywhere_with_what_the_first_one_held() {
    let bytes = [
        header(true, 1),
        stretch(0, 200, None),
        stretch(200, 160, Some(8)),
    ]
    .concat();
    let expected = blocks(&pages(&bytes));
    let head = link(&pages(&bytes)[0]);
    for at in 0..bytes.len() {
        let mut first = Framer::new();
        let (mut all, _) = framed(&mut first, &bytes[..at], &[]);
        let held = first.held();
        let next = if all.is_empty() {
            Framer::new()
        } else {
            Framer::within(&head)
        };
        let (more, n_junk) = frame(next, &[&held, &bytes[at..]].concat(), &[]);
        all.extend(more);
        assert_eq!(n_junk, 0, "handed over at {at}");
        assert_eq!(blocks(&all), expected, "handed over at {at}");
    }
}

#[test]
fn damage_costs_the_rest_of_its_cluster() {
    let mut bytes = [header(true, 1), stretch(0, 320, None)].concat();
    let at = bytes.len();
    bytes.extend(stretch(320, 320, Some(8)));
    bytes.extend(stretch(640, 320, None));
    // In the middle of the second cluster something begins that is nothing.
    let begins = bytes[at + 300..].windows(2).position(|two| two[0] == 0xa3);
    bytes[at + 300 + begins.unwrap()] = 0x02;
    let (found, n_junk) = frame(Framer::new(), &bytes, &[]);
    let found = blocks(&found);
    let times = |from: i64| {
        found
            .iter()
            .filter(move |block| block.1 >= from && block.0 == 2)
    };
    assert!(n_junk > 100);
    assert_eq!(times(640).count(), 16, "{found:?}");
    assert!((20..32).contains(&(times(0).count() - 16)), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_leaves_whole_clusters(
        at in 300usize..18_000,
        junk in proptest::collection::vec(any::<u8>(), 1..300),
        cuts in proptest::collection::vec(0usize..20_000, 0..6),
    ) {
        let mut bytes = stream();
        let undamaged = pages(&bytes);
        let end = (at + junk.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&junk[..end - at]);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (found, _) = frame(Framer::new(), &bytes, &cuts);
        for page in &found {
            prop_assert!(is_whole(page.bytes()));
        }
        let n_bytes = undamaged.iter().scan(0, |sum, page| {
            *sum += page.len();
            Some(*sum)
        });
        // What is written is longer than what was sent.
        let n_before = n_bytes.take_while(|sum| *sum < at).count().saturating_sub(1);
        prop_assert_eq!(&found[..n_before], &undamaged[..n_before]);
    }

    #[test]
    fn random_bytes_break_nothing(
        bytes in proptest::collection::vec(prop_oneof![
            Just(0x1fu8), Just(0x43), Just(0xb6), Just(0x75), Just(0xa3), Just(0x81), Just(0xe7),
            any::<u8>(),
        ], 0..3_000),
        with_header in any::<bool>(),
    ) {
        let before = if with_header { header(true, 1) } else { Vec::new() };
        let bytes = [before, bytes].concat();
        let (found, _) = frame(Framer::new(), &bytes, &[bytes.len() / 2]);
        for page in &found {
            prop_assert!(is_whole(page.bytes()));
        }
        let _ = is_whole(&bytes);
        let (mut sniffer, mut input) = (Sniffer::trusting(), bytes.as_slice());
        while sniffer.next(&mut input).is_some() {}
    }
}
