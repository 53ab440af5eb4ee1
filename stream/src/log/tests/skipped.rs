//! A stretch of a log without bytes: nobody misses anything but that.

use super::video::{sent, writer};
use super::*;
use crate::log::account::header_pages;

#[test]
fn who_has_everything_goes_on_behind_what_was_skipped() {
    let pages = opus(1, 6);
    let mut ring = ring(1_000, 1 << 20);
    let start = Instant::now();
    fill(&mut ring, &pages[..4], start);
    let from = ring.head();
    ring.skip_to(from + 10);
    ring.skip_to(9_000);
    // The burst alone would leave out the first page.
    ring.append(&pages[4], start).unwrap();
    ring.append(&pages[5], start + Duration::from_secs(30))
        .unwrap();
    assert_eq!(ring.behind_skip(from), Some(9_000));
    for other in [from - 1, from + 10, 9_000] {
        assert_eq!(ring.behind_skip(other), None);
    }
    let epoch: Epoch = EPOCH.parse().unwrap();
    let resume = |epoch, first| Wish::Resume {
        epoch,
        first,
        last: FOR_EVER,
    };
    // Also one who asks for the newest page once more, or has more than there was.
    let newest = from - pages[3].len() as u64;
    for first in [from, newest, from + 5, from + 10, 8_999] {
        let join = ring.join_behind_skip(resume(epoch, first)).unwrap();
        assert_eq!((join.offset, join.prefix.is_empty()), (9_000, false));
    }
    assert_eq!(ring.join_behind_skip(resume(epoch, newest - 1)), None);
    assert_eq!(ring.join_behind_skip(resume(epoch, from - 1)), None);
    assert_eq!(ring.join_behind_skip(resume(Epoch::new(1), from)), None);
    // Of a link that is over there are no header pages.
    fill(&mut ring, &opus(2, 2), start);
    assert_eq!(ring.join_behind_skip(resume(epoch, from)), None);
}

/// What somebody is sent from `offset` on.
fn heard(log: &Log, mut offset: u64) -> Vec<u8> {
    let mut found = Vec::new();
    loop {
        match log.read_on(offset, 1, 1, &mut found) {
            Ok(next) if next == offset => return found.concat(),
            Ok(next) => offset = next,
            Err(_) => offset = log.behind_skip(offset).unwrap(),
        }
    }
}

#[test]
fn who_was_not_sent_all_of_it_yet_gets_that_before_he_goes_on_behind_what_was_skipped() {
    let (start, second_run) = (Instant::now(), sent(true, 2, 2));
    let mut writer = writer();
    for page in sent(true, 1, 2) {
        writer.take(&page, start, || 7).unwrap();
    }
    let first_run = writer.log().kept(0, usize::MAX).unwrap();
    // It cannot be known whether somebody has heard more of it elsewhere.
    let (mut next, _) = succeed::writer(writer.log(), true, start).unwrap();
    for page in &second_run {
        next.take(page, start, || 9).unwrap();
    }
    let log = next.log();
    let skipped_to = first_run.last().unwrap().offset + writer::SKIP_BYTES;
    let more = log.kept(log.head() - 1, 1).unwrap();
    assert!(more[0].offset > skipped_to);
    for from in &first_run {
        let rest = first_run.iter().filter(|page| page.offset >= from.offset);
        let rest: Vec<u8> = rest.flat_map(|kept| kept.page.bytes().to_vec()).collect();
        let heard = heard(log, from.offset);
        assert!(heard.starts_with(&rest), "from {}", from.offset);
        let mut pages = header_pages(&heard[rest.len()..].to_vec().into()).unwrap();
        // The head stands in the log already.
        assert_eq!(pages.len(), second_run.len() - 1, "from {}", from.offset);
        let first = pages.remove(0);
        let moved = first.stamp().granule - second_run[1].stamp().granule;
        let before = first_run.last().unwrap().page.stamp();
        assert_eq!(first.stamp().sequence, before.sequence + 1);
        assert!((0..=before.granule + 40).contains(&moved), "{moved}");
    }
}

#[test]
fn what_comes_before_a_skipped_stretch_is_kept_no_longer_than_all_else() {
    let (pages, start) = (opus(1, 40), Instant::now());
    let mut ring = ring(10, 1 << 20);
    fill(&mut ring, &pages[..10], start);
    let (from, last) = (ring.head(), ring.head() - pages[9].len() as u64);
    ring.skip_to(9_000);
    let n_read = |ring: &Ring, offset| ring.read_passed(offset, usize::MAX, 99, &mut Vec::new());
    assert_eq!(n_read(&ring, last), Some(from));
    assert_eq!(n_read(&ring, from), None);
    assert!(ring.read(last, 1, 1, &mut Vec::new()).is_err());
    fill(&mut ring, &pages[10..12], start + Duration::from_secs(18));
    assert_eq!(n_read(&ring, last), Some(from));
    fill(&mut ring, &pages[12..13], start + Duration::from_secs(20));
    assert_eq!(n_read(&ring, last), None);
    assert_eq!(ring.n_bytes(), bytes(&pages[10..13]));
    // Nor are there more bytes than may be.
    let mut small = super::ring(1_000, 1_000);
    fill(&mut small, &pages[..20], start);
    small.skip_to(90_000);
    fill(&mut small, &pages[20..], start);
    assert!(small.n_bytes() <= 1_000 && small.oldest() > 90_000);
}

fn bytes(pages: &[Page]) -> usize {
    pages.iter().map(Page::len).sum()
}
