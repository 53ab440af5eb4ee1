//! What is playing, told by a source or by a script beside it: `/admin/metadata`, as at an Icecast,
//! and `/admin.cgi` of SHOUTcast's first protocol.
//!
//! A title is kept beside the log: no stream breaks by one. Into a stream of Ogg it goes as well where
//! `titles` of the mount says so.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use stream::follow::Trail;
use stream::http::gate::Came;
use stream::http::guard::{Applicant, Errand, Guard};
use stream::http::icecast::element::Element;
use stream::http::icecast::fields::Fields;
use stream::http::icecast::office::{Form, done, fields, may_change, not_by_get, refused};
use stream::http::site::is_from_here;
use stream::http::{login, serving};
use stream::mount::{Desk, Mount, MountPath, MountTable};
use stream::text::Charset;
use tracing::debug;

use crate::config::Config;
use crate::credentials::{MayPublish, as_shown, by_header, by_password};
use crate::lasting::Lasting;
use crate::refuse::NOT_PROMOTED;
use crate::shoutcast::named;

/// What is told to others.
const FOR_SOURCES: &str = "this is for sources and the operator";

#[derive(Clone, Debug)]
struct Titles {
    config: Arc<Config>,
    table: Arc<MountTable>,
    desk: Arc<Desk>,
    trail: Arc<Trail>,
    /// Who is asked about those whose password is not known here.
    guard: Arc<Guard>,
}

/// `/admin/metadata`, for those who may publish the mount, and for the operator.
pub(crate) fn router(config: &Arc<Config>, lasting: &Lasting, guard: &Arc<Guard>) -> Router {
    let titles = Titles {
        config: Arc::clone(config),
        table: Arc::clone(&lasting.table),
        desk: Arc::clone(&lasting.desk),
        trail: Arc::clone(&lasting.trail),
        guard: Arc::clone(guard),
    };
    Router::new()
        .route("/admin/metadata", any(metadata))
        .route("/admin/metadata.{ending}", any(metadata_with_ending))
        .route("/admin.cgi", any(admin_cgi))
        .with_state(titles)
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
        let Some(applicant) = applicant(&request) else {
            return login::turn_away(false, FOR_SOURCES).await;
        };
        if !is_from_here(request.headers(), self.config.public_url.as_deref()) {
            return login::turn_away_site();
        }
        let method = request.method().clone();
        let fields = match fields(request).await {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        let is_operator = login::is(self.config.operator(), Some(&applicant.shown));
        let Some(name) = fields.text("mount") else {
            return refused("Unknown admin request");
        };
        let path = MountPath::parse(&name).ok();
        let may = path
            .as_ref()
            .map(|path| by_header(&self.config, &applicant.shown, path));
        let is_source = match (may, &path) {
            (Some(MayPublish::Yes(_)), _) => true,
            _ if is_operator => false,
            (Some(MayPublish::Unknown), Some(path)) if self.is_known(&applicant, path).await => {
                true
            }
            (Some(MayPublish::NotHere(_)), _) => {
                let why = "this user may not publish here: see `mounts` in master.toml\n";
                return (StatusCode::FORBIDDEN, why).into_response();
            }
            (Some(MayPublish::Unknown), _) => return login::turn_away(true, FOR_SOURCES).await,
            (None, _) => return refused("Source does not exist"),
        };
        let Some(mount) = path.and_then(|path| self.table.find(&path)) else {
            return refused("Source does not exist");
        };
        if !self.trail.is_master() {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{NOT_PROMOTED}\n")).into_response();
        }
        match fields.text("mode").as_deref() {
            None => refused("Missing parameter"),
            Some("updinfo") if !self.may_change(&method, is_source) => not_by_get("metadata"),
            Some("updinfo") => {
                self.set(&mount, &fields);
                form.answer(&Element::response("Metadata update successful", true))
            }
            Some(_) => form.answer(&Element::response("No such action", false)),
        }
    }

    /// Whether somebody shows what the source shows that is there, or is one of whom others say that he
    /// may. While the source is there nobody has to be asked about it again.
    async fn is_known(&self, applicant: &Applicant, path: &MountPath) -> bool {
        if !self.guard.asks_about(path) || self.table.find(path).is_none() {
            return false;
        }
        let who = as_shown(&applicant.shown);
        self.desk.is_written_by(path, &who.user, who.login)
            || self.guard.knows(applicant, path).await
    }

    /// Sources send titles with GET, all of them. The operator's password is known to his browser.
    fn may_change(&self, method: &Method, is_source: bool) -> bool {
        let admin = self.config.admin.as_ref();
        may_change(
            method,
            is_source || admin.is_some_and(|admin| admin.legacy_get),
        )
    }

    /// Those who speak SHOUTcast's first protocol say a password, and which mount they mean as they
    /// do when they publish.
    async fn answer_shoutcast(&self, request: Request) -> Response {
        let Some(shoutcast) = &self.config.shoutcast else {
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
        if !matches!(
            by_password(&self.config, password, &path),
            MayPublish::Yes(_)
        ) {
            return login::turn_away(true, FOR_SOURCES).await;
        }
        let Some(mount) = self.table.find(&path) else {
            return refused("Source does not exist");
        };
        if !self.trail.is_master() {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{NOT_PROMOTED}\n")).into_response();
        }
        if fields.text("mode").as_deref() != Some("updinfo") || fields.text("song").is_none() {
            return refused("Missing parameter");
        }
        if !may_change(&method, true) {
            return not_by_get("admin.cgi");
        }
        self.set(&mount, &fields);
        done("Metadata update successful")
    }

    /// Who says neither title nor song leaves the title as it is, as at an Icecast; and so it is with
    /// the address, at an Icecast-KH.
    fn set(&self, mount: &Mount, fields: &Fields) {
        let path = mount.path();
        let charset = fields.text("charset");
        let charset = charset.and_then(|name| Charset::named(&name));
        let charset = charset.or_else(|| self.config.charset(path));
        let said = |name| fields.text_in(name, charset);
        let told = match (said("song"), said("artist"), said("title")) {
            (Some(song), _, _) => Some((None, song)),
            (None, artist, Some(title)) => Some((artist, title)),
            (None, _, None) => None,
        };
        if let Some((artist, title)) = &told
            && self.config.titles(path) == serving::Titles::Chained
        {
            let now = Instant::now();
            self.desk.retitle(path, title, artist.as_deref(), now);
        }
        let title = told.map(|(artist, title)| match artist {
            Some(artist) => format!("{artist} - {title}"),
            None => title,
        });
        let url = said("url");
        self.table.say(mount, |playing| {
            if title.is_some() {
                playing.set_title(title.as_deref());
            }
            if url.is_some() {
                playing.set_url(url.as_deref());
            }
        });
        debug!("{path} was told what plays");
    }
}

fn applicant(request: &Request) -> Option<Applicant> {
    let text = |name| request.headers().get(name)?.to_str().ok();
    let from = request.extensions().get::<Came>();
    Some(Applicant {
        shown: text(header::AUTHORIZATION)?.to_owned(),
        host: text(header::HOST).unwrap_or_default().to_owned(),
        from: from.and_then(|came| came.from),
        errand: Errand::Tell,
    })
}
