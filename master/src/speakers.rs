//! Who may say what plays on a mount, and end its source: whoever may publish it, and the operator.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use stream::follow::Trail;
use stream::http::gate::Came;
use stream::http::guard::{Applicant, Errand, Guard, RETRY_AFTER_SECONDS, Says};
use stream::http::icecast::fields::Fields;
use stream::http::icecast::office::{fields, refused};
use stream::http::site::is_from_here;
use stream::http::{login, turned_away};
use stream::mount::{Desk, Mount, MountPath, MountTable};
use tracing::info;

use crate::config::Config;
use crate::credentials::{MayPublish, as_shown, by_header};
use crate::lasting::Lasting;
use crate::refuse::{ASK_AGAIN, NOT_PROMOTED};

/// What is told to others.
pub(crate) const FOR_SOURCES: &str = "this is for sources and the operator";

/// Those who may speak for a mount.
#[derive(Clone, Debug)]
pub(crate) struct Speakers {
    pub(crate) config: Arc<Config>,
    pub(crate) table: Arc<MountTable>,
    pub(crate) trail: Arc<Trail>,
    desk: Arc<Desk>,
    /// Who is asked about those whose password is not known here.
    guard: Arc<Guard>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// One who may publish the mount.
    Source,
    /// The operator.
    Operator,
}

/// What somebody wants who may.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) who: Speaker,
    pub(crate) mount: Arc<Mount>,
    pub(crate) fields: Fields,
}

/// Why nobody listens to somebody, whatever he wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// He shows no password.
    Nameless,
    /// Another site's page sends him.
    Sent,
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        match self {
            Self::Nameless => login::ask_for_password(FOR_SOURCES),
            Self::Sent => login::turn_away_site(),
        }
    }
}

/// Why somebody may not speak.
pub(crate) enum Silenced {
    /// He is told so.
    By(Response),
    /// There is no such mount.
    NoMount,
}

impl Speakers {
    pub(crate) fn new(config: &Arc<Config>, lasting: &Lasting, guard: &Arc<Guard>) -> Self {
        Self {
            config: Arc::clone(config),
            table: Arc::clone(&lasting.table),
            trail: Arc::clone(&lasting.trail),
            desk: Arc::clone(&lasting.desk),
            guard: Arc::clone(guard),
        }
    }

    /// Somebody names the mount in a query or a form, as at an Icecast.
    ///
    /// # Errors
    /// The answer to who may not.
    pub(crate) async fn by_form(&self, request: Request) -> Result<Spoken, Response> {
        let applicant = self.applicant(&request);
        let applicant = applicant.map_err(IntoResponse::into_response)?;
        let fields = fields(request).await?;
        let Some(name) = fields.text("mount") else {
            return Err(refused("Unknown admin request"));
        };
        match self.admit(&applicant, &name).await {
            Ok((who, mount)) => Ok(Spoken { who, mount, fields }),
            Err(Silenced::By(answer)) => Err(answer),
            Err(Silenced::NoMount) => Err(refused("Source does not exist")),
        }
    }

    /// Who shows something, and not by another site's page.
    pub(crate) fn applicant(&self, request: &Request) -> Result<Applicant, Stranger> {
        let applicant = applicant(request).ok_or(Stranger::Nameless)?;
        if !is_from_here(request.headers(), self.config.public_url.as_deref()) {
            return Err(Stranger::Sent);
        }
        Ok(applicant)
    }

    /// Who he is, if he may speak for the mount of this name, and the mount.
    pub(crate) async fn admit(
        &self,
        applicant: &Applicant,
        name: &str,
    ) -> Result<(Speaker, Arc<Mount>), Silenced> {
        let path = MountPath::parse(name).ok();
        let may = path
            .as_ref()
            .map(|path| by_header(&self.config, &applicant.shown, path));
        let is_operator = login::is(self.config.operator(), Some(&applicant.shown));
        let who = match (may, &path) {
            (Some(MayPublish::Yes(_)), _) => Speaker::Source,
            _ if is_operator => Speaker::Operator,
            (Some(MayPublish::Unknown), Some(path)) => match self.asked(applicant, path).await {
                Says::Yes => Speaker::Source,
                Says::No => {
                    return Err(Silenced::By(wrong_password(&applicant.shown, name).await));
                }
                Says::Nothing => return Err(Silenced::By(ask_again())),
            },
            (Some(MayPublish::NotHere(_)), _) => {
                let why = "this user may not publish here: see `mounts` in master.toml\n";
                return Err(Silenced::By((StatusCode::FORBIDDEN, why).into_response()));
            }
            (None | Some(MayPublish::Unknown), _) => return Err(Silenced::NoMount),
        };
        let mount = path.and_then(|path| self.table.find(&path));
        let mount = mount.ok_or(Silenced::NoMount)?;
        if !self.trail.is_master() {
            return Err(Silenced::By(not_promoted()));
        }
        Ok((who, mount))
    }

    /// Whether somebody shows what the source shows that is there, or is one of whom others say that he
    /// may. While the source is there nobody has to be asked about it again.
    async fn asked(&self, applicant: &Applicant, path: &MountPath) -> Says {
        if !self.guard.asks_about(path) || self.table.find(path).is_none() {
            return Says::No;
        }
        let who = as_shown(&applicant.shown);
        if self.desk.is_written_by(path, &who.user, who.login) {
            return Says::Yes;
        }
        self.guard.knows(applicant, path).await
    }

    /// Whether the operator may change something with GET.
    pub(crate) fn legacy_get(&self) -> bool {
        let admin = self.config.admin.as_ref();
        admin.is_some_and(|admin| admin.legacy_get)
    }

    /// Ends whoever writes a mount, which is held then. `false`: nobody does.
    pub(crate) fn end_source(&self, who: Speaker, mount: &Mount) -> bool {
        let path = mount.path();
        let is_ended = self.desk.end(path);
        match who {
            _ if !is_ended => {}
            Speaker::Operator => info!("the operator ended the source of {path}"),
            Speaker::Source => info!("the source of {path} was ended with its own password"),
        }
        is_ended
    }

    /// Removes a mount that is held, with its listeners. `false`: its source is there.
    pub(crate) fn remove(&self, mount: &Mount) -> bool {
        let path = mount.path();
        let is_removed = self.desk.let_go(path);
        if is_removed {
            info!("the operator removed {path}, whose source is away");
        }
        is_removed
    }
}

/// The answer of a master that only copies another one.
pub(crate) fn not_promoted() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{NOT_PROMOTED}\n")).into_response()
}

/// The answer to a source of whom nobody can be asked now.
fn ask_again() -> Response {
    let headers = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        format!("{ASK_AGAIN}\n"),
    )
        .into_response()
}

/// The answer to a wrong password.
pub(crate) async fn wrong_password(shown: &str, mount: &str) -> Response {
    let (who, mount) = (
        turned_away::user(Some(shown)),
        turned_away::shortened(mount),
    );
    turned_away::wrong_password(&format!(
        "refused an order for {mount} by user {who}, wrong user or password: compare what the \
         program that sends it has with [[source]] and [admin]"
    ));
    login::turn_away(true, FOR_SOURCES).await
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
