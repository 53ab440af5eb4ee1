//! Something posted to somebody else's server, by HTTP or HTTPS, and the head of the answer.
//!
//! A connection for each. Follows no redirect, uses no proxy and keeps nothing: what is posted may
//! hold a password, and goes where the operator said.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use serde::Deserialize;
use tokio::time::timeout;

use crate::http::answer::SERVER;
use crate::http::basic::Credentials;
use crate::outward::{cause, dial, this_machine};
use crate::secret::Secret;
use crate::text::guessed;

/// The most bytes of an answer's head; of a longer one nothing is used.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// As forms are sent.
pub const FORM: &str = "application/x-www-form-urlencoded";
/// As documents are sent.
pub const JSON: &str = "application/json";

/// Where something is posted to, and who we say we are there. Never shown as a whole: its path and
/// query may be secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PostUrl {
    url: Url,
    /// What stands in `Authorization`.
    shown: Option<HeaderValue>,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Reply {
    /// Such as 200.
    pub status: StatusCode,
    headers: HeaderMap,
}

impl PostUrl {
    /// Takes an address that begins with `http://` or `https://` and names no user.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The library would forgive `http:/)a`.
        let has_start = text.starts_with("http://") || text.starts_with("https://");
        let Some(url) = url.filter(|_| has_start) else {
            return Err("must begin with http:// or https:// and name a host".to_owned());
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds a user or a password: what is secret may stand in its path".to_owned(),
            );
        }
        Ok(Self { url, shown: None })
    }

    /// The same, and there we show this user and password.
    #[must_use]
    pub fn showing(mut self, user: &str, password: &Secret) -> Self {
        let shown = Credentials::header(user, password.expose());
        self.shown = HeaderValue::try_from(shown).ok();
        self
    }

    /// As it may stand in a log.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl TryFrom<String> for PostUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Debug for PostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostUrl({}, …)", self.host())
    }
}

impl Reply {
    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(guessed(value.as_bytes()).into_owned())
    }
}

/// Posts `body`, which is of this `kind`, and waits for the head of the answer.
///
/// # Errors
/// Says why there is none within `answer_max`; never with the address.
pub async fn post(
    url: &PostUrl,
    kind: &'static str,
    body: String,
    answer_max: Duration,
) -> Result<Reply, String> {
    let answer = timeout(answer_max, exchange(url, kind, body)).await;
    answer.unwrap_or_else(|_| Err(format!("no answer within {} s", answer_max.as_secs())))
}

async fn exchange(to: &PostUrl, kind: &'static str, body: String) -> Result<Reply, String> {
    let url = &to.url;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let tls = (url.scheme() == "https").then(this_machine);
    let way = dial(host, port, tls).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(way))
        .await
        .map_err(|error| cause(&error))?;
    let request = request(to, kind, body).map_err(|error| cause(&error))?;
    let sent = sender.send_request(request);
    tokio::pin!(connection, sent);
    let answer = tokio::select! {
        answer = &mut sent => answer,
        // What has come is there all the same.
        _ = &mut connection => sent.await,
    };
    let (head, _) = answer.map_err(|error| cause(&error))?.into_parts();
    Ok(Reply {
        status: head.status,
        headers: head.headers,
    })
}

fn request(to: &PostUrl, kind: &'static str, body: String) -> http::Result<Request<Full<Bytes>>> {
    let url = &to.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let request = to.shown.iter().fold(Request::post(path), |request, shown| {
        request.header(header::AUTHORIZATION, shown)
    });
    request
        .header(header::HOST, host)
        .header(header::USER_AGENT, SERVER)
        .header(header::CONTENT_TYPE, kind)
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
}

/// A field of a form, with `%20` for a space.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A form of these fields.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests;
