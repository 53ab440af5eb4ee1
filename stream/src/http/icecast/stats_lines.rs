//! Icecast's method STATS: all that `/admin/stats` says, a line each, and then a line for whatever
//! changes, until the caller hangs up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::http::answer::Answer;
use crate::http::caller::Caller;
use crate::http::date::http_date;
use crate::http::head::Head;
use crate::http::login::{self, Admin};
use crate::http::office::Office;
use crate::http::shown::Scheme;
use crate::shutdown::Shutdown;

/// So many watch at once; a further one gets 503.
pub const STATS_MAX: usize = 16;
/// How often it is looked what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who takes nothing for so long is not told any more.
const STALL_MAX: Duration = Duration::from_secs(30);
/// What Icecast says first.
const BEGIN: &str = "HTTP/1.0 200 OK\r\nCapability: streamlist stats\r\n\r\n";

/// Of a mount, or of the whole server, a name and its value.
type Said = BTreeMap<(String, &'static str), String>;

/// Those who watch.
#[derive(Clone, Debug)]
pub struct StatsLines(Arc<Semaphore>);

impl Default for StatsLines {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STATS_MAX)))
    }
}

impl StatsLines {
    /// Tells the operator, and refuses everybody else.
    pub async fn tell(
        &self,
        office: &Office,
        admin: Option<&Admin>,
        (head, mut caller): (Head, Caller),
        shutdown: &Shutdown,
    ) {
        let shown = head.header("authorization");
        if !login::is(admin.map(|admin| &admin.login), shown) {
            return login::refuse(&head, caller, "GET, HEAD, STATS").await;
        }
        let Ok(_place) = Arc::clone(&self.0).try_acquire_owned() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let answer = Answer::new(head.version, status, &http_date());
            let why = format!("{STATS_MAX} watch already; try again in a few seconds");
            return caller.answer(&answer.sentence(&why)).await;
        };
        let base = base(office, &head, &caller);
        let (mut before, mut text) = (Said::new(), BEGIN.to_owned());
        let mut is_first = true;
        loop {
            let now: Said = office.stats(None, &base).statements().into_iter().collect();
            text.push_str(&changes(&before, &now));
            if std::mem::take(&mut is_first) {
                text.push_str("INFO full list end\n");
            }
            before = now;
            let sent = timeout(STALL_MAX, caller.socket.write_all(text.as_bytes()));
            if !matches!(sent.await, Ok(Ok(()))) || caller.socket.flush().await.is_err() {
                return;
            }
            text.clear();
            let mut waste = [0; 256];
            let has_gone = tokio::select! {
                read = caller.socket.read(&mut waste) => matches!(read, Ok(0) | Err(_)),
                () = sleep(LOOK_EVERY) => false,
                () = shutdown.requested() => true,
            };
            if has_gone || shutdown.freeze().has_left() {
                return;
            }
        }
    }
}

fn base(office: &Office, head: &Head, caller: &Caller) -> String {
    let mut headers = HeaderMap::new();
    let host = head.header("host").map(HeaderValue::from_str);
    if let Some(Ok(host)) = host {
        headers.insert(header::HOST, host);
    }
    office.shown.base(&headers, Scheme::of(caller))
}

/// What is new, a line each.
fn changes(before: &Said, now: &Said) -> String {
    let mut text = String::new();
    let is_there = |said: &Said, mount: &str| said.keys().any(|(of, _)| of == mount);
    let mut gone = "";
    for (mount, _) in before.keys() {
        if mount != gone && !is_there(now, mount) {
            text.push_str(&format!("DELETE {mount}\n"));
            gone = mount;
        }
    }
    for ((of, name), value) in now {
        if before.get(&(of.clone(), name)) != Some(value) {
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            text.push_str(&format!("EVENT {of} {name} {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_a_line_and_a_mount_that_goes_is_one_line() {
        let said = |listeners: &str, has_mount: bool| {
            let mut said = Said::from([(("global".to_owned(), "clients"), listeners.to_owned())]);
            if has_mount {
                said.insert(("/a.ogg".to_owned(), "title"), "a\nb".to_owned());
                said.insert(("/a.ogg".to_owned(), "genre"), "x".to_owned());
            }
            said
        };
        let none = Said::new();
        assert_eq!(
            changes(&none, &said("1", true)),
            "EVENT /a.ogg genre x\nEVENT /a.ogg title ab\nEVENT global clients 1\n"
        );
        assert_eq!(changes(&said("1", true), &said("1", true)), "");
        assert_eq!(
            changes(&said("1", true), &said("2", false)),
            "DELETE /a.ogg\nEVENT global clients 2\n"
        );
    }
}
