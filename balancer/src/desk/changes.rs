//! What the operator changed at run time: orders for relays, relays added and removed. Pure.
//!
//! It lies over `balancer.toml`: what a relay is (token, address, place) the file says, if it
//! names the relay at all; how it is used (orders, removed) is said here, if anything is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use stream::report::Place;

use crate::base_url::BaseUrl;
use crate::config::{BIAS_KM_MAX, NAME_BYTES_MAX, check_name};
use crate::desk::overlay::{Overlay, Stamps};
use crate::desk::stamps::{STAMPS_MAX, Stamp, Verdict};
use crate::place::{Country, checked};
use crate::registry::{Orders, RELAYS_MAX};
use crate::token::TokenDigest;

/// So many of the last changes are remembered.
pub const JOURNAL_MAX: usize = 100;
/// What is remembered of one is no longer.
pub const WHAT_BYTES_MAX: usize = 256;

/// No version is greater: at a change a second it would take a hundred million years.
const VERSION_MAX: u64 = 1 << 52;

/// Everything the operator changed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Changes {
    /// Rises with every change.
    pub version: u64,
    /// By the relay's name, only those that are not what `balancer.toml` says.
    pub orders: BTreeMap<String, Overlay>,
    /// Relays that are not in `balancer.toml`, by name.
    pub added: BTreeMap<String, Added>,
    /// Relays that are in `balancer.toml` but are not to be used.
    pub removed: BTreeSet<String>,
    /// The last changes, the oldest first.
    pub journal: VecDeque<Entry>,
    /// When each relay was last changed, also one that is as it was before.
    pub stamps: BTreeMap<String, Stamps>,
    /// What the operator said last of each relay's quarantine.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Who makes changes here: a number by chance, to tell balancers apart.
    #[serde(skip)]
    pub author: u32,
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

/// A change, as it is remembered. Entries of several balancers are in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub at: u64,
    /// Tells apart what was done within a second, and where.
    #[serde(default, skip_serializing_if = "Stamp::is_none")]
    pub stamp: Stamp,
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
    /// What he wants of it from now on; nothing is said of what he leaves out.
    Order(Overlay),
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
    /// Makes a change of relay `name` at `at_ms` (milliseconds since 1970). `in_file`: what
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
        at_ms: u64,
    ) -> Result<(), Complaint> {
        let stamp = self.next_stamp(at_ms);
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
                // One of `balancer.toml` may have had this name.
                self.removed.remove(name);
                self.stamp_all(name, stamp);
                "added".to_owned()
            }
            _ if !is_there => return Err(Complaint::Unknown),
            Change::Restore if self.removed.remove(name) => {
                self.stamp_all(name, stamp);
                "taken back".to_owned()
            }
            Change::Restore => return Err(Complaint::Unknown),
            _ if self.removed.contains(name) => return Err(Complaint::Unknown),
            Change::Remove => {
                self.orders.remove(name);
                self.added.remove(name);
                if in_file.is_some() {
                    self.removed.insert(name.to_owned());
                }
                self.stamp_all(name, stamp);
                "removed".to_owned()
            }
            Change::Order(wishes) => {
                let before = self.orders_of(name, in_file);
                let mut orders = wishes.over(before);
                // There is a zero with a minus; nobody wants it.
                orders.bias_km += 0.0;
                check_orders(&orders)?;
                self.want(name, in_file.unwrap_or_default(), orders, stamp);
                difference(&before, &orders)
            }
            Change::PutAway => {
                self.say(name, Verdict::new(stamp, true));
                "put into quarantine".to_owned()
            }
            Change::Release => {
                self.say(name, Verdict::new(stamp, false));
                "released from quarantine".to_owned()
            }
        };
        self.version = self.version.saturating_add(1);
        self.note(name, what, at_ms / 1000, stamp);
        Ok(())
    }

    /// What the operator wants of a relay.
    pub fn orders_of(&self, name: &str, in_file: Option<Orders>) -> Orders {
        let own = self.orders.get(name).copied().unwrap_or_default();
        own.over(in_file.unwrap_or_default())
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
        let changed = self.stamps.keys().chain(self.verdicts.keys());
        for name in names.chain(&self.removed).chain(changed) {
            check_name(name)?;
        }
        if self.stamps.len().max(self.verdicts.len()) > STAMPS_MAX {
            return Err(format!("more than {STAMPS_MAX} relays were changed"));
        }
        if self.version > VERSION_MAX {
            return Err(format!("`version` is greater than {VERSION_MAX}"));
        }
        if !self.newest_stamp().is_possible() {
            return Err("a change was made thousands of years from now".to_owned());
        }
        for (name, orders) in &self.orders {
            check_orders(&orders.over(Orders::default()))
                .map_err(|_| format!("`bias_km` of relay `{name}` is beyond {BIAS_KM_MAX} km"))?;
        }
        for (name, added) in &self.added {
            check_added(added)
                .map_err(|_| format!("`place` of relay `{name}` is not on the globe"))?;
        }
        if self.journal.len() > JOURNAL_MAX {
            return Err(format!("`journal` has more than {JOURNAL_MAX} entries"));
        }
        let is_long = |entry: &Entry| entry.relay.len().max(entry.what.len()) > WHAT_BYTES_MAX;
        if self.journal.iter().any(is_long) {
            return Err(format!(
                "`journal` has an entry of more than {WHAT_BYTES_MAX} bytes"
            ));
        }
        Ok(())
    }

    fn want(&mut self, name: &str, file: Orders, wanted: Orders, now: Stamp) {
        let overlay = self.orders.entry(name.to_owned()).or_default();
        let stamps = self.stamps.entry(name.to_owned()).or_default();
        overlay.want(stamps, file, wanted, now);
        let is_unchanged = *stamps == Stamps::default();
        if overlay.is_empty() {
            self.orders.remove(name);
        }
        if is_unchanged {
            self.stamps.remove(name);
        }
        self.forget_stamps();
    }

    fn note(&mut self, relay: &str, what: String, at: u64, stamp: Stamp) {
        if self.journal.len() >= JOURNAL_MAX {
            self.journal.pop_front();
        }
        self.journal.push_back(Entry {
            at,
            stamp,
            relay: relay.chars().take(NAME_BYTES_MAX).collect(),
            what,
        });
    }
}

/// Whether orders can be carried out.
///
/// # Errors
/// Says what is out of range.
pub fn check_orders(orders: &Orders) -> Result<(), Complaint> {
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
pub(crate) mod tests;
