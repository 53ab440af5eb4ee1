//! A directory that goes from one program to another, with its lock.

use super::*;

#[tokio::test]
async fn a_directory_that_is_handed_over_is_never_anybody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let path = || Some(folder.path().to_owned());
    let [giver, heir, stranger] = std::array::from_fn(|_| Shutdown::new());
    let mut first = open(path(), None, Keep::default(), Retentions::default(), &giver).unwrap();
    let lock = first.lock.take();
    let second = open(path(), lock, Keep::default(), Retentions::default(), &heir).unwrap();
    assert!(second.sinks.is_some() && second.lock.is_some());
    drop(first);
    assert_eq!(giver.drain(DRAIN_MAX).await, Drained::Clean);
    let refused = open(
        path(),
        None,
        Keep::default(),
        Retentions::default(),
        &stranger,
    )
    .unwrap_err();
    assert!(refused.to_string().contains("another master"), "{refused}");
    drop(second);
    assert_eq!(heir.drain(DRAIN_MAX).await, Drained::Clean);
    assert!(
        open(
            path(),
            None,
            Keep::default(),
            Retentions::default(),
            &stranger
        )
        .is_ok()
    );
}

#[tokio::test]
async fn an_heir_with_a_directory_of_its_own_takes_that() {
    let [old, new] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let shutdown = Shutdown::new();
    let path = |folder: &tempfile::TempDir| Some(folder.path().to_owned());
    let mut first = open(
        path(&old),
        None,
        Keep::default(),
        Retentions::default(),
        &shutdown,
    )
    .unwrap();
    let lock = first.lock.take();
    let second = open(
        path(&new),
        lock,
        Keep::default(),
        Retentions::default(),
        &shutdown,
    )
    .unwrap();
    assert_eq!(second.lock.unwrap().path, new.path());
}
