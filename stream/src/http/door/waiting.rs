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
    pub(super) fn of(met: Met) -> Self {
        let socket = TcpStream::from_std(met.socket.into());
        // A program of an older version does not say who he is.
        let peer = || socket.peer_addr().ok().map(|peer| peer.ip().to_canonical());
        let from = met.from.or_else(peer);
        Self {
            socket,
            read: BytesMut::from(&*met.read),
            came: met.came,
            from,
            may_be_proxied: met.may_be_proxied,
        }
    }

    /// As he is handed over.
    pub(super) fn met(&self) -> io::Result<Met> {
        Ok(Met {
            socket: self.socket.as_fd().try_clone_to_owned()?,
            read: self.read.clone().freeze(),
            came: self.came,
            from: self.from,
            may_be_proxied: self.may_be_proxied,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    /// Hears all that has come, until it is a head.
    fn head(waiting: &mut Waiting, gate: &Gate, is_whole: impl Fn(&Waiting) -> bool) -> Heard {
        let began = Instant::now();
        loop {
            let heard = waiting.listen(&mut [0; 4096], gate);
            if !matches!(heard, Heard::Nothing) || is_whole(waiting) {
                return heard;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "nothing comes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn for_whom_a_proxy_spoke_is_known_after_a_hand_over_and_said_once() {
        let gate: Gate = toml::from_str("trusted_proxies = [\"127.0.0.1\"]").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut caller = std::net::TcpStream::connect(address).unwrap();
        let (socket, peer) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut waiting = Waiting {
            socket: TcpStream::from_std(socket),
            read: BytesMut::new(),
            came: Instant::now(),
            from: Some(peer.ip()),
            may_be_proxied: true,
        };
        let first = b"PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\nGET / HTTP/1.1\r\n";
        caller.write_all(first).unwrap();
        let heard = head(&mut waiting, &gate, |waiting| {
            waiting.read.ends_with(b".1\r\n")
        });
        assert!(matches!(heard, Heard::Nothing));
        let mut waiting = Waiting::of(waiting.met().unwrap());
        let rest = b"X-Forwarded-For: 203.0.113.1\r\n\r\n";
        caller.write_all(rest).unwrap();
        let Heard::Head(head) = head(&mut waiting, &gate, |_| false) else {
            panic!("a head");
        };
        let from = waiting.from.unwrap();
        assert_eq!(
            gate.behind(from, &head),
            Some("198.51.100.7".parse().unwrap())
        );

        // Whose first words have not come may still be a proxy's.
        waiting.read.clear();
        waiting.from = Some(peer.ip());
        waiting.may_be_proxied = true;
        let waiting = Waiting::of(waiting.met().unwrap());
        assert!(waiting.may_be_proxied && waiting.from == Some(peer.ip()));
    }
}
