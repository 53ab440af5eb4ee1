//! The operator's page for programs: the same as JSON, with his password in each request.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stream::http::site::is_from_here;
use stream::report::Place;

use crate::answer;
use crate::balancer::Balancer;
use crate::base_url::BaseUrl;
use crate::desk::acts;
use crate::desk::asking::{self, Mistake};
use crate::desk::changes::{Added, Change, Complaint, check_orders};
use crate::desk::facts::Facts;
use crate::desk::fleet::Keeping;
use crate::desk::form;
use crate::desk::guard::shows_password;
use crate::desk::keeping::seconds_now;
use crate::desk::overlay::{Overlay, null_is_a_wish};
use crate::desk::signing::delay_wrong_password;
use crate::desk::visit::typed;
use crate::place::Country;
use crate::registry::Orders;
use crate::token::{self, TokenDigest};

type Shared = State<Arc<Balancer>>;
type Answer = Result<Response<Body>, Response<Body>>;

/// All of it.
pub fn router() -> Router<Arc<Balancer>> {
    Router::new()
        .route("/api/v1/relays", get(all).post(add))
        .route(
            "/api/v1/relays/{name}",
            get(one).patch(change).delete(remove),
        )
        .route("/api/v1/history", get(history))
        .route("/api/v1/explain", post(explain))
}

/// A relay to be added.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRelay {
    name: String,
    url: Option<BaseUrl>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    country: Option<Country>,
}

/// What is to be changed of a relay; the rest stays.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Patch {
    is_disabled: Option<bool>,
    is_draining: Option<bool>,
    bias_km: Option<f32>,
    #[serde(deserialize_with = "null_is_a_wish")]
    slots_max: Option<Option<u32>>,
    is_quarantined: Option<bool>,
    is_removed: Option<bool>,
}

/// Somebody whose way is to be explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    address: String,
    mount: String,
    #[serde(default)]
    scheme: String,
}

async fn all(State(balancer): Shared, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let (removed, journal) = {
        let changes = balancer.desk().changes();
        (changes.removed.clone(), changes.journal.clone())
    };
    let kept = match acts::keeping(&balancer) {
        Keeping::OnDisk => "on_disk".to_owned(),
        Keeping::Nowhere => "nowhere".to_owned(),
        Keeping::Trouble(why) => why,
    };
    let share = balancer
        .share()
        .map(|share| json!({"status": share.status(), "trouble": share.trouble()}));
    let all = json!({
        "relays": Facts::all(&balancer), "removed": removed, "changes": journal, "kept": kept,
        "share": share,
    });
    Ok(ok(StatusCode::OK, &all))
}

async fn one(State(balancer): Shared, Path(name): Path<String>, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let facts = Facts::of(&balancer, &name).ok_or_else(|| refused(Complaint::Unknown))?;
    Ok(ok(StatusCode::OK, &facts))
}

async fn add(State(balancer): Shared, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let new: NewRelay = read(request).await?;
    let place = match (new.latitude, new.longitude) {
        (None, None) => None,
        (Some(latitude), Some(longitude)) => Some(Place {
            latitude,
            longitude,
        }),
        _ => return Err(refused(Complaint::BadPlace)),
    };
    if new.country.is_some_and(|country| !country.is_known()) {
        let sentence = "`country` is none: write two letters such as DE";
        return Err(complain(StatusCode::BAD_REQUEST, sentence));
    }
    let Some(token) = token::fresh() else {
        let sentence = "the system has no random numbers";
        return Err(complain(StatusCode::INTERNAL_SERVER_ERROR, sentence));
    };
    let added = Added {
        token_sha256: TokenDigest::of(&token),
        url: new.url,
        place,
        country: new.country,
    };
    make(&balancer, &new.name, Change::Add(added)).await?;
    let answer = json!({"name": new.name, "token": token});
    Ok(ok(StatusCode::CREATED, &answer))
}

