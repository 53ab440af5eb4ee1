//! Who watches is told the same as all others, and what is too much for one is his affair.

use http_body_util::BodyExt;

use super::*;
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep};
use crate::mount::{Facts, Mount, MountPath, MountTable, Terms};

const PATIENCE: Duration = Duration::from_secs(20);

fn with_mount() -> (Arc<MountTable>, Arc<Mount>) {
    let table = Arc::new(MountTable::new());
    let writer = Writer::new(Epoch::new(1), Keep::default());
    let path = MountPath::parse("/live.ogg").unwrap();
    let make = || {
        let log = Arc::clone(writer.log());
        Mount::new(path.clone(), Facts::default(), log, Instant::now())
    };
    let mount = table.find_or_make(&path, make).unwrap();
    (table, mount)
}

fn title(table: &MountTable, mount: &Mount, text: &str) {
    table.set_title(mount, Some(text));
}

#[tokio::test]
async fn all_hear_the_same_text_and_whoever_comes_later_hears_first_how_things_stand() {
    let (table, mount) = with_mount();
    let shutdown = Shutdown::new();
    let events = Events::new(Arc::clone(&table), shutdown.clone());
    title(&table, &mount, "one");
    let (first, mut news) = events.join();
    assert!(
        first.ends_with(b"\n\n") && contains(&first, "\"one\""),
        "{first:?}"
    );
    let mut others: Vec<_> = (0..300).map(|_| events.join().1).collect();
    title(&table, &mount, "two");
    let text = timeout(PATIENCE, news.recv()).await.unwrap().unwrap();
    assert!(
        contains(&text, "\"two\"") && !contains(&text, "\"one\""),
        "{text:?}"
    );
    for other in &mut others {
        let same = timeout(PATIENCE, other.recv()).await.unwrap().unwrap();
        assert_eq!(same.as_ptr(), text.as_ptr(), "made once");
    }
    let (late, _) = events.join();
    assert!(
        contains(&late, "\"two\"") && !contains(&late, "\"one\""),
        "{late:?}"
    );
    // Who is too far behind is told nothing more.
    for _ in 0..=PORTIONS_KEPT_MAX {
        events.0.news.send(IDLE).unwrap();
    }
    assert!(news.recv().await.is_err());
    // Nobody looks for news that nobody hears; whoever comes then hears what is.
    drop((news, others));
    let began = Instant::now();
    while events.told().is_telling {
        table.touch();
        assert!(began.elapsed() < PATIENCE, "it looks on");
        sleep(Duration::from_millis(10)).await;
    }
    title(&table, &mount, "three");
    assert!(contains(&events.join().0, "\"three\""));
    shutdown.request();
}

#[tokio::test]
async fn who_is_too_far_behind_is_hung_up_on() {
    let (news, behind) = broadcast::channel(1);
    for _ in 0..2 {
        news.send(IDLE).unwrap();
    }
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let seat = Arc::new(Crowd::default()).take(None).unwrap();
    let (sender, body) = Channel::new(PORTIONS_QUEUED_MAX);
    let first = Bytes::from_static(b"first");
    let told = tell(
        Shutdown::new(),
        sender,
        first.clone(),
        behind,
        (place, seat),
    );
    timeout(PATIENCE, told).await.unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes(), first);
}

#[tokio::test]
async fn of_a_hidden_mount_nobody_hears() {
    let (table, mount) = with_mount();
    mount.set_terms(Terms {
        is_hidden: true,
        ..Terms::default()
    });
    title(&table, &mount, "secret");
    let shutdown = Shutdown::new();
    let events = Events::new(table, shutdown.clone());
    assert_eq!(events.join().0, "");
    shutdown.request();
}

fn contains(text: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(text).contains(word)
}
