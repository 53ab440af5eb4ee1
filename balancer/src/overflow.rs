//! The master as the last resort: whether it is up, what it has on air, and how many more it takes.
//!
//! Asks how it stands every [`ASK_INTERVAL`]. Who was sent there counts as its listener until it
//! must have counted him itself: as at a relay, nobody is sent to a full one
//! (`registry/reservations`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use stream::shutdown::Shutdown;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::base_url::BaseUrl;
use crate::call::{AGENT, Caller};
use crate::choice::{Listener, Offers};
use crate::icecast::{status_json, xml};
use crate::registry::Families;
use crate::registry::direct::Direct;
use crate::registry::reservations::Reservations;

mod part;
mod said;

pub use part::Part;
use said::Said;

/// How often the master is asked.
pub const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// How long its answer may take.
pub const ASK_TIME_MAX: Duration = Duration::from_secs(2);
/// A longer answer is not read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What is known of the master.
#[derive(Debug)]
pub struct Overflow {
    url: BaseUrl,
    /// No more listeners than so many, as the operator says.
    slots: Option<u32>,
    /// Who was sent there has come within this time, or never comes.
    arrival: Duration,
    families: Mutex<Families>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// It answered when it was asked last.
    is_up: bool,
    /// Its last answer.
    said: Said,
    /// When that was asked for: it tells of no earlier moment.
    asked: Option<Instant>,
    /// Those whom the last answer need not have counted.
    sent: BTreeMap<MountPath, Reservations>,
    /// Those who come without being sent.
    direct: Direct,
    part: Part,
}

/// What the master has for a listener of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is down, or has not got the mount on air, or does not say how many it takes.
    NoMount,
    /// All its places are taken or promised.
    Full,
    /// A place.
    Free,
}

/// How the master stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Neither taken nor promised.
    pub free: u64,
    /// Listeners who may be on their way.
    pub reserved: u64,
}

impl Overflow {
    /// A master that has not been asked yet.
    pub fn new(url: BaseUrl, slots: Option<u32>, arrival: Duration) -> Self {
        Self {
            families: Mutex::new(Families::of(Some(url.host()))),
            url,
            slots,
            arrival,
            known: Mutex::default(),
        }
    }

    /// Other balancers send listeners there, too.
    pub fn set_part(&self, part: Part) {
        self.known().part = part;
    }

    /// Where listeners reach it.
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// Its host has addresses of IPv4, and of IPv6.
    pub fn set_families(&self, has_v4: bool, has_v6: bool) {
        self.families().look_up(has_v4, has_v6);
    }

    /// Whether a listener gets there at all: by his scheme, over his kind of address.
    pub fn is_reached_by(&self, listener: &Listener) -> bool {
        let offers = self.families().offers(self.url.scheme());
        offers.has(Offers::needed(listener))
    }

    /// Whether it answered when it was asked last.
    pub fn is_up(&self) -> bool {
        self.known().is_up
    }

    /// What it has on air; nothing while it is down.
    pub fn mounts_on_air(&self) -> BTreeSet<MountPath> {
        let known = self.known();
        if known.is_up {
            known.all_mounts().cloned().collect()
        } else {
            BTreeSet::new()
        }
    }

    /// Whether its last answer had the mount, however long ago that was.
    pub fn knows(&self, mount: &MountPath) -> bool {
        self.known().all_mounts().any(|path| path == mount)
    }

    /// Whether it takes one more on this mount.
    pub fn room(&self, mount: &MountPath, now: Instant) -> Room {
        self.known().room(mount, self.arrival, now)
    }

    /// As [`Overflow::room`]; if there is any, somebody is on his way there now.
    pub fn send(&self, mount: &MountPath, now: Instant) -> Room {
        let mut known = self.known();
        let room = known.room(mount, self.arrival, now);
        if room == Room::Free {
            known.sent.entry(mount.clone()).or_default().add(now);
        }
        room
    }

