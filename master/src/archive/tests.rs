//! Recordings on a real disk: cut, numbered anew, read from any byte on, and gone back to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::log::{Epoch, Keep};
use stream::mount::{Claimant, Desk, Facts, MountPath, MountTable, Publisher};
use stream::ogg::{Found, Framer, Page, Stamp};
use stream::shutdown::{Drained, Shutdown};

use super::layout::Layout;
use super::reader::Reader;
use super::session::{Session, SessionName};
use super::start::Start;
use super::tape::Tape;
use crate::archive::Retentions;
use crate::disk::{self, folder};

mod ends;
mod filled;
mod picture;

const DRAIN_MAX: Duration = Duration::from_secs(5);
/// A page of Opus with one packet of 20 ms.
const PAGE_SAMPLES: i64 = 960;

fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

/// The page of this number of a stream that had begun `before` samples earlier.
fn nth(serial: u32, sequence: u32, before: i64) -> Page {
    let body = match sequence {
        0 => b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\0".to_vec(),
        1 => b"OpusTags\x01\0\0\0v\0\0\0\0".to_vec(),
        n => [vec![0xfc], n.to_le_bytes().repeat(20)].concat(),
    };
    let n_before = i64::from(sequence) - 1;
    let stamp = Stamp {
        serial,
        sequence,
        granule: if n_before > 0 {
            before + n_before * PAGE_SAMPLES
        } else {
            0
        },
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[u8::try_from(body.len()).unwrap()], &body)
}

/// A master that lives for as long as these pages come. Gives what of the log is in its ring.
async fn run(state: &Path, pages: impl Iterator<Item = Page>) -> Vec<u8> {
    live_through(state, |_, publisher| {
        for page in pages {
            take(publisher, &page);
        }
    })
    .await
}

fn take(publisher: &mut Publisher, page: &Page) {
    publisher
        .take(page, Instant::now(), || fastrand::u32(..))
        .unwrap();
}

/// A master in whose life this happens. Gives what of the log is in its ring.
async fn live_through(state: &Path, happens: impl FnOnce(&Desk, &mut Publisher)) -> Vec<u8> {
    let shutdown = Shutdown::new();
    let table = Arc::new(MountTable::new());
    let path = Some(state.to_owned());
    let disk = disk::open(
        path,
        None,
        Keep::default(),
        Retentions::default(),
        &shutdown,
    )
    .unwrap();
    let desk = Desk::with_sinks(table, Keep::default(), disk.sinks);
    for log in disk.found {
        desk.restore(&log.path, log.facts, log.restored, Instant::now())
            .unwrap();
    }
    let claimant = Claimant {
        user: "source".to_owned(),
        login: 0,
        serial: None,
        uplink: 0,
    };
    let epoch = Epoch::new(fastrand::u128(..));
    let mut publisher = desk
        .claim(&live(), &claimant, Facts::default(), epoch, Instant::now())
        .unwrap();
    happens(&desk, &mut publisher);
    let mut found = Vec::new();
    let log = publisher.mount().log();
    let read = log.read(0, usize::MAX, usize::MAX, &mut found);
    // A long one does not fit in.
    assert!(read.is_ok() || log.head() > 100_000);
    drop((publisher, desk));
    assert_eq!(shutdown.drain(DRAIN_MAX).await, Drained::Clean);
    found.concat()
}

