//! Who may write a mount, what stays when he goes, and what relays are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::log::Keep;
use crate::log::resume::Wish;
use crate::ogg::tests::opus;

struct House {
    table: Arc<MountTable>,
    desk: Arc<Desk>,
    now: Instant,
}

fn house() -> House {
    let table = Arc::new(MountTable::new());
    let desk = Desk::new(Arc::clone(&table), Keep::default());
    House {
        table,
        desk,
        now: Instant::now(),
    }
}

fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

impl House {
    fn claim(&self, user: &str, after: Duration) -> Result<Publisher, Refusal> {
        self.claim_as(user, None, after)
    }

    fn claim_as(
        &self,
        user: &str,
        serial: Option<u32>,
        after: Duration,
    ) -> Result<Publisher, Refusal> {
        let claimant = Claimant {
            user: user.to_owned(),
            serial,
        };
        let epoch = "0".repeat(32).parse().unwrap();
        self.desk.claim(
            &live(),
            &claimant,
            Facts::default(),
            epoch,
            self.now + after,
        )
    }

    fn play(&self, publisher: &mut Publisher, from: usize, to: usize) {
        for page in &opus(1, 10)[from..to] {
            publisher.take(page, self.now, || 77).unwrap();
        }
    }
}

#[test]
fn a_mount_is_on_air_from_its_headers_until_its_source_goes_and_its_log_stays() {
    let house = house();
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    assert!(!house.table.find(&live()).unwrap().is_on_air());
    house.play(&mut publisher, 0, 5);
    let mount = house.table.find(&live()).unwrap();
    assert!(mount.is_on_air());
    let head = mount.log().head();
    drop(publisher);
    assert!(!mount.is_on_air());
    // The same stream comes back: the log goes on.
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    assert_eq!(publisher.wanted(1), Some(5));
    house.play(&mut publisher, 0, 6);
    assert!(mount.is_on_air());
    assert_eq!(mount.log().head(), head + opus(1, 10)[5].len() as u64);
}

#[test]
fn two_sources_do_not_fit_and_a_silent_one_gives_way_to_its_own_kind() {
    let house = house();
    let publisher = house.claim("source", Duration::ZERO).unwrap();
    assert_eq!(
        house.claim("source", Duration::ZERO).unwrap_err(),
        Refusal::InUse
    );
    let later = Duration::from_secs(2);
    assert_eq!(house.claim("other", later).unwrap_err(), Refusal::InUse);
    assert!(!publisher.dismissed().is_cancelled());
    assert_eq!(
        house.claim("source", later).unwrap_err(),
        Refusal::TakingOver
    );
    assert!(publisher.dismissed().is_cancelled());
    drop(publisher);
    assert!(house.claim("source", later).is_ok());
}

#[test]
fn the_newer_connection_of_one_source_wins_at_once() {
    let house = house();
    let publisher = house.claim_as("source", Some(7), Duration::ZERO).unwrap();
    assert_eq!(
        house
            .claim_as("source", Some(8), Duration::ZERO)
            .unwrap_err(),
        Refusal::InUse
    );
    assert_eq!(
        house
            .claim_as("other", Some(7), Duration::ZERO)
            .unwrap_err(),
        Refusal::InUse
    );
    let again = house
        .claim_as("source", Some(7), Duration::ZERO)
        .unwrap_err();
    assert_eq!(again, Refusal::TakingOver);
    assert!(publisher.dismissed().is_cancelled());
}

#[test]
fn a_source_that_never_said_anything_leaves_nothing_behind() {
    let house = house();
    drop(house.claim("source", Duration::ZERO).unwrap());
    assert!(house.table.find(&live()).is_none());
}

#[test]
fn a_mount_whose_source_stays_away_is_removed_and_named_as_removed() {
    let house = house();
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 5);
    let hold = Duration::from_secs(60);
    let late = Instant::now() + Duration::from_secs(3_600);
    assert!(
        house.desk.sweep(hold, late).is_empty(),
        "its source is there"
    );
    drop(publisher);
    let mount = house.table.find(&live()).unwrap();
    assert!(
        house.desk.sweep(hold, Instant::now()).is_empty(),
        "not away for long"
    );
    assert_eq!(house.desk.sweep(hold, late), [live()]);
    assert!(mount.is_removed());
    let catalog = Catalog::of(&house.table, "run");
    assert_eq!((catalog.mounts.len(), catalog.removed), (0, vec![live()]));
    drop(house.claim("source", Duration::ZERO).unwrap());
}

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
    mirror.set_about(Facts::default(), true, house.now);
    let mount = table.find(&live()).unwrap();
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
