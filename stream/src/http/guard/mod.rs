//! Who may listen to mounts that are not for everybody: who is in a file of passwords
//! (`htpasswd`), or of whom somebody else says so (`asking`).

mod asking;
mod htpasswd;

use std::collections::HashMap;
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
use super::login;
use super::serving::MountSettings;
use crate::config::ConfigError;
use crate::mount::MountPath;
use asking::{Asking, Case};
use htpasswd::Htpasswd;

/// So many passwords are looked at at once: it is hard work on purpose.
const CHECKS_MAX: usize = 2;
/// So many listeners are asked about at once.
const ASKED_MAX: usize = 32;
/// Who cannot be looked at within this time is told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// So many wait for that; further ones are told at once.
const WAITING_MAX: usize = 256;
/// In the words of Icecast.
const BUSY: &str = "busy, please try again later";

/// All mounts that are not for everybody.
#[derive(Debug)]
pub struct Guard {
    locks: HashMap<MountPath, Lock>,
    waiting: Semaphore,
    checks: Semaphore,
    asked: Semaphore,
    n_asked: AtomicU64,
}

#[derive(Debug)]
enum Lock {
    File(Arc<Htpasswd>),
    Asking(Asking),
}

/// What becomes of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// He may, and perhaps for so long only.
    MayListen(Option<Duration>),
    /// He has to show another password, or one at all.
    WrongPassword,
    /// He may not, for this reason.
    MayNot(String),
    /// It cannot be found out now.
    Busy,
}

impl Guard {
    /// The locks of these mounts.
    ///
    /// # Errors
    /// When a file of passwords cannot be used.
    pub fn new(mounts: &[MountSettings]) -> Result<Self, ConfigError> {
        let mut locks = HashMap::new();
        for mount in mounts {
            let lock = match (&mount.htpasswd, &mount.listener_auth_url) {
                (Some(path), _) => Lock::File(Arc::new(Htpasswd::load(path)?)),
                (None, Some(url)) => Lock::Asking(Asking::new(url).map_err(|error| {
                    let path = &mount.path;
                    ConfigError::new(format!("`listener_auth_url` of mount `{path}`: {error}"))
                })?),
                (None, None) => continue,
            };
            locks.insert(mount.path.clone(), lock);
        }
        Ok(Self {
            locks,
            waiting: Semaphore::new(WAITING_MAX),
            checks: Semaphore::new(CHECKS_MAX),
            asked: Semaphore::new(ASKED_MAX),
            n_asked: AtomicU64::new(1),
        })
    }

    /// Whether who wants to hear this is looked at.
    pub fn watches(&self, path: &MountPath) -> bool {
        self.locks.contains_key(path)
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
    ) -> Result<(Caller, Option<Duration>), Refused> {
        let Some(lock) = self.locks.get(path).filter(|_| head.method != "OPTIONS") else {
            return Ok((caller, None));
        };
        match self.judge(lock, head, &caller, path).await {
            Verdict::MayListen(limit) => Ok((caller, limit)),
            verdict => Err(Refused { caller, verdict }),
        }
    }

    async fn judge(&self, lock: &Lock, head: &Head, caller: &Caller, path: &MountPath) -> Verdict {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Verdict::Busy;
        };
        match lock {
            Lock::File(file) => {
                let given = head.header("authorization").and_then(Credentials::parse);
                let Some(given) = given else {
                    return Verdict::WrongPassword;
                };
                let Some(_turn) = turn(&self.checks).await else {
                    return Verdict::Busy;
                };
                let file = Arc::clone(file);
                match spawn_blocking(move || file.knows(&given, Instant::now())).await {
                    Ok(true) => Verdict::MayListen(None),
                    Ok(false) => Verdict::WrongPassword,
                    Err(_) => Verdict::Busy,
                }
            }
            Lock::Asking(asking) => {
                let Some(_turn) = turn(&self.asked).await else {
                    return Verdict::Busy;
                };
                let from = caller.from.map(|from| from.to_string());
                let number = self.n_asked.fetch_add(1, Ordering::Relaxed);
                let case = Case {
                    head,
                    path,
                    number,
                    from: from.unwrap_or_default(),
                };
                asking.ask(case).await
            }
        }
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
                return login::refuse(head, self.caller, allow).await;
            }
            Verdict::MayNot(why) => (StatusCode::FORBIDDEN, why),
            Verdict::Busy => (StatusCode::FORBIDDEN, BUSY.to_owned()),
        };
        let answer = Answer::new(head.version, status, &http_date())
            .header("Access-Control-Allow-Origin", "*")
            .sentence(&why);
        self.caller.answer(&answer).await;
    }
}
