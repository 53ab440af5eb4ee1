//! Files that make no sense: what is set aside, and what stays.

use super::*;

/// One bit in the middle is another.
fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn aside(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.damaged", file.display()))
}

#[tokio::test]
async fn a_damaged_segment_is_set_aside_alone_and_a_new_log_begins() {
    let folder = tempfile::tempdir().unwrap();
    let mut epoch = None;
    for numbers in [0..9, 9..30] {
        let run = Run::start(folder.path());
        let mut publisher = run.claim("Hall");
        take(&mut publisher, 7, numbers);
        epoch = Some(publisher.mount().log().epoch());
        drop(publisher);
        run.stop().await;
    }
    let (log, offsets) = log_on_disk(folder.path());
    let [newest, oldest] = [offsets[0], offsets[1]].map(|offset| folder::segment(&log, offset));
    flip(&newest[0]);
    let run = Run::start(folder.path());
    assert_eq!(run.n_found, 0);
    for file in newest {
        assert!(!file.exists() && aside(&file).exists(), "{file:?}");
    }
    assert!(oldest.iter().all(|file| file.exists()));
    assert_eq!(folder::offsets(&log).unwrap(), offsets[1..]);
    let mut publisher = run.claim("Hall");
    assert_eq!(next(&publisher), None);
    take(&mut publisher, 7, 0..4);
    assert_ne!(Some(publisher.mount().log().epoch()), epoch);
    drop(publisher);
    run.stop().await;
    assert_eq!(Run::start(folder.path()).n_found, 1);
}

#[tokio::test]
async fn an_empty_description_is_damaged_and_none_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(folder::Description::read(folder.path()), Ok(None));
    std::fs::write(folder::description(folder.path()), "").unwrap();
    assert!(folder::Description::read(folder.path()).is_err());
}
