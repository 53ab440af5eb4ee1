//! What the balancer answers to whom.
//!
//! `/live.ogg` sends a listener to a relay; the rest is for playlists, people and relays.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode, header};
use axum::routing::{get, post};
use serde::Deserialize;
use stream::http::basic::bearer;
use stream::mount::MountPath;
use stream::report::REPORT_BYTES_MAX;

use crate::answer;
use crate::asked::{Asked, word};
use crate::balancer::{Balancer, Intent, Nowhere};
use crate::base_url::{BaseUrl, Scheme};
use crate::checked_report::CheckedReport;
use crate::choice::{Excluded, Listener};
use crate::desk;
use crate::explain::Explanation;
use crate::hall::{Doing, Place};
use crate::listen::listen;
use crate::metrics;
use crate::openapi;
use crate::pages;
use crate::playlist::{self, Format};
use crate::ranking::Ranking;
use crate::registry::Refusal;
use crate::status::Status;

/// The longest query that is taken over into a redirect.
pub const QUERY_BYTES_MAX: usize = 1024;
/// How long the body of a report may take.
const REPORT_TIME_MAX: Duration = Duration::from_secs(5);
/// A wrong token is answered after this many milliseconds, so that guessing takes years and
/// the time says nothing.
const WRONG_TOKEN_DELAY_MS: std::ops::Range<u64> = 500..1_500;

type Shared = State<Arc<Balancer>>;

/// All routes.
pub fn router(balancer: Arc<Balancer>) -> Router {
    Router::new()
        .merge(pages::visit::routes())
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/explain", get(explain))
        .route("/api/v1/report", post(report))
        .merge(openapi::routes())
        .merge(desk::routes::router())
        .fallback(mount)
        .with_state(balancer)
}

async fn mount(State(balancer): Shared, request: Request) -> Response<Body> {
    let (request, _) = request.into_parts();
    let intent = match request.method {
        Method::GET => Intent::Listen,
        Method::HEAD => Intent::Look,
        Method::OPTIONS => return answer::preflight(),
        _ => return answer::wrong_method(),
    };
    let query = request.uri.query().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        let sentence = format!("the query is longer than {QUERY_BYTES_MAX} bytes\n");
        return answer::text(StatusCode::URI_TOO_LONG, &sentence);
    }
    if let Some((format, name)) = Format::of_path(request.uri.path()) {
        return list(&balancer, &request, format, name).await;
    }
    if let Some(name) = request.uri.path().strip_suffix(".json") {
        return ranked(&balancer, &request, name).await;
    }
    let Ok(mount) = MountPath::parse(request.uri.path()) else {
        return unknown_mount(&balancer);
    };
    let mut listener = listener(&balancer, &request);
    match listen(&balancer, &mut listener, &mount, query, intent).await {
        Ok((target, query)) => {
            let mut answer = answer::redirect(&target, &mount, &query);
            // Players never ask by HEAD; who does wants to know.
            if intent == Intent::Look {
                let ranking = ranking(&balancer, &listener, &mount, String::new());
                answer::link(&mut answer, &ranking.link_header());
            }
            answer
        }
        Err(nowhere) => sorry(&balancer, &listener, &mount, nowhere),
    }
}

/// Nowhere to send him, and why.
pub(crate) fn sorry(
    balancer: &Balancer,
    listener: &Listener,
    mount: &MountPath,
    nowhere: Nowhere,
) -> Response<Body> {
    match nowhere {
        Nowhere::UnknownMount => unknown_mount(balancer),
        Nowhere::NoRelay(miss) => {
            let sentence = format!("{mount} {}\n", why(miss, listener.scheme));
            answer::unavailable(word_for(miss), &sentence)
        }
    }
}

fn unknown_mount(balancer: &Balancer) -> Response<Body> {
    answer::unknown_mount(balancer.mounts_on_air().iter())
}

/// What `Plenum-Why` says.
fn word_for(miss: Option<Excluded>) -> &'static str {
    match miss {
        Some(Excluded::Full | Excluded::SentBack | Excluded::NotReached) => "full",
        Some(Excluded::NotOnAir) => "not_on_air",
        _ => "no_relay",
    }
}

fn why(miss: Option<Excluded>, scheme: Scheme) -> String {
    match miss {
        Some(Excluded::Full | Excluded::SentBack | Excluded::NotReached) => {
            "is full: every place at every relay is taken".to_owned()
        }
        Some(Excluded::Unproven) => {
            "waits for its relays to show that they serve: come again in some seconds".to_owned()
        }
        Some(Excluded::WrongScheme) => {
            format!("is on air, but on no relay that speaks {}", scheme.as_str())
        }
        Some(Excluded::WrongFamily | Excluded::FamilyDown) => {
            "is on air, but on no relay that this kind of address can reach".to_owned()
        }
        Some(Excluded::CountryDenied) => "is on no relay that serves your country".to_owned(),
        Some(Excluded::Draining) => "is only on relays that are being taken down".to_owned(),
        Some(Excluded::NotOnAir) => "is not on air at the moment".to_owned(),
        Some(
            Excluded::NoMount
            | Excluded::Stale
            | Excluded::Unheard
            | Excluded::Removed
            | Excluded::Disabled
            | Excluded::Quarantined,
        )
        | None => "is on no relay that can be reached at the moment".to_owned(),
    }
}

