//! What a spool gives back after whatever happened to it.

use std::ops::Range;

use proptest::prelude::*;
use stream::ogg::Stamp;
use tempfile::TempDir;

use super::segment::{Open, SEGMENT_MAX};
use super::*;
use crate::backlog::{Shared, Word};

/// 200 ms.
const PAGE_SAMPLES: i64 = 9_600;
const SERIAL: u32 = 0x3ade_68b1;
const CATCH_UP: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits {
    length: Duration::from_secs(7_200),
    n_bytes: 120_000_000,
};

fn page(sequence: u32, n_bytes: u8) -> Page {
    let stamp = Stamp {
        serial: SERIAL,
        sequence,
        granule: i64::from(sequence.saturating_sub(1)) * PAGE_SAMPLES,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[n_bytes], &vec![7; usize::from(n_bytes)])
}

fn open(folder: &Path) -> (Spool, Vec<Remains>) {
    Spool::open(folder, LIMITS, CATCH_UP, SERIAL).unwrap()
}

/// One more page of sound. Waits until there is room for it, as a source does not.
fn give(spool: &Spool, page: Page) {
    spool.jobs.send(Job::Page(Made::Sound(page))).unwrap();
}

/// Two header pages and the pages of sound `sounds`, written by a source that then dies.
fn fill(folder: &Path, sounds: Range<u32>, change: impl FnOnce(&Spool)) {
    let (spool, _) = open(folder);
    for sequence in 0..2 {
        spool.add(Made::Header(page(sequence, 30)));
    }
    for sequence in sounds {
        give(&spool, page(sequence, 200));
    }
    change(&spool);
    spool.close();
}

fn sequences(remains: &Remains) -> Vec<u32> {
    remains.pages.iter().map(|p| p.stamp().sequence).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".ogg"))
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_not_acknowledged_comes_back_with_its_headers_and_an_end() {
    let folder = folder();
    fill(folder.path(), 2..52, |spool| {
        spool.mark(spool.link(), 30, &Holes::default(), true);
    });
    let (_spool, remains) = open(folder.path());
    let [remains] = &remains[..] else {
        panic!("{remains:?}");
    };
    assert_eq!(remains.serial, SERIAL);
    assert_eq!(remains.headers.len(), 2);
    assert_eq!(sequences(remains), (30..=52).collect::<Vec<_>>());
    assert!(remains.pages.last().unwrap().stamp().is_last);
}

#[test]
fn what_the_master_has_is_not_sent_again() {
    let folder = folder();
    fill(folder.path(), 2..52, |spool| {
        spool.mark(spool.link(), 52, &Holes::default(), true);
    });
    assert!(open(folder.path()).1.is_empty());
}

#[test]
fn only_the_newest_sound_is_sent_live_and_the_rest_waits_for_an_archive() {
    let folder = folder();
    fill(folder.path(), 2..1002, |_| {});
    let (spool, remains) = open(folder.path());
    // A minute of it.
    assert_eq!(sequences(&remains[0])[0], 1001 - 300);
    assert_eq!(spool.report().n_for_archive, u64::from(1001 - 300 - 2_u32));
    let n_more = spool.give_up(remains[0].link, remains[0].end);
    assert_eq!(n_more, 301);
    assert_eq!(spool.report().n_for_archive, 1000);
}

#[test]
fn a_server_that_confirms_nothing_is_not_sent_remains() {
    let folder = folder();
    fill(folder.path(), 2..52, |spool| {
        spool.mark(spool.link(), 50, &Holes::default(), false);
    });
    let (spool, remains) = open(folder.path());
    assert!(remains.is_empty());
    assert_eq!(spool.report().n_for_archive, 2);
}

