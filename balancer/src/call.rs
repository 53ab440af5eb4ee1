//! One question to somebody else's server, over one connection.
//!
//! Follows no redirect, uses no proxy and keeps nothing: a password goes where the operator said
//! and nowhere else.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use axum::http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use stream::outward::{self, Duplex, TlsConnector, cause, dial, dressed, this_machine};
use stream::shutdown::Shutdown;
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::base_url::{BaseUrl, Scheme};
use crate::config::IcecastLogin;

/// The size of an answer's head, and of the pieces in which a body is read.
const READ_BYTES_MAX: usize = 64 * 1024;
/// As whom the balancer asks, but for its probes.
pub(crate) const AGENT: &str = concat!("Plenum-balancer/", env!("CARGO_PKG_VERSION"));

/// Asks.
#[derive(Clone)]
pub(crate) struct Caller {
    agent: &'static str,
    shutdown: Shutdown,
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

impl Caller {
    /// One who asks as this agent.
    pub(crate) fn new(agent: &'static str, shutdown: Shutdown) -> Self {
        Self { agent, shutdown }
    }

    /// Asks at whichever address of a server lets us in first, and waits for the head of the
    /// answer. The caller sets the deadline.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub(crate) async fn call(
        &self,
        url: &BaseUrl,
        path: &str,
        login: Option<&IcecastLogin>,
    ) -> Result<Reply, String> {
        let host = url.host().to_string();
        let way = dial(&host, url.port(), tls(url)).await?;
        let request = self.request(url, path, login);
        let reply = self.speak(way, request).await;
        reply.map_err(|failure| failure.to_string())
    }

    /// Asks at one address of a server, otherwise as [`Caller::call`].
    ///
    /// # Errors
    /// Says why there is no answer.
    pub(crate) async fn call_at(
        &self,
        (url, address): (&BaseUrl, SocketAddr),
        path: &str,
    ) -> Result<Reply, Failure> {
        let socket = TcpStream::connect(address).await;
        let socket = socket.map_err(|error| failure(&error))?;
        let way = dressed(socket, &url.host().to_string(), tls(url)).await;
        let way = way.map_err(|error| failure(&error))?;
        self.speak(way, self.request(url, path, None)).await
    }

    async fn speak(
        &self,
        way: Box<dyn Duplex>,
        request: Request<Empty<Bytes>>,
    ) -> Result<Reply, Failure> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .handshake(TokioIo::new(way))
            .await
            .map_err(|error| Failure::Other(cause(&error)))?;
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        self.shutdown.spawn("call", async move {
            // What went wrong is said by the answer.
            let _ = stop.run_until_cancelled(connection).await;
        });
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| Failure::Other(cause(&error)))?;
        let (head, body) = answer.into_parts();
        Ok(Reply {
            head: Response::from_parts(head, ()),
            body,
            _connection: guard,
        })
    }

    fn request(
        &self,
        url: &BaseUrl,
        path: &str,
        login: Option<&IcecastLogin>,
    ) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        // A mount path, or one of ours: it is a URI, and a host of a checked URL is a header.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(url.authority()) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(self.agent));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(shown) = login.and_then(IcecastLogin::header) {
            headers.insert(header::AUTHORIZATION, shown);
        }
        request
    }
}

fn tls(url: &BaseUrl) -> Option<&'static TlsConnector> {
    (url.scheme() == Scheme::Https).then(this_machine)
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
            let frame = frame.map_err(|error| cause(&error))?;
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

/// The addresses of a server.
///
/// # Errors
/// When its name cannot be resolved.
pub(crate) async fn addresses(url: &BaseUrl) -> Result<Vec<SocketAddr>, String> {
    outward::addresses(&url.host().to_string(), url.port()).await
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
            Failure::NoWay(error.to_string())
        }
        _ => Failure::Other(cause(error)),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the connection was refused"),
            Self::NoWay(why) | Self::Other(why) => f.write_str(why),
        }
    }
}
