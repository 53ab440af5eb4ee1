//! Everything that is a page and not a stream: handed to hyper and axum with the bytes that
//! the door has already read.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use bytes::BytesMut;
use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tracing::debug;

use super::answer::SERVER;
use super::caller::Caller;
use super::head::{HEAD_BYTES_MAX, HEADERS_MAX, with_plain_ends};
use super::rewound::Rewound;
use super::shown::Scheme;
use crate::shutdown::Shutdown;

/// A head is read again by hyper within this time; it is there already.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// With line ends that hyper reads: a head may have come with others, which the door understood.
fn plain(read: BytesMut) -> BytesMut {
    let front = &read[..read.len().min(HEAD_BYTES_MAX)];
    if !front.windows(3).any(|three| three == b"\r\r\n") {
        return read;
    }
    match with_plain_ends(front) {
        (mut head, n_read, true) => {
            head.extend_from_slice(&read[n_read..]);
            BytesMut::from(&*head)
        }
        _ => read,
    }
}

/// Serves one request from `router` and hangs up. A second request would need the door: only
/// the door knows streams from pages.
pub async fn serve(caller: Caller, router: Router, shutdown: &Shutdown) {
    let (scheme, known) = (Scheme::of(&caller), caller.known);
    let io = TokioIo::new(Rewound::new(plain(caller.read), caller.socket));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(scheme);
        request.extensions_mut().insert(known);
        let answer = router.call(request);
        async move {
            let mut answer = answer.await?;
            let server = HeaderValue::from_static(SERVER);
            answer.headers_mut().insert(header::SERVER, server);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX + 4096)
        .keep_alive(false)
        .half_close(true)
        // Some old players know `Location` only, not `location`.
        .title_case_headers(true)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!("a page was not delivered: {error}");
    }
}
