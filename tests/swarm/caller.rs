//! Makes connections and writes requests: where to, from which own address, as whom.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use ::tests::http::Address;
use anyhow::{Context, Result};
use bytes::Bytes;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use stream::http::basic::Credentials;

use crate::arguments::Http;

/// Hosts whose addresses are remembered, so that nobody is asked 10,000 times.
const HOSTS_MAX: usize = 256;

/// Whom to call, and with which words.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server.
    pub(crate) address: SocketAddr,
    /// All that is said to it.
    pub(crate) request: Bytes,
    url: Address,
}

/// Calls servers.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Http,
    locals: Vec<IpAddr>,
    n_calls: usize,
    known: HashMap<String, SocketAddr>,
}

impl Caller {
    /// Somebody who calls from these addresses in turn; from any, if there are none.
    pub(crate) fn new(http: Http, locals: Vec<IpAddr>) -> Self {
        Self {
            http,
            locals,
            n_calls: 0,
            known: HashMap::new(),
        }
    }

    /// Where a URL leads. A login is for this server alone.
    ///
    /// # Errors
    /// When the URL is none, or its host has no address.
    pub(crate) fn target(&mut self, url: &str, login: Option<(&str, &str)>) -> Result<Target> {
        let url = Address::parse(url)?;
        let address = match self.known.get(&url.authority) {
            Some(address) => *address,
            None => self.resolve(&url.authority)?,
        };
        let version = match self.http {
            Http::V10 => "1.0",
            Http::V11 => "1.1",
        };
        let login = login
            .map(|(user, password)| Credentials::header(user, password))
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "GET {} HTTP/{version}\r\nHost: {}\r\nUser-Agent: plenum-swarm/{}\r\n{login}\r\n",
            url.path,
            url.authority,
            env!("CARGO_PKG_VERSION"),
        );
        Ok(Target {
            address,
            request: request.into(),
            url,
        })
    }

    /// Where an answer's `Location` leads.
    ///
    /// # Errors
    /// As [`Caller::target`].
    pub(crate) fn redirected(&mut self, from: &Target, location: &str) -> Result<Target> {
        if location.starts_with('/') && !location.starts_with("//") {
            return self.target(&format!("http://{}{location}", from.url.authority), None);
        }
        self.target(location, None)
    }

    /// Begins a connection; it may be made later.
    ///
    /// # Errors
    /// When there is no socket or no port left, or the server refuses at once.
    pub(crate) fn call(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        if !self.locals.is_empty() {
            let local = self.locals[self.n_calls % self.locals.len()];
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        self.n_calls += 1;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    fn resolve(&mut self, authority: &str) -> Result<SocketAddr> {
        let address = authority
            .to_socket_addrs()
            .with_context(|| format!("cannot find {authority}"))?
            .next()
            .with_context(|| format!("{authority} has no address"))?;
        if self.known.len() < HOSTS_MAX {
            self.known.insert(authority.to_owned(), address);
        }
        Ok(address)
    }
}

/// The kernel will say later whether the connection was made.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_not_taken_along_to_another_server() {
        let mut caller = Caller::new(Http::V10, Vec::new());
        let login = Some(("relay", "secret"));
        let target = caller
            .target("http://127.0.0.1:1/m.ogg?a=b", login)
            .unwrap();
        let text = String::from_utf8_lossy(&target.request).into_owned();
        assert!(text.starts_with("GET /m.ogg?a=b HTTP/1.0\r\nHost: 127.0.0.1:1\r\n"));
        assert!(text.contains("\r\nAuthorization: Basic "), "{text}");
        for location in ["/other.ogg", "http://127.0.0.2:2/m.ogg"] {
            let next = caller.redirected(&target, location).unwrap();
            let text = String::from_utf8_lossy(&next.request).into_owned();
            assert!(!text.contains("Authorization"), "{text}");
        }
        assert!(caller.redirected(&target, "https://127.0.0.1/").is_err());
    }
}
