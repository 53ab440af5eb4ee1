//! What the operator and probes say of relays, and what follows.

use std::collections::BTreeMap;

use super::behaviour_tests::{named, relays, send};
use super::tests::{live, registration};
use super::*;
use crate::choice::{Excluded, Listener};

#[test]
fn the_operators_orders_hold_while_the_balancer_runs() {
    let (mut registry, now) = relays(&[10, 10], true);
    for (orders, reason) in [
        (
            Orders {
                is_disabled: true,
                ..Orders::default()
            },
            Excluded::Disabled,
        ),
        (
            Orders {
                is_draining: true,
                ..Orders::default()
            },
            Excluded::Draining,
        ),
        (
            Orders {
                slots_max: Some(0),
                ..Orders::default()
            },
            Excluded::Full,
        ),
    ] {
        registry.order(0, orders, now);
        assert_eq!(registry.receipt(0).drain, orders.is_draining);
        assert_eq!(send(&mut registry, now).unwrap().0, 1);
        let (_, verdicts) = registry.explain(&Listener::somebody(), &live(), now);
        assert_eq!(verdicts[0].excluded, [reason]);
    }
    let farther = Orders {
        bias_km: -5_000.0,
        ..Orders::default()
    };
    registry.order(0, farther, now);
    assert_eq!(send(&mut registry, now).unwrap().0, 1);
    let nearer = Orders {
        bias_km: 5_000.0,
        ..Orders::default()
    };
    registry.order(0, nearer, now);
    assert_eq!(send(&mut registry, now).unwrap().0, 0);
}

#[test]
fn relays_come_and_go_and_the_others_keep_their_places() {
    let (mut registry, now) = relays(&[10, 10], true);
    registry.remove(0, now);
    assert_eq!((registry.find("0"), registry.find("1")), (None, Some(1)));
    assert_eq!(registry.relay_of_token("token of 0"), None);
    for _ in 0..10 {
        assert_eq!(send(&mut registry, now).unwrap().0, 1);
    }
    assert_eq!(send(&mut registry, now), Err(Some(Excluded::Full)));
    assert!(
        registry
            .add(registration("1"), now)
            .unwrap_err()
            .contains("named `1`")
    );
    let mut same_token = registration("new");
    same_token.token = registration("1").token;
    assert!(
        registry
            .add(same_token, now)
            .unwrap_err()
            .contains("token of another")
    );
    assert_eq!(registry.add(registration("new"), now), Ok(0));
    assert_eq!(registry.add(registration("more"), now), Ok(2));
    assert_eq!(registry.relay_of_token("token of new"), Some(0));
    assert_eq!(
        send(&mut registry, now),
        Err(Some(Excluded::Full)),
        "it has not reported"
    );
    registry.take(0, named(1, 0, 10, &[]), now).unwrap();
    assert_eq!(send(&mut registry, now), Ok((0, 1)));
    let names: Vec<_> = registry
        .relays(now)
        .map(|(_, relay, _)| relay.name())
        .collect();
    assert_eq!(names, ["new", "1", "more"]);
}

#[test]
fn quarantine_lasts_until_two_good_probes_or_somebodys_word() {
    let (mut registry, now) = relays(&[10, 10], true);
    let first = |registry: &mut Registry| {
        let (_, verdicts) = registry.explain(&Listener::somebody(), &live(), now);
        verdicts[0].excluded.clone()
    };
    registry.quarantine(0, "it serves another epoch".to_owned(), now);
    assert_eq!(first(&mut registry), [Excluded::Quarantined]);
    let (why, until) = registry.relays[0].quarantine(now).unwrap();
    assert_eq!((why, until), ("it serves another epoch", None));
    assert!(!registry.probed(0, Probe::Good, now));
    assert!(registry.probed(0, Probe::Good, now));
    assert_eq!(first(&mut registry), []);
    registry.quarantine(0, "again".to_owned(), now);
    registry.lift(0, now);
    assert_eq!(first(&mut registry), []);
    let unproven = registration("new");
    let at = registry.add(unproven, now).unwrap();
    registry.take(at, named(1, 0, 10, &[]), now).unwrap();
    assert!(registry.relays[at].trust().window().is_some());
    registry.probed(at, Probe::Good, now);
    assert_eq!(
        registry.relays[at].trust().window(),
        None,
        "somebody has heard it"
    );
}

#[test]
fn the_word_of_another_balancer_holds_until_he_takes_it_back_or_our_own_eyes_saw_twice() {
    let (mut registry, now) = relays(&[10, 10], true);
    let said = || [("0".to_owned(), "one says: old sound".to_owned())].into();
    assert_eq!(registry.hear(&said(), now), Belief::All);
    let (_, verdicts) = registry.explain(&Listener::somebody(), &live(), now);
    assert_eq!(verdicts[0].excluded, [Excluded::Quarantined]);
    let why = registry.relay(0).unwrap().quarantine(now);
    assert_eq!(why, Some(("one says: old sound", None)));
    assert!(
        registry.accusations(now).is_empty(),
        "others' words are not repeated"
    );
    registry.hear(&BTreeMap::new(), now);
    assert!(registry.relay(0).unwrap().quarantine(now).is_none());
    registry.hear(&said(), now);
    registry.probed(0, Probe::Good, now);
    registry.probed(0, Probe::Good, now);
    registry.hear(&said(), now);
    assert!(registry.relay(0).unwrap().quarantine(now).is_none());
    registry.hear(&BTreeMap::new(), now);
    registry.hear(&said(), now);
    assert!(
        registry.relay(0).unwrap().quarantine(now).is_some(),
        "said anew"
    );
    registry.lift(0, now);
    assert!(registry.relay(0).unwrap().quarantine(now).is_none());
}

#[test]
fn who_accuses_most_relays_is_ill_himself_and_puts_nobody_away() {
    let (mut registry, now) = relays(&[10, 10, 10], true);
    let said = |names: &[&str]| -> BTreeMap<String, String> {
        let all = names
            .iter()
            .map(|name| ((*name).to_owned(), "refused".to_owned()));
        all.collect()
    };
    assert_eq!(registry.hear(&said(&["0"]), now), Belief::All);
    assert!(registry.relay(0).unwrap().quarantine(now).is_some());
    assert_eq!(registry.hear(&said(&["0", "1"]), now), Belief::None);
    for at in 0..3 {
        assert!(
            registry.relay(at).unwrap().quarantine(now).is_none(),
            "{at}"
        );
    }
    // What is in quarantine here anyway is no reason to distrust him.
    registry.quarantine(1, "seen".to_owned(), now);
    assert_eq!(
        registry.accusations(now),
        [("1".to_owned(), "seen".to_owned())]
    );
    assert_eq!(
        registry.hear(&said(&["0", "1", "nobody"]), now),
        Belief::All
    );
}
