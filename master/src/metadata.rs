//! What is playing, told by a source or by a script beside it: `/admin/metadata`, as at an Icecast,
//! and `/admin.cgi` of SHOUTcast's first protocol.
//!
//! A title is kept beside the log: no stream breaks by one. Into a stream of Ogg it goes as well where
//! `titles` of the mount says so.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use stream::http::icecast::element::Element;
use stream::http::icecast::fields::Fields;
use stream::http::icecast::office::{Form, done, fields, may_change, not_by_get, refused};
use stream::mount::Mount;
use stream::text::Charset;

use crate::credentials::{MayPublish, by_password};
use crate::shoutcast::named;
use crate::speakers::{Speaker, Speakers, Spoken, not_promoted, wrong_password};
use crate::told::{Teller, Told};

#[derive(Clone, Debug)]
struct Titles {
    speakers: Speakers,
    teller: Teller,
}

/// `/admin/metadata`, for those who may publish the mount, and for the operator.
pub(crate) fn router(speakers: Speakers, teller: Teller) -> Router {
    Router::new()
        .route("/admin/metadata", any(metadata))
        .route("/admin/metadata.{ending}", any(metadata_with_ending))
        .route("/admin.cgi", any(admin_cgi))
        .with_state(Titles { speakers, teller })
}

async fn metadata(State(titles): State<Titles>, request: Request) -> Response {
    titles.answer(Form::Xml, request).await
}

async fn admin_cgi(State(titles): State<Titles>, request: Request) -> Response {
    titles.answer_shoutcast(request).await
}

async fn metadata_with_ending(
    State(titles): State<Titles>,
    Path(ending): Path<String>,
    request: Request,
) -> Response {
    let form = Form::of(&format!("metadata.{ending}")).1;
    titles.answer(form, request).await
}

impl Titles {
    async fn answer(&self, form: Form, request: Request) -> Response {
        let method = request.method().clone();
        let Spoken { who, mount, fields } = match self.speakers.by_form(request).await {
            Ok(spoken) => spoken,
            Err(answer) => return answer,
        };
        // Sources send titles with GET, all of them. The operator's password is known to his browser.
        let legacy_get = who == Speaker::Source || self.speakers.legacy_get();
        match fields.text("mode").as_deref() {
            None => refused("Missing parameter"),
            Some("updinfo") if !may_change(&method, legacy_get) => not_by_get("metadata"),
            Some("updinfo") => {
                self.teller.tell(&mount, &self.told(&mount, &fields));
                form.answer(&Element::response("Metadata update successful", true))
            }
            Some(_) => form.answer(&Element::response("No such action", false)),
        }
    }

    /// Those who speak SHOUTcast's first protocol say a password, and which mount they mean as they
    /// do when they publish.
    async fn answer_shoutcast(&self, request: Request) -> Response {
        let config = &self.speakers.config;
        let Some(shoutcast) = &config.shoutcast else {
            let why = "this is for sources that speak SHOUTcast: see [shoutcast] in master.toml\n";
            return (StatusCode::NOT_FOUND, why).into_response();
        };
        let method = request.method().clone();
        let fields = match fields(request).await {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        let Some(pass) = fields.text("pass") else {
            return refused("missing pass parameter");
        };
        let (path, password) = named(&pass).unwrap_or_else(|| (shoutcast.mount.clone(), &pass));
        if !matches!(by_password(config, password, &path), MayPublish::Yes(_)) {
            return wrong_password("", path.as_str()).await;
        }
        let Some(mount) = self.speakers.table.find(&path) else {
            return refused("Source does not exist");
        };
        if !self.speakers.trail.is_master() {
            return not_promoted();
        }
        if fields.text("mode").as_deref() != Some("updinfo") || fields.text("song").is_none() {
            return refused("Missing parameter");
        }
        if !may_change(&method, true) {
            return not_by_get("admin.cgi");
        }
        self.teller.tell(&mount, &self.told(&mount, &fields));
        done("Metadata update successful")
    }

    /// Who says neither title nor song leaves the title as it is, as at an Icecast; and so it is with
    /// the address, at an Icecast-KH.
    fn told(&self, mount: &Mount, fields: &Fields) -> Told {
        let charset = fields.text("charset");
        let charset = charset.and_then(|name| Charset::named(&name));
        let charset = charset.or_else(|| self.speakers.config.charset(mount.path()));
        let said = |name| fields.text_in(name, charset);
        let (title, artist) = match (said("song"), said("artist"), said("title")) {
            (Some(song), _, _) => (Some(song), None),
            (None, artist, title) => (title, artist),
        };
        Told {
            title,
            artist,
            url: said("url"),
        }
    }
}
