//! A connection from which only so many bytes are taken until somebody asks for more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use stream::outward::Duplex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many more bytes may come.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// So many may come from now on.
    pub(super) fn set(&self, n_bytes: usize) {
        self.0.store(n_bytes, Ordering::Relaxed);
    }

    /// `false`: so many are too many.
    fn take(&self, n_bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed).checked_sub(n_bytes);
        self.0.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some()
    }
}

/// The connection.
pub(super) struct Metered {
    way: Box<dyn Duplex>,
    allowance: Allowance,
}

impl Metered {
    pub(super) fn new(way: Box<dyn Duplex>, allowance: Allowance) -> Self {
        Self { way, allowance }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buffer.filled().len();
        let read = Pin::new(&mut self.way).poll_read(context, buffer);
        if !self.allowance.take(buffer.filled().len() - n_before) {
            let what = "it sends more than was asked for";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.way).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_shutdown(context)
    }
}
