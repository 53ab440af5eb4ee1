//! A source that comes back without a word begins again or goes on, as its pages say.

use super::*;

/// What the log holds: serial and sequence number of each page.
fn held(house: &House) -> Vec<(u32, u32)> {
    let mount = house.table.find(&live()).unwrap();
    let log = mount.log();
    let kept = log.kept(0, usize::MAX).unwrap();
    let stamps = kept.iter().map(|kept| kept.page.stamp());
    stamps.map(|s| (s.serial, s.sequence)).collect()
}

/// Sources come one after another and send these pages; each stream gets the next number.
fn after(connections: &[&[Page]]) -> (Vec<(u32, u32)>, u64) {
    let (house, mut serial) = (house(), 100);
    let mut chance = || {
        serial += 1;
        serial
    };
    let mut n_doubled = 0;
    for pages in connections {
        let mut publisher = house.claim("source", Duration::ZERO).unwrap();
        for page in *pages {
            publisher.take(page, house.now, &mut chance).unwrap();
        }
        publisher.settle(house.now, &mut chance);
        n_doubled = publisher.counts().n_doubled;
    }
    (held(&house), n_doubled)
}

fn numbers(serial: u32, n: u32) -> Vec<(u32, u32)> {
    (0..n).map(|sequence| (serial, sequence)).collect()
}

#[test]
fn an_encoder_that_is_started_again_under_its_old_number_is_heard_at_once() {
    let pages = opus(0, 10);
    let n = u32::try_from(pages.len()).unwrap();
    // The first link gets a page more, its end.
    let both = [numbers(101, n + 1), numbers(102, n)].concat();
    assert_eq!(after(&[&pages, &pages]), (both.clone(), 0));
    let concatenated = [pages.clone(), pages.clone()].concat();
    assert_eq!(after(&[&concatenated]), (both, 0));
}

#[test]
fn an_encoder_that_goes_on_behind_its_headers_goes_on() {
    let pages = opus(0, 10);
    let n = u32::try_from(pages.len()).unwrap();
    let rest = [&pages[..2], &pages[6..]].concat();
    assert_eq!(after(&[&pages[..6], &rest]), (numbers(101, n), 2));
    let with_doubled = [&pages[..2], &pages[4..]].concat();
    assert_eq!(after(&[&pages[..6], &with_doubled]), (numbers(101, n), 4));
    assert_eq!(after(&[&pages[..6], &pages[6..]]), (numbers(101, n), 0));
}

#[test]
fn streams_side_by_side_begin_again_together() {
    let (one, two) = (opus(1, 2), opus(2, 2));
    let both: Vec<Page> = one.into_iter().zip(two).flat_map(|(a, b)| [a, b]).collect();
    let (held, n_doubled) = after(&[&both, &both]);
    let of = |serial| held.iter().filter(|page| page.0 == serial).count();
    assert_eq!(([101, 102, 103, 104].map(of), n_doubled), ([5, 5, 4, 4], 0));
}

#[test]
fn who_is_handed_to_another_program_within_his_headers_begins_again() {
    let pages = opus(0, 3);
    let (held, _) = after(&[&pages, &pages[..2], &pages[2..]]);
    assert_eq!(held, [numbers(101, 6), numbers(102, 5)].concat());
}
