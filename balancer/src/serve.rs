//! Connections in, requests to a router, with every wait and size limited.
//!
//! Knows nothing of what the requests mean. Outlives every error of a connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Response, StatusCode, header};
use bytes::{Buf, BytesMut};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use stream::http::Rewound;
use stream::http::proxied::{self, Proxied};
use stream::http::tls::Tls;
use stream::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use crate::answer;
use crate::hall::{Doing, Hall, Leave, Place};
use crate::linger::Lingering;

/// How long the head of a request may take, also the first one and those after an idle time.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// The size of a head; a longer one is answered with 431.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The headers of a request; more are answered with 431.
pub const HEADERS_MAX: usize = 64;
/// A connection takes no new request after this long, …
pub const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// … and is cut when the running one is not finished after this much more.
const LAST_ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// A head is mostly no longer than this.
const HEAD_BYTES_USUAL: usize = 1024;
/// The pause after a connection could not be accepted (no file descriptors left, usually).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// That somebody was closed for others' sake is said so often at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// What has become of a request.
#[derive(Debug)]
pub enum Answered {
    /// It has not come as a whole.
    More,
    /// It took so many bytes, and this is the answer.
    Here {
        /// The request's bytes.
        n_read: usize,
        /// All bytes of the answer.
        text: String,
        /// Whether the connection goes on.
        is_kept: bool,
    },
    /// The router is to answer it, and all that follow; or it gives this answer to it.
    ByRouter(Option<Response<Body>>),
}

/// Looks at requests before the router does.
pub trait Front: Clone + Send + Sync + 'static {
    /// Answers the request at the front of `bytes` that `peer` sends, if it is one for it.
    fn answer(&self, peer: SocketAddr, bytes: &[u8]) -> impl Future<Output = Answered> + Send;

    /// What is needed to shake hands with those who begin with it.
    fn tls(&self) -> Option<&Arc<Tls>> {
        None
    }

    /// Whether what this one says before the first byte of for whom it connects is believed.
    fn trusts(&self, _: IpAddr) -> bool {
        false
    }
}

/// Stands among the extensions of a request that came through TLS.
#[derive(Clone, Copy, Debug)]
pub struct ThroughTls;

/// Nobody: the router answers all.
impl Front for () {
    async fn answer(&self, _: SocketAddr, _: &[u8]) -> Answered {
        Answered::ByRouter(None)
    }
}

/// Serves connections until the program is told to stop. The connections themselves are
/// tasks of `shutdown` and end when their running request is answered.
pub async fn serve<F: Front>(listener: TcpListener, router: Router, front: F, shutdown: Shutdown) {
    serve_in(Arc::new(Hall::new()), listener, router, front, shutdown).await;
}

/// As [`serve`], with no more connections than the hall has room for.
pub async fn serve_in<F: Front>(
    hall: Arc<Hall>,
    listener: TcpListener,
    router: Router,
    front: F,
    shutdown: Shutdown,
) {
    let mut n_failures: u64 = 0;
    let mut crowd = Crowd::default();
    loop {
        let Some(accepted) = shutdown.unless_requested(listener.accept()).await else {
            return;
        };
        let now = std::time::Instant::now();
        match accepted {
            Ok((socket, peer)) => {
                n_failures = 0;
                if let Some((place, leave)) = hall.enter(now) {
                    let work = (router.clone(), front.clone());
                    let connection = connection(socket, peer, work, shutdown.clone(), place);
                    shutdown.spawn("connection", unless_closed(connection, leave));
                }
            }
            Err(error) => {
                if n_failures.is_power_of_two() || n_failures == 0 {
                    warn!("connections cannot be accepted ({n_failures} before): {error}");
                }
                n_failures += 1;
                hall.make_room(now);
                sleep(ACCEPT_PAUSE).await;
            }
        }
        crowd.tell(hall.n_closed(), now);
    }
}

/// What was said of those who were closed for others' sake.
#[derive(Default)]
struct Crowd {
    n_told: u64,
    told: Option<std::time::Instant>,
}

impl Crowd {
    fn tell(&mut self, n_closed: u64, now: std::time::Instant) {
        let is_late = |told| now.saturating_duration_since(told) >= WARN_EVERY;
        if n_closed > self.n_told && self.told.is_none_or(is_late) {
            let n = n_closed - self.n_told;
            warn!(
                n,
                "{n} connections were closed so that others come in: who opens so many, and says \
                 nothing?"
            );
            (self.n_told, self.told) = (n_closed, Some(now));
        }
    }
}

/// A connection that has to make room is cut.
async fn unless_closed(connection: impl Future<Output = ()>, leave: Leave) {
    tokio::select! {
        biased;
        () = connection => {}
        _ = leave => {}
    }
}

async fn connection<F: Front>(
    socket: TcpStream,
    mut peer: SocketAddr,
    (router, front): (Router, F),
    shutdown: Shutdown,
    place: Place,
) {
    if let Err(error) = socket.set_nodelay(true) {
        debug!("a connection closed before it began: {error}");
        return;
    }
    let end = Instant::now() + CONNECTION_TIME_MAX;
    let mut socket = Lingering::new(socket);
    let mut read = BytesMut::new();
    if front.trusts(peer.ip()) {
        let who = timeout(HEAD_TIME_MAX, behind(&mut socket, peer.ip(), &mut read));
        let Some(Ok(Some(who))) = shutdown.unless_requested(who).await else {
            return;
        };
        peer.set_ip(who);
    }
    let place = Arc::new(place);
    if let Some(tls) = front.tls() {
        let begun = timeout(HEAD_TIME_MAX, begins_with_handshake(&mut socket, &mut read));
        match shutdown.unless_requested(begun).await {
            Some(Ok(Some(false))) => {}
            Some(Ok(Some(true))) => {
                let shaken = shutdown.unless_requested(tls.shake_hands(read, socket));
                if let Some(Some(stream)) = shaken.await {
                    let guest = (peer, place, Some(ThroughTls));
                    by_hyper(stream, None, guest, router, (end, shutdown.clone())).await;
                }
                return;
            }
            _ => return,
        }
    }
    let found = in_front(&mut socket, read, (peer, &front, &*place), end, &shutdown).await;
    let Some((read, first)) = found else {
        return;
    };
    let stream = Rewound::new(read, socket);
    by_hyper(stream, first, (peer, place, None), router, (end, shutdown)).await;
}

