//! Makes the operator's changes: in force at once, kept on disk, and told to the log.

use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, warn};

use crate::balancer::Balancer;
use crate::desk::changes::{Change, Changes, Complaint};
use crate::desk::fleet::Keeping;
use crate::desk::keeping::seconds_now;
use crate::desk::settling::settle;
use crate::registry::Orders;

impl Balancer {
    /// What the operator wants of a relay.
    pub fn orders_of(&self, name: &str) -> Orders {
        let in_file = self.config().orders_in_file(name);
        self.desk().changes().orders_of(name, in_file)
    }

    /// Brings the relays to what the settings and the operator's changes say together.
    pub fn settle(&self) {
        let changes = self.desk().changes().clone();
        let mut registry = self.registry();
        let in_file = self.config().registrations();
        for complaint in settle(&mut registry, in_file, &changes, Instant::now()) {
            warn!("a relay that was added at /desk is not in use: {complaint}");
        }
    }

    /// Takes over changes that were made at another balancer, if they are newer than ours.
    pub fn adopt(&self, changes: Changes) {
        {
            let mut ours = self.desk().changes();
            if changes.version <= ours.version || changes.check().is_err() {
                return;
            }
            *ours = changes;
        }
        self.settle();
    }

    fn change(&self, name: &str, change: Change) -> Result<(), Complaint> {
        let in_file = self.config().orders_in_file(name);
        let quarantine = match change {
            Change::PutAway => Some(true),
            Change::Release => Some(false),
            _ => None,
        };
        {
            let mut changes = self.desk().changes();
            let n_relays = self.config().relay.len() + changes.added.len();
            changes.make(name, change, in_file, n_relays, seconds_now())?;
        }
        match quarantine {
            Some(is_put_away) => self.put_away(name, is_put_away),
            None => self.settle(),
        }
        Ok(())
    }

    fn put_away(&self, name: &str, is_put_away: bool) {
        let now = Instant::now();
        let mut registry = self.registry();
        match registry.find(name) {
            Some(at) if is_put_away => {
                registry.quarantine(at, "the operator put it away".to_owned(), now);
            }
            Some(at) => registry.lift(at, now),
            None => {}
        }
    }
}

/// Makes a change of relay `name`. Returns when it is on disk, or cannot be.
///
/// # Errors
/// Then nothing is changed.
pub async fn make(balancer: &Arc<Balancer>, name: &str, change: Change) -> Result<(), Complaint> {
    balancer.change(name, change)?;
    let what = {
        let changes = balancer.desk().changes();
        changes.last().map(|entry| entry.what.clone())
    };
    info!(
        relay = name,
        "the operator changed relay {name}: {}",
        what.unwrap_or_default()
    );
    let keeping = Arc::clone(balancer);
    if let Err(error) = tokio::task::spawn_blocking(move || keeping.desk().keep_changes()).await {
        error!("the operator's change is in force but not kept: {error}");
    }
    Ok(())
}

/// Changes some of what is wanted of a relay.
///
/// # Errors
/// As [`make`].
pub async fn turn(
    balancer: &Arc<Balancer>,
    name: &str,
    turn: impl FnOnce(&mut Orders),
) -> Result<(), Complaint> {
    let mut orders = balancer.orders_of(name);
    turn(&mut orders);
    make(balancer, name, Change::Order(orders)).await
}

/// Whether changes outlive a restart.
pub fn keeping(balancer: &Balancer) -> Keeping {
    match (balancer.desk().folder(), balancer.desk().trouble()) {
        (None, _) => Keeping::Nowhere,
        (Some(_), Some(why)) => Keeping::Trouble(why),
        (Some(_), None) => Keeping::OnDisk,
    }
}
