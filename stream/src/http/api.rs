//! The operator's orders in our own words, below `/api/v1`: who listens to a mount, the end of one of
//! them, all of them at another mount. JSON in and out; mistakes are said in a sentence.

use std::time::Instant;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::info;

use super::icecast::fields::Fields;
use super::icecast::office::whole;
use super::login::{Admin, Closed, FOR_OPERATORS};
use super::office::{BUSY, NotMoved, Office};
use crate::fanout::Listening;
use crate::mount::{Class, MountPath};

/// What the operator orders about listeners; without an operator, nobody does.
pub fn router(office: Office, admin: Option<&Admin>) -> Router {
    let closed = Closed {
        logins: admin.map(|admin| admin.login.clone()).into_iter().collect(),
        what: FOR_OPERATORS,
        public_url: office.shown.public_url.clone(),
    };
    let pages = Router::new().route(
        "/api/v1/listeners/{*mount}",
        get(listeners).patch(move_listeners).delete(end_listener),
    );
    closed.pages(pages.with_state(office))
}

/// What is to be changed of those who listen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    /// Where they go on.
    mount: String,
}

/// One of those who listen.
#[derive(Serialize)]
struct Listener {
    id: u64,
    is_relay: bool,
    connected_seconds: u64,
}

impl Listener {
    fn of(listening: &Listening, now: Instant) -> Self {
        Self {
            id: listening.id,
            is_relay: listening.class == Class::Relay,
            connected_seconds: now.saturating_duration_since(listening.since).as_secs(),
        }
    }
}

async fn listeners(State(office): State<Office>, Path(name): Path<String>) -> Response {
    let Some(mount) = office.find(&path_of(&name)) else {
        return no_mount(&path_of(&name));
    };
    let (listening, now) = (office.shown.fanout.listening(&mount).await, Instant::now());
    let listening = listening.iter().map(|one| Listener::of(one, now));
    let listening: Vec<Listener> = listening.collect();
    done(&json!({ "mount": mount.path(), "listeners": listening }))
}

async fn move_listeners(
    State(office): State<Office>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let to: Elsewhere = match read(request).await {
        Ok(to) => to,
        Err(answer) => return answer,
    };
    let Some(from) = office.find(&path_of(&name)) else {
        return no_mount(&path_of(&name));
    };
    match office.move_listeners(&from, &to.mount).await {
        Ok(n_moved) => done(&json!({ "moved": n_moved })),
        Err(NotMoved::Nowhere) => no_mount(&to.mount),
        Err(NotMoved::Identical) => {
            complain(StatusCode::BAD_REQUEST, "they are at this mount already")
        }
        Err(NotMoved::NotRunning) => {
            complain(StatusCode::CONFLICT, "nothing comes on the other mount now")
        }
        Err(NotMoved::OtherFormat) => complain(
            StatusCode::CONFLICT,
            "the mounts have different formats: no player could go on",
        ),
        Err(NotMoved::Busy) => complain(StatusCode::SERVICE_UNAVAILABLE, BUSY.trim_end()),
    }
}

async fn end_listener(
    State(office): State<Office>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let Some(id) = fields.text("id").and_then(|id| id.parse().ok()) else {
        let sentence = "say which listener by his number, such as ?id=7";
        return complain(StatusCode::BAD_REQUEST, sentence);
    };
    let Some(mount) = office.find(&path_of(&name)) else {
        return no_mount(&path_of(&name));
    };
    if !office.shown.fanout.end(&mount, id).await {
        let sentence = format!("no listener of {} has the number {id}", mount.path());
        return complain(StatusCode::NOT_FOUND, &sentence);
    }
    info!("the operator ended a listener of {}", mount.path());
    StatusCode::NO_CONTENT.into_response()
}

/// The mount's path, of what stands behind the slash.
pub fn path_of(name: &str) -> String {
    format!("/{name}")
}

/// The answer that something was done, or how it stands.
pub fn done<T: Serialize>(value: &T) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

/// The answer to who asks for a mount that is not there.
pub fn no_mount(name: &str) -> Response {
    let name = MountPath::spelling_of(&name.chars().take(80).collect::<String>());
    complain(StatusCode::NOT_FOUND, &format!("there is no mount {name}"))
}

/// The answer that something cannot be done.
pub fn complain(status: StatusCode, sentence: &str) -> Response {
    (status, format!("{sentence}\n")).into_response()
}

/// What was asked, as JSON.
///
/// # Errors
/// The answer to what is too large, does not come, or makes no sense.
pub async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let body = whole(request, "JSON").await?;
    serde_json::from_slice(&body)
        .map_err(|error| complain(StatusCode::BAD_REQUEST, &error.to_string()))
}
