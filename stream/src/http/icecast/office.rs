//! The operator's pages below `/admin`, with Icecast's names, and `.json` beside each. What they do is
//! the [`Office`]'s.
//!
//! What changes something is asked for with POST: a GET can be hidden in any page that the
//! operator opens while his browser knows the password.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::timeout;
use tracing::info;

use super::element::Element;
use super::fields::Fields;
use super::{manage, method, stats};
use crate::fanout::REASONS;
use crate::http::login::{Admin, Closed, FOR_OPERATORS, turn_away_site};
use crate::http::office::{BUSY, NotMoved, Office};
use crate::http::shown::Scheme;
use crate::http::site::is_from_here;
use crate::mount::{Mount, MountPath};

/// A form, or JSON, is not read beyond this many bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// All of it comes within this time after its head.
const FORM_TIME_MAX: Duration = Duration::from_secs(10);

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As Icecast 2.4 does.
    Xml,
    /// The same as JSON.
    Json,
}

#[derive(Clone, Debug)]
struct Desked {
    office: Office,
    legacy_get: bool,
}

/// The pages, for the operator only; without one, for nobody.
pub fn router(office: Office, admin: Option<&Admin>) -> Router {
    let public_url = office.shown.public_url.clone();
    let desked = Desked {
        office,
        legacy_get: admin.is_some_and(|admin| admin.legacy_get),
    };
    let pages = Router::new()
        .route("/admin/", any(overview))
        .route("/admin/{command}", any(command))
        .with_state(desked);
    let logins = admin.map(|admin| admin.login.clone());
    let closed = Closed {
        logins: logins.into_iter().collect(),
        what: FOR_OPERATORS,
        public_url,
    };
    closed.pages(pages)
}

impl Form {
    /// The command without its ending, and how the answer is written. What ends in `.xsl` is a web page
    /// at an Icecast; scripts that say so want it done.
    pub fn of(command: &str) -> (&str, Self) {
        let bare = |ending| command.strip_suffix(ending);
        match bare(".json") {
            Some(command) => (command, Self::Json),
            None => (
                bare(".xml").or_else(|| bare(".xsl")).unwrap_or(command),
                Self::Xml,
            ),
        }
    }

    /// An answer with this in it.
    pub fn answer(self, element: &Element) -> Response {
        let (kind, text) = match self {
            Self::Xml => ("text/xml; charset=utf-8", element.xml()),
            Self::Json => ("application/json", element.json().to_string()),
        };
        ([(header::CONTENT_TYPE, kind), NO_STORE], text).into_response()
    }
}

const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// How Icecast says that it does not understand.
pub fn refused(message: &'static str) -> Response {
    let body = Element::new("body").text("b", &format!("400 - {message}"));
    (StatusCode::BAD_REQUEST, html("Error 400", body)).into_response()
}

/// How Icecast says to SHOUTcast's sources that something was done.
pub fn done(message: &'static str) -> Response {
    let body = Element::new("body").text("p", message);
    html("Admin request successful", body)
}

fn html(title: &'static str, body: Element) -> Response {
    let head = Element::new("head").text("title", title);
    let page = Element::new("html").with(head).with(body);
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), NO_STORE];
    (kind, page.fragment() + "\r\n").into_response()
}

/// Everything that was asked: in the address, and in a form.
///
/// # Errors
/// The answer to a form that is too large or does not come.
pub async fn fields(request: Request) -> Result<Fields, Response> {
    let query = request.uri().query().unwrap_or_default();
    let asked = Fields::parse(query.as_bytes());
    if request.method() != Method::POST {
        return Ok(asked);
    }
    let form = whole(request, "a form").await?;
    Ok(asked.and(Fields::parse(&form)))
}

/// All of a form or the like, with all that it should have.
///
/// # Errors
/// The answer to what is too large, breaks off, or does not come.
pub(in crate::http) async fn whole(request: Request, what: &str) -> Result<Bytes, Response> {
    whole_within(FORM_TIME_MAX, request, what).await
}

async fn whole_within(max: Duration, request: Request, what: &str) -> Result<Bytes, Response> {
    let form = to_bytes(request.into_body(), FORM_BYTES_MAX);
    let (status, why) = match timeout(max, form).await {
        Ok(Ok(form)) => return Ok(form),
        Ok(Err(error)) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        Err(_) => (
            StatusCode::REQUEST_TIMEOUT,
            format!("it did not come within {} s", max.as_secs()),
        ),
    };
    let why = format!("{what} of at most {FORM_BYTES_MAX} bytes: {why}\n");
    Err((status, why).into_response())
}

