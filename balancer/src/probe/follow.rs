//! Listens to the master, mount by mount, so that there is something to compare relays with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::mount::MountPath;
use stream::mpeg::Sniffer;
use stream::ogg::Found;
use stream::shutdown::Shutdown;
use tokio::time::timeout;
use tracing::{info, warn};

use super::truth::{Place, Truth};
use crate::balancer::Balancer;
use crate::base_url::BaseUrl;
use crate::call::{AGENT, Caller, Reply};

/// Mounts that are listened to; relays' bytes on others are not compared.
const TRUTHS_MAX: usize = 32;
/// The head of the master's answer comes within this time.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// Nothing for so long: the connection is broken, whatever it says.
const NOTHING_TIME_MAX: Duration = Duration::from_secs(15);
/// How often it looks for new mounts.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the master sent, by mount.
#[derive(Debug, Default)]
pub(crate) struct Truths(Mutex<BTreeMap<MountPath, Arc<Mutex<Truth>>>>);

impl Truths {
    /// What it sent on one mount, if it is listened to there.
    pub(super) fn of(&self, mount: &MountPath) -> Option<Arc<Mutex<Truth>>> {
        self.table().get(mount).cloned()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<MountPath, Arc<Mutex<Truth>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a mount that has none yet, while there is room.
    fn begin(&self, mount: &MountPath) -> Option<Arc<Mutex<Truth>>> {
        let mut table = self.table();
        if table.contains_key(mount) || table.len() >= TRUTHS_MAX {
            return None;
        }
        Some(Arc::clone(table.entry(mount.clone()).or_default()))
    }

    fn forget(&self, mount: &MountPath) {
        self.table().remove(mount);
    }
}

/// For as short as it takes to look at it.
pub(super) fn lock(truth: &Mutex<Truth>) -> MutexGuard<'_, Truth> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens to whatever any relay has on air, until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, master: BaseUrl, shutdown: Shutdown) {
    let caller = Caller::new(AGENT, shutdown.clone());
    loop {
        for mount in wanted(&balancer, &master) {
            if let Some(truth) = balancer.probes.truths.begin(&mount) {
                let following = Following {
                    balancer: Arc::clone(&balancer),
                    caller: caller.clone(),
                    master: master.clone(),
                    mount,
                    truth,
                };
                shutdown.spawn("truth", following.run(shutdown.clone()));
            }
        }
        let pause = tokio::time::sleep(LOOK_INTERVAL);
        if shutdown.unless_requested(pause).await.is_none() {
            return;
        }
    }
}

/// What the master says it has, if it says so; else what relays say they have.
fn wanted(balancer: &Balancer, master: &BaseUrl) -> BTreeSet<MountPath> {
    match balancer.overflow() {
        Some(overflow) if overflow.url() == master => overflow.mounts_on_air(),
        _ => balancer.mounts_on_air(),
    }
}

/// What is said of a master that ends a response in order.
const ENDED: &str = "has ended the stream";
/// What is said of one that does not have the mount.
const GONE: &str = "it answers 404";
/// So many times in a row, over 8 s or so, it may not have a mount that has ended: until relays have
/// reported, too, that it is gone.
const GONE_MAX: usize = 8;

