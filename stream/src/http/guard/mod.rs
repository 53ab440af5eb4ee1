//! Who may listen to mounts that are not for everybody: who is in a file of passwords
//! (`htpasswd`), or of whom somebody else says so (`asking`), who is told when they go (`departures`), and how those speak who are asked (`manners`).
//! Also, whether somebody else knows a source. Nobody waits behind the listeners of another mount, and
//! no source behind any listener.

mod asking;
mod departures;
mod htpasswd;
mod manners;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::Answer;
use super::basic::Credentials;
use super::caller::Caller;
use super::date::http_date;
use super::head::Head;
use super::serving::MountSettings;
use super::{login, turned_away};
use crate::config::{ConfigError, host_and_port};
use crate::mount::MountPath;
use crate::mount::departure::Visitor;
use crate::post::PostUrl;
use asking::{Asking, Case};
use htpasswd::Htpasswd;

pub use departures::Departures;
pub(super) use htpasswd::Change;

/// So many passwords are looked at at once: it is hard work on purpose.
const CHECKS_MAX: usize = 2;
/// Somebody is asked about so many of a mount's listeners at once, and about so many of its sources.
const ASKED_MAX: usize = 32;
/// Who cannot be looked at within this time is told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// So many wait for that at each of them; further ones are told at once.
const WAITING_MAX: usize = 256;
/// What is said about when to come again.
pub const RETRY_AFTER_SECONDS: &str = "5";
/// In the words of Icecast.
const BUSY: &str = "busy, please try again later";

/// All mounts that are not for everybody.
#[derive(Debug)]
pub struct Guard {
    locks: HashMap<MountPath, Lock>,
    /// Who is asked about sources.
    sources: HashMap<MountPath, Asking>,
    /// Those who look at files.
    checks: Turns,
    n_asked: AtomicU64,
}

/// Those who take their turn, and those who wait for it.
#[derive(Debug)]
struct Turns {
    waiting: Semaphore,
    turns: Semaphore,
}

#[derive(Debug)]
enum Lock {
    File(Arc<Htpasswd>),
    Asking(Box<Asking>),
}

/// A source, or a script beside it, whose password is not known here.
#[derive(Debug)]
pub struct Applicant {
    /// What it shows: `Authorization`.
    pub shown: String,
    /// By which host and port it came.
    pub host: String,
    /// Its address, where it is known.
    pub from: Option<IpAddr>,
    /// What it is here for.
    pub errand: Errand,
}

/// What a source is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To publish.
    Publish,
    /// To say what plays, or to be ended.
    Tell,
}

impl Applicant {
    /// Who wants to publish. `None`: it shows nothing that anybody could be asked about.
    pub fn of(head: &Head, caller: &Caller) -> Option<Self> {
        // libshout asks without a password first, and wants to be told that one is needed.
        Some(Self {
            shown: head.header("authorization")?.to_owned(),
            host: head.header("host").unwrap_or_default().to_owned(),
            from: caller.known.from,
            errand: Errand::Publish,
        })
    }
}

/// On which terms somebody may listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// For so long only.
    pub limit: Option<Duration>,
    /// Somebody is to be told when he goes.
    pub visitor: Option<Visitor>,
}

/// What is said of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It may.
    Yes,
    /// It may not, or nobody is asked.
    No,
    /// It cannot be found out now: too many are asked about, or there is no answer.
    Nothing,
}

/// What becomes of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// He may.
    MayListen(Admission),
    /// He has to show another password, or one at all.
    WrongPassword,
    /// He may not, for this reason.
    MayNot(String),
    /// It cannot be found out now.
    Busy,
}

impl Guard {
    /// The locks of these mounts. Who is asked is told the host and port of `public_url`, or else
    /// those that the caller names.
    ///
    /// # Errors
    /// When a file of passwords cannot be used.
    pub fn new(mounts: &[MountSettings], public_url: Option<&str>) -> Result<Self, ConfigError> {
        let (mut locks, mut sources) = (HashMap::new(), HashMap::new());
        let place = public_url.and_then(host_and_port);
        for mount in mounts {
            if let Some(url) = &mount.source_auth_url {
                let asking = Asking::of(url, mount).at(place.clone());
                sources.insert(mount.path.clone(), asking);
            }
            let lock = match (&mount.htpasswd, &mount.listener_auth_url) {
                (Some(path), _) => Lock::File(Arc::new(Htpasswd::load(path)?)),
                (None, Some(url)) => {
                    let url = PostUrl::parse(url).map_err(|error| {
                        let path = &mount.path;
                        ConfigError::new(format!("`listener_auth_url` of mount `{path}`: {error}"))
                    })?;
                    let told = mount.listener_remove_url.as_ref();
                    let told = told.map(|url| mount.showing(url));
                    let asking = Asking::of(&url, mount).at(place.clone());
                    Lock::Asking(Box::new(asking.telling(told)))
                }
                (None, None) => continue,
            };
            locks.insert(mount.path.clone(), lock);
        }
        Ok(Self {
            locks,
            sources,
            checks: Turns::new(CHECKS_MAX),
            n_asked: AtomicU64::new(1),
        })
    }

    /// Whether who wants to hear this is looked at.
    pub fn watches(&self, path: &MountPath) -> bool {
        self.locks.contains_key(path)
    }