    /// How it stands; nothing is free while it is down.
    pub fn places(&self, now: Instant) -> Places {
        let known = self.known();
        let free = if known.is_up {
            let most = known.said.mounts.keys();
            let free = most.map(|mount| known.n_free(mount, self.arrival, now));
            free.max().unwrap_or(0)
        } else {
            0
        };
        Places {
            free,
            reserved: known.n_sent(),
        }
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the master again and again until the program ends.
    pub async fn watch(&self, shutdown: Shutdown) {
        let caller = Caller::new(AGENT, shutdown.clone());
        let mut told = None;
        loop {
            let asked = Instant::now();
            let Some(answer) = shutdown.unless_requested(self.ask(&caller)).await else {
                return;
            };
            self.tell(&answer, &mut told);
            self.known().take(answer.ok(), asked, self.arrival);
            let pause = tokio::time::sleep(ASK_INTERVAL);
            if shutdown.unless_requested(pause).await.is_none() {
                return;
            }
        }
    }

    /// Tells the log what is new.
    fn tell(&self, answer: &Result<Said, String>, told: &mut Option<(bool, bool)>) {
        let says_all = answer
            .as_ref()
            .is_ok_and(|said| said.without_limit.is_empty());
        let news = Some((answer.is_ok(), says_all));
        if *told == news {
            return;
        }
        *told = news;
        match answer {
            Ok(said) => {
                let n_mounts = said.mounts.len() + said.without_limit.len();
                info!(
                    "the master {} is up with {n_mounts} mounts on air",
                    self.url
                );
                if let Some(mount) = said.without_limit.first() {
                    warn!(
                        "the master {} does not tell how many listeners {mount} takes, so nobody \
                         is sent there: write `slots` into [master]",
                        self.url
                    );
                }
            }
            Err(why) => warn!("the master {} gives no status: {why}", self.url),
        }
    }

    async fn ask(&self, caller: &Caller) -> Result<Said, String> {
        if let Some(body) = self.get(caller, "/api/v1/status").await? {
            return said::ours(&body, self.slots);
        }
        let status = self.get(caller, "/status-json.xsl");
        let (status, load) = tokio::join!(status, self.get(caller, "/load.xsl"));
        let status = status?.ok_or("it has neither /api/v1/status nor /status-json.xsl")?;
        let load = load.ok().flatten().map(|body| xml::load(&body));
        let load = load.transpose().ok().flatten().unwrap_or_default();
        Ok(said::icecast(
            status_json::read(&status)?,
            &load,
            self.slots,
        ))
    }

    /// A page of it; `None`: it has no such page.
    async fn get(&self, caller: &Caller, path: &str) -> Result<Option<Vec<u8>>, String> {
        let question = async {
            let mut answer = caller.call(&self.url, path, None).await?;
            match answer.status() {
                200 => answer.body(ANSWER_BYTES_MAX).await.map(Some),
                404 => Ok(None),
                status => Err(format!("{path} is answered {status}")),
            }
        };
        let late = || Err(format!("no answer within {} s", ASK_TIME_MAX.as_secs()));
        timeout(ASK_TIME_MAX, question)
            .await
            .unwrap_or_else(|_| late())
    }
}

impl Known {
    /// One failure is enough: a listener sent to a master that is down hears nothing, and one
    /// sent nowhere may come again.
    fn take(&mut self, said: Option<Said>, asked: Instant, arrival: Duration) {
        self.is_up = said.is_some();
        let Some(said) = said else {
            return;
        };
        if let Some(before) = self.asked.replace(asked) {
            let n_more = said.listeners.saturating_sub(self.said.listeners);
            // The others are taken to send as many.
            let n_sent = self.n_sent().saturating_mul(self.part.of.into());
            let n_unsent = u64::from(n_more).saturating_sub(n_sent);
            let since = asked.saturating_duration_since(before);
            self.direct.suspect(n_unsent, since);
        }
        if let Some(last_issue) = asked.checked_sub(arrival) {
            for sent in self.sent.values_mut() {
                sent.expire(last_issue, |_, _| true);
            }
            self.sent.retain(|_, sent| sent.count() > 0);
        }
        self.said = said;
    }

    fn room(&self, mount: &MountPath, arrival: Duration, now: Instant) -> Room {
        if !self.is_up || !self.said.mounts.contains_key(mount) {
            Room::NoMount
        } else if self.n_free(mount, arrival, now) == 0 || self.is_crowded(mount) {
            Room::Full
        } else {
            Room::Free
        }
    }

    fn n_free(&self, mount: &MountPath, arrival: Duration, now: Instant) -> u64 {
        let unknown = self.asked.map_or(arrival, |asked| {
            now.saturating_duration_since(asked) + arrival
        });
        let reserve = u64::from(self.direct.reserve(unknown));
        let n_sent_here = self.sent.get(mount).map_or(0, Reservations::count);
        let on_mount = self.said.mounts.get(mount).copied().unwrap_or(0);
        let on_mount = match on_mount {
            u32::MAX => u64::MAX,
            n_free => self.part.share(n_free).saturating_sub(n_sent_here),
        };
        let in_all = self.part.share(self.said.n_free);
        let in_all = in_all.saturating_sub(self.n_sent());
        on_mount.min(in_all).saturating_sub(reserve)
    }

    /// No more are counted on their way to one mount.
    fn is_crowded(&self, mount: &MountPath) -> bool {
        self.sent.get(mount).is_some_and(Reservations::is_full)
    }

    fn n_sent(&self) -> u64 {
        self.sent.values().map(Reservations::count).sum()
    }

    fn all_mounts(&self) -> impl Iterator<Item = &MountPath> {
        self.said.mounts.keys().chain(&self.said.without_limit)
    }
}

#[cfg(test)]
mod tests;
