//! Who watches is told the same as all others, and what is too much for one is his affair.

use super::*;
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep};
use crate::mount::{Facts, Mount, MountPath, MountTable};

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

fn contains(text: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(text).contains(word)
}
