//! TLS on the same port as plain HTTP: who begins with a handshake gets one, then is asked for
//! his head as everybody is.
//!
//! What goes on here is `tokio`'s: of a listener only the keys go on to the fan-out, see
//! `fanout/wire`. How many shake hands at once is `guests`'.

mod guests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::answer::Answer;
use super::caller::Caller;
use super::certificate::{CertificateFiles, Certificates, WATCH_EVERY};
use super::date::http_date;
use super::door::{HEAD_TIME_MAX, late_head, status_of};
use super::gate::Came;
use super::head::{HEAD_BYTES_MAX, Head, Version};
use super::line::Line;
use super::rewound::Rewound;
use crate::config::ConfigError;
use crate::descriptors;
use crate::shutdown::Shutdown;
use guests::{Guests, HANDSHAKES_MAX};

/// The first byte of a connection that begins with a handshake (RFC 8446 §5.1). No word of HTTP
/// begins with it.
const HANDSHAKE: u8 = 0x16;
/// A handshake is over within this time.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// What comes during a handshake beyond its first bytes; a usual one has some 3 KiB in all. Beyond it
/// the connection is closed.
const HANDSHAKE_BYTES_MAX: usize = HEAD_BYTES_MAX;

/// What a server needs to shake hands.
pub struct Tls {
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
    guests: Guests,
}

impl Tls {
    /// Reads the certificate and begins to watch it. `None`: there is none, and no TLS.
    ///
    /// # Errors
    /// Names the file that cannot be used, and what to do about it.
    pub fn start(
        files: Option<&CertificateFiles>,
        shutdown: &Shutdown,
    ) -> Result<Option<Arc<Self>>, ConfigError> {
        Self::start_watching(files, WATCH_EVERY, shutdown)
    }

    fn start_watching(
        files: Option<&CertificateFiles>,
        every: Duration,
        shutdown: &Shutdown,
    ) -> Result<Option<Arc<Self>>, ConfigError> {
        let Some(files) = files else { return Ok(None) };
        let certificates = Arc::new(Certificates::load(files.clone())?);
        let watched = Arc::clone(&certificates);
        shutdown.spawn("certificate", watched.watch(every, shutdown.clone()));
        Ok(Some(Arc::new(Self {
            acceptor: Arc::new(server_config(Arc::clone(&certificates))).into(),
            certificates,
            guests: Guests::new(descriptors::share(HANDSHAKES_MAX, descriptors::raise())),
        })))
    }

    /// The certificate that is shown.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// How many were closed because too many shook hands at once.
    pub(super) fn n_crowded_out(&self) -> u64 {
        self.guests.n_crowded_out()
    }

    /// Whether these first bytes of a connection begin a handshake.
    pub fn is_handshake(read: &[u8]) -> bool {
        read.first() == Some(&HANDSHAKE)
    }

    /// Shakes hands with a caller and reads his head. `None`: there is no more to do for him.
    pub(super) async fn meet(&self, caller: Caller, shutdown: &Shutdown) -> Option<(Head, Caller)> {
        let (_place, evicted) = self.guests.enter(Instant::now())?;
        tokio::select! {
            met = self.greet(caller) => met,
            _ = evicted => None,
            () = shutdown.requested() => None,
        }
    }

    /// Shakes hands with a caller of whom this was read, and who is served otherwise than by a
    /// [`door`](super::door). `None`: there is no more to do for him.
    pub async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        read: BytesMut,
        socket: S,
    ) -> Option<TlsStream<Rewound<S>>> {
        let (_place, evicted) = self.guests.enter(Instant::now())?;
        tokio::select! {
            stream = self.handshake(read, socket) => stream,
            _ = evicted => None,
        }
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        read: BytesMut,
        socket: S,
    ) -> Option<TlsStream<Rewound<S>>> {
        let socket = Rewound::new(read, socket).at_most(HANDSHAKE_BYTES_MAX);
        let handshake = self.acceptor.accept(socket);
        let mut stream = match timeout(HANDSHAKE_TIME_MAX, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                debug!("a handshake failed: {error}");
                return None;
            }
            Err(_) => {
                debug!("a handshake took too long");
                return None;
            }
        };
        stream.get_mut().0.have_no_limit();
        Some(stream)
    }

    async fn greet(&self, caller: Caller) -> Option<(Head, Caller)> {
        let Caller {
            socket, read, came, ..
        } = caller;
        let Line::Plain(socket) = socket else {
            return None;
        };
        let stream = self.handshake(read, socket).await?;
        let mut caller = Caller {
            socket: Line::Tls(Box::new(stream)),
            read: BytesMut::new(),
            came,
            known: Came::default(),
        };
        let (status, why) = match timeout_at((came + HEAD_TIME_MAX).into(), caller.head()).await {
            Ok(Ok(head)) => return head.map(|head| (head, caller)),
            Ok(Err(bad)) => (status_of(bad), bad.to_string()),
            Err(_) if caller.read.is_empty() => return None,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, late_head()),
        };
        debug!("turned a connection away: {why}");
        let answer = Answer::new(Version::guessed(&caller.read), status, &http_date());
        let answer = answer.sentence(&why);
        caller.answer(&answer).await;
        None
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn server_config(certificates: Arc<Certificates>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring can do what TLS 1.2 and 1.3 ask for")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    // What comes before the handshake is over can be sent again by somebody else.
    config.max_early_data_size = 0;
    // Who comes back brings his session along; nothing is kept here for him.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config.send_tls13_tickets = 1;
    config
}

#[cfg(test)]
pub(crate) mod tests;
