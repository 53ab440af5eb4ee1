//! Connections in, requests to a router, with every wait and size limited.
//!
//! Knows nothing of what the requests mean. Outlives every error of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use stream::shutdown::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::linger::Lingering;

/// Connections at one time. At the limit new ones wait in the kernel's queue until one
/// closes, which takes at most [`CONNECTION_TIME_MAX`].
pub const CONNECTIONS_MAX: usize = 16_384;
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
/// The pause after a connection could not be accepted (no file descriptors left, usually).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until the program is told to stop. The connections themselves are
/// tasks of `shutdown` and end when their running request is answered.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut n_failures: u64 = 0;
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = shutdown.unless_requested(next).await else {
            return;
        };
        match (place, accepted) {
            (Ok(place), Ok((socket, peer))) => {
                n_failures = 0;
                let connection = connection(socket, peer, router.clone(), shutdown.clone(), place);
                shutdown.spawn("connection", connection);
            }
            (_, Err(error)) => {
                if n_failures.is_power_of_two() || n_failures == 0 {
                    warn!("connections cannot be accepted ({n_failures} before): {error}");
                }
                n_failures += 1;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // Nobody closes the semaphore.
            (Err(_), _) => return,
        }
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: Shutdown,
    place: OwnedSemaphorePermit,
) {
    if let Err(error) = socket.set_nodelay(true) {
        debug!("a connection closed before it began: {error}");
        return;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true)
        // Some old players only know `Location`, not `location`.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Lingering::new(socket)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until_last_request(&shutdown) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_ANSWER_TIME_MAX, connection).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended early: {error}");
    }
    drop(place);
}

async fn until_last_request(shutdown: &Shutdown) {
    let life = tokio::time::sleep(CONNECTION_TIME_MAX);
    // Either way it is time to finish.
    let _ = shutdown.unless_requested(life).await;
}