/// Whether somebody begins with a handshake of TLS. `None`: he hung up.
async fn begins_with_handshake(socket: &mut Lingering, read: &mut BytesMut) -> Option<bool> {
    if read.is_empty() {
        read.reserve(HEAD_BYTES_USUAL);
        if socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    Some(Tls::is_handshake(read))
}

/// Has the router answer all requests of a connection; `first` is the answer to the first, if there
/// is one.
async fn by_hyper<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    first: Option<Response<Body>>,
    (peer, place, through): (SocketAddr, Arc<Place>, Option<ThroughTls>),
    router: Router,
    (end, shutdown): (Instant, Shutdown),
) {
    let router = TowerToHyperService::new(router);
    let first = Mutex::new(first);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Arc::clone(&place));
        if let Some(through) = through {
            request.extensions_mut().insert(through);
        }
        place.begin(Doing::Waiting);
        let (router, place) = (router.clone(), Arc::clone(&place));
        async move {
            let answer = match first {
                Some(answer) => Ok(answer),
                None => by_router(&router, request).await,
            };
            place.begin(Doing::Idle);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true)
        // Some old players only know `Location`, not `location`.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let last_request = shutdown.unless_requested(sleep_until(end));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = last_request => {
            connection.as_mut().graceful_shutdown();
            match timeout(LAST_ANSWER_TIME_MAX, connection).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended early: {error}");
    }
}

async fn by_router(
    router: &TowerToHyperService<Router>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // RFC 9112 §3.2.
    if request.headers().get_all(header::HOST).iter().count() > 1 {
        let sentence = "there is more than one Host header\n";
        return Ok(answer::text(StatusCode::BAD_REQUEST, sentence));
    }
    router.call(request).await
}

/// Who is behind a trusted proxy, as it says before the first byte (PROXY protocol); itself, if it
/// says nothing of the kind. `None`: it talks nonsense, or hung up.
async fn behind(socket: &mut Lingering, proxy: IpAddr, read: &mut BytesMut) -> Option<IpAddr> {
    loop {
        match proxied::read(read) {
            Proxied::No => return Some(proxy),
            Proxied::Bad => return None,
            Proxied::For(from, n_bytes) => {
                read.advance(n_bytes);
                return Some(from.unwrap_or(proxy));
            }
            Proxied::Unclear => {
                read.reserve(HEAD_BYTES_USUAL);
                if socket.read_buf(read).await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}

/// Answers what it can. What it read of the first request that is not for it, and perhaps the
/// answer; `None`: the connection is over.
async fn in_front<F: Front>(
    socket: &mut Lingering,
    mut read: BytesMut,
    (peer, front, place): (SocketAddr, &F, &Place),
    end: Instant,
    shutdown: &Shutdown,
) -> Option<(BytesMut, Option<Response<Body>>)> {
    let mut head_end = Instant::now() + HEAD_TIME_MAX;
    // One for the whole connection: what it should be set to is looked at when it goes off.
    let mut alarm = pin!(sleep_until(end.min(head_end)));
    let mut told_to_stop = pin!(shutdown.requested());
    loop {
        let answered = tokio::select! {
            biased;
            answered = at_once_or_waiting(front.answer(peer, &read), place) => answered,
            () = too_late(shutdown) => return None,
        };
        match answered {
            Answered::More => {
                read.reserve(HEAD_BYTES_USUAL);
                tokio::select! {
                    biased;
                    n_bytes = socket.read_buf(&mut read) => {
                        if n_bytes.ok()? == 0 {
                            return None;
                        }
                    }
                    () = &mut told_to_stop => return None,
                    () = &mut alarm => {
                        let due = end.min(head_end);
                        if due <= Instant::now() {
                            return None;
                        }
                        alarm.as_mut().reset(due);
                    }
                }
            }
            Answered::Here {
                n_read,
                text,
                is_kept,
            } => {
                place.begin(Doing::Idle);
                let write = socket.write_all(text.as_bytes());
                timeout(LAST_ANSWER_TIME_MAX, write).await.ok()?.ok()?;
                if !is_kept || shutdown.is_requested() {
                    // Whatever comes of it, it is over.
                    let _ = socket.shutdown().await;
                    return None;
                }
                read.advance(n_read);
                head_end = Instant::now() + HEAD_TIME_MAX;
            }
            Answered::ByRouter(first) => return Some((read, first)),
        }
    }
}

/// Who gets no answer at once is seen to wait for it.
async fn at_once_or_waiting(answer: impl Future<Output = Answered>, place: &Place) -> Answered {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        let polled = answer.as_mut().poll(context);
        if polled.is_pending() {
            place.begin(Doing::Waiting);
        }
        polled
    })
    .await
}

/// When the last answer should have been given.
async fn too_late(shutdown: &Shutdown) {
    shutdown.requested().await;
    sleep(LAST_ANSWER_TIME_MAX).await;
}
