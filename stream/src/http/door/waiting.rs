//! A connection whose head is arriving; and how it is handed over to another program.

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use mio::net::TcpStream;

use crate::handover::Met;
use crate::http::gate::Gate;
use crate::http::head::{BadHead, Head};
use crate::http::proxied::{self, Proxied};

/// A connection whose head has not come yet.
pub(super) struct Waiting {
    pub(super) socket: TcpStream,
    pub(super) read: BytesMut,
    pub(super) came: Instant,
    /// Who it is: the other end, or whom a proxy speaks for. `None`: he has gone already.
    pub(super) from: Option<IpAddr>,
    /// Whether the first bytes may be a proxy's.
    pub(super) may_be_proxied: bool,
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
    pub(super) fn listen(&mut self, buffer: &mut [u8], gate: &Gate) -> Heard {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Heard::End,
                Ok(n_bytes) => self.read.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Heard::End,
            }
            if self.may_be_proxied {
                match self.hear_proxy(gate) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(Barred) => return Heard::End,
                }
            }
            match Head::parse(&self.read) {
                Ok(Some(head)) => return Heard::Head(head),
                Ok(None) => {}
                Err(bad) => return Heard::Bad(bad),
            }
        }
    }
}

/// He may not come in, or his proxy talks nonsense.
struct Barred;

impl Waiting {
    /// Takes what a proxy says before the first byte. `false`: more of it has to come.
    fn hear_proxy(&mut self, gate: &Gate) -> Result<bool, Barred> {
        match proxied::read(&self.read) {
            Proxied::Unclear => return Ok(false),
            Proxied::Bad => return Err(Barred),
            Proxied::No => {}
            Proxied::For(from, n_bytes) => {
                self.read.advance(n_bytes);
                self.from = from.or(self.from);
                let is_barred = |from: IpAddr| !gate.opens(from);
                if self.from.is_some_and(is_barred) {
                    return Err(Barred);
                }
            }
        }
        self.may_be_proxied = false;
        Ok(!self.read.is_empty())
    }

    /// One whom the program before this one met.
    pub(super) fn of(met: Met, gate: &Gate) -> Self {
        let socket = TcpStream::from_std(met.socket.into());
        let from = socket.peer_addr().ok().map(|peer| peer.ip());
        Self {
            socket,
            read: BytesMut::from(&*met.read),
            came: met.came,
            from,
            may_be_proxied: from.is_some_and(|from| gate.trusts(from)),
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
