//! Files on a real disk: written, read back, torn, damaged, too old, locked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stream::log::{Epoch, Keep};
use stream::mount::{Claimant, Desk, Facts, MountPath, MountTable, Publisher};
use stream::ogg::{Page, Stamp};
use stream::shutdown::{Drained, Shutdown};

use super::folder::{self, Folder, name_of};
use super::*;

mod damaged;
mod filler;
mod handed;
mod retention;

const DRAIN_MAX: Duration = Duration::from_secs(5);

fn page(serial: u32, sequence: u32, body: &[u8]) -> Page {
    let stamp = Stamp {
        serial,
        sequence,
        granule: i64::from(sequence) * 1024,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[u8::try_from(body.len()).unwrap()], body)
}

/// The page of this number of a stream.
fn nth(serial: u32, sequence: u32) -> Page {
    match sequence {
        0 => page(serial, 0, b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\0"),
        1 => page(serial, 1, b"OpusTags\x01\0\0\0v\0\0\0\0"),
        n => page(serial, n, &[u8::try_from(n % 256).unwrap(); 90]),
    }
}

fn live() -> MountPath {
    MountPath::parse("/hall/live.ogg").unwrap()
}

fn open_at(path: &Path, shutdown: &Shutdown) -> std::io::Result<Disk> {
    let path = Some(path.to_owned());
    let (keep, retentions) = (Keep::default(), Retentions::default());
    open(path, None, keep, retentions, shutdown)
}

/// A program that another test starts holds what is open here for a moment, until it is another.
fn open_when_free(path: &Path, shutdown: &Shutdown) -> Disk {
    let began = Instant::now();
    loop {
        match open_at(path, shutdown) {
            Ok(disk) => return disk,
            Err(_) if began.elapsed() < Duration::from_secs(1) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A master without its door.
struct Run {
    shutdown: Shutdown,
    table: Arc<MountTable>,
    desk: Arc<Desk>,
    n_found: usize,
}

impl Run {
    fn start(path: &Path) -> Self {
        let shutdown = Shutdown::new();
        let table = Arc::new(MountTable::new());
        let disk = open_when_free(path, &shutdown);
        let desk = Desk::with_sinks(Arc::clone(&table), Keep::default(), disk.sinks);
        let n_found = disk.found.len();
        for log in disk.found {
            desk.restore(&log.path, log.facts, log.restored, Instant::now())
                .unwrap();
        }
        Self {
            shutdown,
            table,
            desk,
            n_found,
        }
    }

    fn claim(&self, name: &str) -> Publisher {
        let claimant = Claimant {
            user: "source".to_owned(),
            login: 0,
            serial: None,
            uplink: 1,
        };
        let facts = Facts {
            name: Some(name.to_owned()),
            ..Facts::default()
        };
        let epoch = Epoch::new(fastrand::u128(..));
        let now = Instant::now();
        self.desk
            .claim(&live(), &claimant, facts, epoch, now)
            .unwrap()
    }

    fn read(&self) -> Vec<u8> {
        let mut found: Vec<Bytes> = Vec::new();
        let log = self.table.find(&live()).unwrap().log();
        log.read(0, usize::MAX, usize::MAX, &mut found).unwrap();
        found.concat()
    }

    async fn stop(self) {
        assert_eq!(self.shutdown.drain(DRAIN_MAX).await, Drained::Clean);
    }
}

fn take(publisher: &mut Publisher, serial: u32, numbers: std::ops::Range<u32>) {
    for n in numbers {
        publisher
            .take(&nth(serial, n), Instant::now(), || fastrand::u32(..))
            .unwrap();
    }
}

/// The page that stream 7 goes on with.
fn next(publisher: &Publisher) -> Option<u32> {
    publisher.wanted(7).map(|wanted| wanted.sequence)
}

/// The folder of the log, and its segments' offsets, the newest first.
fn log_on_disk(path: &Path) -> (PathBuf, Vec<u64>) {
    let mount = path.join("mounts").join(name_of(&live()).unwrap());
    let description = folder::Description::read(&mount).unwrap().unwrap();
    let log = folder::log_folder(&mount, description.epoch);
    let offsets = folder::offsets(&log).unwrap();
    (log, offsets)
}

#[tokio::test]
async fn a_mount_outlives_its_master_with_its_name_and_goes_on_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    let mut epochs = Vec::new();
    for (n, numbers) in [0..40, 40..43, 43..90].into_iter().enumerate() {
        let run = Run::start(folder.path());
        assert_eq!(run.n_found, usize::from(n > 0));
        if n > 0 {
            let mount = run.table.find(&live()).unwrap();
            assert!(!mount.is_on_air());
            assert_eq!(mount.facts().name.as_deref(), Some("Hall"));
            assert_eq!(run.read(), heard);
        }
        let mut publisher = run.claim("Hall");
        let wanted = (n > 0).then_some(numbers.start);
        assert_eq!(next(&publisher), wanted);
        take(&mut publisher, 7, numbers);
        heard = run.read();
        epochs.push(publisher.mount().log().epoch());
        drop(publisher);
        run.stop().await;
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]));
    let (log, offsets) = log_on_disk(folder.path());
    assert_eq!(offsets.len(), 3, "each run has a segment of its own");
    // The segments one after the other are the log.
    let files = offsets.iter().rev().map(|o| folder::segment(&log, *o));
    let on_disk = files.map(|files| std::fs::read(&files[0]).unwrap());
    assert_eq!(on_disk.collect::<Vec<_>>().concat(), heard);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_in_the_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    take(&mut publisher, 7, 0..9);
    let whole = run.read();
    drop(publisher);
    run.stop().await;
    let (log, offsets) = log_on_disk(folder.path());
    let [pages, _] = folder::segment(&log, offsets[0]);
    std::fs::write(&pages, &whole[..whole.len() - 5]).unwrap();
    let kept = whole.len() - nth(7, 8).len();
    for _ in 0..2 {
        let run = Run::start(folder.path());
        assert_eq!(run.read(), whole[..kept]);
        run.stop().await;
        assert_eq!(std::fs::read(&pages).unwrap(), whole[..kept]);
    }
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    assert_eq!(next(&publisher), Some(8));
    take(&mut publisher, 7, 8..9);
    assert_eq!(run.read(), whole);
    drop(publisher);
    run.stop().await;
    let run = Run::start(folder.path());
    assert_eq!(run.read(), whole);
    run.stop().await;
}

#[tokio::test]
async fn a_mount_that_was_removed_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    take(&mut publisher, 7, 0..9);
    drop(publisher);
    let later = Instant::now() + Duration::from_secs(100);
    let removed = run.desk.sweep(Duration::from_secs(60), later);
    assert_eq!(removed, [live()]);
    run.stop().await;
    assert_eq!(Run::start(folder.path()).n_found, 0);
    // What it left behind goes, too.
    retention::tidy(
        &folder.path().join("mounts"),
        Duration::ZERO,
        &Retentions::default(),
    );
    let n_left = std::fs::read_dir(folder.path().join("mounts"))
        .unwrap()
        .count();
    assert_eq!(n_left, 0);
}