/// What an operator sees who only knows the way.
async fn overview(desked: State<Desked>, request: Request) -> Response {
    command(desked, Path("stats".to_owned()), request).await
}

async fn command(
    State(desked): State<Desked>,
    Path(command): Path<String>,
    request: Request,
) -> Response {
    if let Some(refusal) = method::refused(request.method()) {
        return refusal;
    }
    let (command, form) = Form::of(&command);
    let (method, scheme) = (request.method().clone(), scheme_of(&request));
    let public_url = desked.office.shown.public_url.as_deref();
    let is_from_here = is_from_here(request.headers(), public_url);
    let base = desked.office.shown.base(request.headers(), scheme);
    let fields = match fields(request).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let changes = match command {
        "killclient" | "fallbacks" => true,
        "moveclients" => fields.text("destination").is_some(),
        "manageauth" => manage::changes(&fields),
        _ => false,
    };
    if changes && !may_change(&method, desked.legacy_get) {
        return not_by_get(command);
    }
    if changes && !is_from_here {
        return turn_away_site();
    }
    desked.office.carry_out(command, form, &fields, &base).await
}

/// Whether the operator may change something by this method.
pub fn may_change(method: &Method, legacy_get: bool) -> bool {
    method == Method::POST || (method == Method::GET && legacy_get)
}

/// The answer to whoever changes something by another method.
pub fn not_by_get(command: &str) -> Response {
    let why = format!(
        "{command} changes something: send it with POST, or allow GET with `legacy_get = true` \
         in [admin]\n"
    );
    let allow = [(header::ALLOW, HeaderValue::from_static("POST"))];
    (StatusCode::METHOD_NOT_ALLOWED, allow, why).into_response()
}

fn scheme_of(request: &Request) -> Scheme {
    let scheme = request.extensions().get();
    scheme.copied().unwrap_or(Scheme::Http)
}

impl Office {
    async fn carry_out(&self, command: &str, form: Form, fields: &Fields, base: &str) -> Response {
        let name = fields.text("mount");
        match (command, &name) {
            ("stats", Some(only)) if self.find(only).is_none() => {
                return refused("Source does not exist");
            }
            ("stats", only) => return form.answer(&self.stats(only.as_deref(), base)),
            ("listmounts" | "streamlist", _) => {
                let status = self.shown.whole_status();
                let mounts = stats::mounts(&status, &self.shown.table, None, Timestamp::now());
                return form.answer(&Element::new("icestats").with_all(mounts));
            }
            (
                "listclients" | "moveclients" | "killclient" | "buildm3u" | "fallbacks"
                | "manageauth" | "updatemetadata",
                name,
            ) => {
                if name.is_none() {
                    return refused("Unknown admin request");
                }
            }
            _ => return refused("Unrecognised command"),
        }
        if command == "manageauth" {
            // Its users stay while the mount is not there.
            let guard = &self.shown.rules.guard;
            return manage::answer(guard, name.as_deref().unwrap_or_default(), form, fields).await;
        }
        let Some(mount) = name.and_then(|name| self.find(&name)) else {
            return refused("Source does not exist");
        };
        match command {
            "listclients" => {
                let listening = self.shown.fanout.listening(&mount).await;
                let path = mount.path().as_str();
                form.answer(&stats::listeners(path, &listening, Instant::now()))
            }
            "moveclients" => self.transfer(&mount, form, fields).await,
            "killclient" => self.end(&mount, form, fields).await,
            "fallbacks" => self.set_fallback(&mount, form, fields),
            "updatemetadata" => {
                let source = Element::new("source").attribute("mount", mount.path().as_str());
                form.answer(&Element::new("icestats").with(source))
            }
            _ => build_m3u(&mount, fields, base),
        }
    }

    pub(super) fn stats(&self, only: Option<&str>, base: &str) -> Element {
        let status = self.shown.whole_status();
        let closed = self.shown.fanout.figures().flat_map(|figures| {
            let reasons = REASONS.iter();
            reasons.map(|(reason, _)| figures.n_closed(*reason))
        });
        let taken = status.slots.listeners.taken + status.slots.relays.taken;
        let n_ever = closed.sum::<u64>() + taken as u64;
        stats::stats(&status, only, (base, self.shown.started.1), n_ever)
    }

