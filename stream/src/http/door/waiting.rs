//! A connection whose head is arriving; and how it is handed over to another program.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Instant;

use bytes::BytesMut;
use mio::net::TcpStream;

use crate::handover::Met;
use crate::http::head::{BadHead, Head};

/// A connection whose head has not come yet.
pub(super) struct Waiting {
    pub(super) socket: TcpStream,
    pub(super) read: BytesMut,
    pub(super) came: Instant,
}

/// What has come from a connection.
pub(super) enum Heard {
    /// Not a whole head yet.
    Nothing,
    /// The caller went before he had said anything useful.
    End,
    Head(Head),
    /// What came is no head.
    Bad(BadHead),
}

impl Waiting {
    /// Reads what has come.
    pub(super) fn listen(&mut self, buffer: &mut [u8]) -> Heard {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Heard::End,
                Ok(n_bytes) => self.read.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Heard::End,
            }
            match Head::parse(&self.read) {
                Ok(Some(head)) => return Heard::Head(head),
                Ok(None) => {}
                Err(bad) => return Heard::Bad(bad),
            }
        }
    }
}

impl Waiting {
    /// One whom the program before this one met.
    pub(super) fn of(met: Met) -> Self {
        Self {
            socket: TcpStream::from_std(met.socket.into()),
            read: BytesMut::from(&*met.read),
            came: met.came,
        }
    }

    /// As he is handed over.
    pub(super) fn met(&self) -> io::Result<Met> {
        Ok(Met {
            socket: self.socket.as_fd().try_clone_to_owned()?,
            read: self.read.clone().freeze(),
            came: self.came,
        })
    }
}