/// Three runs of a master, and so three segments of one link.
async fn three_runs(state: &Path, before: i64) -> Vec<u8> {
    let mut heard = Vec::new();
    for numbers in [0..60, 60..100, 100..150] {
        heard = run(state, numbers.map(|n| nth(7, n, before))).await;
        // Times of arrival are told apart by the millisecond.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    heard
}

fn log_folder(state: &Path) -> PathBuf {
    let mount = state.join("mounts").join(folder::name_of(&live()).unwrap());
    let mut logs = folder::logs(&mount);
    assert_eq!(logs.len(), 1);
    logs.remove(0).1
}

fn read(layout: &Layout, from: u64, to: u64) -> Vec<u8> {
    let mut reader = Reader::new(layout.clone(), from..to);
    let mut bytes = Vec::new();
    while let Some(more) = reader.next().unwrap() {
        bytes.extend_from_slice(&more);
    }
    bytes
}

fn pages(bytes: &[u8]) -> Vec<Page> {
    let (mut framer, mut input) = (Framer::new(), bytes);
    let pages = std::iter::from_fn(|| framer.next(&mut input)).map(|found| match found {
        Found::Page(page) => page,
        Found::Junk { .. } => panic!("junk"),
    });
    let pages = pages.collect();
    assert_eq!(framer.n_held(), 0);
    pages
}

/// One stream from its `bos` to its `eos`, numbered without a hole, whose sound begins at 0; and
/// any part of it is that part.
fn check(layout: &Layout, first_body: &[u8], n_sounds: i64) {
    let whole = read(layout, 0, layout.n_bytes);
    assert_eq!(whole.len() as u64, layout.n_bytes);
    let pages = pages(&whole);
    for (n, page) in (0..).zip(&pages) {
        let stamp = page.stamp();
        assert_eq!((stamp.sequence, stamp.is_first), (n, n == 0));
        let n_before = i64::from(n) - 1;
        let is_end = usize::try_from(n).unwrap() == pages.len() - 1;
        let expected = if is_end { n_sounds } else { n_before.max(0) };
        assert_eq!(stamp.granule, expected * PAGE_SAMPLES, "page {n}");
        assert_eq!(stamp.is_last, is_end);
    }
    assert_eq!(pages[2].body(), first_body);
    assert_eq!(pages.len() as i64, 2 + n_sounds + 1);
    for _ in 0..200 {
        let from = fastrand::u64(..layout.n_bytes);
        let to = fastrand::u64(from + 1..=layout.n_bytes);
        let part = &whole[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
        assert_eq!(read(layout, from, to), part, "{from}..{to}");
    }
}

#[tokio::test]
async fn a_recording_is_one_faultless_stream_however_often_its_master_was_restarted() {
    for before in [0, 48_000 * 3600] {
        let state = tempfile::tempdir().unwrap();
        three_runs(state.path(), before).await;
        let sessions = Session::all(&log_folder(state.path())).unwrap();
        assert_eq!((sessions.len(), sessions[0].stretches.len()), (1, 3));
        let layout = Layout::of(&sessions[0], &[], true).unwrap();
        check(&layout, nth(7, 2, 0).body(), 148);
    }
}

#[tokio::test]
async fn a_recording_whose_beginning_was_deleted_begins_anew_under_the_same_name() {
    let state = tempfile::tempdir().unwrap();
    three_runs(state.path(), 0).await;
    let log = log_folder(state.path());
    let whole = Session::all(&log).unwrap().remove(0);
    for file in &whole.stretches[0].files {
        std::fs::remove_file(file).unwrap();
    }
    let rest = Session::all(&log).unwrap().remove(0);
    assert_eq!(rest.name, whole.name);
    assert_eq!(rest.name.to_string().parse::<SessionName>(), Ok(rest.name));
    let layout = Layout::of(&rest, &[], true).unwrap();
    assert_ne!(
        layout.tag,
        Layout::of(&whole, &[], true).map_or(String::new(), |l| l.tag)
    );
    check(&layout, nth(7, 60, 0).body(), 90);
}

#[tokio::test]
async fn a_recording_up_to_a_place_stays_the_same_while_more_is_coming() {
    let state = tempfile::tempdir().unwrap();
    run(state.path(), (0..60).map(|n| nth(7, n, 0))).await;
    let log = log_folder(state.path());
    let before = Session::all(&log).unwrap().remove(0);
    let (end, before) = (before.end(), Layout::of(&before, &[], false).unwrap());
    run(state.path(), (60..90).map(|n| nth(7, n, 0))).await;
    let now = Session::all(&log).unwrap().remove(0);
    assert!(now.end() > end);
    let until = now.clone().until(end).unwrap().unwrap();
    let until = Layout::of(&until, &[], false).unwrap();
    assert_eq!(until.tag, before.tag);
    assert_eq!(
        read(&until, 0, until.n_bytes),
        read(&before, 0, before.n_bytes)
    );
    assert!(now.until(end - 1).unwrap().is_none(), "no page ends there");
}

#[tokio::test]
async fn a_new_encoder_run_is_a_recording_of_its_own() {
    let state = tempfile::tempdir().unwrap();
    let both = (0..60)
        .map(|n| nth(7, n, 0))
        .chain((0..50).map(|n| nth(8, n, 0)));
    run(state.path(), both).await;
    let sessions = Session::all(&log_folder(state.path())).unwrap();
    let n_pages: Vec<_> = sessions
        .iter()
        .map(|session| {
            let layout = Layout::of(session, &[], true).unwrap();
            pages(&read(&layout, 0, layout.n_bytes)).len()
        })
        .collect();
    // Both are ended: the first by the master at once, the second in its file.
    assert_eq!(n_pages, [61, 51]);
}

fn play(tape: &mut Tape) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(portion) = tape.next().unwrap() {
        assert_eq!(portion.to - portion.from, portion.bytes.len() as u64);
        bytes.extend_from_slice(&portion.bytes);
    }
    bytes
}

#[tokio::test]
async fn a_tape_is_the_log_from_a_moment_on_to_where_the_disk_has_it() {
    let state = tempfile::tempdir().unwrap();
    let heard = three_runs(state.path(), 0).await;
    let log = log_folder(state.path());
    let mut oldest = Start::find(&log, 0).unwrap().unwrap();
    assert_eq!((oldest.offset, oldest.prefix.len()), (0, 0));
    assert_eq!(play(&mut oldest.tape), heard);
    let session = Session::all(&log).unwrap().remove(0);
    let second = &session.stretches[1];
    let mut middle = Start::find(&log, second.first_ms).unwrap().unwrap();
    assert_eq!(middle.offset, second.head.offset);
    assert_eq!(middle.prefix, heard[..middle.prefix.len()]);
    assert_eq!(pages(&middle.prefix).len(), 2);
    let from = usize::try_from(middle.offset).unwrap();
    assert_eq!(play(&mut middle.tape), heard[from..]);
    // What came later is there as soon as it is on disk.
    let more = run(state.path(), (150..160).map(|n| nth(7, n, 0))).await;
    assert_eq!(play(&mut middle.tape), more[heard.len()..]);
    let newest = session.last_ms();
    assert!(Start::find(&log, newest + 60_000).unwrap().is_none());
}

#[tokio::test]
async fn a_tape_goes_past_what_is_missing_on_the_disk() {
    let state = tempfile::tempdir().unwrap();
    let heard = three_runs(state.path(), 0).await;
    let log = log_folder(state.path());
    let session = Session::all(&log).unwrap().remove(0);
    for file in &session.stretches[1].files {
        std::fs::remove_file(file).unwrap();
    }
    let mut start = Start::find(&log, 0).unwrap().unwrap();
    let [first, third] = [1, 2].map(|n| usize::try_from(session.stretches[n].head.offset).unwrap());
    assert_eq!(
        play(&mut start.tape),
        [&heard[..first], &heard[third..]].concat()
    );
}
