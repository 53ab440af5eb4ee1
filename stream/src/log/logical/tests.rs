//! Filler in the middle of any stream: numbers, time and windows go on without a fault.

use std::time::Duration;

use proptest::prelude::*;

use crate::log::Splice;
use crate::ogg::modes::tests::{identification, setup};
use crate::ogg::modes::{Block, Length, Modes};
use crate::ogg::tests::{opus, page as plain_page};
use crate::ogg::{Links, Page, Stamp};

fn modes() -> Modes {
    Modes::parse(&identification(2), &setup(&[false, true])).unwrap()
}

/// Blocks of these lengths, each of which says what its neighbours are.
fn blocks(lengths: &[Length]) -> Vec<Block> {
    let at = |n: Option<usize>| {
        n.and_then(|n| lengths.get(n).copied())
            .unwrap_or(Length::Long)
    };
    let block = |(n, length): (usize, &Length)| match length {
        Length::Short => modes().short_block(),
        Length::Long => modes().long_block(at(n.checked_sub(1)), at(Some(n + 1))),
    };
    lengths.iter().enumerate().map(block).collect()
}

fn samples(before: Option<Block>, block: Block) -> i64 {
    before.map_or(0, |b| i64::from(b.n_samples + block.n_samples) / 4)
}

/// A Vorbis stream with these blocks, a page for each of `pages`: how many packets begin and
/// end on it, and whether the next one begins on it, too.
pub(crate) fn vorbis(serial: u32, lengths: &[Length], pages: &[(usize, bool)]) -> Vec<Page> {
    let mut first = b"\x01vorbis\0\0\0\0\x02".to_vec();
    first.extend_from_slice(&48_000u32.to_le_bytes());
    first.extend_from_slice(&[0; 12]);
    first.extend_from_slice(&[0xb8, 1]);
    let comments = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";
    let mut stamp = Stamp {
        serial,
        sequence: 0,
        granule: 0,
        is_continued: false,
        is_first: true,
        is_last: false,
    };
    let mut made = vec![Page::build(stamp, &[first.len() as u8], &first)];
    (stamp.sequence, stamp.is_first) = (1, false);
    let setup = setup(&[false, true]);
    let lacing = [comments.len() as u8, setup.len() as u8];
    made.push(Page::build(
        stamp,
        &lacing,
        &[&comments[..], &setup].concat(),
    ));
    let mut blocks = blocks(lengths).into_iter();
    let (mut before, mut open, mut granule) = (None, None, 0);
    for (n_packets, is_cut) in pages {
        let (mut lacing, mut body, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        stamp.sequence += 1;
        stamp.is_continued = open.is_some();
        if let Some(block) = open.take() {
            lacing.push(10);
            body.resize(10, 0xaa);
            ended.push(block);
        }
        for block in blocks.by_ref().take(*n_packets) {
            lacing.push(40);
            let start = body.len();
            body.extend(modes().silence(&block).unwrap());
            body.resize(start + 40, 0xaa);
            ended.push(block);
        }
        open = if *is_cut { blocks.next() } else { None };
        if let Some(block) = open {
            lacing.push(255);
            let start = body.len();
            body.extend(modes().silence(&block).unwrap());
            body.resize(start + 255, 0xaa);
        }
        stamp.granule = if ended.is_empty() { -1 } else { granule };
        for block in ended {
            stamp.granule += samples(before.replace(block), block);
        }
        granule = granule.max(stamp.granule);
        made.push(Page::build(stamp, &lacing, &body));
    }
    made
}

/// What a decoder makes of a log: how many samples, and which of its packets are of the source.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decoded {
    n_samples: i64,
    n_own: usize,
}

