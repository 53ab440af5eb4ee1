//! Makes the operator's changes: in force at once, kept on disk, and told to the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, warn};

use crate::balancer::Balancer;
use crate::desk::changes::{Change, Changes, Complaint, Entry};
use crate::desk::fleet::Keeping;
use crate::desk::keeping::milliseconds_now;
use crate::desk::settling::settle;
use crate::language::Language;

impl Balancer {
    /// Brings the relays to what the settings and the operator's changes say together.
    pub fn settle(&self) {
        let in_file = self.config().registrations();
        // What was changed last holds in the end: nobody else settles in between.
        let _turn = self.desk().settling();
        let changes = self.desk().changes().clone();
        let mut registry = self.registry();
        for complaint in settle(&mut registry, in_file, &changes, Instant::now()) {
            warn!("a relay that was added at /desk is not in use: {complaint}");
        }
    }

    /// Takes over what was changed at other balancers. Returns what of the journal was not known
    /// here, and holds; `None`: nothing at all was new.
    ///
    /// # Errors
    /// Says why it cannot be used; then nothing is changed.
    pub fn adopt(&self, theirs: &Changes) -> Result<Option<Vec<Entry>>, String> {
        theirs.check()?;
        let now_ms = milliseconds_now();
        if theirs.is_ahead_of(now_ms) {
            return Err(
                "a change was made more than a day from now: look at the clocks".to_owned(),
            );
        }
        let (news, verdicts) = {
            let mut ours = self.desk().changes();
            let mut both = ours.clone();
            both.merge(theirs);
            if both.is_same(&ours) {
                return Ok(None);
            }
            both.check()?;
            let known: BTreeSet<&Entry> = ours.journal.iter().collect();
            let news = both.journal.iter().filter(|entry| !known.contains(entry));
            // What was changed here later holds on.
            let news = news.filter(|entry| both.is_in_force(entry));
            let news: Vec<_> = news.cloned().collect();
            let verdicts = both.verdicts_since(&ours, now_ms);
            for name in both.verdicts_too_late(&ours, now_ms) {
                info!(
                    relay = name,
                    "the operator's word at another balancer on the quarantine of relay {name} is \
                     too old to be carried out"
                );
            }
            *ours = both;
            (news, verdicts)
        };
        self.settle();
        for (name, verdict) in verdicts {
            self.put_away(&name, verdict.is_put_away);
        }
        Ok(Some(news))
    }

    /// Returns what was done, for the log.
    fn change(&self, name: &str, change: Change) -> Result<String, Complaint> {
        let in_file = self.config().orders_in_file(name);
        let quarantine = match change {
            Change::PutAway => Some(true),
            Change::Release => Some(false),
            _ => None,
        };
        let what = {
            let mut changes = self.desk().changes();
            let n_relays = self.config().relay.len() + changes.added.len();
            changes.make(name, change, in_file, n_relays, milliseconds_now())?;
            changes.last().map(|entry| entry.what.clone())
        };
        match quarantine {
            Some(is_put_away) => self.put_away(name, is_put_away),
            None => self.settle(),
        }
        if let Some(share) = self.share() {
            share.news.notify_one();
        }
        Ok(what.unwrap_or_default())
    }

    fn put_away(&self, name: &str, is_put_away: bool) {
        let now = Instant::now();
        // As all evidence it is remembered in English.
        let evidence = Language::English.words().put_away_by_operator;
        let mut registry = self.registry();
        match registry.find(name) {
            Some(at) if is_put_away => {
                registry.quarantine(at, evidence.to_owned(), now);
            }
            Some(at) => registry.release(at, now),
            None => {}
        }
    }
}

/// Makes a change of relay `name`. Returns when it is on disk, or cannot be.
///
/// # Errors
/// Then nothing is changed.
pub async fn make(balancer: &Arc<Balancer>, name: &str, change: Change) -> Result<(), Complaint> {
    let what = balancer.change(name, change)?;
    info!(relay = name, "the operator changed relay {name}: {what}");
    keep(balancer).await;
    Ok(())
}

/// Brings what was changed to the disk. Returns when it is there, or cannot be.
pub(crate) async fn keep(balancer: &Arc<Balancer>) {
    let keeping = Arc::clone(balancer);
    if let Err(error) = tokio::task::spawn_blocking(move || keeping.desk().keep_changes()).await {
        error!("the operator's change is in force but not kept: {error}");
    }
}

/// Whether changes outlive a restart.
pub fn keeping(balancer: &Balancer) -> Keeping {
    match (balancer.desk().folder(), balancer.desk().trouble()) {
        (None, _) => Keeping::Nowhere,
        (Some(_), Some(why)) => Keeping::Trouble(why),
        (Some(_), None) => Keeping::OnDisk,
    }
}
