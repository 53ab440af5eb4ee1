//! A connection whose first bytes have been read, and how to answer it and hang up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::gate::{Came, Gate};
use super::head::{BadHead, Head};
use super::line::Line;
use super::proxied::{self, Proxied};

/// An answer that ends the connection is written and read to its end within this time.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// So many bytes of what the caller still sends are thrown away before hanging up: closing
/// with unread bytes would destroy the answer on its way (RFC 9112 §9.6).
const GOODBYE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 4096;

/// A connection and what has been read from it so far.
#[derive(Debug)]
pub struct Caller {
    /// The connection.
    pub socket: Line,
    /// Read, from the first byte on: the head and perhaps more.
    pub read: BytesMut,
    /// When it came.
    pub came: Instant,
    /// Where from, and how.
    pub known: Came,
}

impl Caller {
    /// A connection that the door has met, from within the runtime.
    ///
    /// # Errors
    /// When the runtime cannot take it.
    pub(super) fn met(
        socket: std::net::TcpStream,
        read: BytesMut,
        came: Instant,
    ) -> std::io::Result<Self> {
        Ok(Self {
            socket: Line::Plain(TcpStream::from_std(socket)?),
            read,
            came,
            known: Came::default(),
        })
    }

    /// A connection whose head the program before this one has read, from within the runtime.
    ///
    /// # Errors
    /// When the runtime cannot take it.
    pub fn of(socket: std::net::TcpStream) -> std::io::Result<Self> {
        Self::met(socket, BytesMut::new(), Instant::now())
    }

    /// Reads until the head is there. `None`: he went before. Not bounded in time.
    ///
    /// # Errors
    /// When what comes is no head.
    pub(super) async fn head(&mut self) -> Result<Option<Head>, BadHead> {
        loop {
            if let Some(head) = Head::parse(&self.read)? {
                return Ok(Some(head));
            }
            self.read.reserve(READ_BYTES);
            match self.socket.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    /// Takes what a trusted proxy says before the first byte. `false`: he may not come in, or his proxy
    /// talks nonsense. Not bounded in time.
    pub async fn is_let_in(&mut self, gate: &Gate, peer: IpAddr) -> bool {
        self.known.from = Some(peer.to_canonical());
        while gate.trusts(peer) {
            match proxied::read(&self.read) {
                Proxied::No => break,
                Proxied::Bad => return false,
                Proxied::For(from, n_bytes) => {
                    self.read.advance(n_bytes);
                    self.known.from = from.or(self.known.from);
                    break;
                }
                Proxied::Unclear => {
                    self.read.reserve(READ_BYTES);
                    if !matches!(self.socket.read_buf(&mut self.read).await, Ok(1..)) {
                        return false;
                    }
                }
            }
        }
        self.known.from.is_some_and(|from| gate.opens(from))
    }

    /// Whether he came through TLS, here or at a proxy.
    pub fn is_secure(&self) -> bool {
        self.socket.is_tls() || self.known.is_secure
    }

    /// What was read beyond the head.
    pub fn beyond(&mut self, head: &Head) -> Bytes {
        let mut read = std::mem::take(&mut self.read).freeze();
        read.split_off(head.n_bytes.min(read.len()))
    }

    /// Writes an answer and hangs up in such a way that the caller can read it.
    pub async fn answer(mut self, answer: &[u8]) {
        let _ = timeout(GOODBYE_MAX, async {
            self.socket.write_all(answer).await?;
            self.socket.shutdown().await?;
            let mut waste = vec![0; READ_BYTES];
            let mut n_wasted = 0;
            while n_wasted < GOODBYE_BYTES_MAX {
                match self.socket.read(&mut waste).await? {
                    0 => break,
                    n_bytes => n_wasted += n_bytes,
                }
            }
            std::io::Result::Ok(())
        })
        .await;
    }
}
