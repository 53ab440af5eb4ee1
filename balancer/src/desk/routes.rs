//! What is answered below `/desk`, and to whom.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::routing::get;

use crate::balancer::Balancer;
use crate::desk::form::{self, Form};
use crate::desk::keeping::seconds_now;
use crate::desk::page::{STYLE, STYLE_PATH, Section};
use crate::desk::visit::{Visit, see, typed};
use crate::desk::{api, asking, past, relays, signing};

type Shared = State<Arc<Balancer>>;

/// Said when nobody may sign in.
const OFF: &str = "the operator's page is off: set `password` in [operator] of balancer.toml, or \
                   PLENUM_BALANCER__OPERATOR__PASSWORD; make one with: openssl rand -base64 24\n";

/// All pages of the operator.
pub fn router() -> Router<Arc<Balancer>> {
    Router::new()
        .route(STYLE_PATH, get(style))
        .route("/desk", get(pages))
        .route("/desk/{*rest}", get(pages).post(pages))
        .merge(api::router())
}

async fn style() -> Response<Body> {
    typed(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned())
}

async fn pages(State(balancer): Shared, request: Request) -> Response<Body> {
    if balancer.config().operator().is_none() {
        return typed(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            OFF.to_owned(),
        );
    }
    let (head, body) = request.into_parts();
    let visit = Visit::new(balancer, head);
    let path = visit.head.uri.path().to_owned();
    let is_post = visit.head.method == Method::POST;
    match (is_post, path.as_str()) {
        (false, "/desk/enter") => return signing::show(&visit),
        (true, "/desk/enter") => return signing::enter(&visit, body).await,
        _ => {}
    }
    if !visit.is_signed_in() {
        return see("/desk/enter");
    }
    if is_post && !visit.is_from_here() {
        let sentence = visit.words().other_site;
        return visit.complaint(StatusCode::FORBIDDEN, Section::Relays, sentence);
    }
    if is_post {
        return change(&visit, &path, body).await;
    }
    match path.as_str() {
        "/desk" | "/desk/relays" => relays::all(&visit, None),
        "/desk/history" => history(&visit),
        "/desk/explain" => asking::page(&visit, None),
        _ => match path.strip_prefix("/desk/relays/") {
            Some(name) => relays::one(&visit, name, None),
            None => nothing(&visit),
        },
    }
}

async fn change(visit: &Visit, path: &str, body: Body) -> Response<Body> {
    if path == "/desk/leave" {
        return signing::leave(visit);
    }
    let form = match form::body(body).await {
        Ok(bytes) => Form::parse(&bytes),
        Err((status, sentence)) => return visit.complaint(status, Section::Relays, &sentence),
    };
    if path == "/desk/explain" {
        return asking::page(visit, Some(&form));
    }
    match path.strip_prefix("/desk/relays") {
        Some("") => relays::add(visit, &form).await,
        Some(rest) if rest.starts_with('/') => relays::press(visit, &rest[1..], &form).await,
        _ => nothing(visit),
    }
}

fn nothing(visit: &Visit) -> Response<Body> {
    let sentence = visit.words().no_such_page;
    visit.complaint(StatusCode::NOT_FOUND, Section::Relays, sentence)
}

fn history(visit: &Visit) -> Response<Body> {
    let w = visit.words();
    let minute = seconds_now() / 60;
    let desk = visit.balancer.desk();
    let day: Vec<_> = desk.history().day(minute).copied().collect();
    let content = past::content(w, &day, desk.regret(), minute);
    visit.page(StatusCode::OK, Section::History, w.history, &content)
}
