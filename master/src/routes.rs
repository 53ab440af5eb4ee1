//! The master's pages: those it has in common with a relay, and those for relays and the
//! operator.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stream::follow::Trail;
use stream::http::catalogs::{self, Catalogs};
use stream::http::shown::Shown;
use stream::http::{common, login};
use stream::mount::MountTable;
use stream::shutdown::Shutdown;

use crate::archive::{self, Archive};
use crate::config::Config;

/// All pages.
pub(crate) fn router(
    config: &Arc<Config>,
    shown: Shown,
    archive: &Arc<Archive>,
    shutdown: &Shutdown,
) -> Router {
    let run = format!("{:032x}", fastrand::u128(..));
    let catalogs = Catalogs {
        table: Arc::clone(&shown.table),
        trail: Arc::new(Trail::of_master(run)),
        shutdown: shutdown.clone(),
    };
    let for_relays = Router::new()
        .route("/admin/streamlist.txt", get(streamlist))
        .with_state(Arc::clone(&shown.table))
        .merge(catalogs::router(catalogs));
    let (relay, admin) = (config.relay.iter(), config.admin.iter());
    let relays = relay.chain(admin.clone()).cloned().collect();
    let for_relays = login::only_for(relays, login::FOR_RELAYS, for_relays);
    let mut recordings = archive::router(Arc::clone(archive));
    if !config.archive.public {
        let what = "recordings here are for the operator ([admin])";
        recordings = login::only_for(admin.cloned().collect(), what, recordings);
    }
    for_relays.merge(recordings).merge(common::router(shown))
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
