//! A running master, who sends to it, and who asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use master::config::Config;
use stream::handover::{Launch, Ready, Succession};
use stream::http::door;
use stream::shutdown::Shutdown;
use tokio::runtime::Runtime;

/// Nothing that a test waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SOURCE: &str = "password of sources";
pub(crate) const ADMIN: &str = "password of admin";
/// A frame of MP3: 128 kbit/s, 44.1 kHz, 26 ms.
const FRAME_BYTES: usize = 417;

/// A running master. Stops when it is dropped.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    /// All addresses at which it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    shutdown: Shutdown,
    runtime: Option<Runtime>,
}

impl Stage {
    /// One with these settings beside a source and an operator.
    pub(crate) fn start(more: &str) -> Self {
        Self::start_with(more, "")
    }

    /// The same, with something more about the operator.
    pub(crate) fn start_with(more: &str, admin: &str) -> Self {
        Self::start_at("127.0.0.1:0", more, admin)
    }

    /// The same, listening there.
    pub(crate) fn start_at(listen: &str, more: &str, admin: &str) -> Self {
        Self::start_at_all(&[listen], more, admin)
    }

    /// The same, listening at all of these.
    pub(crate) fn start_at_all(listen: &[&str], more: &str, admin: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let inside = runtime.enter();
        let bind = |listen: &&str| door::bind(listen.parse().unwrap()).unwrap();
        let listeners: Vec<_> = listen.iter().map(bind).collect();
        let addresses: Vec<_> = listeners
            .iter()
            .map(|at| at.local_addr().unwrap())
            .collect();
        let words: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let text = format!(
            "listen = {words:?}\n{more}\n[[source]]\npassword = \"{SOURCE}\"\n\
             [admin]\npassword = \"{ADMIN}\"\n{admin}\n"
        );
        let config: Config = stream::config::parse(&text, "", "X", std::iter::empty()).unwrap();
        let config = config.checked().unwrap();
        let shutdown = Shutdown::new();
        let succession = Succession {
            launch: Launch {
                program: "/nowhere".into(),
                arguments: Vec::new(),
            },
            heir: None,
            ready: Ready::default(),
        };
        let until = shutdown.clone();
        shutdown.spawn("master", async move {
            let ran = master::run(listeners, (config, None), succession, until);
            ran.await.unwrap();
        });
        drop(inside);
        Self {
            address: addresses[0],
            addresses,
            shutdown,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Sends all of it and reads to the end of the answer.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut socket = self.connect();
        socket.write_all(request.as_bytes()).unwrap();
        read_to_end(&mut socket)
    }

    /// Asks for a page.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.0\r\n\r\n"))
    }

    /// Asks for a page as the operator.
    pub(crate) fn order(&self, method: &str, path: &str) -> String {
        let shown = basic(b"admin:", ADMIN.as_bytes());
        self.ask(&format!(
            "{method} {path} HTTP/1.0\r\n{shown}\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    /// Sends JSON with these headers. Gives the status and what stands in the answer.
    pub(crate) fn json(&self, what: &str, headers: &str, body: &str) -> (u16, String) {
        let n_bytes = body.len();
        let answer = self.ask(&format!(
            "{what} HTTP/1.0\r\n{headers}\r\nContent-Length: {n_bytes}\r\n\r\n{body}"
        ));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Asks for a stream, and reads the head of the answer.
    pub(crate) fn listen(&self, target: &str) -> (TcpStream, String) {
        let mut socket = self.connect();
        let request = format!("GET {target} HTTP/1.0\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut socket);
        (socket, head)
    }

    /// Begins to publish with these headers. Gives the answer to it.
    pub(crate) fn publish(&self, path: &str, headers: &[u8]) -> (TcpStream, String) {
        let mut socket = self.connect();
        let line = format!("SOURCE {path} HTTP/1.0\r\nContent-Type: audio/mpeg\r\n");
        let request = [line.as_bytes(), headers, b"\r\n\r\n"].concat();
        socket.write_all(&request).unwrap();
        let head = read_head(&mut socket);
        (socket, head)
    }

    /// A source that is heard on `path`.
    pub(crate) fn source(&self, path: &str) -> TcpStream {
        let shown = basic(b"source:", SOURCE.as_bytes());
        let (mut socket, head) = self.publish(path, shown.as_bytes());
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        socket.write_all(&frames(100)).unwrap();
        until(&format!("{path} is on air"), || {
            self.get("/api/v1/status").contains(&format!("{path:?}"))
                && self.get(&format!("{path}.m3u")).contains(" 200 ")
                && self.listen(path).1.contains(" 200 ")
        });
        socket
    }

    /// Another one, of another format.
    pub(crate) fn aac_source(&self, path: &str) -> TcpStream {
        let shown = basic(b"source:", SOURCE.as_bytes());
        let mut socket = self.connect();
        let head = format!("SOURCE {path} HTTP/1.0\r\n{shown}\r\nContent-Type: audio/aac\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        assert!(read_head(&mut socket).contains(" 200 "));
        // Silence at 44.1 kHz, two channels.
        let mut frame = [0; 15];
        frame[..7].copy_from_slice(&[0xff, 0xf1, 0x50, 0x80, 0x01, 0xff, 0xfc]);
        socket.write_all(&frame.repeat(200)).unwrap();
        until(&format!("{path} is heard"), || {
            self.listen(path).1.contains("audio/aac")
        });
        socket
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.request();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The header that shows a user (with a colon behind) and a password, in these very bytes.
pub(crate) fn basic(user: &[u8], password: &[u8]) -> String {
    let both = STANDARD.encode([user, password].concat());
    format!("Authorization: Basic {both}")
}

pub(crate) fn read_to_end(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Up to the empty line; or to the end.
pub(crate) fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(socket.read(&mut byte), Ok(1)) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// So many frames of silence.
pub(crate) fn frames(n: usize) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES];
    frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x64]);
    frame.repeat(n)
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
