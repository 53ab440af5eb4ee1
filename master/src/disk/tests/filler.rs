//! Filler on disk: what a restart may trust, and what not.

use super::*;

/// Waits until the file says whether filler may follow.
async fn until_marked(path: &Path, is_marked: bool) {
    let mount = path.join("mounts").join(name_of(&live()).unwrap());
    let deadline = Instant::now() + DRAIN_MAX;
    loop {
        let description = folder::Description::read(&mount).unwrap();
        if description.is_some_and(|described| described.may_be_filled == is_marked) {
            return;
        }
        assert!(Instant::now() < deadline, "not {is_marked}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_disk_knows_of_filler_before_the_first_of_it_and_until_sound_has_followed() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    take(&mut publisher, 7, 0..10);
    until_marked(folder.path(), false).await;
    let after = |_: &MountPath| Some(Duration::from_secs(2));
    let late = Instant::now() + Duration::from_secs(10);
    let head = publisher.mount().log().head();
    run.desk.fill(after, late);
    assert_eq!(publisher.mount().log().head(), head, "not yet");
    until_marked(folder.path(), true).await;
    run.desk.fill(after, late);
    assert!(publisher.mount().log().head() > head);
    take(&mut publisher, 7, 10..12);
    until_marked(folder.path(), false).await;
    // The next gap is one that the master does not see the end of.
    run.desk.fill(after, late + Duration::from_secs(20));
    until_marked(folder.path(), true).await;
    drop(publisher);
    let head = run.read().len() as u64;
    run.stop().await;
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    assert_eq!(next(&publisher), Some(12));
    take(&mut publisher, 7, 12..13);
    assert!(publisher.mount().log().head() > head + stream::log::writer::SKIP_BYTES);
    drop(publisher);
    run.stop().await;
}

#[tokio::test]
async fn the_disk_knows_of_a_title_before_its_link_and_until_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    take(&mut publisher, 7, 0..10);
    until_marked(folder.path(), false).await;
    run.desk.retitle(&live(), "Ute", None, Instant::now());
    until_marked(folder.path(), true).await;
    let (log, late) = (
        publisher.mount().log(),
        Instant::now() + Duration::from_secs(2),
    );
    let link = log.link_start();
    publisher.take(&nth(7, 10), late, || 99).unwrap();
    assert!(log.link_start() > link);
    until_marked(folder.path(), false).await;
    drop(publisher);
    let head = log.head();
    run.stop().await;
    // What is there is the end: the very next page goes behind it.
    let run = Run::start(folder.path());
    let mut publisher = run.claim("Hall");
    assert_eq!(next(&publisher), Some(11));
    take(&mut publisher, 7, 11..12);
    let page = nth(7, 11).len() as u64;
    assert_eq!(publisher.mount().log().head(), head + page);
    assert_eq!(
        publisher.mount().log().link().unwrap().tag("TITLE"),
        Some("Ute")
    );
    drop(publisher);
    run.stop().await;
}