    /// Who is told when a listener of this mount goes.
    pub(super) fn told_of_departures(&self, path: &MountPath) -> Option<&PostUrl> {
        match self.locks.get(path)? {
            Lock::Asking(asking) => asking.told_of_departures(),
            Lock::File(_) => None,
        }
    }

    /// The users in a mount's file of passwords, if it has one.
    pub(super) fn users(&self, path: &MountPath) -> Option<Vec<String>> {
        match self.locks.get(path)? {
            Lock::File(file) => Some(file.users_by_name(Instant::now())),
            Lock::Asking(_) => None,
        }
    }

    /// Changes a mount's file of passwords. `false`: there is nothing to be done.
    ///
    /// # Errors
    /// Says why it cannot be done; then nothing has changed.
    pub(super) async fn change(&self, path: &MountPath, change: Change) -> Result<bool, String> {
        let Some(Lock::File(file)) = self.locks.get(path) else {
            return Err("this mount has no `htpasswd`".to_owned());
        };
        let Some(_turn) = turn(&self.checks.turns).await else {
            return Err(BUSY.to_owned());
        };
        let file = Arc::clone(file);
        let changed = spawn_blocking(move || file.change(&change, Instant::now())).await;
        changed.unwrap_or_else(|_| Err(BUSY.to_owned()))
    }

    /// Looks at somebody who wants to listen.
    ///
    /// # Errors
    /// Gives the connection back with the verdict if he may not: [`refuse`] answers.
    pub async fn let_in(
        &self,
        head: &Head,
        caller: Caller,
        path: &MountPath,
    ) -> Result<(Caller, Admission), Refused> {
        let Some(lock) = self.locks.get(path).filter(|_| head.method != "OPTIONS") else {
            return Ok((caller, Admission::default()));
        };
        match self.judge(lock, head, &caller, path).await {
            Verdict::MayListen(admission) => Ok((caller, admission)),
            verdict => Err(Refused { caller, verdict }),
        }
    }

    /// Whether somebody is asked about the sources of this mount.
    pub fn asks_about(&self, path: &MountPath) -> bool {
        self.sources.contains_key(path)
    }

    /// Whether a source may do what it is here for that shows no password that is known here:
    /// whoever is asked about the sources of this mount says so.
    pub async fn knows(&self, applicant: &Applicant, path: &MountPath) -> Says {
        let Some(asking) = self.sources.get(path) else {
            return Says::No;
        };
        let asked = asking.turns.with(asking.ask_about_source(applicant, path));
        let says = asked.await.unwrap_or(Says::Nothing);
        if says == Says::Nothing {
            turned_away::say(&format!(
                "refused a source at {path} for now: its `source_auth_url` does not answer, or not \
                 fast enough for all who come"
            ));
        }
        says
    }

    fn case<'a>(&self, head: &'a Head, caller: &Caller, path: &'a MountPath) -> Case<'a> {
        let from = caller.known.from.map(|from| from.to_string());
        Case {
            head,
            path,
            number: self.n_asked.fetch_add(1, Ordering::Relaxed),
            from: from.unwrap_or_default(),
        }
    }

    async fn judge(&self, lock: &Lock, head: &Head, caller: &Caller, path: &MountPath) -> Verdict {
        let verdict = match lock {
            Lock::File(file) => {
                let given = head.header("authorization").and_then(Credentials::parse);
                let Some(given) = given else {
                    return Verdict::WrongPassword;
                };
                let file = Arc::clone(file);
                let work = async {
                    match spawn_blocking(move || file.knows(&given, Instant::now())).await {
                        Ok(true) => Verdict::MayListen(Admission::default()),
                        Ok(false) => Verdict::WrongPassword,
                        Err(_) => Verdict::Busy,
                    }
                };
                self.checks.with(work).await
            }
            Lock::Asking(asking) => {
                let case = self.case(head, caller, path);
                asking.turns.with(asking.ask(case)).await
            }
        };
        verdict.unwrap_or(Verdict::Busy)
    }
}

impl Turns {
    fn new(n_max: usize) -> Self {
        Self {
            waiting: Semaphore::new(WAITING_MAX),
            turns: Semaphore::new(n_max),
        }
    }

    /// What comes of `work`, which begins when it is its turn. `None`: too many wait, or it was
    /// not within [`WAIT_MAX`].
    async fn with<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let _waiting = self.waiting.try_acquire().ok()?;
        let _turn = turn(&self.turns).await?;
        Some(work.await)
    }
}

async fn turn(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    timeout(WAIT_MAX, semaphore.acquire()).await.ok()?.ok()
}

/// Somebody who may not listen.
#[derive(Debug)]
pub struct Refused {
    caller: Caller,
    verdict: Verdict,
}

impl Refused {
    /// Tells him so.
    pub async fn answer(self, head: &Head, allow: &str) {
        let (status, why) = match self.verdict {
            Verdict::WrongPassword | Verdict::MayListen(_) => {
                return login::refuse_listener(head, self.caller, allow).await;
            }
            Verdict::MayNot(why) => (StatusCode::FORBIDDEN, why),
            Verdict::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned()),
        };
        let mut answer = Answer::new(head.version, status, &http_date())
            .header("Access-Control-Allow-Origin", "*");
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer = answer.header("Retry-After", RETRY_AFTER_SECONDS);
        }
        let answer = answer.sentence(&why);
        self.caller.answer(&answer).await;
    }
}

#[cfg(test)]
mod tests;
