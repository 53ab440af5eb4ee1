//! What the operator can change, what he cannot, and what is remembered of it.

use super::*;
use crate::language::Language;

/// What `balancer.toml` wants of a relay.
pub(crate) const FILE: Option<Orders> = Some(Orders {
    is_disabled: false,
    is_draining: false,
    bias_km: 0.0,
    slots_max: None,
});

fn added(token: &str) -> Added {
    Added {
        token_sha256: TokenDigest::of(token),
        url: Some(BaseUrl::parse("http://r.example:8000").unwrap()),
        place: None,
        country: Country::parse("DE"),
    }
}

pub(in crate::desk) fn bias(bias_km: f32) -> Change {
    Change::Order(
        Orders {
            bias_km,
            ..Orders::default()
        }
        .into(),
    )
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut changes = Changes::default();
    changes
        .make("r", Change::Add(added("t")), None, 0, 0)
        .unwrap();
    let before = changes.clone();
    let nowhere = Added {
        place: Some(Place {
            latitude: 91.0,
            longitude: 0.0,
        }),
        ..added("t")
    };
    for (name, change, in_file, n_relays, complaint) in [
        ("r", Change::Add(added("u")), None, 1, Complaint::NameTaken),
        ("f", Change::Add(added("u")), FILE, 1, Complaint::NameTaken),
        ("<b>", Change::Add(added("u")), None, 1, Complaint::BadName),
        ("", Change::Add(added("u")), None, 1, Complaint::BadName),
        ("s", Change::Add(nowhere), None, 1, Complaint::BadPlace),
        (
            "s",
            Change::Add(added("u")),
            None,
            RELAYS_MAX,
            Complaint::TooMany,
        ),
        ("s", Change::Remove, None, 1, Complaint::Unknown),
        ("s", Change::Restore, None, 1, Complaint::Unknown),
        ("s", bias(1.0), None, 1, Complaint::Unknown),
        ("r", bias(f32::NAN), None, 1, Complaint::BadBias),
        ("r", bias(-20_001.0), None, 1, Complaint::BadBias),
    ] {
        assert_eq!(
            changes.make(name, change.clone(), in_file, n_relays, 0),
            Err(complaint),
            "{name} {change:?}"
        );
        assert_eq!(changes, before);
    }
}

#[test]
fn a_relay_of_the_file_stays_removed_until_it_is_taken_back() {
    let mut changes = Changes::default();
    changes.make("f", bias(50.0), FILE, 1, 0).unwrap();
    changes.make("f", Change::Remove, FILE, 1, 0).unwrap();
    assert!(changes.removed.contains("f"));
    let refused = changes.make("f", bias(1.0), FILE, 1, 0);
    assert_eq!(refused, Err(Complaint::Unknown));
    assert_eq!(changes.orders_of("f", FILE), Orders::default());
    changes.make("f", Change::Restore, FILE, 1, 0).unwrap();
    assert!(changes.removed.is_empty());
    let mut changes = Changes::default();
    changes
        .make("r", Change::Add(added("t")), None, 0, 0)
        .unwrap();
    changes.make("r", Change::Remove, None, 1, 0).unwrap();
    assert!(changes.added.is_empty() && changes.removed.is_empty());
}

#[test]
fn what_the_file_says_holds_again_when_nothing_else_is_wanted() {
    let mut changes = Changes::default();
    let in_file = Some(Orders {
        bias_km: 30.0,
        ..Orders::default()
    });
    assert_eq!(Some(changes.orders_of("f", in_file)), in_file);
    changes.make("f", bias(0.0), in_file, 1, 0).unwrap();
    assert_eq!(changes.orders_of("f", in_file), Orders::default());
    changes.make("f", bias(30.0), in_file, 1, 0).unwrap();
    assert!(changes.orders.is_empty());
}

#[test]
fn the_journal_says_what_was_done_and_forgets_the_oldest() {
    let mut changes = Changes::default();
    let all = Change::Order(
        Orders {
            is_disabled: true,
            is_draining: true,
            bias_km: -20.0,
            slots_max: Some(9),
        }
        .into(),
    );
    changes.make("f", all, FILE, 1, 7_000).unwrap();
    let entry = changes.last().unwrap();
    assert_eq!(entry.at, 7);
    assert_eq!(
        entry.what,
        "disabled, draining, bias -20 km, at most 9 listeners"
    );
    changes.make("f", bias(-20.0), FILE, 1, 8_000).unwrap();
    let what = &changes.last().unwrap().what;
    assert_eq!(
        what,
        "no longer disabled, no longer draining, as many listeners as it says"
    );
    for n in (0_u16..500).map(f32::from) {
        changes.make("f", bias(n), FILE, 1, 9_000).unwrap();
    }
    assert_eq!(changes.journal.len(), JOURNAL_MAX);
    assert_eq!(changes.version, 502);
    changes.check().unwrap();
}