/// Decodes a log with one link and checks all that a decoder may rely on.
fn decode(log: &[Page]) -> Decoded {
    let mut links = Links::new();
    let mut decoded = Decoded::default();
    let mut before: Option<Block> = None;
    let mut open: Option<Vec<u8>> = None;
    for (page, sequence) in log.iter().zip(0..) {
        links.take(page).unwrap();
        let stamp = page.stamp();
        assert_eq!((stamp.serial, stamp.sequence), (log[0].serial(), sequence));
        if sequence < 2 {
            continue;
        }
        assert_eq!(stamp.is_continued, open.is_some(), "page {sequence}");
        for (part, ends) in page.packets() {
            let packet = [open.take().unwrap_or_default(), part.to_vec()].concat();
            if !ends {
                open = Some(packet);
                continue;
            }
            decoded.n_own += usize::from(packet.len() > 2);
            let block = modes().block(&packet).unwrap();
            if let Some(before) = before {
                let is_as_told = (before.length == Length::Short || before.after == block.length)
                    && (block.length == Length::Short || block.before == before.length);
                assert!(is_as_told, "page {sequence}: {block:?} follows {before:?}");
            }
            decoded.n_samples += samples(before.replace(block), block);
        }
        assert!(stamp.granule == decoded.n_samples || page.n_packets_ended() == 0);
    }
    decoded
}

fn take(splice: &mut Splice, pages: &[Page], log: &mut Vec<Page>) {
    for page in pages {
        splice.take(page, || 77, log);
    }
}

fn fill(splice: &mut Splice, milliseconds: u64, log: &mut Vec<Page>) -> i64 {
    let filled = splice.fill(Duration::from_millis(milliseconds), log);
    i64::try_from((filled.as_nanos() * 48).div_ceil(1_000_000)).unwrap()
}

#[test]
fn filler_goes_between_two_pages_and_the_time_of_those_after_it_is_shifted() {
    let pages = vorbis(1, &[Length::Long; 40], &[(4, false); 10]);
    let (mut splice, mut log) = (Splice::new(), Vec::new());
    take(&mut splice, &pages[..6], &mut log);
    let filled = fill(&mut splice, 1_000, &mut log);
    assert_eq!(filled, 47 * 1024, "as few packets as last a second");
    assert_eq!(
        splice.filled(1),
        Duration::from_nanos(47 * 1024 * 1_000_000_000 / 48_000)
    );
    assert_eq!(splice.wanted(1), Some(6));
    take(&mut splice, &pages[6..], &mut log);
    assert_eq!(splice.filled(1), Duration::ZERO);
    let decoded = decode(&log);
    assert_eq!((decoded.n_own, decoded.n_samples), (40, 39 * 1024 + filled));
    assert_eq!(log.len(), pages.len() + 2, "two pages for a second");
}

#[test]
fn pages_that_are_left_out_after_filler_leave_no_hole_in_time() {
    let pages = vorbis(1, &[Length::Long; 40], &[(4, false); 10]);
    let (mut splice, mut log) = (Splice::new(), Vec::new());
    take(&mut splice, &pages[..6], &mut log);
    let filled = fill(&mut splice, 200, &mut log);
    // The source goes to its live edge.
    take(&mut splice, &pages[8..], &mut log);
    assert_eq!(splice.counts().n_missing, 2);
    let decoded = decode(&log);
    assert_eq!((decoded.n_own, decoded.n_samples), (32, 31 * 1024 + filled));
}

