//! The master's pages: those it has in common with a relay, and those for relays and the
//! operator.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use stream::follow::upstream::RECORDED;
use stream::http::asked::Rules;
use stream::http::catalogs::{self, Catalogs};
use stream::http::icecast::office;
use stream::http::listener::RELAY_BURST;
use stream::http::login::{self, Closed};
use stream::http::{api, common, events};
use stream::mount::{Mount, MountTable};

use crate::archive;
use crate::config::Config;
use crate::lasting::Lasting;
use crate::recorded::Logs;
use crate::speakers::Speakers;
use crate::standby::Standby;
use crate::told::Teller;
use crate::{metadata, orders};

/// All pages.
pub(crate) fn router(config: &Arc<Config>, lasting: &Lasting, rules: &Rules) -> Router {
    let (shown, shutdown) = (lasting.shown(config, rules), &lasting.shutdown);
    let catalogs = Catalogs {
        table: Arc::clone(&shown.table),
        trail: Arc::clone(&lasting.trail),
        shutdown: shutdown.clone(),
    };
    let logs = Logs {
        table: Arc::clone(&shown.table),
        slots: shown.slots.clone(),
        burst: RELAY_BURST,
        shutdown: shutdown.clone(),
    };
    let for_relays = Router::new()
        .route("/admin/streamlist.txt", get(streamlist))
        .with_state(Arc::clone(&shown.table))
        .route(&format!("{RECORDED}/{{*mount}}"), get(log))
        .with_state(logs)
        .merge(catalogs::router(catalogs));
    let (relay, admin) = (config.relay.iter(), config.operator().into_iter());
    let relays = relay.chain(admin.clone()).cloned().collect();
    let closed = |logins, what| Closed {
        logins,
        what,
        public_url: config.public_url.clone(),
    };
    let for_relays = closed(relays, login::FOR_RELAYS).pages(for_relays);
    let promote = Router::new()
        .route("/api/v1/promote", post(promote))
        .with_state((Arc::clone(&lasting.standby), Arc::clone(config)));
    let what = "only the operator ([admin]) may promote";
    let promote = closed(admin.clone().cloned().collect(), what).pages(promote);
    let mut recordings = archive::router(Arc::clone(&lasting.archive));
    if !config.archive.public {
        let what = "recordings here are for the operator ([admin])";
        recordings = closed(admin.cloned().collect(), what).pages(recordings);
    }
    let office = lasting.office(config, rules);
    let table = Arc::clone(&shown.table);
    let speakers = Speakers::new(config, lasting, &rules.guard);
    let teller = Teller::new(config, lasting);
    let orders = orders::router(speakers.clone(), teller.clone(), shown.clone());
    let pages = for_relays
        .merge(promote)
        .merge(recordings)
        .merge(metadata::router(speakers, teller))
        .merge(orders)
        .merge(api::router(office.clone(), config.admin.as_ref()))
        .merge(office::router(office, config.admin.as_ref()))
        .merge(events::router(table, shutdown.clone()));
    pages.merge(common::router(shown))
}

/// What a standby copies.
async fn log(State(logs): State<Logs>, uri: Uri, headers: HeaderMap) -> Response {
    logs.answer(&uri, &headers)
}

/// `/api/v1/promote`: a standby becomes the master; `?force` even while the other one is there.
async fn promote(
    State((standby, config)): State<(Arc<Standby>, Arc<Config>)>,
    RawQuery(query): RawQuery,
) -> Response {
    let is_forced = matches!(query.as_deref(), Some("force" | "force=1"));
    match standby.promote(&config, is_forced).await {
        Ok(reign) => Json(json!({ "reign": reign })).into_response(),
        Err(why) => (StatusCode::CONFLICT, format!("{why}\n")).into_response(),
    }
}

/// An Icecast ends a stream on which nothing has come for so long, if its settings say nothing else.
const SLAVE_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a slave should have a mount whose source has been away for so long, if it is.
fn is_for_slaves(is_moving: bool, away_for: Option<Duration>) -> bool {
    is_moving || away_for.is_some_and(|away| away < SLAVE_PATIENCE)
}

async fn streamlist(State(table): State<Arc<MountTable>>) -> Response {
    let list = list_for_slaves(&table, Instant::now());
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], list).into_response()
}

/// The list that an Icecast slave polls: a path a line. One that is missing is dropped there with all
/// its listeners, so one whose source was here a moment ago stays in it. Of one on which nothing
/// comes any more it would get old sound, give up, and begin anew, again and again.
fn list_for_slaves(table: &MountTable, now: Instant) -> String {
    // An Icecast would give everybody what needs a password here, or is no more than a fallback.
    let is_open = |mount: &Arc<Mount>| {
        !mount.is_hidden() && !mount.needs_password() && !mount.is_only_fallback()
    };
    let comes = |mount: &Arc<Mount>| {
        let has_begun = mount.log().link().is_some();
        has_begun && is_for_slaves(mount.is_moving(), mount.away_for(now))
    };
    let mounts = table.all().into_iter();
    mounts
        .filter(|mount| comes(mount) && is_open(mount))
        .map(|mount| format!("{}\r\n", mount.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use stream::log::{Epoch, Keep};
    use stream::mount::{Claimant, Desk, Facts, MountPath};
    use stream::reel::Reel;

    use super::*;

    #[test]
    fn slaves_hear_of_a_mount_while_something_comes_on_it_and_a_moment_longer() {
        let away = |ms| Some(Duration::from_millis(ms));
        for (is_moving, away_for, is_listed) in [
            (true, None, true),
            // Filler stands in.
            (true, away(60_000), true),
            (false, away(0), true),
            (false, away(9_999), true),
            (false, away(10_000), false),
            (false, away(600_000), false),
        ] {
            let is = is_for_slaves(is_moving, away_for);
            assert_eq!(is, is_listed, "{is_moving} {away_for:?}");
        }
    }

    #[test]
    fn a_mount_whose_source_stays_away_leaves_the_list_of_the_slaves() {
        let table = Arc::new(MountTable::new());
        let desk = Desk::new(Arc::clone(&table), Keep::default());
        let claimant = Claimant {
            user: "source".to_owned(),
            login: 0,
            serial: None,
            uplink: 0,
        };
        let (path, now) = (MountPath::parse("/a.mp3").unwrap(), Instant::now());
        let claimed = desk.claim(&path, &claimant, Facts::default(), Epoch::new(1), now);
        let mut publisher = claimed.unwrap();
        let mut frame = [0; 104];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x10, 0xc0]);
        for (_, page) in Reel::cut(&frame.repeat(9)).unwrap().pages() {
            publisher.take(page, now, || 1).unwrap();
        }
        let late = || Instant::now() + SLAVE_PATIENCE;
        assert_eq!(list_for_slaves(&table, late()), "/a.mp3\r\n", "it is here");
        drop(publisher);
        assert_eq!(list_for_slaves(&table, Instant::now()), "/a.mp3\r\n");
        assert_eq!(list_for_slaves(&table, late()), "");
    }
}