async fn change(State(balancer): Shared, Path(name): Path<String>, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let patch: Patch = read(request).await?;
    let wishes = Overlay {
        is_disabled: patch.is_disabled,
        is_draining: patch.is_draining,
        bias_km: patch.bias_km,
        slots_max: patch.slots_max,
    };
    // Nothing is done if something cannot be.
    check_orders(&wishes.over(Orders::default())).map_err(refused)?;
    if patch.is_removed == Some(false) {
        make(&balancer, &name, Change::Restore).await?;
    }
    if !wishes.is_empty() {
        make(&balancer, &name, Change::Order(wishes)).await?;
    }
    match patch.is_quarantined {
        Some(true) => make(&balancer, &name, Change::PutAway).await?,
        Some(false) => make(&balancer, &name, Change::Release).await?,
        None => {}
    }
    if patch.is_removed == Some(true) {
        make(&balancer, &name, Change::Remove).await?;
        return Ok(typed(
            StatusCode::NO_CONTENT,
            "application/json",
            String::new(),
        ));
    }
    let facts = Facts::of(&balancer, &name).ok_or_else(|| refused(Complaint::Unknown))?;
    Ok(ok(StatusCode::OK, &facts))
}

async fn remove(State(balancer): Shared, Path(name): Path<String>, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    make(&balancer, &name, Change::Remove).await?;
    Ok(typed(
        StatusCode::NO_CONTENT,
        "application/json",
        String::new(),
    ))
}

async fn history(State(balancer): Shared, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let desk = balancer.desk();
    let samples: Vec<_> = desk.history().day(seconds_now() / 60).copied().collect();
    let all = json!({"regret": desk.regret(), "samples": samples});
    Ok(ok(StatusCode::OK, &all))
}

async fn explain(State(balancer): Shared, request: Request) -> Answer {
    check(&balancer, request.headers()).await?;
    let asked: Asked = read(request).await?;
    match asking::explain(&balancer, &asked.address, &asked.mount, &asked.scheme) {
        Ok(explanation) => Ok(ok(StatusCode::OK, &explanation)),
        Err(Mistake::Address) => {
            let sentence = "`address` is no IP address, write such as 192.0.2.7";
            Err(complain(StatusCode::BAD_REQUEST, sentence))
        }
        Err(Mistake::Mount) => Err(complain(
            StatusCode::NOT_FOUND,
            "`mount` is none, write such as /live.ogg",
        )),
        Err(Mistake::Scheme) => Err(complain(
            StatusCode::BAD_REQUEST,
            "`scheme` must be http or https",
        )),
    }
}

/// Lets the operator in and nobody else.
async fn check(balancer: &Balancer, headers: &HeaderMap) -> Result<(), Response<Body>> {
    let config = balancer.config();
    let Some(login) = config.operator() else {
        let sentence = "this is off: set `password` in [operator] of balancer.toml";
        return Err(complain(StatusCode::NOT_FOUND, sentence));
    };
    let public = config.public_url.as_ref();
    if !is_from_here(headers, public.map(BaseUrl::as_str)) {
        return Err(complain(
            StatusCode::FORBIDDEN,
            "another site may not ask this",
        ));
    }
    if shows_password(&login, headers) {
        return Ok(());
    }
    if headers.contains_key(header::AUTHORIZATION) {
        delay_wrong_password(balancer).await;
    }
    let mut answer = complain(StatusCode::UNAUTHORIZED, "wrong user or password");
    answer::set(
        &mut answer,
        header::WWW_AUTHENTICATE,
        "Basic realm=\"Plenum\", charset=\"UTF-8\"",
    );
    Err(answer)
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Response<Body>> {
    let body = form::body(request.into_body()).await;
    let bytes = body.map_err(|(status, sentence)| complain(status, sentence.trim_end()))?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| complain(StatusCode::BAD_REQUEST, &error.to_string()))
}

async fn make(balancer: &Arc<Balancer>, name: &str, change: Change) -> Result<(), Response<Body>> {
    acts::make(balancer, name, change).await.map_err(refused)
}

fn refused(complaint: Complaint) -> Response<Body> {
    let (status, sentence) = match complaint {
        Complaint::Unknown => (StatusCode::NOT_FOUND, "there is no such relay"),
        Complaint::NameTaken => (StatusCode::CONFLICT, "there is a relay of that name"),
        Complaint::BadName => (
            StatusCode::BAD_REQUEST,
            "`name` must be 1 to 64 letters, digits and . _ -",
        ),
        Complaint::TooMany => (StatusCode::CONFLICT, "there are as many relays as work"),
        Complaint::BadBias => (
            StatusCode::BAD_REQUEST,
            "`bias_km` must be from -20000 to 20000",
        ),
        Complaint::BadPlace => (
            StatusCode::BAD_REQUEST,
            "`latitude` goes from -90 to 90 and `longitude` from -180 to 180; both or neither",
        ),
    };
    complain(status, sentence)
}

fn complain(status: StatusCode, sentence: &str) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

fn ok<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => typed(status, "application/json", text + "\n"),
        Err(error) => complain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
