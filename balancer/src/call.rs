//! One question to somebody else's server: over one connection, to one address, within one time.
//!
//! Follows no redirect, uses no proxy and keeps nothing: a password goes where the operator said
//! and nowhere else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use stream::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;
use url::Host;

use crate::base_url::{BaseUrl, Scheme};
use crate::config::IcecastLogin;

/// A name is resolved within this time or not at all.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(3);
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 8;
/// The size of an answer's head, and of the pieces in which a body is read.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Asks. Clones share what it knows of certificates.
#[derive(Clone)]
pub(crate) struct Caller {
    tls: TlsConnector,
    shutdown: Shutdown,
}

/// A question.
pub(crate) struct Call<'a> {
    /// Whose server.
    pub(crate) url: &'a BaseUrl,
    /// Which of its addresses.
    pub(crate) address: SocketAddr,
    /// What.
    pub(crate) path: &'a str,
    /// Who asks.
    pub(crate) agent: &'static str,
    /// With which user and password.
    pub(crate) login: Option<&'a IcecastLogin>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody listens there.
    Refused,
    /// This machine cannot reach such an address.
    NoWay(String),
    /// Something else, in words.
    Other(String),
}

/// An answer, whose connection ends with it.
pub(crate) struct Reply {
    /// Its head.
    pub(crate) head: Response<()>,
    body: Incoming,
    _connection: DropGuard,
}

trait Way: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Way for T {}

impl Caller {
    /// One who trusts the certificates that this machine trusts.
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        let found = rustls_native_certs::load_native_certs();
        if let Some(error) = found.errors.first() {
            warn!("not all certificates of this machine can be read: {error}");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            shutdown,
        }
    }

    /// Asks, and waits for the head of the answer. The caller sets the deadline.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Reply, Failure> {
        let way = self.connect(call.url, call.address).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .handshake(TokioIo::new(way))
            .await
            .map_err(|error| Failure::Other(causes(&error)))?;
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        self.shutdown.spawn("call", async move {
            // What went wrong is said by the answer.
            let _ = stop.run_until_cancelled(connection).await;
        });
        let answer = sender
            .send_request(call.request())
            .await
            .map_err(|error| Failure::Other(causes(&error)))?;
        let (head, body) = answer.into_parts();
        Ok(Reply {
            head: Response::from_parts(head, ()),
            body,
            _connection: guard,
        })
    }

    async fn connect(&self, url: &BaseUrl, address: SocketAddr) -> Result<Box<dyn Way>, Failure> {
        let socket = TcpStream::connect(address)
            .await
            .map_err(|error| failure(&error))?;
        if url.scheme() == Scheme::Http {
            return Ok(Box::new(socket));
        }
        let name = match url.host() {
            Host::Domain(name) => ServerName::try_from(name.clone()),
            Host::Ipv4(address) => Ok(ServerName::from(IpAddr::from(*address))),
            Host::Ipv6(address) => Ok(ServerName::from(IpAddr::from(*address))),
        };
        let name = name.map_err(|error| Failure::Other(error.to_string()))?;
        let tls = self
            .tls
            .connect(name, socket)
            .await
            .map_err(|error| failure(&error))?;
        Ok(Box::new(tls))
    }
}

impl Call<'_> {
    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        // A mount path, or one of ours: it is a URI, and a host of a checked URL is a header.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(self.url.authority()) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(self.agent));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(shown) = self.login.and_then(IcecastLogin::header) {
            headers.insert(header::AUTHORIZATION, shown);
        }
        request
    }
}

impl Reply {
    /// Such as 200.
    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| causes(&error))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The whole body.
    ///
    /// # Errors
    /// When it has more bytes than `n_max`, or breaks off.
    pub(crate) async fn body(&mut self, n_max: usize) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > n_max {
                return Err(format!("its answer has more than {n_max} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The addresses of a server, at most [`ADDRESSES_MAX`].
///
/// # Errors
/// When its name cannot be resolved.
pub(crate) async fn addresses(url: &BaseUrl) -> Result<Vec<SocketAddr>, String> {
    let port = url.port();
    let name = match url.host() {
        Host::Ipv4(address) => return Ok(vec![(*address, port).into()]),
        Host::Ipv6(address) => return Ok(vec![(*address, port).into()]),
        Host::Domain(name) => name.as_str(),
    };
    match timeout(LOOKUP_TIME_MAX, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => Ok(found.take(ADDRESSES_MAX).collect()),
        Ok(Err(error)) => Err(format!("the name {name} has no address: {error}")),
        Err(_) => Err(format!(
            "the name {name} is not resolved in {LOOKUP_TIME_MAX:?}"
        )),
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
            Failure::NoWay(error.to_string())
        }
        _ => Failure::Other(causes(error)),
    }
}

/// The innermost cause says what happened; the outer ones that something did.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
