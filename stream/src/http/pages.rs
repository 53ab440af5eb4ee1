//! Everything that is a page and not a stream: handed to hyper and axum with the bytes that
//! the door has already read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use bytes::{Buf, BytesMut};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use super::caller::Caller;
use super::head::{HEAD_BYTES_MAX, HEADERS_MAX};
use crate::shutdown::Shutdown;

/// A head is read again by hyper within this time; it is there already.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// Serves one request from `router` and hangs up. A second request would need the door: only
/// the door knows streams from pages.
pub async fn serve(caller: Caller, router: Router, shutdown: &Shutdown) {
    let io = TokioIo::new(Rewound {
        read: caller.read,
        socket: caller.socket,
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
        .serve_connection(io, TowerToHyperService::new(router));
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

/// A connection that first gives back what was read from it.
#[derive(Debug)]
struct Rewound {
    read: BytesMut,
    socket: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let n_bytes = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..n_bytes]);
        self.read.advance(n_bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
