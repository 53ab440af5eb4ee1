//! An Icecast's answers put together: what it carries, who listens, how many may. Pure.
//!
//! What no page says is never taken for 0 or for endless: a mount whose limit nobody tells is
//! offered only when the operator wrote down how many places the server has.

use std::collections::BTreeMap;

use stream::mount::MountPath;

use super::seen::{Limit, Seen};
use super::xml::{Free, Stats};
use crate::checked_report::{Carried, SLOTS_MAX};

/// What came of one round of questions.
#[derive(Clone, Debug)]
pub enum Answers {
    /// With a password.
    Admin(Result<Stats, String>),
    /// Without one.
    Public {
        /// Of `status-json.xsl`.
        status: Result<Vec<Seen>, String>,
        /// Of `load.xsl`.
        load: Result<BTreeMap<MountPath, Free>, String>,
    },
}

/// The state of an Icecast at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it carries.
    pub mounts: BTreeMap<MountPath, Carried>,
    /// Listeners in all.
    pub listeners: u32,
    /// How many it could serve in all.
    pub slots: u32,
    /// Mounts nobody is sent to, since nobody says how many they take.
    pub without_limit: Vec<MountPath>,
}

impl Reading {
    /// Puts answers together. `slots`: what the operator says that the server takes in all.
    ///
    /// # Errors
    /// When no page could be read. That is not the same as full, or as empty.
    pub fn of(answers: Answers, slots: Option<u32>) -> Result<Self, String> {
        let (mounts, total) = match answers {
            Answers::Admin(Ok(stats)) => (stats.mounts, stats.listeners),
            Answers::Admin(Err(why)) => return Err(format!("/admin/stats: {why}")),
            Answers::Public {
                status: Ok(seen),
                load,
            } => (with_limits(seen, &load.unwrap_or_default()), None),
            Answers::Public { load: Ok(load), .. } => (only_limits(&load), None),
            Answers::Public {
                status: Err(status),
                load: Err(load),
            } => return Err(format!("/status-json.xsl: {status}; /load.xsl: {load}")),
        };
        Ok(Self::put_together(mounts, total, slots))
    }

    fn put_together(seen: Vec<Seen>, total: Option<u32>, slots: Option<u32>) -> Self {
        let (mut mounts, mut without_limit) = (BTreeMap::new(), Vec::new());
        let on_mounts = seen.iter().filter_map(|mount| mount.listeners);
        let on_mounts = on_mounts.fold(0, u32::saturating_add);
        let listeners = on_mounts.max(total.unwrap_or(0));
        let own_free = |mount: &Seen| {
            let limit = match mount.limit {
                Limit::Listeners(n) => Some(n),
                Limit::Unknown | Limit::Unlimited => slots,
            };
            let limit = limit.filter(|_| mount.is_on_air);
            limit.map(|limit| limit.saturating_sub(mount.listeners.unwrap_or(0)))
        };
        // A listener is promised a place at the server, wherever he goes there: so the mount with
        // the fewest decides, and one with none is out of the question while another has some.
        let n_fewest = seen.iter().filter_map(own_free).filter(|n| *n > 0).min();
        for mount in seen {
            let n_own_free = own_free(&mount);
            if n_own_free.is_none() && mount.is_on_air {
                without_limit.push(mount.path.clone());
            }
            let takes = n_own_free.is_some_and(|n| n > 0) || n_fewest.is_none();
            let carried = Carried {
                content_type: mount.content_type,
                is_on_air: mount.is_on_air && takes,
                is_stood_in: false,
                listeners: mount.listeners.unwrap_or(0),
            };
            mounts.insert(mount.path, carried);
        }
        let at_server = slots.map_or(SLOTS_MAX, |slots| slots.saturating_sub(listeners));
        let n_free = n_fewest.unwrap_or(0).min(at_server);
        Self {
            mounts,
            listeners,
            slots: listeners.saturating_add(n_free).min(SLOTS_MAX),
            without_limit,
        }
    }
}

/// Free places are told without listeners: together they are the limit.
pub(crate) fn with_limits(mut seen: Vec<Seen>, load: &BTreeMap<MountPath, Free>) -> Vec<Seen> {
    for mount in &mut seen {
        mount.limit = match load.get(&mount.path) {
            None => Limit::Unknown,
            Some(Free::Unlimited) => Limit::Unlimited,
            Some(Free::Places(n)) => {
                let listeners = i64::from(mount.listeners.unwrap_or(0));
                limit(listeners.saturating_add(*n))
            }
        };
    }
    seen
}

/// All that an Icecast before 2.4 tells, and all that is needed: how many more it takes.
fn only_limits(load: &BTreeMap<MountPath, Free>) -> Vec<Seen> {
    let seen = |(path, free): (&MountPath, &Free)| Seen {
        path: path.clone(),
        content_type: String::new(),
        is_on_air: true,
        listeners: None,
        limit: match free {
            Free::Unlimited => Limit::Unlimited,
            Free::Places(n) => limit(*n),
        },
    };
    load.iter().map(seen).collect()
}

fn limit(n: i64) -> Limit {
    Limit::Listeners(u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