#[tokio::test]
async fn a_master_that_lost_what_it_had_acknowledged_gets_it_from_the_remains_own_pages() {
    let folder = folder();
    fill(folder.path(), 2..52, |spool| {
        spool.mark(spool.link(), 40, &Holes::default(), true);
    });
    let (spool, mut remains) = open(folder.path());
    let shared = Shared::of_remains(Arc::new(spool), remains.remove(0), 1);
    assert!(shared.is_plenum(), "it waits for an answer");
    assert_eq!(shared.lock().place(0), 40);
    assert_eq!(shared.go_to(0, 30), 0);
    for sequence in 30..45 {
        let next = shared.next(0).await.unwrap();
        assert_eq!(next.stamp().sequence, sequence);
        shared.sent(0, &next);
    }
}

#[tokio::test]
async fn pages_sent_to_one_who_never_answered_come_back_after_the_end_of_the_source() {
    let folder = folder();
    let (spool, _) = open(folder.path());
    let spool = Arc::new(spool);
    let shared = Shared::with_spool(Some(spool.clone()), CATCH_UP, 1);
    for sequence in 0..2 {
        shared.push(Made::Header(page(sequence, 30)));
    }
    for sequence in 2..22 {
        shared.push(Made::Sound(page(sequence, 200)));
    }
    shared.begin(0, Word::Awaited);
    for _ in 0..20 {
        let next = shared.next(0).await.unwrap();
        shared.sent(0, &next);
    }
    spool.close();
    drop((shared, spool));
    let (_spool, remains) = open(folder.path());
    assert_eq!(sequences(&remains[0]), (2..=22).collect::<Vec<_>>());
}

