//! Merging loses and changes nothing but the cuts between pages.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use stream::ogg::{Page, Stamp};

use super::*;

const RATE: u32 = 48_000;

/// A page of whole packets, as the encoder makes them.
fn page(sequence: u32, granule: i64, packets: &[Vec<u8>]) -> Page {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push(u8::try_from(packet.len() % 255).unwrap());
    }
    let stamp = Stamp {
        serial: 7,
        sequence,
        granule,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &lacing, &packets.concat())
}

fn packets(pages: &[Page]) -> Vec<Vec<u8>> {
    let whole = pages.iter().flat_map(|page| {
        page.packets()
            .map(|(packet, ends)| {
                assert!(ends, "whole packets stay whole");
                packet.to_vec()
            })
            .collect::<Vec<_>>()
    });
    whole.collect()
}

fn merge(pages: &[Page]) -> Vec<Page> {
    let mut merger = Merger::new(RATE);
    let mut merged = Vec::new();
    for page in pages {
        merger.push(page, |made| merged.push(made.page().clone()));
    }
    merger.flush(|made| merged.push(made.page().clone()));
    merged
}

fn headers() -> Vec<Page> {
    let header = |size: usize| vec![vec![1; size]];
    let setup = [header(300), header(3000)].concat();
    vec![page(0, 0, &header(30)), page(1, 0, &setup)]
}

proptest! {
    #[test]
    fn every_packet_comes_out_once_and_no_page_is_long(
        sound in prop::collection::vec(
            (1_i64..4096, prop::collection::vec(0_usize..2000, 1..5)),
            0..200,
        ),
    ) {
        let mut pages = headers();
        let mut granule = 0;
        for (length, sizes) in &sound {
            granule += length;
            let packets: Vec<_> = sizes.iter().map(|size| vec![9; *size]).collect();
            let sequence = u32::try_from(pages.len()).unwrap();
            pages.push(page(sequence, granule, &packets));
        }
        let merged = merge(&pages);
        prop_assert_eq!(packets(&merged), packets(&pages));
        prop_assert_eq!(&merged[..2], &pages[..2], "header pages are untouched");
        let mut before = 0;
        for (at, page) in merged.iter().enumerate() {
            let stamp = page.stamp();
            prop_assert_eq!(stamp.sequence, u32::try_from(at).unwrap());
            prop_assert!(stamp.granule - before < 9600 + 4096);
            prop_assert!(Page::parse(Bytes::copy_from_slice(page.bytes())).is_ok());
            before = stamp.granule;
        }
        prop_assert!(granule == 0 || before == granule, "the last page ends where they ended");
    }
}

#[test]
fn the_target_is_reached_before_a_page_is_given() {
    let mut pages = headers();
    for n in 1..=100 {
        pages.push(page(n + 1, i64::from(n) * 2048, &[vec![0; 30]]));
    }
    let merged = merge(&pages);
    let target = i64::try_from(PAGE_TARGET.as_millis()).unwrap() * i64::from(RATE) / 1000;
    let ends: Vec<_> = merged
        .iter()
        .skip(1)
        .map(|page| page.stamp().granule)
        .collect();
    let lengths = ends.windows(2).map(|pair| pair[1] - pair[0]);
    let n_whole = ends.len() - 2;
    assert!(
        lengths.take(n_whole).all(|length| length >= target),
        "{ends:?}"
    );
    assert_eq!(PAGE_TARGET, Duration::from_millis(200));
}

#[test]
fn the_last_page_is_marked_and_not_held_back() {
    let mut merger = Merger::new(RATE);
    for page in headers() {
        merger.push(&page, |_| {});
    }
    let last = page(2, 100, &[vec![1]]);
    let stamp = Stamp {
        is_last: true,
        ..last.stamp()
    };
    let mut made = Vec::new();
    merger.push(&last.restamped(stamp), |page| made.push(page));
    assert!(matches!(&made[..], [Made::Sound(page)] if page.stamp().is_last));
}
