//! A listener's connection in a shard: a socket, in the clear or with TLS in front of it.
//!
//! In the clear a write is one `send` of what lies in the log. With TLS what is to be sent is
//! encrypted first, for this listener alone; what the kernel does not take waits here, and until
//! it has gone nothing more is encrypted.

use std::io::{self, IoSlice, Read, Write};
use std::net;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::net::TcpStream;
use rustix::net::SendFlags;
use rustls::ServerConnection;
use socket2::SockRef;

/// The most that is encrypted for one listener before his socket takes it. He holds so much
/// memory only while his socket is full.
const ENCRYPTED_BYTES_MAX: usize = 64 * 1024;
/// How much of what a listener says is read at once.
const WASTE_BYTES: usize = 4096;
/// Nobody has more to say to a stream than so many reads at once.
const READS_MAX: usize = 16;

/// A listener's connection.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Wire {
    /// A connection in the clear.
    pub fn plain(socket: net::TcpStream) -> Self {
        let socket = TcpStream::from_std(socket);
        Self { socket, tls: None }
    }

    /// A connection whose handshake is over.
    pub fn tls(socket: net::TcpStream, mut connection: Box<ServerConnection>) -> Self {
        connection.set_buffer_limit(Some(ENCRYPTED_BYTES_MAX));
        Self {
            tls: Some(connection),
            ..Self::plain(socket)
        }
    }

    /// The socket, to be watched.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether there is TLS in front of it.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The bare socket.
    pub(crate) fn into_socket(self) -> net::TcpStream {
        OwnedFd::from(self.socket).into()
    }

    /// Whether something is encrypted and has not gone out yet.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what is encrypted, once; there may be more.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        match tls.write_tls(&mut &*SockRef::from(&self.socket))? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }

    /// Takes bytes and says how many: they will go out in this order. With TLS they are taken
    /// when they are encrypted; [`Wire::has_unsent`] says whether all of them have gone.
    pub(super) fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            // `write` would first visit the socket's file, which nothing else here needs.
            return match slices {
                [all] => Ok(rustix::net::send(&self.socket, all, SendFlags::NOSIGNAL)?),
                _ => SockRef::from(&self.socket).send_vectored(slices),
            };
        };
        let n_taken = tls.writer().write_vectored(slices)?;
        match self.flush() {
            Err(error) if !is_for_now(&error) => Err(error),
            _ => Ok(n_taken),
        }
    }

    /// Whether the listener hung up. What he says is not listened to.
    pub(super) fn has_hung_up(&mut self) -> bool {
        let mut waste = [0; WASTE_BYTES];
        for _ in 0..READS_MAX {
            let read = match &mut self.tls {
                None => (&self.socket).read(&mut waste),
                Some(tls) => take_in(tls, &self.socket, &mut waste),
            };
            match read {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        true
    }

    /// Says that nothing more will come: with TLS a stream that just breaks off looks like an
    /// attack (RFC 8446 §6.1). What does not fit into the socket is not waited for.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = self.flush();
        }
    }

    /// Sends a short answer, as far as it fits into the socket, and hangs up.
    pub(crate) fn answer(mut self, answer: &[u8]) {
        let _ = self.send(&[IoSlice::new(answer)]);
        self.say_goodbye();
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether trying again helps.
fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Reads what the listener says and throws it away, but for what TLS itself has to know.
fn take_in(
    tls: &mut ServerConnection,
    mut socket: &TcpStream,
    waste: &mut [u8],
) -> io::Result<usize> {
    let n_bytes = tls.read_tls(&mut socket)?;
    let state = tls.process_new_packets().map_err(io::Error::other)?;
    let mut n_left = state.plaintext_bytes_to_read();
    while n_left > 0 {
        match tls.reader().read(waste)? {
            0 => break,
            n_wasted => n_left = n_left.saturating_sub(n_wasted),
        }
    }
    Ok(n_bytes)
}

#[cfg(test)]
mod tests;
