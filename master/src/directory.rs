//! Listing in a directory of stations, as Icecast does it (YP): mounts whose sources want to be public
//! are added, touched again and again, and removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use stream::config::ConfigError;
use stream::current::Current;
use stream::mount::{Class, Mount, MountPath};
use stream::post::{FORM, PostUrl, Reply, form, post};
use stream::secret::Secret;
use stream::shutdown::Shutdown;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::house::Master;

/// So often it is looked what is on air.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The directory answers within this time.
const ANSWER_MAX: Duration = Duration::from_secs(6);
/// A mount that has just been added is touched after this time for the first time.
const FIRST_TOUCH: Duration = Duration::from_secs(5);
/// The directory says how often it wants to be told; never more often than this, …
const TOUCH_MIN: Duration = Duration::from_secs(30);
/// … and never more seldom than this.
const TOUCH_MAX: Duration = Duration::from_secs(24 * 3600);
/// If it does not say so.
const TOUCH_EVERY: Duration = Duration::from_secs(200);
/// One that refuses a mount is asked again after this time, …
const REFUSED_RETRY: Duration = Duration::from_secs(2 * 3600);
/// … and one that does not answer after this.
const SILENT_RETRY: Duration = Duration::from_secs(20 * 60);
/// At the program's end all are removed within this time, or not.
const GOODBYE_MAX: Duration = Duration::from_secs(3);
/// A reason, or the name of a listing, is not longer.
const WORD_CHARS_MAX: usize = 200;

/// `[directory]` in master.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// Where it is asked.
    pub url: PostUrl,
    /// Servers with the same one are one station there.
    pub cluster_password: Option<Secret>,
}

impl DirectoryConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self, public_url: Option<&str>) -> Result<(), ConfigError> {
        if public_url.is_none() {
            return Err(ConfigError::new(
                "[directory] needs `public_url`: under that address the directory lists the mounts",
            ));
        }
        Ok(())
    }
}

/// What is known of a mount there.
#[derive(Debug)]
struct Listing {
    /// What it is called there, once it is listed.
    sid: Option<String>,
    /// When something is to be said next.
    due: Instant,
    touch_every: Duration,
}

/// Who says it.
#[derive(Default)]
struct Lister {
    listings: BTreeMap<MountPath, Listing>,
    /// Where they are listed.
    config: Option<DirectoryConfig>,
    complaint: String,
}

/// Why a mount is not listed.
enum Failure {
    Refused(String),
    Silent(String),
}

/// Tells the directory, until the program ends.
pub(crate) async fn watch(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut lister = Lister::default();
    let mut clock = interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.unless_requested(clock.tick()).await.is_some() {
        let master = masters.now();
        let looked = lister.look(&master);
        if shutdown.unless_requested(looked).await.is_none() {
            break;
        }
    }
    let _ = timeout(GOODBYE_MAX, lister.leave()).await;
}

/// Whether the directory may know of it.
fn is_public(master: &Master, mount: &Mount) -> bool {
    let terms = mount.terms();
    mount.is_on_air()
        && mount.facts().is_public
        && !terms.is_hidden
        && !terms.needs_password
        && !terms.only_as_fallback
        && master.trail().is_master()
}

impl Lister {
    async fn look(&mut self, master: &Master) {
        let config = master.config().directory.clone();
        if config.as_ref().map(|c| &c.url) != self.config.as_ref().map(|c| &c.url) {
            self.leave().await;
        }
        self.config = config;
        let (Some(config), Some(base)) = (self.config.clone(), &master.config().public_url) else {
            return;
        };
        let mounts = master.table().all();
        let is_there = |path: &MountPath| {
            let mount = mounts.iter().find(|mount| mount.path() == path);
            mount.is_some_and(|mount| is_public(master, mount))
        };
        let gone: Vec<_> = self
            .listings
            .keys()
            .filter(|p| !is_there(p))
            .cloned()
            .collect();
        for path in gone {
            self.remove(&config.url, &path).await;
        }
        for mount in mounts.iter().filter(|mount| is_public(master, mount)) {
            let now = Instant::now();
            let listing = self.listings.entry(mount.path().clone());
            let listing = listing.or_insert(Listing {
                sid: None,
                due: now,
                touch_every: TOUCH_EVERY,
            });
            if listing.due > now {
                continue;
            }
            let form = match &listing.sid {
                None => add(&config, base, mount),
                Some(sid) => touch(sid, mount, master.config().slots.listeners),
            };
            let told = tell(&config.url, form).await;
            take(listing, told, mount.path(), &mut self.complaint);
        }
    }