#[tokio::test]
async fn of_a_log_that_can_go_on_the_newest_segment_is_kept_however_old() {
    let folder = tempfile::tempdir().unwrap();
    for numbers in [0..9, 9..12] {
        let run = Run::start(folder.path());
        let mut publisher = run.claim("Hall");
        take(&mut publisher, 7, numbers);
        drop(publisher);
        run.stop().await;
        std::thread::sleep(Duration::from_millis(20));
    }
    let (_, offsets) = log_on_disk(folder.path());
    assert_eq!(offsets.len(), 2);
    let mounts = folder.path().join("mounts");
    retention::tidy(&mounts, Duration::from_secs(3600), &Retentions::default());
    assert_eq!(log_on_disk(folder.path()).1, offsets);
    retention::tidy(&mounts, Duration::ZERO, &Retentions::default());
    assert_eq!(log_on_disk(folder.path()).1, offsets[..1]);
    let run = Run::start(folder.path());
    assert_eq!(run.n_found, 1);
    assert_eq!(next(&run.claim("Hall")), Some(12));
    run.stop().await;
}

/// Waits for what the other thread does.
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DRAIN_MAX, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn n_failures(publisher: &Publisher) -> u64 {
    let counts = publisher.mount().counts();
    counts
        .n_disk_failures
        .load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn after_a_full_disk_only_what_was_written_since_is_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    // A disk that is full from the first page on.
    let mount = folder.path().join("mounts").join(name_of(&live()).unwrap());
    let log = folder::log_folder(&mount, publisher.mount().log().epoch());
    std::fs::create_dir_all(&log).unwrap();
    std::os::unix::fs::symlink("/dev/full", &folder::segment(&log, 0)[0]).unwrap();
    take(&mut publisher, 7, 0..9);
    until("it is given up", || n_failures(&publisher) == 1);
    until("it is not continued", || {
        !folder::description(&mount).exists()
    });
    let before = run.read().len();
    // Within a minute nothing is tried, then everything from there on is written.
    take(&mut publisher, 7, 9..12);
    let later = Instant::now() + Duration::from_secs(61);
    for n in 12..20 {
        publisher.take(&nth(7, n), later, || 0).unwrap();
    }
    assert_eq!(n_failures(&publisher), 1);
    drop(publisher);
    run.stop().await;
    let run = Run::start(folder.path());
    let log = run.table.find(&live()).unwrap().log();
    let hole_end = (before + 3 * nth(7, 9).len()) as u64;
    let mut found: Vec<Bytes> = Vec::new();
    assert!(
        log.read(hole_end - 1, usize::MAX, usize::MAX, &mut found)
            .is_err()
    );
    log.read(hole_end, usize::MAX, usize::MAX, &mut found)
        .unwrap();
    let n_bytes: usize = (12..20).map(|n| nth(7, n).len()).sum();
    assert_eq!(found.concat().len(), n_bytes);
    assert_eq!(next(&run.claim("Hall")), Some(20));
    run.stop().await;
}

