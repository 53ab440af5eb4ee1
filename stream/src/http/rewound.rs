//! A connection that first gives back what was read from it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, and what was read from it before.
#[derive(Debug)]
pub struct Rewound<S> {
    read: BytesMut,
    inner: S,
    /// How much more may come; beyond it reading fails.
    n_left: Option<usize>,
}

impl<S> Rewound<S> {
    /// Gives back `read` before anything else.
    pub fn new(read: BytesMut, inner: S) -> Self {
        Self {
            read,
            inner,
            n_left: None,
        }
    }

    /// Not more than so many bytes may come beyond what was read.
    pub(super) fn at_most(self, n_bytes: usize) -> Self {
        Self {
            n_left: Some(n_bytes),
            ..self
        }
    }

    /// Any number of bytes may come from now on.
    pub(super) fn have_no_limit(&mut self) {
        self.n_left = None;
    }

    pub(super) fn inner(&self) -> &S {
        &self.inner
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            if self.n_left == Some(0) {
                return Poll::Ready(Err(io::Error::other("too much came")));
            }
            let n_before = buffer.filled().len();
            let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
            let n_bytes = buffer.filled().len() - n_before;
            self.n_left = self.n_left.map(|n_left| n_left.saturating_sub(n_bytes));
            return polled;
        }
        let n_bytes = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..n_bytes]);
        self.read.advance(n_bytes);
        if self.read.is_empty() {
            // An empty remainder would hold the whole of what it was cut from.
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn more_than_the_limit_is_not_read_until_it_is_lifted() {
        let line: &[u8] = b"0123456789";
        let mut rewound = Rewound::new(BytesMut::from("before "), line).at_most(4);
        let mut got = [0; 11];
        rewound.read_exact(&mut got[..9]).await.unwrap();
        rewound.read_exact(&mut got[9..]).await.unwrap();
        assert_eq!(&got, b"before 0123");
        assert!(rewound.read_u8().await.is_err());
        rewound.have_no_limit();
        assert_eq!(rewound.read_u8().await.unwrap(), b'4');
    }
}