    async fn transfer(&self, from: &Arc<Mount>, form: Form, fields: &Fields) -> Response {
        let Some(destination) = fields.text("destination") else {
            let status = self.shown.whole_status();
            let (path, table) = (from.path().as_str(), &self.shown.table);
            let others = stats::mounts(&status, table, Some(path), Timestamp::now());
            let list = Element::new("icestats").text("current_source", path);
            return form.answer(&list.with_all(others));
        };
        let moved = self.move_listeners(from, &destination).await;
        if let Err(why) = moved {
            return not_moved(why);
        }
        let to = MountPath::spelling_of(&destination);
        let message = format!("Clients moved from {} to {to}", from.path());
        form.answer(&Element::response(&message, true))
    }

    async fn end(&self, mount: &Arc<Mount>, form: Form, fields: &Fields) -> Response {
        let Some(id) = fields.text("id") else {
            return refused("Missing parameter");
        };
        let number = id.parse().ok();
        let is_ended = match number {
            Some(number) => self.shown.fanout.end(mount, number).await,
            None => false,
        };
        let message = match number {
            Some(number) if is_ended => format!("Client {number} removed"),
            Some(number) => format!("Client {number} not found"),
            None => "Client not found".to_owned(),
        };
        form.answer(&Element::response(&message, is_ended))
    }

    /// Another fallback for a mount, or none, until the settings are read again.
    fn set_fallback(&self, mount: &Arc<Mount>, form: Form, fields: &Fields) -> Response {
        let Some(courses) = &self.courses else {
            return refused("Unrecognised command");
        };
        let Some(fallback) = fields.text("fallback") else {
            return refused("Missing parameter");
        };
        let to = match fallback.as_str() {
            "" => None,
            path => match MountPath::parse(path) {
                Ok(path) if path == *mount.path() => {
                    return refused("supplied mountpoints are identical");
                }
                Ok(path) => Some(path),
                Err(_) => return refused("No such fallback"),
            },
        };
        let needs_password = |path: &MountPath| {
            let target = self.shown.table.find(path);
            target.is_some_and(|target| target.needs_password())
        };
        if to.as_ref().is_some_and(needs_password) && !mount.needs_password() {
            return refused("The fallback needs a password, and the mount does not");
        }
        let path = mount.path();
        match &to {
            Some(to) => info!("the operator made {to} the fallback of {path}"),
            None => info!("the operator took the fallback of {path} away"),
        }
        courses.order(path, to);
        let message = "Fallback configured";
        match form {
            Form::Json => form.answer(&Element::response(message, true)),
            Form::Xml => done(message),
        }
    }
}

fn not_moved(why: NotMoved) -> Response {
    refused(match why {
        NotMoved::Nowhere => "No such destination",
        NotMoved::Identical => "supplied mountpoints are identical",
        NotMoved::NotRunning => "Destination not running",
        NotMoved::OtherFormat => "Mountpoints have different formats",
        NotMoved::Busy => return (StatusCode::SERVICE_UNAVAILABLE, BUSY).into_response(),
    })
}

/// A playlist with a listener's own user and password in its link.
fn build_m3u(mount: &Mount, fields: &Fields, base: &str) -> Response {
    let (Some(user), Some(password)) = (fields.text("username"), fields.text("password")) else {
        return refused("Missing parameter");
    };
    let Ok(mut link) = Url::parse(&format!("{base}{}", mount.path())) else {
        return refused("Unknown admin request");
    };
    if link.set_username(&user).is_err() || link.set_password(Some(&password)).is_err() {
        return refused("Unknown admin request");
    }
    let kind = [(header::CONTENT_TYPE, "audio/x-mpegurl"), NO_STORE];
    (kind, format!("{link}\r\n")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::channel::Channel;

    use super::*;

    #[tokio::test]
    async fn a_form_that_does_not_come_is_not_waited_for() {
        let (mut sender, body) = Channel::<Bytes, std::convert::Infallible>::new(4);
        sender
            .send_data(Bytes::from_static(b"mode="))
            .await
            .unwrap();
        let form = whole_within(
            Duration::from_millis(50),
            Request::new(Body::new(body)),
            "a form",
        );
        let refused = timeout(Duration::from_secs(5), form).await;
        let refused = refused.expect("it is waited for").unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        let large = Request::new(Body::from(vec![0; FORM_BYTES_MAX + 1]));
        let refused = whole(large, "a form").await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let form = whole(Request::new(Body::from("a=b")), "a form").await;
        assert_eq!(form.unwrap(), "a=b");
    }
}