async fn list(balancer: &Balancer, request: &Parts, format: Format, name: &str) -> Response<Body> {
    let Some(mount) = balancer.mount_meant(name).await else {
        return unknown_mount(balancer);
    };
    let Some(base) = Asked::of(request).public_base(balancer) else {
        let sentence = "the Host header is missing or is no host, so there is no link to give\n";
        return answer::text(StatusCode::BAD_REQUEST, sentence);
    };
    let link = format!("{base}{mount}");
    let query = request.uri.query().unwrap_or_default();
    let links = if playlist::is_direct(query) {
        let listener = listener(balancer, request);
        ranking(balancer, &listener, &mount, link).direct_links()
    } else {
        playlist::stable_links(&link, query)
    };
    answer::typed(StatusCode::OK, format.content_type(), format.write(&links))
}

/// Who would be asked first, and why not the others. For programs that choose themselves.
async fn ranked(balancer: &Balancer, request: &Parts, name: &str) -> Response<Body> {
    let Some(mount) = balancer.mount_meant(name).await else {
        return unknown_mount(balancer);
    };
    let base = Asked::of(request).public_base(balancer).unwrap_or_default();
    let listener = listener(balancer, request);
    let link = format!("{base}{mount}");
    answer::json(StatusCode::OK, &ranking(balancer, &listener, &mount, link))
}

fn ranking(balancer: &Balancer, listener: &Listener, mount: &MountPath, link: String) -> Ranking {
    let now = Instant::now();
    let explanation = Explanation::of(balancer, listener, mount, now);
    Ranking::of(&Status::of(balancer, now), explanation, link)
}

fn listener(balancer: &Balancer, request: &Parts) -> Listener {
    Asked::of(request).listener(balancer)
}

async fn status(State(balancer): Shared) -> Response<Body> {
    answer::json(StatusCode::OK, &Status::of(&balancer, Instant::now()))
}

async fn metrics(State(balancer): Shared) -> Response<Body> {
    match metrics::page(&balancer) {
        Ok(text) => answer::typed(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("the metrics cannot be written: {error}\n"),
        ),
    }
}

#[derive(Deserialize)]
struct About {
    mount: String,
}

/// What the choice would be for the one who asks, and why.
async fn explain(
    State(balancer): Shared,
    Query(about): Query<About>,
    request: Request,
) -> Response<Body> {
    let (request, _) = request.into_parts();
    let Ok(mount) = MountPath::parse(&about.mount) else {
        return unknown_mount(&balancer);
    };
    let listener = listener(&balancer, &request);
    answer::json(
        StatusCode::OK,
        &Explanation::of(&balancer, &listener, &mount, Instant::now()),
    )
}

async fn report(State(balancer): Shared, request: Request) -> Response<Body> {
    let (request, body) = request.into_parts();
    let token = word(&request.headers, header::AUTHORIZATION)
        .and_then(bearer)
        .unwrap_or_default();
    let relay = balancer.registry().relay_of_token(token);
    let Some(relay) = relay else {
        return wrong_token(&balancer).await;
    };
    // No crowd closes the way on which reports come.
    if let Some(place) = request.extensions.get::<Arc<Place>>() {
        place.begin(Doing::Relay);
    }
    let body = match tokio::time::timeout(REPORT_TIME_MAX, to_bytes(body, REPORT_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let sentence =
                format!("the report broke off or has more than {REPORT_BYTES_MAX} bytes\n");
            return answer::text(StatusCode::PAYLOAD_TOO_LARGE, &sentence);
        }
        Err(_) => {
            return answer::text(
                StatusCode::REQUEST_TIMEOUT,
                "the report took too long to arrive\n",
            );
        }
    };
    let report = match CheckedReport::parse(&body) {
        Ok(report) => report,
        Err(complaint) => {
            return answer::text(StatusCode::BAD_REQUEST, &format!("{complaint}\n"));
        }
    };
    if is_own_address(&balancer, &request, &report.url) {
        let sentence = "`url` is the balancer's own address: listeners would go in circles; \
                        set `public_url` in relay.toml to the relay's address\n";
        return answer::text(StatusCode::BAD_REQUEST, sentence);
    }
    match balancer.take(relay, report) {
        Ok(receipt) => answer::json(StatusCode::OK, &receipt),
        Err(refusal) => refused(&refusal),
    }
}

fn is_own_address(balancer: &Balancer, request: &Parts, url: &BaseUrl) -> bool {
    let asked = Asked::of(request)
        .public_base(balancer)
        .and_then(|base| BaseUrl::parse(&base).ok());
    asked.as_ref() == Some(url)
}

async fn wrong_token(balancer: &Balancer) -> Response<Body> {
    balancer.counts.wrong_tokens.fetch_add(1, Ordering::Relaxed);
    let delay = Duration::from_millis(fastrand::u64(WRONG_TOKEN_DELAY_MS));
    tokio::time::sleep(delay).await;
    let sentence = "the token belongs to no relay of this balancer; \
                    its operator finds it in balancer.toml\n";
    let mut answer = answer::text(StatusCode::UNAUTHORIZED, sentence);
    answer::set(&mut answer, header::WWW_AUTHENTICATE, "Bearer");
    answer
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let (status, sentence) = match refusal {
        Refusal::OtherUrl { fixed } => (
            StatusCode::FORBIDDEN,
            format!("`url` must be {fixed}: the balancer's operator has fixed it\n"),
        ),
        Refusal::OldSequence { last } => (
            StatusCode::CONFLICT,
            format!("`sequence` must rise within a run, and {last} was there already\n"),
        ),
        Refusal::FormerRun => (
            StatusCode::CONFLICT,
            "another program has taken over with the same token: give each relay its own\n"
                .to_owned(),
        ),
    };
    answer::text(status, &sentence)
}
