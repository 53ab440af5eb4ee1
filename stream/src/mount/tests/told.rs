//! What relays are told of a mount, and make of it.

use super::*;
use crate::log::resume::Wish;

#[test]
fn a_catalog_survives_the_wire_and_rises_with_every_change() {
    let house = house();
    let before = Catalog::of(&house.table, "run").version;
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 3);
    let catalog = Catalog::of(&house.table, "run");
    assert!(catalog.version > before && catalog.mounts[0].is_on_air);
    let line = serde_json::to_vec(&catalog).unwrap();
    assert_eq!(Catalog::parse(&line), Ok(catalog));
    for cut in 0..line.len() {
        assert!(Catalog::parse(&line[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_mirror_has_the_same_bytes_at_the_same_offsets() {
    let house = house();
    let pages = opus(1, 10);
    let table = Arc::new(MountTable::new());
    let epoch = "f".repeat(32).parse().unwrap();
    let start = Start {
        epoch,
        offset: 4_000,
        prefix: &pages[..2],
        keep: Keep::default(),
    };
    let mut mirror = Mirror::open(&table, &live(), &Facts::default(), start, house.now).unwrap();
    for page in &pages[2..6] {
        mirror.append(page, house.now).unwrap();
    }
    let upstream = CatalogMount {
        path: live(),
        is_on_air: true,
        is_filled: false,
        facts: Facts::default(),
        title: Some("Ute – Vier".into()),
        title_url: Some("http://x.example/4.png".into()),
    };
    mirror.set_about(&upstream, true, house.now);
    let mount = table.find(&live()).unwrap();
    let playing = mount.playing();
    assert_eq!(playing.title.as_deref(), Some("Ute – Vier"));
    assert_eq!(playing.url.as_deref(), Some("http://x.example/4.png"));
    let wish = Wish::Resume {
        epoch,
        first: 4_000,
        last: u64::MAX,
    };
    let (_, cursor, prefix) = mount.log().open(wish, Duration::ZERO).unwrap();
    let mut found = Vec::new();
    cursor
        .log()
        .read(cursor.offset(), usize::MAX, usize::MAX, &mut found)
        .unwrap();
    let wanted: Vec<u8> = pages[2..6]
        .iter()
        .flat_map(|p| p.bytes().to_vec())
        .collect();
    assert_eq!((prefix.len(), found.concat()), (0, wanted));
    assert!(mount.is_on_air());
}

#[test]
fn a_title_is_seen_by_who_watches_and_travels_with_the_catalog() {
    let table = MountTable::new();
    let log = crate::log::Log::new(crate::log::Epoch::new(1), 0, Keep::default());
    let make = || Mount::new(live(), Facts::default(), log, Instant::now());
    let mount = table.find_or_make(&live(), make).unwrap();
    let (mut seen, version) = (mount.watch_playing(), table.version());
    let before = *version.borrow();
    table.set_title(&mount, Some(" Ute\n- Vier "));
    assert!(seen.has_changed().unwrap());
    let title = seen.borrow_and_update().title.clone();
    assert_eq!(title.as_deref(), Some("Ute - Vier"));
    table.set_title(&mount, Some("Ute - Vier"));
    assert!(!seen.has_changed().unwrap());
    assert_eq!(*version.borrow(), before + 1, "said once");
    let line = serde_json::to_string(&CatalogMount::of(&mount)).unwrap();
    let read: CatalogMount = serde_json::from_str(&line).unwrap();
    assert_eq!(read.title.as_deref(), Some("Ute - Vier"));
    assert!(!line.contains("title_url"), "{line}");
    table.say(&mount, |playing| playing.set_url(Some("http://x.example/")));
    assert!(seen.has_changed().unwrap());
    let line = serde_json::to_string(&CatalogMount::of(&mount)).unwrap();
    let read: CatalogMount = serde_json::from_str(&line).unwrap();
    assert_eq!(read.title_url.as_deref(), Some("http://x.example/"));
    // What is new in a catalog does not disturb who does not know it.
    let newer = line.replace("title_url", "what_comes_next");
    let read: CatalogMount = serde_json::from_str(&newer).unwrap();
    assert_eq!(
        (read.title.as_deref(), read.title_url),
        (Some("Ute - Vier"), None)
    );
    table.set_title(&mount, Some("  "));
    assert_eq!(mount.title(), None);
}
