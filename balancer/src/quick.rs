//! The plain question of a player, read and answered without the router: the way of nearly every
//! listener in a crowd.
//!
//! Only what is beyond doubt is answered here; whatever is unusual goes to the router, which gives
//! the same answers.

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use stream::client_addr::is_trusted;
use stream::http::date::write_http_date;
use stream::http::tls::Tls;
use stream::mount::{BALANCER_PAGES, MountPath};

use crate::answer;
use crate::asked::Asked;
use crate::balancer::{Balancer, Intent, Target};
use crate::listen::listen;
use crate::routes::{self, QUERY_BYTES_MAX};
use crate::serve::{Answered, Front, HEAD_BYTES_MAX, HEADERS_MAX};

/// What every redirect begins with, after the version.
static HEADERS: LazyLock<String> = LazyLock::new(|| {
    let mut text = " 302 Found\r\n".to_owned();
    for (name, value) in answer::ALWAYS {
        text.push_str(&titled(name.as_str()));
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("Content-Length: 0\r\nDate: ");
    text
});

/// A question that is answered here.
#[derive(Debug)]
struct Plain<'a> {
    mount: MountPath,
    query: &'a str,
    asked: Asked<'a>,
    version: &'static str,
    /// The connection goes on.
    is_kept: bool,
    /// The head takes so many bytes.
    n_bytes: usize,
}

#[derive(Debug)]
enum Read<'a> {
    More,
    Unusual,
    Plain(Plain<'a>),
}

impl Front for Arc<Balancer> {
    fn trusts(&self, peer: IpAddr) -> bool {
        is_trusted(peer.to_canonical(), &self.config().trusted_proxies)
    }

    async fn answer(&self, peer: SocketAddr, bytes: &[u8]) -> Answered {
        let plain = match read(peer.ip(), bytes) {
            Read::More => return Answered::More,
            Read::Unusual => return Answered::ByRouter(None),
            Read::Plain(plain) => plain,
        };
        let mut listener = plain.asked.listener(self);
        let sent = listen(
            self,
            &mut listener,
            &plain.mount,
            plain.query,
            Intent::Listen,
        );
        match sent.await {
            Ok((target, query)) => Answered::Here {
                n_read: plain.n_bytes,
                text: redirect(&plain, &target, &query),
                is_kept: plain.is_kept,
            },
            Err(nowhere) => {
                let sorry = routes::sorry(self, &listener, &plain.mount, nowhere);
                Answered::ByRouter(Some(sorry))
            }
        }
    }
}

/// A balancer that may have a certificate.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Front for Open {
    fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.balancer.trusts(peer)
    }

    async fn answer(&self, peer: SocketAddr, bytes: &[u8]) -> Answered {
        self.balancer.answer(peer, bytes).await
    }
}

/// Whether it is a listener's plain question, and whose.
fn read(peer: IpAddr, bytes: &[u8]) -> Read<'_> {
    if bytes.is_empty() {
        return Read::More;
    }
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let n_bytes = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(n_bytes)) => n_bytes,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Read::More,
        _ => return Read::Unusual,
    };
    let (Some("GET"), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Read::Unusual;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_query = query.len() <= QUERY_BYTES_MAX
        && query
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let first = path.split('/').nth(1).unwrap_or_default();
    // Another spelling of it is unusual.
    let mount = MountPath::parse(path).ok();
    let mount = mount.filter(|mount| mount.as_str() == path);
    let (Some(mount), true, false) = (mount, is_query, BALANCER_PAGES.contains(&first)) else {
        return Read::Unusual;
    };
    let headers = request.headers.iter();
    let headers = headers.map(|header| (header.name, header.value));
    let mut is_kept = version == 1;
    let mut has_host = false;
    for (name, value) in headers.clone() {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            // More than one is a mistake (RFC 9112 §3.2).
            4 if is("host") && std::mem::replace(&mut has_host, true) => return Read::Unusual,
            10 if is("connection") => match value {
                _ if value.eq_ignore_ascii_case(b"close") => is_kept = false,
                _ if value.eq_ignore_ascii_case(b"keep-alive") && version == 1 => {}
                _ => return Read::Unusual,
            },
            // Something follows the head, or is wanted before it does.
            14 if is("content-length") && value != b"0" => return Read::Unusual,
            17 if is("transfer-encoding") => return Read::Unusual,
            6 if is("expect") => return Read::Unusual,
            7 if is("upgrade") => return Read::Unusual,
            _ => {}
        }
    }
    Read::Plain(Plain {
        mount,
        query,
        asked: Asked::read(peer, headers),
        version: if version == 1 { "HTTP/1.1" } else { "HTTP/1.0" },
        is_kept,
        n_bytes,
    })
}

/// The same as [`answer::redirect`], as bytes.
fn redirect(plain: &Plain<'_>, target: &Target, query: &str) -> String {
    let mut text = String::with_capacity(HEADERS.len() + 512);
    text.push_str(plain.version);
    text.push_str(&HEADERS);
    write_http_date(&mut text);
    text.push_str("\r\nLocation: ");
    answer::write_location(&mut text, target, &plain.mount, query);
    text.push_str("\r\n");
    if !plain.is_kept {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    text
}

/// Some old players only know `Location`, not `location`.
fn titled(name: &str) -> String {
    let mut titled = String::with_capacity(name.len());
    for part in name.split_inclusive('-') {
        let mut chars = part.chars();
        titled.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        titled.push_str(chars.as_str());
    }
    titled
}

#[cfg(test)]
mod tests;