#[test]
fn two_sources_cannot_use_one_spool() {
    let folder = folder();
    let _first = open(folder.path());
    let error = Spool::open(folder.path(), LIMITS, CATCH_UP, SERIAL).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(text.contains("another source"), "{text}");
    assert!(text.contains("--no-spool"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_remedy() {
    let error = Spool::open(Path::new("/proc/nowhere"), LIMITS, CATCH_UP, SERIAL).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("/proc/nowhere") && text.contains("--spool"),
        "{text}"
    );
}

#[test]
fn the_oldest_goes_when_the_spool_is_full() {
    let folder = folder();
    let limits = Limits {
        length: 4 * SEGMENT_MAX,
        n_bytes: 120_000_000,
    };
    let (spool, _) = Spool::open(folder.path(), limits, CATCH_UP, SERIAL).unwrap();
    let n_pages = 10 * 300;
    for sequence in 2..n_pages + 2 {
        give(&spool, page(sequence, 200));
    }
    let mut holes = Holes::default();
    holes.add(2..u64::from(n_pages));
    spool.mark(spool.link(), 2, &holes, true);
    spool.close();
    let report = spool.report();
    let (n_kept, n_all) = (report.n_for_archive, u64::from(n_pages) - 2);
    assert!((3 * 300..=5 * 300).contains(&n_kept), "{report:?}");
    assert_eq!(report.n_lost, n_all - n_kept);
    assert!(files(folder.path()).len() <= 5);
}

#[test]
fn what_the_master_has_goes_after_a_minute() {
    let folder = folder();
    let (spool, _) = open(folder.path());
    for sequence in 2..3002 {
        give(&spool, page(sequence, 200));
        spool.mark(spool.link(), u64::from(sequence), &Holes::default(), true);
    }
    spool.close();
    let names = files(folder.path());
    let kept: Duration = names
        .iter()
        .filter_map(|n| Segment::parse(n, 0))
        .map(|s| s.length)
        .sum();
    assert!(kept >= shelf::ACKNOWLEDGED_KEPT, "{names:?}");
    assert!(names.len() <= 2, "{names:?}");
}

#[tokio::test]
async fn pages_come_back_by_their_numbers() {
    let folder = folder();
    let (spool, _) = open(folder.path());
    spool.add(Made::Header(page(0, 30)));
    spool.add(Made::Header(page(1, 30)));
    for sequence in (2..400).chain(450..500) {
        spool.add(Made::Sound(page(sequence, 200)));
    }
    spool.close();
    let read = |sequence| spool.read(spool.link(), sequence);
    let first = read(17).await.unwrap().pages;
    assert_eq!(first[0].stamp().sequence, 17);
    let next = u64::from(first.last().unwrap().stamp().sequence) + 1;
    assert_eq!(
        u64::from(read(next).await.unwrap().pages[0].stamp().sequence),
        next
    );
    assert_eq!(read(420).await.unwrap_err(), Some(450));
    assert_eq!(read(600).await.unwrap_err(), None);
}

#[test]
fn a_closed_segment_gives_back_its_pages() {
    let folder = folder();
    let pages: Vec<_> = (2..10).map(|n| page(n, 200)).collect();
    let mut open = Open::create(folder.path(), &[page(0, 30)], &pages[0], 1, 0).unwrap();
    for page in &pages {
        open.add(page).unwrap();
    }
    let closed = open.close(folder.path()).unwrap();
    assert_eq!(closed.pages, 2..10);
    assert_eq!(closed.read(folder.path()).unwrap().pages, pages);
}

#[test]
fn names_say_what_is_in_a_segment_and_nothing_else_is_one() {
    let segment = Segment {
        link: 3,
        serial: SERIAL,
        pages: 2..302,
        n_bytes: 17,
        length: Duration::from_secs(60),
        is_closed: true,
    };
    assert_eq!(
        segment.name(),
        "000003-3ade68b1-0000000002-0000000302-60000ms.ogg"
    );
    assert_eq!(Segment::parse(&segment.name(), 17), Some(segment));
    for name in [
        "",
        "x.ogg",
        "lock",
        "marks.toml",
        "1-2-9-3-1ms.ogg",
        "1-x-2-open.ogg",
    ] {
        assert_eq!(Segment::parse(name, 0), None, "{name}");
    }
}

#[test]
fn marks_that_are_damaged_count_as_none() {
    let folder = folder();
    fill(folder.path(), 2..12, |_| {});
    std::fs::write(folder.path().join(MARKS), "[[link").unwrap();
    assert_eq!(open(folder.path()).1.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_segment_torn_anywhere_gives_back_its_whole_pages(cut in 0_usize..3_000, noise in 0_usize..40) {
        let folder = folder();
        let headers = [page(0, 30), page(1, 250)];
        let pages: Vec<_> = (2..14).map(|n| page(n, 200)).collect();
        let mut open = Open::create(folder.path(), &headers, &pages[0], 1, 0).unwrap();
        for page in &pages {
            open.add(page).unwrap();
        }
        let segment = open.segment.clone();
        drop(open);
        let path = folder.path().join(segment.name());
        let mut bytes = std::fs::read(&path).unwrap();
        let cut = cut.min(bytes.len());
        bytes.truncate(cut);
        bytes.extend(vec![0x4f; noise]);
        std::fs::write(&path, bytes).unwrap();
        let n_header_bytes: usize = headers.iter().map(Page::len).sum();
        let n_whole = cut.saturating_sub(n_header_bytes) / pages[0].len();
        let mended = segment.mend(folder.path()).unwrap();
        prop_assert_eq!(mended.is_some(), n_whole > 0);
        if let Some(mended) = mended {
            prop_assert_eq!(&mended.pages, &(2..2 + n_whole as u64));
            let content = mended.read(folder.path()).unwrap();
            prop_assert_eq!(&content.headers, &headers);
            prop_assert_eq!(&content.pages, &pages[..n_whole]);
            prop_assert_eq!(folder.path().join(mended.name()).metadata().unwrap().len(), content.n_bytes);
        }
    }

    #[test]
    fn holes_are_the_union_of_what_was_added(ranges in proptest::collection::vec((0_u64..200, 0_u64..20), 0..40)) {
        let mut holes = Holes::default();
        let mut all = std::collections::BTreeSet::new();
        for (start, n) in ranges {
            holes.add(start..start + n);
            all.extend(start..start + n);
        }
        prop_assert_eq!(holes.n_pages(), all.len() as u64);
        for start in [0, 30, 100] {
            let within = all.range(start..start + 50).count() as u64;
            prop_assert_eq!(holes.n_within(&(start..start + 50)), within);
        }
    }
}
