//! What of a mount stays on disk as a recording.

use jiff::Timestamp;

use super::clock::Reading;
use super::*;
use crate::archive::ArchiveConfig;

/// Keeps so many hours of all mounts, and so many megabytes.
fn keeping(keep_hours: f64, keep_megabytes: u64) -> Retentions {
    let config = ArchiveConfig {
        keep_hours,
        keep_megabytes,
        public: false,
    };
    config.retentions(&[])
}

pub(super) fn tidy(mounts: &Path, kept: Duration, retentions: &Retentions) {
    keeping::tidy(mounts, kept, retentions, at(Duration::ZERO, true));
}

/// What a clock says that is so far ahead.
fn at(ahead: Duration, is_steady: bool) -> Reading {
    Reading {
        clock: Timestamp::now() + ahead,
        is_steady,
        change: None,
    }
}

/// A segment is made as long as this, by what is no page.
const SEGMENT_BYTES: u64 = 1_400_000;

/// Four segments, the newest 3,500 s old, each a minute older than the next.
async fn four_segments(path: &Path) {
    for n in 0..4 {
        let run = Run::start(path);
        let mut publisher = run.claim("Hall");
        take(&mut publisher, 7, n * 10..(n + 1) * 10);
        drop(publisher);
        run.stop().await;
    }
    let (log, offsets) = log_on_disk(path);
    for (n, offset) in (0..).zip(offsets) {
        for file in folder::segment(&log, offset) {
            let is_index = file.extension().is_some_and(|ending| ending == "index");
            let file = std::fs::File::options().write(true).open(file).unwrap();
            if !is_index {
                file.set_len(SEGMENT_BYTES).unwrap();
            }
            let age = Duration::from_secs(3_500 + n * 60);
            let written = Timestamp::now() - age;
            file.set_modified(written.into()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_recording_stays_for_its_hours_and_within_its_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    four_segments(folder.path()).await;
    let mounts = folder.path().join("mounts");
    let left = |keep_hours, keep_megabytes| {
        let retentions = keeping(keep_hours, keep_megabytes);
        tidy(&mounts, Duration::from_secs(1), &retentions);
        log_on_disk(folder.path()).1.len()
    };
    // They are 3500, 3560, 3620 and 3680 seconds old.
    assert_eq!(left(2.0, 0), 4);
    assert_eq!(left(2.0, 5), 3, "each has 1.4 MB");
    assert_eq!(left(1.0, 0), 2);
    assert_eq!(left(0.0, 1), 1, "a restart needs the newest");
    assert_eq!(left(0.1, 0), 1);
    let run = Run::start(folder.path());
    assert_eq!(next(&run.claim("Hall")), Some(40));
    run.stop().await;
}

#[tokio::test]
async fn a_recording_outlives_its_mount() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    take(&mut publisher, 7, 0..9);
    drop(publisher);
    let later = Instant::now() + Duration::from_secs(100);
    assert_eq!(run.desk.sweep(Duration::from_secs(60), later), [live()]);
    run.stop().await;
    let mount = folder.path().join("mounts").join(name_of(&live()).unwrap());
    let mounts = folder.path().join("mounts");
    tidy(&mounts, Duration::ZERO, &keeping(1.0, 0));
    assert_eq!(folder::logs(&mount).len(), 1);
    tidy(&mounts, Duration::ZERO, &keeping(0.0, 0));
    assert!(!mount.exists());
}

#[tokio::test]
async fn while_the_clock_is_not_believed_only_size_deletes_recordings() {
    let folder = tempfile::tempdir().unwrap();
    four_segments(folder.path()).await;
    let mounts = folder.path().join("mounts");
    let left = |keep_megabytes, is_steady| {
        let reading = at(Duration::from_secs(25 * 3600), is_steady);
        let retentions = keeping(2.0, keep_megabytes);
        keeping::tidy(&mounts, Duration::from_secs(1), &retentions, reading);
        log_on_disk(folder.path()).1.len()
    };
    assert_eq!(left(0, false), 4);
    assert_eq!(left(5, false), 3);
    assert_eq!(left(0, true), 1, "a restart needs the newest");
}