#[tokio::test]
async fn a_disk_that_hangs_costs_a_bounded_queue_and_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    let mount = folder.path().join("mounts").join(name_of(&live()).unwrap());
    let log = folder::log_folder(&mount, publisher.mount().log().epoch());
    std::fs::create_dir_all(&log).unwrap();
    let pages = &folder::segment(&log, 0)[0];
    // Opening it waits until somebody reads.
    let made = std::process::Command::new("mkfifo").arg(pages).status();
    assert!(made.unwrap().success());
    let start = Instant::now();
    take(&mut publisher, 7, 0..20_000);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(n_failures(&publisher), 1);
    drop(std::fs::File::open(pages).unwrap());
    until("it is not continued", || {
        !folder::description(&mount).exists()
    });
    drop(publisher);
    run.stop().await;
    assert_eq!(Run::start(folder.path()).n_found, 0);
}

#[tokio::test]
async fn a_second_master_on_the_same_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Run::start(folder.path());
    let complaint = open_at(folder.path(), &Shutdown::new()).unwrap_err();
    assert!(
        complaint.to_string().contains("another master"),
        "{complaint}"
    );
    first.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_does_not_keep_a_master_from_starting() {
    let disk = open_at(Path::new("/proc/no/such/place"), &Shutdown::new()).unwrap();
    assert!(disk.sinks.is_none() && disk.found.is_empty());
}

#[test]
fn no_two_mounts_share_a_folder_and_no_name_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let name = |path: &str| name_of(&MountPath::parse(path).unwrap());
    assert_eq!(name("/live.ogg").as_deref(), Some("live.ogg"));
    assert_eq!(name("/a/b/c/d").as_deref(), Some("a+b+c+d"));
    assert_eq!(name("/a+b/c d").as_deref(), Some("a%2Bb+c%20d"));
    for path in ["/a+b/c d", "/stream;", "/käse", "/%2ex/b*"] {
        let path = MountPath::parse(path).unwrap();
        let own = folder.path().join(name_of(&path).unwrap());
        assert_eq!(folder::path_of(&own), Some(path));
    }
    let part = "x".repeat(64);
    assert_eq!(name(&format!("/{part}/{part}/{part}/{part}")), None);
    let other = Folder::open(folder.path()).unwrap();
    let mount = other.mount(&live()).unwrap();
    std::fs::create_dir_all(&mount).unwrap();
    let lie = r#"{"path":"/other.ogg","epoch":"00000000000000000000000000000007","facts":{"content_type":""}}"#;
    std::fs::write(folder::description(&mount), lie).unwrap();
    assert!(folder::Description::read(&mount).is_err());
    drop(other);
    assert!(Folder::open(folder.path()).is_ok());
}