#[test]
fn there_is_no_filler_before_sound_after_the_end_or_beside_another_stream() {
    let pages = vorbis(1, &[Length::Long; 8], &[(2, false); 4]);
    let (mut splice, mut log) = (Splice::new(), Vec::new());
    assert_eq!(fill(&mut splice, 500, &mut log), 0);
    take(&mut splice, &pages[..2], &mut log);
    assert_eq!(fill(&mut splice, 500, &mut log), 0, "headers only");
    take(&mut splice, &pages[2..], &mut log);
    splice.end_link(&mut log);
    assert_eq!(fill(&mut splice, 500, &mut log), 0, "ended");
    let both = [&pages[..1], &opus(2, 0)[..1], &pages[1..]].concat();
    let (mut splice, mut serial) = (Splice::new(), 0);
    for page in both {
        let mut next = || {
            serial += 1;
            serial
        };
        splice.take(&page, &mut next, &mut log);
    }
    assert_eq!(fill(&mut splice, 500, &mut log), 0, "two streams");
    let (mut splice, flac) = (Splice::new(), b"\x7fFLAC\x01\0\0\x01fLaC");
    take(
        &mut splice,
        &[plain_page(3, 0, flac), plain_page(3, 1, b"sound")],
        &mut log,
    );
    assert_eq!(fill(&mut splice, 500, &mut log), 0, "no silence is known");
}

#[test]
fn an_opus_stream_is_filled_and_goes_on() {
    let pages = opus(1, 10);
    let (mut splice, mut log) = (Splice::new(), Vec::new());
    take(&mut splice, &pages[..6], &mut log);
    assert_eq!(fill(&mut splice, 1_000, &mut log), 48_000);
    take(&mut splice, &pages[6..], &mut log);
    let granules: Vec<_> = log[5..].iter().map(|page| page.stamp().granule).collect();
    // Two filler pages, then a page of two frames of 10 ms, then the source's own steps.
    let resumed = 5 * 1024 + 48_000 + 960;
    let wanted = [5 * 1024, 29_120, 53_120, resumed, resumed + 1024];
    assert_eq!(granules[..5], wanted);
    assert!(
        log.iter()
            .zip(0..)
            .all(|(page, n)| page.stamp().sequence == n)
    );
}

#[test]
fn another_stream_may_follow_filler() {
    let (mut splice, mut log) = (Splice::new(), Vec::new());
    take(
        &mut splice,
        &vorbis(1, &[Length::Long; 8], &[(2, false); 4]),
        &mut log,
    );
    fill(&mut splice, 500, &mut log);
    let n_before = log.len();
    splice.take(&opus(2, 0)[0], || 78, &mut log);
    let (end, filler) = (log[n_before].stamp(), log[n_before - 1].stamp());
    assert!(end.is_last && end.granule == filler.granule);
    assert_eq!(end.sequence, filler.sequence + 1);
    assert_eq!(log[n_before + 1].serial(), 78);
}

proptest! {
    #[test]
    fn wherever_a_source_is_away_and_however_often_a_decoder_keeps_exact_time(
        is_long in proptest::collection::vec(any::<bool>(), 60..61),
        pages in proptest::collection::vec((0usize..6, any::<bool>()), 1..20),
        gaps in proptest::collection::vec((1usize..20, 0u64..1500, 0usize..3), 0..4),
    ) {
        let length = |is_long: &bool| if *is_long { Length::Long } else { Length::Short };
        let lengths: Vec<_> = is_long.iter().map(length).collect();
        let pages = vorbis(1, &lengths, &pages);
        let (mut splice, mut log) = (Splice::new(), Vec::new());
        let (mut from, mut n_filled, mut is_whole) = (0, 0, true);
        for (n, milliseconds, n_left_out) in gaps {
            let to = (from + n).min(pages.len());
            take(&mut splice, &pages[from..to], &mut log);
            let filled = fill(&mut splice, milliseconds, &mut log);
            n_filled += filled;
            from = to;
            if filled > 0 {
                from = (from + n_left_out).min(pages.len());
                is_whole &= from == to && pages.get(from).is_some_and(|p| !p.stamp().is_continued);
            }
        }
        take(&mut splice, &pages[from..], &mut log);
        let decoded = decode(&log);
        prop_assert!(decoded.n_samples >= n_filled);
        if is_whole {
            let n_own: usize = pages[2..].iter().map(Page::n_packets_ended).sum();
            prop_assert_eq!(decoded.n_own, n_own);
        }
    }
}
