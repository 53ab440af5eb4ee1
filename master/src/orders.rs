//! What is ordered of a mount and its source: in our own words below `/api/v1`, and `/admin/killsource`
//! as at an Icecast.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get};
use serde::{Deserialize, Deserializer};
use stream::http::api::{complain, done, no_mount, path_of, read};
use stream::http::guard::Applicant;
use stream::http::icecast::element::Element;
use stream::http::icecast::office::{Form, may_change, not_by_get, refused};
use stream::http::shown::Shown;
use stream::mount::Mount;

use crate::speakers::{Silenced, Speaker, Speakers, Spoken, Stranger};
use crate::told::{Teller, Told};

#[derive(Clone, Debug)]
struct Orders {
    speakers: Speakers,
    teller: Teller,
    shown: Shown,
}

/// The pages, for those who may publish the mount, and for the operator.
pub(crate) fn router(speakers: Speakers, teller: Teller, shown: Shown) -> Router {
    Router::new()
        .route(
            "/api/v1/mounts/{*mount}",
            get(mount).patch(tell).delete(remove),
        )
        .route("/api/v1/sources/{*mount}", delete(end_source))
        .route("/admin/killsource", any(kill_source))
        .route("/admin/killsource.{ending}", any(kill_source_with_ending))
        .with_state(Orders {
            speakers,
            teller,
            shown,
        })
}

/// What is to be changed of a mount: what is not named stays, null is nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Patch {
    #[serde(deserialize_with = "null_is_empty")]
    title: Option<String>,
    #[serde(deserialize_with = "null_is_empty")]
    artist: Option<String>,
    #[serde(deserialize_with = "null_is_empty")]
    title_url: Option<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    Ok(Some(text.unwrap_or_default()))
}

async fn mount(
    State(orders): State<Orders>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    match orders.admit(&name, orders.applicant(&request)).await {
        Ok((_, mount)) => orders.state(&mount),
        Err(answer) => answer,
    }
}

async fn tell(
    State(orders): State<Orders>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let mount = match orders.admit(&name, orders.applicant(&request)).await {
        Ok((_, mount)) => mount,
        Err(answer) => return answer,
    };
    let patch: Patch = match read(request).await {
        Ok(patch) => patch,
        Err(answer) => return answer,
    };
    if patch.artist.is_some() && patch.title.is_none() {
        return complain(StatusCode::BAD_REQUEST, "`artist` needs a `title`");
    }
    let told = Told {
        title: patch.title,
        artist: patch.artist.filter(|artist| !artist.is_empty()),
        url: patch.title_url,
    };
    orders.teller.tell(&mount, &told);
    orders.state(&mount)
}

async fn remove(
    State(orders): State<Orders>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let complaint = match orders.admit(&name, orders.applicant(&request)).await {
        Ok((Speaker::Operator, mount)) if orders.speakers.remove(&mount) => {
            return StatusCode::NO_CONTENT.into_response();
        }
        Ok((Speaker::Operator, _)) => (StatusCode::CONFLICT, "its source is there: end it first"),
        Ok((Speaker::Source, _)) => (
            StatusCode::FORBIDDEN,
            "only the operator may send the listeners of a mount home",
        ),
        Err(answer) => return answer,
    };
    complain(complaint.0, complaint.1)
}

async fn end_source(
    State(orders): State<Orders>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    match orders.admit(&name, orders.applicant(&request)).await {
        Ok((who, mount)) if orders.speakers.end_source(who, &mount) => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => complain(StatusCode::CONFLICT, "no source is there"),
        Err(answer) => answer,
    }
}

async fn kill_source(State(orders): State<Orders>, request: Request) -> Response {
    orders.kill_source(Form::Xml, request).await
}

async fn kill_source_with_ending(
    State(orders): State<Orders>,
    Path(ending): Path<String>,
    request: Request,
) -> Response {
    let form = Form::of(&format!("killsource.{ending}")).1;
    orders.kill_source(form, request).await
}

impl Orders {
    fn applicant(&self, request: &Request) -> Result<Applicant, Stranger> {
        self.speakers.applicant(request)
    }

    async fn admit(
        &self,
        name: &str,
        applicant: Result<Applicant, Stranger>,
    ) -> Result<(Speaker, Arc<Mount>), Response> {
        let applicant = applicant.map_err(IntoResponse::into_response)?;
        let path = path_of(name);
        let admitted = self.speakers.admit(&applicant, &path).await;
        admitted.map_err(|why| match why {
            Silenced::By(answer) => answer,
            Silenced::NoMount => no_mount(&path),
        })
    }

    fn state(&self, mount: &Arc<Mount>) -> Response {
        done(&self.shown.mount_status(mount))
    }

    async fn kill_source(&self, form: Form, request: Request) -> Response {
        let method = request.method().clone();
        let Spoken { who, mount, .. } = match self.speakers.by_form(request).await {
            Ok(spoken) => spoken,
            Err(answer) => return answer,
        };
        if !may_change(&method, self.speakers.legacy_get()) {
            return not_by_get("killsource");
        }
        if !self.speakers.end_source(who, &mount) {
            return refused("Source is not available");
        }
        form.answer(&Element::response("Source Removed", true))
    }
}
