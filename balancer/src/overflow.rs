//! The master as the last resort: whether it is up, and what it has on air.
//!
//! Asks its public status (the one that Icecast has too) every [`ASK_INTERVAL`].

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use stream::mount::MountPath;
use stream::shutdown::Shutdown;
use tracing::{info, warn};
use url::Url;

use crate::base_url::BaseUrl;

/// How often the master is asked.
pub const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// How long its answer may take.
pub const ASK_TIME_MAX: Duration = Duration::from_secs(2);
/// A longer answer is not read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// More mounts in an answer are ignored.
const MOUNTS_MAX: usize = 1_000;

/// What is known of the master.
#[derive(Debug)]
pub struct Overflow {
    url: BaseUrl,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// It answered when it was asked last.
    is_up: bool,
    /// What it had on air in its last answer.
    mounts: BTreeSet<MountPath>,
}

impl Overflow {
    /// A master that has not been asked yet.
    pub fn new(url: BaseUrl) -> Self {
        Self {
            url,
            known: Mutex::default(),
        }
    }

    /// Where listeners reach it.
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// Whether it answered when it was asked last.
    pub fn is_up(&self) -> bool {
        self.known().is_up
    }

    /// What it has on air; nothing while it is down.
    pub fn mounts_on_air(&self) -> BTreeSet<MountPath> {
        let known = self.known();
        if known.is_up {
            known.mounts.clone()
        } else {
            BTreeSet::new()
        }
    }

    /// Whether it is up and has a mount on air.
    pub fn carries(&self, mount: &MountPath) -> bool {
        let known = self.known();
        known.is_up && known.mounts.contains(mount)
    }

    /// Whether its last answer had the mount, however long ago that was.
    pub fn knows(&self, mount: &MountPath) -> bool {
        self.known().mounts.contains(mount)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the master again and again until the program ends.
    pub async fn watch(&self, shutdown: Shutdown) {
        let client = reqwest::Client::builder()
            .timeout(ASK_TIME_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                warn!("the master cannot be watched, so nobody will be sent there: {error}");
                return;
            }
        };
        let mut was_up = None;
        loop {
            let Some(answer) = shutdown.unless_requested(self.ask(&client)).await else {
                return;
            };
            let is_news = was_up.replace(answer.is_ok()) != Some(answer.is_ok());
            self.note(answer, is_news);
            let pause = tokio::time::sleep(ASK_INTERVAL);
            if shutdown.unless_requested(pause).await.is_none() {
                return;
            }
        }
    }

    /// One failure is enough: a listener sent to a master that is down hears nothing, and one
    /// sent nowhere may come again.
    fn note(&self, answer: Result<BTreeSet<MountPath>, String>, is_news: bool) {
        let mut known = self.known();
        known.is_up = answer.is_ok();
        match answer {
            Ok(mounts) => {
                if is_news {
                    let n_mounts = mounts.len();
                    info!(
                        "the master {} is up with {n_mounts} mounts on air",
                        self.url
                    );
                }
                known.mounts = mounts;
            }
            Err(why) if is_news => warn!("the master {} gives no status: {why}", self.url),
            Err(_) => {}
        }
    }

    async fn ask(&self, client: &reqwest::Client) -> Result<BTreeSet<MountPath>, String> {
        let url = format!("{}/status-json.xsl", self.url);
        let mut answer = client.get(url).send().await.map_err(|e| causes(&e))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| causes(&e))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        mounts_in(&body)
    }
}

/// The innermost cause says what happened; the outer ones that something did.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// The mounts in a `status-json.xsl`: `source` is missing, one table or a list of them.
fn mounts_in(body: &[u8]) -> Result<BTreeSet<MountPath>, String> {
    let status: Value =
        serde_json::from_slice(body).map_err(|error| format!("its status is no JSON: {error}"))?;
    let Some(icestats) = status.get("icestats") else {
        return Err("its status has no `icestats`".to_owned());
    };
    let sources = match icestats.get("source") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mount = |source: &Value| {
        let link = Url::parse(source.get("listenurl")?.as_str()?).ok()?;
        MountPath::parse(link.path()).ok()
    };
    Ok(sources.iter().filter_map(mount).take(MOUNTS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&[&str], &str>) {
        let found = mounts_in(body.as_bytes());
        match expected {
            Ok(paths) => {
                let found = found.unwrap();
                let found: Vec<_> = found.iter().map(MountPath::as_str).collect();
                assert_eq!(found, paths, "{body}");
            }
            Err(complaint) => assert!(found.unwrap_err().contains(complaint), "{body}"),
        }
    }

    #[test]
    fn one_source_many_or_none_are_read() {
        let source = |path| format!(r#"{{"listenurl":"http://m.example:8000{path}","title":"x"}}"#);
        let (a, b, bad) = (source("/a.ogg"), source("/b.ogg"), source("/%2e"));
        check(r#"{"icestats":{"host":"x"}}"#, Ok(&[]));
        check(r#"{"icestats":{"source":null}}"#, Ok(&[]));
        check(
            &format!(r#"{{"icestats":{{"source":{a}}}}}"#),
            Ok(&["/a.ogg"]),
        );
        check(
            &format!(r#"{{"icestats":{{"source":[{b},{bad},7,{{}},{a}]}}}}"#),
            Ok(&["/a.ogg", "/b.ogg"]),
        );
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        check("", Err("no JSON"));
        check("<html>", Err("no JSON"));
        check("[]", Err("no `icestats`"));
        check(r#"{"status":1}"#, Err("no `icestats`"));
    }
}
