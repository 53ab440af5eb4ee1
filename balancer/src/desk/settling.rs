//! Brings the relays to what `balancer.toml` and the operator's changes say together. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::desk::changes::{Added, Changes};
use crate::place::Spot;
use crate::registry::{Orders, Registration, Registry, Relay};

/// Adds, removes and orders relays until the registry is as it should be. What is so already
/// is left alone, with its reports and reservations. Returns what could not be done.
pub fn settle(
    registry: &mut Registry,
    in_file: Vec<Registration>,
    changes: &Changes,
    now: Instant,
) -> Vec<String> {
    let wanted = wanted(in_file, changes);
    let there: HashMap<String, usize> = registry
        .relays(now)
        .map(|(at, relay, _)| (relay.name().to_owned(), at))
        .collect();
    for (name, at) in &there {
        let is_same = wanted.get(name).is_some_and(|registration| {
            let token = registry.relay(*at).and_then(Relay::token);
            token == registration.token
        });
        if !is_same {
            registry.remove(*at, now);
        }
    }
    let mut complaints = Vec::new();
    for (name, registration) in wanted {
        match there.get(&name).filter(|at| registry.relay(**at).is_some()) {
            Some(at) => {
                let is_other = registry.registration(*at).is_some_and(|now| {
                    (&now.url, now.spot) != (&registration.url, registration.spot)
                });
                if is_other {
                    registry.register_anew(*at, registration.clone(), now);
                }
                let is_news = registry
                    .relay(*at)
                    .is_some_and(|relay| relay.orders() != registration.orders);
                if is_news {
                    registry.order(*at, registration.orders, now);
                }
            }
            None => complaints.extend(registry.add(registration, now).err()),
        }
    }
    complaints
}

/// Every relay that there should be. What the file names is as the file says.
fn wanted(in_file: Vec<Registration>, changes: &Changes) -> BTreeMap<String, Registration> {
    let added = changes
        .added
        .iter()
        .map(|(name, added)| registration(name, added));
    // The file comes last, so it is stronger.
    let all = added.chain(in_file);
    all.filter(|relay| !changes.removed.contains(&relay.name))
        .map(|mut relay| {
            relay.orders = changes.orders_of(&relay.name, Some(relay.orders));
            (relay.name.clone(), relay)
        })
        .collect()
}

fn registration(name: &str, added: &Added) -> Registration {
    Registration {
        name: name.to_owned(),
        token: Some(added.token_sha256),
        url: added.url.clone(),
        spot: Spot {
            place: added.place,
            country: added.country,
            ..Spot::default()
        },
        orders: Orders::default(),
    }
}