    async fn remove(&mut self, url: &PostUrl, path: &MountPath) {
        let listing = self.listings.remove(path);
        if let Some(sid) = listing.and_then(|listing| listing.sid) {
            let form = form(&[("action", "remove"), ("sid", &sid)]);
            let _ = tell(url, form).await;
            info!("{path} is not listed in the directory any more");
        }
    }

    async fn leave(&mut self) {
        let Some(config) = self.config.take() else {
            return;
        };
        let paths: Vec<_> = self.listings.keys().cloned().collect();
        for path in paths {
            self.remove(&config.url, &path).await;
        }
    }
}

/// What becomes of a mount by the directory's answer.
fn take(
    listing: &mut Listing,
    told: Result<Reply, Failure>,
    path: &MountPath,
    complaint: &mut String,
) {
    let now = Instant::now();
    let was_listed = listing.sid.is_some();
    match told {
        Ok(answer) => {
            let word = |name| word(&answer, name);
            if let Some(every) = word("touchfreq").and_then(|text| text.parse().ok()) {
                listing.touch_every = Duration::from_secs(every).clamp(TOUCH_MIN, TOUCH_MAX);
            }
            if was_listed {
                listing.due = now + listing.touch_every;
            } else {
                listing.sid = word("sid");
                listing.due = now + FIRST_TOUCH;
                info!("{path} is listed in the directory");
            }
            complaint.clear();
        }
        Err(failure) => {
            let (why, retry) = match failure {
                // It has forgotten us: it is told anew.
                Failure::Refused(why) if was_listed => (why, TOUCH_MIN),
                Failure::Refused(why) => (why, REFUSED_RETRY),
                Failure::Silent(why) => (why, SILENT_RETRY),
            };
            listing.sid = None;
            listing.due = now + retry;
            if why != *complaint {
                let minutes = retry.as_secs().div_ceil(60);
                warn!("the directory does not list {path}: {why}; again in {minutes} min");
                *complaint = why;
            }
        }
    }
}

async fn tell(url: &PostUrl, form: String) -> Result<Reply, Failure> {
    let answer = post(url, FORM, form, ANSWER_MAX).await;
    let answer = answer.map_err(Failure::Silent)?;
    if !answer.status.is_success() {
        let status = answer.status;
        return Err(Failure::Silent(format!("it answers {status}")));
    }
    if word(&answer, "ypresponse").as_deref() == Some("1") {
        return Ok(answer);
    }
    let why = word(&answer, "ypmessage");
    Err(Failure::Refused(
        why.unwrap_or_else(|| "it does not say why".to_owned()),
    ))
}

fn word(answer: &Reply, name: &str) -> Option<String> {
    let value = answer.header(name)?;
    let word: String = value.trim().chars().take(WORD_CHARS_MAX).collect();
    (!word.is_empty()).then_some(word)
}

fn add(config: &DirectoryConfig, base: &str, mount: &Mount) -> String {
    let facts = mount.facts();
    let link = mount.log().link();
    let codec = link.and_then(|link| Some(link.streams.first()?.codec.name()));
    let listenurl = format!("{base}{}", mount.path());
    let cluster_password = config.cluster_password.as_ref().map(Secret::expose);
    form(&[
        ("action", "add"),
        ("sn", facts.name.as_deref().unwrap_or("Unspecified name")),
        ("genre", facts.genre.as_deref().unwrap_or("various")),
        ("cpswd", cluster_password.unwrap_or_default()),
        ("desc", facts.description.as_deref().unwrap_or_default()),
        ("url", facts.website.as_deref().unwrap_or_default()),
        ("listenurl", &listenurl),
        ("type", &facts.content_type),
        ("stype", codec.unwrap_or_default()),
        ("b", facts.bitrate.as_deref().unwrap_or_default()),
    ])
}

fn touch(sid: &str, mount: &Mount, max_listeners: usize) -> String {
    let title = mount.title();
    let link = mount.log().link();
    let codec = link.and_then(|link| Some(link.streams.first()?.codec.name()));
    form(&[
        ("action", "touch"),
        ("sid", sid),
        ("st", title.as_deref().unwrap_or_default()),
        ("listeners", &mount.n_served(Class::Listener).to_string()),
        ("max_listeners", &max_listeners.to_string()),
        ("stype", codec.unwrap_or_default()),
    ])
}
