//! Who may write a mount, and what stays when he goes; `told` is what relays are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::log::Keep;
use crate::ogg::Page;
use crate::ogg::tests::opus;

mod returning;
mod strays;
mod told;

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
        self.claim_over(1, user, serial, after)
    }

    fn claim_over(
        &self,
        uplink: u32,
        user: &str,
        serial: Option<u32>,
        after: Duration,
    ) -> Result<Publisher, Refusal> {
        let claimant = Claimant {
            user: user.to_owned(),
            login: 0,
            serial,
            uplink,
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
    let mut publisher = house.claim_as("source", Some(1), Duration::ZERO).unwrap();
    assert_eq!(publisher.wanted(1).unwrap().sequence, 5);
    house.play(&mut publisher, 0, 6);
    assert!(mount.is_on_air());
    assert_eq!(mount.log().head(), head + opus(1, 10)[5].len() as u64);
}

#[test]
fn two_sources_do_not_fit_and_a_silent_one_gives_way_to_its_own_kind() {
    let house = house();
    let publisher = house.claim("source", Duration::ZERO).unwrap();
    let other = house.claim("source", Duration::ZERO).unwrap_err();
    assert!(matches!(other, Refusal::NotYetSilent(_)), "{other:?}");
    let later = Duration::from_secs(4);
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
    let other = house.claim_as("source", Some(8), Duration::ZERO);
    assert!(matches!(other.unwrap_err(), Refusal::NotYetSilent(_)));
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
fn two_uplinks_write_one_log_and_the_mount_is_on_air_until_both_are_gone() {
    let house = house();
    let over = |uplink| house.claim_over(uplink, "source", Some(1), Duration::ZERO);
    let (mut one, mut other) = (over(1).unwrap(), over(2).unwrap());
    house.play(&mut one, 0, 6);
    house.play(&mut other, 0, 9);
    house.play(&mut one, 6, 8);
    // Each counts what came over it.
    assert_eq!(other.counts().n_doubled, 6);
    drop(other);
    let mount = house.table.find(&live()).unwrap();
    assert!(mount.is_on_air());
    house.play(&mut one, 8, 11);
    let counts = one.counts();
    assert_eq!((counts.n_doubled, counts.n_missing), (2 + 1, 0));
    let n_bytes: usize = opus(1, 10)[..11].iter().map(Page::len).sum();
    assert_eq!(mount.log().head(), n_bytes as u64);
    // Its newer connection over the same uplink replaces it, and no other.
    assert_eq!(over(1).unwrap_err(), Refusal::TakingOver);
    assert!(one.dismissed().is_cancelled());
    drop(one);
    assert!(!mount.is_on_air());
}

#[test]
fn an_uplink_that_comes_when_all_is_said_does_not_begin_the_stream_again() {
    let house = house();
    let over = |uplink| house.claim_over(uplink, "source", Some(1), Duration::ZERO);
    let (mut one, mut other) = (over(1).unwrap(), over(2).unwrap());
    house.play(&mut one, 0, 12);
    let end = Page::end_of(&opus(1, 10)[11].stamp(), &[0]);
    one.take(&end, house.now, || 77).unwrap();
    let head = one.mount().log().head();
    house.play(&mut other, 0, 12);
    assert_eq!(one.mount().log().head(), head);
    // Another stream may follow.
    let first = opus(2, 1).swap_remove(0);
    other.take(&first, house.now, || 78).unwrap();
}

#[test]
fn a_source_that_never_said_anything_leaves_nothing_behind() {
    let house = house();
    drop(house.claim("source", Duration::ZERO).unwrap());
    assert!(house.table.find(&live()).is_none());
}

#[test]
fn a_source_that_died_within_its_headers_does_not_keep_the_next_one_from_beginning() {
    let house = house();
    let mut publisher = house.claim_as("source", Some(1), Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 1);
    drop(publisher);
    let mut publisher = house.claim_as("source", Some(2), Duration::ZERO).unwrap();
    for page in &opus(2, 3) {
        publisher.take(page, house.now, || 78).unwrap();
    }
    assert!(house.table.find(&live()).unwrap().is_on_air());
}

#[test]
fn nor_does_one_who_died_within_the_headers_of_a_later_stream() {
    let house = house();
    let mut publisher = house.claim_as("source", Some(1), Duration::ZERO).unwrap();
    for page in &opus(1, 3) {
        publisher.take(page, house.now, || 77).unwrap();
    }
    drop(publisher);
    let mut publisher = house.claim_as("source", Some(2), Duration::ZERO).unwrap();
    publisher.take(&opus(2, 3)[0], house.now, || 78).unwrap();
    drop(publisher);
    let mount = house.table.find(&live()).unwrap();
    assert!(mount.log().link().is_none());
    let mut publisher = house.claim_as("source", Some(3), Duration::ZERO).unwrap();
    for page in &opus(3, 3) {
        publisher.take(page, house.now, || 79).unwrap();
    }
    assert_eq!(mount.log().link().unwrap().streams[0].serial, 79);
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
fn filler_stands_in_for_a_source_that_is_silent_or_gone_until_it_sends_again() {
    let house = house();
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 5);
    let mount = house.table.find(&live()).unwrap();
    let after = |_: &MountPath| Some(Duration::from_secs(2));
    let at = |seconds: f64| house.now + Duration::from_secs_f64(seconds);
    assert_eq!(house.desk.fill(after, at(1.0)), []);
    assert_eq!(house.desk.fill(after, at(2.0)), []);
    assert_eq!(
        house.desk.fill(|_| None, at(3.0)),
        [],
        "not where it is off"
    );
    assert_eq!(house.desk.fill(after, at(3.0)), [Gap::Began(live())]);
    assert!(mount.filled_since().is_some() && mount.is_on_air());
    drop(publisher);
    let head = mount.log().head();
    assert_eq!(house.desk.fill(after, at(8.0)), [], "it goes on");
    assert!(mount.log().head() > head && mount.is_moving() && !mount.is_on_air());
    let catalog = Catalog::of(&house.table, "run");
    assert!(catalog.mounts[0].is_filled && !catalog.mounts[0].is_on_air);
    // Three pages of two frames of 10 ms were heard.
    let mut publisher = house.claim("source", Duration::from_secs(8)).unwrap();
    let wanted = publisher.wanted(1).unwrap();
    let length = Duration::from_millis(5_940);
    assert_eq!((wanted.sequence, wanted.filled), (5, length));
    publisher.take(&opus(1, 10)[5], at(8.1), || 77).unwrap();
    assert_eq!(
        house.desk.fill(after, at(8.2)),
        [Gap::Ended(live(), length)]
    );
    assert!(!Catalog::of(&house.table, "run").mounts[0].is_filled);
    let counts = mount.counts();
    assert_eq!(counts.n_gaps.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(
        counts.filler_ms.load(std::sync::atomic::Ordering::Relaxed),
        5_940
    );
}

#[test]
fn a_new_stream_after_a_gap_begins_when_the_clock_says_so() {
    let house = house();
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 5);
    let after = |_: &MountPath| Some(Duration::from_secs(2));
    let later = house.now + Duration::from_secs(8);
    for _ in ["announced", "written"] {
        house.desk.fill(after, later);
    }
    publisher.take(&opus(2, 0)[0], later, || 78).unwrap();
    let length = Duration::from_millis(7_940);
    assert_eq!(house.desk.fill(after, later), [Gap::Ended(live(), length)]);
}
