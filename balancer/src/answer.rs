//! The few answers the balancer gives, with the headers that go with them. Pure.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use stream::mount::MountPath;

use crate::balancer::Target;

/// When a player that was sent nowhere may come again.
pub const RETRY_AFTER_SECONDS: &str = "5";
/// Methods that mounts know.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// No more mounts than this are listed in a complaint.
const MOUNTS_LISTED_MAX: usize = 20;

/// The headers of every answer: readable from any site, kept by nobody, and no hint to the relay on
/// which page the player stands.
pub const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store, private"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// A value for programs.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => typed(status, "application/json", text + "\n"),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("the answer cannot be written: {error}\n"),
        ),
    }
}

/// 302 to a mount on a server. Nobody may keep it: the next listener goes elsewhere.
pub fn redirect(target: &Target, mount: &MountPath, query: &str) -> Response<Body> {
    let mut location = String::new();
    write_location(&mut location, target, mount, query);
    // A query is taken over from the request, where the HTTP parser lets bytes above 127 pass.
    let Ok(location) = HeaderValue::from_str(&location) else {
        return text(
            StatusCode::BAD_REQUEST,
            "the query has characters that no URL may have\n",
        );
    };
    let mut answer = empty(StatusCode::FOUND);
    answer.headers_mut().insert(header::LOCATION, location);
    set(&mut answer, header::CONTENT_LENGTH, "0");
    answer
}

/// Where a listener goes: the server, the mount, his query, his ticket.
pub fn write_location(text: &mut String, to: &Target, mount: &MountPath, query: &str) {
    text.push_str(to.url.as_str());
    text.push_str(mount.as_str());
    if !query.is_empty() {
        text.push('?');
        text.push_str(query);
    }
    if let Some(ticket) = &to.ticket {
        text.push(if query.is_empty() { '?' } else { '&' });
        text.push_str(stream::ticket::QUERY);
        text.push('=');
        text.push_str(ticket);
    }
}

/// 204 with what a browser wants to know before it asks from another site.
pub fn preflight() -> Response<Body> {
    let mut answer = empty(StatusCode::NO_CONTENT);
    set(&mut answer, header::ALLOW, METHODS);
    set(&mut answer, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(
        &mut answer,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Range, If-Range, Icy-MetaData, Cache-Control",
    );
    set(&mut answer, header::ACCESS_CONTROL_MAX_AGE, "86400");
    answer
}

/// A sentence for a person.
pub fn text(status: StatusCode, sentence: &str) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", sentence.to_owned())
}

/// Why there is nowhere to send a listener, in a word for programs.
const WHY: HeaderName = HeaderName::from_static("plenum-why");

/// 503, why in a word and in a sentence, and when to come again.
pub fn unavailable(why: &'static str, sentence: &str) -> Response<Body> {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, sentence);
    set(&mut answer, WHY, why);
    set(&mut answer, header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    answer
}

/// 404, and what there is instead.
pub fn unknown_mount<'a>(on_air: impl Iterator<Item = &'a MountPath>) -> Response<Body> {
    let listed: Vec<_> = on_air
        .take(MOUNTS_LISTED_MAX)
        .map(MountPath::as_str)
        .collect();
    let sentence = if listed.is_empty() {
        "there is no such mount, and none is on air\n".to_owned()
    } else {
        format!("there is no such mount; on air: {}\n", listed.join(", "))
    };
    text(StatusCode::NOT_FOUND, &sentence)
}

/// 405, and the methods that work.
pub fn wrong_method() -> Response<Body> {
    let mut answer = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "only GET, HEAD and OPTIONS work here; sources go to the master\n",
    );
    set(&mut answer, header::ALLOW, METHODS);
    answer
}

/// A body of some type.
pub fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut answer = empty(status);
    set(&mut answer, header::CONTENT_TYPE, content_type);
    *answer.body_mut() = Body::from(body);
    answer
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    for (name, value) in ALWAYS {
        set(&mut answer, name, value);
    }
    answer
}

/// Adds a `Link` header, if there is anything to link to.
pub fn link(answer: &mut Response<Body>, links: &str) {
    if let Ok(links) = HeaderValue::from_str(links)
        && !links.is_empty()
    {
        answer.headers_mut().insert(header::LINK, links);
    }
}

/// Adds a header to an answer.
pub fn set(answer: &mut Response<Body>, name: HeaderName, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
