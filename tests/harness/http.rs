//! A small blocking HTTP client that can also misbehave. Follows no redirect by itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A connection must stand within this time.
pub const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The head of an answer must be there within this time.
pub const HEAD_MAX: Duration = Duration::from_secs(20);
/// The body of a plain answer must be there within this time.
pub const BODY_MAX: Duration = Duration::from_secs(5);
/// A body that has no end goes on within this time.
pub const BYTES_WAIT_MAX: Duration = Duration::from_secs(30);
/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A body is not read beyond this.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const HEADERS_MAX: usize = 64;

/// `http://host:port/path`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host and port, as in the `Host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When it is not an `http://` URL.
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} does not begin with http://"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
            _ => format!("{authority}:80"),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            authority,
            path: path.to_owned(),
        })
    }

    /// Connects to it.
    ///
    /// # Errors
    /// When nobody takes the connection in time.
    pub fn connect(&self) -> Result<TcpStream> {
        let address = self
            .authority
            .to_socket_addrs()?
            .next()
            .with_context(|| format!("{} has no address", self.authority))?;
        let socket = TcpStream::connect_timeout(&address, CONNECT_MAX)
            .with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

/// What stands before the body of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Such as 200.
    pub status: u16,
    /// The minor version: 0 in `HTTP/1.0`, 1 in `HTTP/1.1`.
    pub minor_version: u8,
    /// All headers, in order, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of this name, however the name is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let found = self.headers.iter().find(|(n, _)| *n == name)?;
        Some(&found.1)
    }

    /// A header that is a number.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn number(&self, name: &str) -> Result<u64> {
        let text = self
            .header(name)
            .with_context(|| format!("no header {name} in {self:?}"))?;
        text.parse()
            .with_context(|| format!("{name}: {text} is not a number"))
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// The body, as far as it came in time.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request that is being written.
#[derive(Clone, Debug)]
pub struct Request {
    address: Address,
    method: String,
    minor_version: u8,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    /// A request for a URL, HTTP/1.1.
    ///
    /// # Errors
    /// When it is not an `http://` URL.
    pub fn new(method: &str, url: &str) -> Result<Self> {
        Ok(Self {
            address: Address::parse(url)?,
            method: method.to_owned(),
            minor_version: 1,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }

    /// In HTTP/1.0 instead.
    #[must_use]
    pub fn in_version_1_0(mut self) -> Self {
        self.minor_version = 0;
        self
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    /// With user and password.
    #[must_use]
    pub fn credentials(self, user: &str, password: &str) -> Self {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    /// With this body and its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Length", &length)
    }

    /// Sends it and reads the head of the answer. What follows is in the connection.
    ///
    /// # Errors
    /// When the connection fails, or the head does not come in time or is none.
    pub fn open(&self) -> Result<(Head, Connection)> {
        let mut connection = Connection::new(self.address.connect()?);
        connection.send(&[self.head(), self.body.clone()].concat())?;
        let head = connection.head()?;
        Ok((head, connection))
    }

    /// Sends it and reads the whole answer. An endless body is cut at [`BODY_MAX`].
    ///
    /// # Errors
    /// As [`Request::open`].
    pub fn send(&self) -> Result<Answer> {
        let (head, mut connection) = self.open()?;
        let has_body = self.method != "HEAD" && head.status != 204 && head.status != 304;
        let body = if has_body {
            connection.body(&head)?
        } else {
            Vec::new()
        };
        Ok(Answer { head, body })
    }

    /// Sends it and reads so many bytes of a body that has no end.
    ///
    /// # Errors
    /// As [`Request::open`], and when nothing comes for [`BYTES_WAIT_MAX`].
    pub fn hear(&self, n_bytes: usize) -> Result<(Head, Vec<u8>)> {
        let (head, connection) = self.open()?;
        let (mut socket, mut body) = connection.into_parts();
        socket.set_read_timeout(Some(BYTES_WAIT_MAX))?;
        let n_early = body.len().min(n_bytes);
        body.resize(n_bytes, 0);
        socket.read_exact(&mut body[n_early..])?;
        Ok((head, body))
    }

    /// Its own head, for those who send the body themselves.
    pub fn head(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.{}\r\nHost: {}\r\nUser-Agent: plenum-tests\r\n",
            self.method, self.address.path, self.minor_version, self.address.authority
        );
        for header in &self.headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// A GET with nothing special.
///
/// # Errors
/// As [`Request::send`].
pub fn get(url: &str) -> Result<Answer> {
    Request::new("GET", url)?.send()
}

/// A connection of which the head may be read, or has been.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// Read from the socket already, not taken yet.
    ahead: Vec<u8>,
}

impl Connection {
    /// A connection on which nothing has been read.
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            ahead: Vec::new(),
        }
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the other side does not take them within [`HEAD_MAX`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.set_write_timeout(Some(HEAD_MAX))?;
        self.socket.write_all(bytes).context("cannot send")
    }

    /// Reads the head of an answer, at most [`HEAD_MAX`].
    ///
    /// # Errors
    /// When none comes in time, or what comes is none.
    pub fn head(&mut self) -> Result<Head> {
        let deadline = Instant::now() + HEAD_MAX;
        loop {
            if let Some((head, n_bytes)) = parse_head(&self.ahead)? {
                self.ahead.drain(..n_bytes);
                return Ok(head);
            }
            if self.ahead.len() > HEAD_BYTES_MAX {
                bail!("the head of the answer has more than {HEAD_BYTES_MAX} bytes");
            }
            if self.read_more(deadline).context("no head of an answer")? == 0 {
                bail!(
                    "closed after {} bytes, before the head of an answer ended",
                    self.ahead.len()
                );
            }
        }
    }

    /// Takes the socket, and the bytes of the body that were read with the head.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.socket, self.ahead)
    }

    fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        let deadline = Instant::now() + BODY_MAX;
        let length = match head.header("content-length") {
            Some(text) => text.parse().context("Content-Length is not a number")?,
            None => BODY_BYTES_MAX,
        };
        while self.ahead.len() < length.min(BODY_BYTES_MAX) {
            match self.read_more(deadline) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) if Instant::now() >= deadline => break,
                Err(error) => return Err(error),
            }
        }
        let mut body = std::mem::take(&mut self.ahead);
        body.truncate(length);
        Ok(body)
    }

    fn read_more(&mut self, deadline: Instant) -> Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("nothing came in time");
        }
        self.socket.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(n_bytes) => {
                self.ahead.extend_from_slice(&buffer[..n_bytes]);
                Ok(n_bytes)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("nothing came in time")
            }
            Err(e) => Err(e).context("cannot read"),
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).with_context(|| {
        let start = &bytes[..bytes.len().min(60)];
        format!("not an HTTP answer: {:?}", String::from_utf8_lossy(start))
    })?;
    let httparse::Status::Complete(n_bytes) = parsed else {
        return Ok(None);
    };
    let head = Head {
        status: response.code.unwrap_or(0),
        minor_version: response.version.unwrap_or(0),
        headers: response
            .headers
            .iter()
            .map(|h| {
                let value = String::from_utf8_lossy(h.value).into_owned();
                (h.name.to_ascii_lowercase(), value)
            })
            .collect(),
    };
    Ok(Some((head, n_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_host_and_path() -> Result<()> {
        let address = Address::parse("http://127.0.0.1:8010/live.ogg?a=b")?;
        assert_eq!(address.authority, "127.0.0.1:8010");
        assert_eq!(address.path, "/live.ogg?a=b");
        assert_eq!(Address::parse("http://radio.example")?.path, "/");
        assert!(Address::parse("https://radio.example").is_err());
        Ok(())
    }

    #[test]
    fn a_head_is_read_however_names_are_written() -> Result<()> {
        let bytes = b"HTTP/1.0 200 OK\r\nStream-OFFSET: 12\r\n\r\nOggS";
        let (head, n_bytes) = parse_head(bytes)?.context("whole")?;
        assert_eq!((head.status, head.minor_version), (200, 0));
        assert_eq!(head.number("Stream-Offset")?, 12);
        assert_eq!(&bytes[n_bytes..], b"OggS");
        assert!(parse_head(&bytes[..20])?.is_none());
        assert!(parse_head(b"garbage\r\n\r\n").is_err());
        Ok(())
    }
}
