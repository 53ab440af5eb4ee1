//! What the operator changed at run time: orders for relays, relays added and removed. Pure.
//!
//! It lies over `balancer.toml`: what a relay is (token, address, place) the file says, if it
//! names the relay at all; how it is used (orders, removed) is said here, if anything is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use stream::report::Place;

use crate::base_url::BaseUrl;
use crate::config::{BIAS_KM_MAX, NAME_BYTES_MAX, check_name};
use crate::place::{Country, checked};
use crate::registry::{Orders, RELAYS_MAX};
use crate::token::TokenDigest;

/// So many of the last changes are remembered.
pub const JOURNAL_MAX: usize = 100;

/// Everything the operator changed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Changes {
    /// Rises with every change.
    pub version: u64,
    /// By the relay's name, only those that are not what `balancer.toml` says.
    pub orders: BTreeMap<String, Orders>,
    /// Relays that are not in `balancer.toml`, by name.
    pub added: BTreeMap<String, Added>,
    /// Relays that are in `balancer.toml` but are not to be used.
    pub removed: BTreeSet<String>,
    /// The last changes, the oldest first.
    pub journal: VecDeque<Entry>,
}

/// A relay that was added at run time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Added {
    /// Of the token that its operator was given.
    pub token_sha256: TokenDigest,
    /// The only address it may report.
    pub url: Option<BaseUrl>,
    /// Where it is; stronger than what it reports.
    pub place: Option<Place>,
    /// Likewise.
    pub country: Option<Country>,
}

/// A change, as it is remembered.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub at: u64,
    /// Which relay.
    pub relay: String,
    /// What was done.
    pub what: String,
}

/// One thing the operator does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds a relay.
    Add(Added),
    /// Takes it out altogether.
    Remove,
    /// Takes it back in.
    Restore,
    /// What he wants of it from now on.
    Order(Orders),
    /// Puts it into quarantine, until probes find it good or he releases it.
    PutAway,
    /// Lets it have listeners again, whatever put it away.
    Release,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// There is no relay of that name.
    Unknown,
    /// There is one already.
    NameTaken,
    /// The name cannot be one.
    BadName,
    /// There are as many as work.
    TooMany,
    /// The bias is out of range.
    BadBias,
    /// The place is not on the globe.
    BadPlace,
}

impl Changes {
    /// Makes a change of relay `name` at `at` (seconds since 1970). `in_file`: what
    /// `balancer.toml` wants of it, if it has it; `n_relays`: how many relays there are.
    ///
    /// # Errors
    /// Then nothing is changed.
    pub fn make(
        &mut self,
        name: &str,
        change: Change,
        in_file: Option<Orders>,
        n_relays: usize,
        at: u64,
    ) -> Result<(), Complaint> {
        let is_there = in_file.is_some() || self.added.contains_key(name);
        let what = match change {
            Change::Add(added) => {
                check_name(name).map_err(|_| Complaint::BadName)?;
                check_added(&added)?;
                if is_there {
                    return Err(Complaint::NameTaken);
                }
                if n_relays >= RELAYS_MAX {
                    return Err(Complaint::TooMany);
                }
                self.added.insert(name.to_owned(), added);
                "added".to_owned()
            }
            _ if !is_there => return Err(Complaint::Unknown),
            Change::Restore if self.removed.remove(name) => "taken back".to_owned(),
            Change::Restore => return Err(Complaint::Unknown),
            _ if self.removed.contains(name) => return Err(Complaint::Unknown),
            Change::Remove => {
                self.orders.remove(name);
                self.added.remove(name);
                if in_file.is_some() {
                    self.removed.insert(name.to_owned());
                }
                "removed".to_owned()
            }
            Change::Order(orders) => {
                check_orders(&orders)?;
                let before = self.orders_of(name, in_file);
                if orders == in_file.unwrap_or_default() {
                    self.orders.remove(name);
                } else {
                    self.orders.insert(name.to_owned(), orders);
                }
                difference(&before, &orders)
            }
            Change::PutAway => "put into quarantine".to_owned(),
            Change::Release => "released from quarantine".to_owned(),
        };
        self.version += 1;
        self.note(name, what, at);
        Ok(())
    }