#[test]
fn what_a_file_says_is_checked() {
    let mut changes = Changes::default();
    changes.orders.insert("a b".to_owned(), Overlay::default());
    assert!(changes.check().unwrap_err().contains("a b"));
    let mut changes = Changes::default();
    let far = Overlay {
        bias_km: Some(1e9),
        ..Overlay::default()
    };
    changes.orders.insert("f".to_owned(), far);
    assert!(changes.check().unwrap_err().contains("bias_km"));
}

#[test]
fn who_adds_a_relay_of_a_name_that_was_removed_gets_one_that_is_used() {
    let mut changes = Changes::default();
    changes.make("f", Change::Remove, FILE, 1, 0).unwrap();
    // Then it was taken out of `balancer.toml`.
    let add = Change::Add(added("t"));
    changes.make("f", add, None, 0, 0).unwrap();
    assert!(changes.removed.is_empty() && changes.added.contains_key("f"));
    changes.make("f", bias(1.0), None, 1, 0).unwrap();
}

#[test]
fn of_what_an_order_does_not_speak_stays_as_somebody_else_has_made_it() {
    let mut changes = Changes::default();
    changes.make("f", bias(50.0), FILE, 1, 0).unwrap();
    let limit = Overlay {
        slots_max: Some(Some(9)),
        ..Overlay::default()
    };
    changes.make("f", Change::Order(limit), FILE, 1, 0).unwrap();
    let orders = changes.orders_of("f", FILE);
    assert_eq!((orders.bias_km, orders.slots_max), (50.0, Some(9)));
}

#[test]
fn a_version_that_leaves_no_room_is_refused_and_no_number_ends_the_program() {
    let mut changes = Changes {
        version: u64::MAX,
        ..Changes::default()
    };
    assert!(changes.check().unwrap_err().contains("version"));
    changes.make("f", bias(1.0), FILE, 1, 0).unwrap();
    let day = 24 * 3_600_000;
    let mut early = Changes::default();
    early.make("f", bias(1.0), FILE, 1, day + 1).unwrap();
    assert!(early.is_ahead_of(0) && !early.is_ahead_of(1));
}

#[test]
fn a_zero_with_a_minus_is_a_zero() {
    let mut changes = Changes::default();
    changes.make("f", bias(-0.0), FILE, 1, 0).unwrap();
    assert_eq!(changes.last().unwrap().what, "left as it was");
    changes.make("f", bias(5.0), FILE, 1, 0).unwrap();
    changes.make("f", bias(-0.0), FILE, 1, 0).unwrap();
    assert_eq!(changes.last().unwrap().what, "bias 0 km");
    assert!(changes.orders.is_empty());
}

#[test]
fn what_was_done_is_said_in_the_readers_language() {
    let mut changes = Changes::default();
    let order = |orders: Orders| Change::Order(orders.into());
    let all = Orders {
        is_disabled: true,
        is_draining: true,
        bias_km: -7.5,
        slots_max: Some(9),
    };
    for change in [
        Change::Add(added("t")),
        order(all),
        order(Orders::default()),
        order(Orders::default()),
        Change::PutAway,
        Change::Release,
        Change::Remove,
    ] {
        changes.make("r", change, None, 0, 0).unwrap();
    }
    changes.make("f", Change::Remove, FILE, 0, 0).unwrap();
    changes.make("f", Change::Restore, FILE, 0, 0).unwrap();
    let (english, german) = (Language::English.words(), Language::German.words());
    for Entry { what, .. } in &changes.journal {
        assert_eq!(english.done(what), *what);
        let said = german.done(what);
        for (english, german) in what.split(", ").zip(said.split(", ")) {
            assert_ne!(german, english, "{what}");
        }
    }
    let said = german.done("no longer disabled, bias 20 km, at most 9 listeners, dug in");
    let expected = "wieder eingeschaltet, Bevorzugung 20 km, höchstens 9 Hörer, dug in";
    assert_eq!(said, expected);
}
