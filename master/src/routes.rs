//! The master's pages: those it has in common with a relay, and those for relays and the
//! operator.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stream::http::common;
use stream::http::shown::Shown;
use stream::mount::MountTable;
use stream::shutdown::Shutdown;
use tokio::time::sleep;

use crate::archive::{self, Archive};
use crate::catalog::Catalogs;
use crate::config::Config;
use crate::credentials;

/// All pages.
pub(crate) fn router(
    config: &Arc<Config>,
    shown: Shown,
    archive: &Arc<Archive>,
    shutdown: &Shutdown,
) -> Router {
    let catalogs = Catalogs {
        table: Arc::clone(&shown.table),
        run: format!("{:032x}", fastrand::u128(..)),
        shutdown: shutdown.clone(),
    };
    let for_relays = Router::new()
        .route("/api/v1/catalog", get(catalog))
        .with_state(catalogs)
        .route("/admin/streamlist.txt", get(streamlist))
        .with_state(Arc::clone(&shown.table))
        .layer(from_fn_with_state(Arc::clone(config), only_relays));
    let mut recordings = archive::router(Arc::clone(archive));
    if !config.archive.public {
        recordings = recordings.layer(from_fn_with_state(Arc::clone(config), only_admin));
    }
    for_relays.merge(recordings).merge(common::router(shown))
}

/// `/api/v1/catalog` once, `/api/v1/catalog?follow` for as long as the relay likes.
async fn catalog(State(catalogs): State<Catalogs>, RawQuery(query): RawQuery) -> Response {
    let body = match query.as_deref() {
        Some("follow" | "follow=1") => Body::new(catalogs.follow()),
        _ => Body::from(catalogs.line()),
    };
    let kind = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (kind, body).into_response()
}

/// The list that an Icecast slave polls: a path a line. One that is missing is dropped there
/// with all its listeners, so those that are filled stay in it.
async fn streamlist(State(table): State<Arc<MountTable>>) -> Response {
    let moving = table.all().into_iter().filter(|mount| mount.is_moving());
    let list: String = moving
        .map(|mount| format!("{}\r\n", mount.path()))
        .collect();
    ([(header::CONTENT_TYPE, "text/plain")], list).into_response()
}

async fn only_relays(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    let shown = shown(&request);
    let is_known = credentials::is(config.relay.as_ref(), shown)
        | credentials::is(config.admin.as_ref(), shown);
    if is_known {
        return next.run(request).await;
    }
    refuse(shown.is_some(), "this page is for relays").await
}

async fn only_admin(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    let shown = shown(&request);
    if credentials::is(config.admin.as_ref(), shown) {
        return next.run(request).await;
    }
    refuse(
        shown.is_some(),
        "recordings here are for the operator ([admin])",
    )
    .await
}

fn shown(request: &Request) -> Option<&str> {
    let shown = request.headers().get(header::AUTHORIZATION)?;
    shown.to_str().ok()
}

/// Answers a wrong or missing password, a wrong one not at once.
async fn refuse(is_wrong: bool, what: &str) -> Response {
    if is_wrong {
        sleep(credentials::wrong_password_wait(fastrand::f64())).await;
    }
    let challenge = [(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"Plenum\", charset=\"UTF-8\"",
    )];
    let sentence = format!("{what}: wrong user or password\n");
    (StatusCode::UNAUTHORIZED, challenge, sentence).into_response()
}