    /// What the operator wants of a relay.
    pub fn orders_of(&self, name: &str, in_file: Option<Orders>) -> Orders {
        let own = self.orders.get(name).copied();
        own.or(in_file).unwrap_or_default()
    }

    /// What was done last.
    pub fn last(&self) -> Option<&Entry> {
        self.journal.back()
    }

    /// Whether what a file says can be used.
    ///
    /// # Errors
    /// Names the relay and what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.added.len() > RELAYS_MAX {
            return Err(format!("more than {RELAYS_MAX} relays were added"));
        }
        let names = self.orders.keys().chain(self.added.keys());
        for name in names.chain(&self.removed) {
            check_name(name)?;
        }
        for (name, orders) in &self.orders {
            check_orders(orders)
                .map_err(|_| format!("`bias_km` of relay `{name}` is beyond {BIAS_KM_MAX} km"))?;
        }
        for (name, added) in &self.added {
            check_added(added)
                .map_err(|_| format!("`place` of relay `{name}` is not on the globe"))?;
        }
        if self.journal.len() > JOURNAL_MAX {
            return Err(format!("`journal` has more than {JOURNAL_MAX} entries"));
        }
        Ok(())
    }

    fn note(&mut self, relay: &str, what: String, at: u64) {
        if self.journal.len() >= JOURNAL_MAX {
            self.journal.pop_front();
        }
        self.journal.push_back(Entry {
            at,
            relay: relay.chars().take(NAME_BYTES_MAX).collect(),
            what,
        });
    }
}

fn check_orders(orders: &Orders) -> Result<(), Complaint> {
    let is_good = orders.bias_km.abs() <= BIAS_KM_MAX;
    is_good.then_some(()).ok_or(Complaint::BadBias)
}

fn check_added(added: &Added) -> Result<(), Complaint> {
    match added.place.map(checked) {
        Some(Err(_)) => Err(Complaint::BadPlace),
        _ => Ok(()),
    }
}

/// What is another than before, for the log.
fn difference(before: &Orders, after: &Orders) -> String {
    let mut said = Vec::new();
    for (word, was, is) in [
        ("disabled", before.is_disabled, after.is_disabled),
        ("draining", before.is_draining, after.is_draining),
    ] {
        if was != is {
            said.push(if is {
                word.to_owned()
            } else {
                format!("no longer {word}")
            });
        }
    }
    if before.bias_km.total_cmp(&after.bias_km).is_ne() {
        said.push(format!("bias {} km", after.bias_km));
    }
    if before.slots_max != after.slots_max {
        said.push(match after.slots_max {
            Some(slots) => format!("at most {slots} listeners"),
            None => "as many listeners as it says".to_owned(),
        });
    }
    if said.is_empty() {
        return "left as it was".to_owned();
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Option<Orders> = Some(Orders {
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

    fn bias(bias_km: f32) -> Change {
        Change::Order(Orders {
            bias_km,
            ..Orders::default()
        })
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
        let all = Change::Order(Orders {
            is_disabled: true,
            is_draining: true,
            bias_km: -20.0,
            slots_max: Some(9),
        });
        changes.make("f", all, FILE, 1, 7).unwrap();
        let entry = changes.last().unwrap();
        assert_eq!(entry.at, 7);
        assert_eq!(
            entry.what,
            "disabled, draining, bias -20 km, at most 9 listeners"
        );
        changes.make("f", bias(-20.0), FILE, 1, 8).unwrap();
        let what = &changes.last().unwrap().what;
        assert_eq!(
            what,
            "no longer disabled, no longer draining, as many listeners as it says"
        );
        for n in (0_u16..500).map(f32::from) {
            changes.make("f", bias(n), FILE, 1, 9).unwrap();
        }
        assert_eq!(changes.journal.len(), JOURNAL_MAX);
        assert_eq!(changes.version, 502);
        changes.check().unwrap();
    }

    #[test]
    fn what_a_file_says_is_checked() {
        let mut changes = Changes::default();
        changes.orders.insert("a b".to_owned(), Orders::default());
        assert!(changes.check().unwrap_err().contains("a b"));
        let mut changes = Changes::default();
        let far = Orders {
            bias_km: 1e9,
            ..Orders::default()
        };
        changes.orders.insert("f".to_owned(), far);
        assert!(changes.check().unwrap_err().contains("bias_km"));
    }
}
