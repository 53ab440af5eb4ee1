//! Asks the Icecasts among the relays how they stand, each in a task of its own: one that hangs
//! delays no other.
//!
//! An answer counts as a report, made when the question was sent. A question without an answer
//! changes nothing: the last answer counts until it is too old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stream::shutdown::Shutdown;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::balancer::Balancer;
use crate::base_url::BaseUrl;
use crate::call::{AGENT, Caller};
use crate::config::{IcecastConfig, IcecastLogin};
use crate::icecast::{Answers, Reading, status_json, xml};
use crate::registry::Polled;

/// An answer takes no longer than this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// A longer answer is not read.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// With more of its places taken than this share, it is asked more often: …
const NEAR_FULL: f64 = 0.8;
/// … after this part of the interval, …
const NEAR_FULL_PART: u32 = 5;
/// … but not sooner than this.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How soon one that is new in the settings is asked.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Questions since the start.
#[derive(Debug, Default)]
pub struct Polls {
    /// That were answered.
    pub n_answered: AtomicU64,
    /// That were not.
    pub n_failed: AtomicU64,
}

/// Asks until the program ends, each Icecast for as long as the settings name it.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    let caller = Caller::new(AGENT, shutdown.clone());
    let mut running: BTreeMap<String, (Asked, CancellationToken)> = BTreeMap::new();
    loop {
        let wanted = wanted(&balancer);
        running.retain(|name, (asked, stop)| {
            let is_same = wanted
                .get(name)
                .is_some_and(|(icecast, url)| icecast.is_same(&asked.0) && *url == asked.1);
            if !is_same {
                stop.cancel();
            }
            is_same
        });
        for (name, asked) in wanted {
            if running.contains_key(&name) {
                continue;
            }
            let (stop, until) = (CancellationToken::new(), shutdown.clone());
            let asking = Asking {
                balancer: Arc::clone(&balancer),
                caller: caller.clone(),
                name: name.clone(),
                public_url: asked.1.clone(),
                login: asked.0.login(),
                icecast: asked.0.clone(),
                told: None,
            };
            running.insert(name, (asked, stop.clone()));
            shutdown.spawn("poll", async move {
                until
                    .unless_requested(stop.run_until_cancelled(asking.run()))
                    .await;
            });
        }
        let pause = tokio::time::sleep(LOOK_INTERVAL);
        if shutdown.unless_requested(pause).await.is_none() {
            return;
        }
    }
}

/// How an Icecast is asked, and where listeners are sent.
type Asked = (IcecastConfig, BaseUrl);

/// All Icecasts among the relays.
fn wanted(balancer: &Balancer) -> BTreeMap<String, Asked> {
    let config = balancer.config();
    let relays = config.relay.iter();
    let asked = relays.filter_map(|relay| {
        let asked = (relay.icecast.clone()?, relay.url.clone()?);
        Some((relay.name.clone(), asked))
    });
    asked.collect()
}

/// The questions to one Icecast.
struct Asking {
    balancer: Arc<Balancer>,
    caller: Caller,
    name: String,
    public_url: BaseUrl,
    icecast: IcecastConfig,
    login: Option<IcecastLogin>,
    /// What the log was told last.
    told: Option<String>,
}

impl Asking {
    async fn run(mut self) {
        loop {
            let interval = self.balancer.config().poll_interval();
            if self.balancer.registry().find(&self.name).is_none() {
                // The operator has taken it out; he may take it back.
                tokio::time::sleep(interval).await;
                continue;
            }
            let asked = Instant::now();
            let late = || Err(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs()));
            let answer = timeout(ANSWER_TIME_MAX, self.ask()).await;
            let share = match answer.unwrap_or_else(|_| late()) {
                Ok(reading) => self.take(reading, asked),
                Err(why) => self.miss(&why),
            };
            tokio::time::sleep(pause(interval, share, fastrand::f64())).await;
        }
    }

    /// Hands a reading on. Returns the share of places that are taken.
    fn take(&mut self, reading: Reading, asked: Instant) -> f64 {
        self.balancer
            .polls
            .n_answered
            .fetch_add(1, Ordering::Relaxed);
        self.tell(&reading);
        let share = f64::from(reading.listeners) / f64::from(reading.slots.max(1));
        let polled = Polled {
            slots: reading.slots,
            listeners: reading.listeners,
            mounts: reading.mounts,
            asked,
            every: self.balancer.config().poll_interval(),
        };
        self.balancer
            .take_polled(&self.name, self.public_url.clone(), polled);
        share
    }

    fn tell(&mut self, reading: &Reading) {
        let news = match reading.without_limit.first() {
            Some(mount) => format!(
                "relay {} does not tell how many listeners {mount} takes: write `slots` for it",
                self.name
            ),
            None => String::new(),
        };
        if self.told.as_ref() == Some(&news) {
            return;
        }
        if news.is_empty() {
            info!(relay = self.name, "relay {} answers", self.name);
        } else {
            warn!(relay = self.name, "{news}");
        }
        self.told = Some(news);
    }

    fn miss(&mut self, why: &str) -> f64 {
        self.balancer.polls.n_failed.fetch_add(1, Ordering::Relaxed);
        if self.told.as_deref() != Some(why) {
            warn!(
                relay = self.name,
                "relay {} does not tell how it stands: {why}", self.name
            );
            self.told = Some(why.to_owned());
        }
        0.0
    }

    async fn ask(&self) -> Result<Reading, String> {
        let answers = if self.login.is_some() {
            let stats = self.get("/admin/stats").await;
            Answers::Admin(stats.and_then(|body| xml::stats(&body)))
        } else {
            let (status, load) = tokio::join!(self.get("/status-json.xsl"), self.get("/load.xsl"));
            Answers::Public {
                status: status.and_then(|body| status_json::read(&body)),
                load: load.and_then(|body| xml::load(&body)),
            }
        };
        Reading::of(answers, self.icecast.slots)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = self.icecast.url.as_ref().unwrap_or(&self.public_url);
        let mut reply = self.caller.call(url, path, self.login.as_ref()).await?;
        match reply.status() {
            200 => reply.body(ANSWER_BYTES_MAX).await,
            401 => Err("it refuses our user or password".to_owned()),
            status => Err(format!("it answers {status}")),
        }
    }
}

/// How long until the next question. `share`: of its places that are taken; `chance`: 0 to 1.
fn pause(interval: Duration, share: f64, chance: f64) -> Duration {
    let interval = if share >= NEAR_FULL {
        (interval / NEAR_FULL_PART).max(INTERVAL_MIN).min(interval)
    } else {
        interval
    };
    interval.mul_f64(0.9 + 0.2 * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, share: f64, expected_ms: std::ops::RangeInclusive<u128>) {
        for chance in [0.0, 0.5, 0.999] {
            let pause = pause(Duration::from_secs(seconds), share, chance);
            assert!(expected_ms.contains(&pause.as_millis()), "{pause:?}");
        }
    }

    #[test]
    fn near_its_limit_it_is_asked_more_often_and_never_all_at_once() {
        check(15, 0.0, 13_500..=16_500);
        check(15, 0.79, 13_500..=16_500);
        check(15, 0.8, 2_700..=3_300);
        check(15, f64::INFINITY, 2_700..=3_300);
        check(1, 1.0, 900..=1_100);
    }
}