/// What a mount's silence is in the log. Its end is no fault, and each reason is said once.
#[derive(Debug, Default)]
struct Silence {
    has_ended: bool,
    n_gone: usize,
    said: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Saying {
    Nothing,
    /// A programme is over, or the master is about to be started anew: if it is not heard then,
    /// that is said.
    Ended,
    Fault,
}

impl Silence {
    fn say(&mut self, n_pages: usize, why: &str) -> Saying {
        if n_pages > 0 {
            *self = Self::default();
        }
        self.has_ended |= why == ENDED;
        if why == GONE && self.has_ended && self.n_gone < GONE_MAX {
            self.n_gone += 1;
            return Saying::Nothing;
        }
        if self.said.as_deref() == Some(why) {
            return Saying::Nothing;
        }
        self.said = Some(why.to_owned());
        if why == ENDED {
            Saying::Ended
        } else {
            Saying::Fault
        }
    }
}

struct Following {
    balancer: Arc<Balancer>,
    caller: Caller,
    master: BaseUrl,
    mount: MountPath,
    truth: Arc<Mutex<Truth>>,
}

impl Following {
    async fn run(self, shutdown: Shutdown) {
        let (mut backoff, mut silence) = (Backoff::new(), Silence::default());
        while let Some((n_pages, why)) = shutdown.unless_requested(self.hear()).await {
            lock(&self.truth).end();
            if n_pages > 0 {
                backoff.reset();
            }
            let Self { mount, master, .. } = &self;
            match silence.say(n_pages, &why) {
                Saying::Nothing => {}
                Saying::Ended => info!("relays are no longer compared on {mount}: {master} {why}"),
                Saying::Fault => {
                    warn!("relays are not compared on {mount}, since {master} is not heard: {why}");
                }
            }
            let pause = tokio::time::sleep(backoff.next(fastrand::f64()));
            if shutdown.unless_requested(pause).await.is_none() {
                return;
            }
            if !wanted(&self.balancer, &self.master).contains(&self.mount) {
                return self.balancer.probes.truths.forget(&self.mount);
            }
        }
    }

    /// One connection: how many pages came, and why it ended.
    async fn hear(&self) -> (usize, String) {
        let mut reply = match timeout(HEAD_TIME_MAX, self.ask()).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(why)) => return (0, why),
            Err(_) => return (0, format!("no answer within {HEAD_TIME_MAX:?}")),
        };
        let place = reply.header("etag").zip(number(&reply, "stream-offset"));
        let place = place.map(|(epoch, offset)| Place {
            epoch: epoch.into(),
            offset,
        });
        let n_prefix = number(&reply, "stream-prefix").unwrap_or(0);
        lock(&self.truth).begin(place, n_prefix);
        let (mut sniffer, mut n_pages) = (Sniffer::trusting(), 0);
        loop {
            let bytes = match timeout(NOTHING_TIME_MAX, reply.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => return (n_pages, ENDED.to_owned()),
                Ok(Err(why)) => return (n_pages, why),
                Err(_) => return (n_pages, format!("nothing for {NOTHING_TIME_MAX:?}")),
            };
            let mut input: &[u8] = &bytes;
            while let Some(found) = sniffer.next(&mut input) {
                let page = match found {
                    Found::Page(page) => page,
                    Found::Junk { .. } => {
                        return (n_pages, "what it sends is no stream".to_owned());
                    }
                };
                if n_pages == 0 {
                    info!("relays are compared with {} on {}", self.master, self.mount);
                }
                n_pages += 1;
                lock(&self.truth).take(page, Instant::now());
            }
        }
    }

    async fn ask(&self) -> Result<Reply, String> {
        let path = self.mount.as_str();
        let reply = self.caller.call(&self.master, path, None).await?;
        match reply.status() {
            200 => Ok(reply),
            status => Err(format!("it answers {status}")),
        }
    }
}

fn number(reply: &Reply, name: &str) -> Option<u64> {
    reply.header(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_programme_is_no_fault_and_a_master_that_never_has_the_mount_is_one() {
        let mut silence = Silence::default();
        assert_eq!(silence.say(9, ENDED), Saying::Ended);
        for _ in 0..GONE_MAX {
            assert_eq!(silence.say(0, GONE), Saying::Nothing);
        }
        assert_eq!(silence.say(0, GONE), Saying::Fault, "relays still have it");
        assert_eq!(silence.say(0, GONE), Saying::Nothing, "it has been said");
        assert_eq!(silence.say(0, "it hung up"), Saying::Fault);
        assert_eq!(silence.say(3, ENDED), Saying::Ended, "the next programme");
        assert_eq!(Silence::default().say(0, GONE), Saying::Fault);
        assert_eq!(Silence::default().say(7, "it hung up"), Saying::Fault);
    }
}
