//! TLS on the same port as plain HTTP: who begins with a handshake gets one, then is asked for
//! his head as everybody is.
//!
//! What goes on here is `tokio`'s: of a listener only the keys go on to the fan-out, see
//! `fanout/wire`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::answer::Answer;
use super::caller::Caller;
use super::certificate::{CertificateFiles, Certificates, WATCH_EVERY};
use super::date::http_date;
use super::door::{HEAD_TIME_MAX, late_head, status_of};
use super::head::{Head, Version};
use super::line::Line;
use super::porch::Porch;
use super::rewound::Rewound;
use crate::config::ConfigError;
use crate::shutdown::Shutdown;

/// The first byte of a connection that begins with a handshake (RFC 8446 §5.1). No word of HTTP
/// begins with it.
const HANDSHAKE: u8 = 0x16;
/// A handshake is over within this time.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// The most connections between the first byte of their handshake and the end of their head. For
/// a further one the oldest is closed: it has had more time than any other.
const HANDSHAKES_MAX: usize = 1024;

/// What a server needs to shake hands.
pub struct Tls {
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
    // A std mutex: never held over an await.
    porch: Mutex<Porch<Guest>>,
    n_guests: AtomicU64,
}

/// Somebody who is shaking hands. Dropped when he has to make room.
#[derive(Debug)]
struct Guest {
    number: u64,
    _may_stay: oneshot::Sender<()>,
}

/// A guest's place, given back when it is dropped.
struct Place<'a> {
    tls: &'a Tls,
    at: usize,
    number: u64,
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
            porch: Mutex::new(Porch::new(HANDSHAKES_MAX)),
            n_guests: AtomicU64::new(0),
        })))
    }

    /// The certificate that is shown.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Whether these first bytes of a connection begin a handshake.
    pub(super) fn is_handshake(read: &[u8]) -> bool {
        read.first() == Some(&HANDSHAKE)
    }

    /// Shakes hands with a caller and reads his head. `None`: there is no more to do for him.
    pub(super) async fn meet(&self, caller: Caller, shutdown: &Shutdown) -> Option<(Head, Caller)> {
        let (_place, evicted) = self.enter();
        tokio::select! {
            met = self.greet(caller) => met,
            _ = evicted => None,
            () = shutdown.requested() => None,
        }
    }

    async fn greet(&self, caller: Caller) -> Option<(Head, Caller)> {
        let Caller {
            socket, read, came, ..
        } = caller;
        let Line::Plain(socket) = socket else {
            return None;
        };
        let handshake = self.acceptor.accept(Rewound::new(read, socket));
        let stream = match timeout(HANDSHAKE_TIME_MAX, handshake).await {
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
        let mut caller = Caller {
            socket: Line::Tls(Box::new(stream)),
            read: BytesMut::new(),
            came,
            from: None,
        };
        let (status, why) = match timeout_at((came + HEAD_TIME_MAX).into(), caller.head()).await {
            Ok(Ok(head)) => return head.map(|head| (head, caller)),
            Ok(Err(bad)) => (status_of(bad), bad.to_string()),
            Err(_) if caller.read.is_empty() => return None,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, late_head()),
        };
        debug!("turned a connection away: {why}");
        let answer = Answer::new(Version::Http11, status, &http_date()).sentence(&why);
        caller.answer(&answer).await;
        None
    }

    /// One more guest. The result fires when he has to make room for another.
    fn enter(&self) -> (Place<'_>, oneshot::Receiver<()>) {
        let number = self.n_guests.fetch_add(1, Ordering::Relaxed);
        let (may_stay, evicted) = oneshot::channel();
        let mut porch = self.porch();
        if porch.is_full()
            && let Some((oldest, _)) = porch.oldest()
        {
            porch.leave(oldest);
        }
        let at = porch.enter(Guest {
            number,
            _may_stay: may_stay,
        });
        let place = Place {
            tls: self,
            at,
            number,
        };
        (place, evicted)
    }

    fn porch(&self) -> MutexGuard<'_, Porch<Guest>> {
        self.porch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut porch = self.tls.porch();
        // One who had to make room finds somebody else in his place.
        if porch
            .get_mut(self.at)
            .is_some_and(|guest| guest.number == self.number)
        {
            porch.leave(self.at);
        }
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
