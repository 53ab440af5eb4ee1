//! What old and odd source clients say, byte by byte, and what each is answered.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::Ports;
use tests::ports;
use tests::speech;

/// A master says nothing more after this time.
const QUIET: Duration = Duration::from_millis(400);
/// An answer begins within this time; a wrong password takes a while.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Whatever was usual with a source, after so long it is silent.
const GIVES_WAY_MAX: Duration = Duration::from_secs(12);
/// Connections that say nothing.
const SILENT: usize = 1100;
const ICY: &str = "OK2\r\nicy-caps:11\r\n\r\n";

/// Who is taken, how his answer begins, and his mount. `BASIC` and `PASSWORD` are filled in.
const TAKEN: &[(&str, &str, &str)] = &[
    (
        "SOURCE /1 HTTP/1.0\r\nBASIC\r\nContent-Type: application/ogg\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/1",
    ),
    (
        "SOURCE /2 HTTP/1.1\r\nBASIC\r\nContent-Type: audio/mpeg\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "/2",
    ),
    (
        "SOURCE /3 ICE/1.0\r\nice-password: PASSWORD\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/3",
    ),
    (
        "SOURCE /4 HTTP/1.0\nContent-type: application/ogg\nBASIC\nice-name: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/4",
    ),
    ("SOURCE /5 HTTP/1.0\nBASIC\n\n", "HTTP/1.0 200 OK\r\n", "/5"),
    (
        "SOURCE /6 HTTP/1.0\r\r\nBASIC\r\r\n\r\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/6",
    ),
    (
        "SOURCE /7 HTTP/1.0\r\nBASIC\r\n\r\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/7",
    ),
    (
        "PUT /8 HTTP/1.1\r\nHost: h\r\nBASIC\r\nExpect: 100-continue\r\nContent-Type: audio/mpeg\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n",
        "/8",
    ),
    (
        "PUT /9 HTTP/1.1\r\nHost: h\r\nBASIC\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "/9",
    ),
    (
        "PUT /10 HTTP/1.0\r\nBASIC\r\nExpect: 100-continue\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "/10",
    ),
    (
        "PUT /11 HTTP/1.1\r\nHost: h\r\nBASIC\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "/11",
    ),
];

/// Who is answered and not taken, and how: how it begins, and what is in it.
const ANSWERED: &[(&str, &str, &str)] = &[
    (
        "OPTIONS * HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n",
        "HTTP/1.1 204",
        "Allow: GET, HEAD, PUT, OPTIONS, SOURCE\r\n",
    ),
    (
        "OPTIONS /held HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 204",
        "Allow: GET, HEAD, PUT, OPTIONS, SOURCE\r\n",
    ),
    (
        "OPTIONS /nowhere HTTP/1.0\r\n\r\n",
        "HTTP/1.0 204",
        "Allow: GET, HEAD, PUT, OPTIONS, SOURCE\r\n",
    ),
    (
        "GET /admin/!POKE HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 4",
        "",
    ),
    (
        "SOURCE /held HTTP/1.0\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
        "HTTP/1.0 401",
        "Allow: GET, HEAD, PUT, OPTIONS, SOURCE\r\n",
    ),
    (
        "PUT /probe HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401",
        "WWW-Authenticate: Basic realm=",
    ),
    (
        "PUT /probe HTTP/1.1\r\nHost: h\r\nBASIC\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200",
        "Allow: ",
    ),
    (
        "SOURCE /held HTTP/1.0\r\nBASIC\r\n\r\n",
        "HTTP/1.0 403 Forbidden\r\n",
        "Mountpoint in use",
    ),
    (
        "PUT /held HTTP/1.1\r\nHost: h\r\nBASIC\r\nExpect: 100-continue\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n",
        "Mountpoint in use",
    ),
    (
        "SOURCE /x ICE/1.0\r\nice-password: wrong-password\r\n\r\n",
        "HTTP/1.0 401",
        "WWW-Authenticate",
    ),
    (
        "SOURCE /x HTTP/1.0\r\nice-password: HALL\r\n\r\n",
        "HTTP/1.0 403",
        "may not publish",
    ),
    (
        "SOURCE live HTTP/1.0\r\nBASIC\r\n\r\n",
        "HTTP/1.0 400",
        "/live.ogg",
    ),
    ("wrong-password\r\n", "invalid password\r\n", ""),
    ("HALL\r\n", "invalid password\r\n", ""),
    (
        "/held:PASSWORD\r\nicy-name:x\r\n\r\n",
        ICY,
        "HTTP/1.0 403 Forbidden\r\n",
    ),
    ("/held:PASSWORD\nicy-name:x\n\n", ICY, "Mountpoint in use"),
];

struct Stage {
    cluster: Cluster,
    hall: String,
    talk: Vec<u8>,
    rest: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let (master, folder) = (pair()?, tempfile::tempdir()?);
        let ports = Ports {
            balancer: ports::free()?,
            master,
            relays: Vec::new(),
        };
        let hall = tests::cluster::secret()?;
        let second = "[\"/hall/*\"]";
        let mut cluster = Cluster::lay_out(ports, &Sound::Tone, None, folder.path())?
            .with_variable(Role::Master, "PLENUM_MASTER__SOURCE__1__USER", "hall")
            .with_variable(Role::Master, "PLENUM_MASTER__SOURCE__1__PASSWORD", &hall)
            .with_variable(Role::Master, "PLENUM_MASTER__SOURCE__1__MOUNTS", second)
            .with_variable(Role::Master, "PLENUM_MASTER__SHOUTCAST__MOUNT", "/icy");
        cluster.start_program(Role::Master)?;
        let mut talk = std::fs::read(speech::sitting_ogg()?)?;
        let rest = talk.split_off(60_000);
        Ok(Self {
            cluster,
            hall,
            talk,
            rest,
            _folder: folder,
        })
    }

    fn filled_in(&self, text: &str) -> String {
        let password = &self.cluster.secrets().source;
        let basic = STANDARD.encode(format!("source:{password}"));
        text.replace("BASIC", &format!("Authorization: Basic {basic}"))
            .replace("PASSWORD", password)
            .replace("HALL", &self.hall)
    }

    /// Says something, and gives all that is answered until it gets quiet.
    fn say(&self, port_above: bool, text: &str) -> Result<(TcpStream, String)> {
        let port = self.cluster.ports().master + u16::from(port_above);
        let mut socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.write_all(self.filled_in(text).as_bytes())?;
        let answer = hear(&mut socket)?;
        Ok((socket, answer))
    }

    /// More than the port above keeps of those who say nothing.
    fn crowd_above(&self) -> Result<Vec<TcpStream>> {
        stream::descriptors::raise();
        let port = self.cluster.ports().master + 1;
        let silent = (0..SILENT).map(|_| Ok(TcpStream::connect(("127.0.0.1", port))?));
        silent.collect()
    }

    /// Sends sound, and waits until the mount plays it.
    fn plays(&self, mut socket: &TcpStream, mount: &str, is_chunked: bool) -> Result<()> {
        let mut body = Vec::new();
        for piece in self.talk.chunks(7000) {
            if is_chunked {
                let mut size = String::new();
                write!(size, "{:x}\r\n", piece.len())?;
                body.extend_from_slice(size.as_bytes());
            }
            body.extend_from_slice(piece);
            body.extend_from_slice(if is_chunked { b"\r\n" } else { b"" });
        }
        socket.write_all(&body)?;
        let began = Instant::now();
        loop {
            let (_, heard) = self.say(false, &format!("GET {mount} HTTP/1.0\r\n\r\n"))?;
            let is_there = heard.starts_with("HTTP/1.0 200") && heard.contains("OggS");
            if is_there && heard.contains("\r\nContent-Type: application/ogg\r\n") {
                return Ok(());
            }
            ensure!(
                began.elapsed() < ANSWER_MAX,
                "{mount} does not play: {heard:.300}"
            );
        }
    }
}

/// A source that goes on: whoever is silent would have to make room.
struct Feeding {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<TcpStream>>,
}

impl Feeding {
    fn begin(mut socket: TcpStream, bytes: Vec<u8>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for piece in bytes.chunks(8000) {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                socket.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(socket)
        });
        Self { is_over, thread }
    }

    fn end(self) -> Result<TcpStream> {
        self.is_over.store(true, Ordering::Relaxed);
        let socket = self
            .thread
            .join()
            .map_err(|_| anyhow::anyhow!("panicked"))?;
        Ok(socket?)
    }
}

/// A port of which the one above is free, too.
fn pair() -> Result<u16> {
    loop {
        let port = ports::free()?;
        if ports::is_free(port + 1) {
            return Ok(port);
        }
    }
}

fn hear(socket: &mut TcpStream) -> Result<String> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    socket.set_read_timeout(Some(ANSWER_MAX))?;
    while let Ok(n_bytes) = socket.read(&mut buffer) {
        if n_bytes == 0 {
            break;
        }
        heard.extend_from_slice(&buffer[..n_bytes]);
        socket.set_read_timeout(Some(QUIET))?;
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

fn at_once(tests: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>>) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = tests.into_iter().map(|test| scope.spawn(test)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("panicked"))?)
    })
}

#[test]
fn every_dialect_of_sources_is_answered_as_its_clients_expect() -> Result<()> {
    let stage = Stage::new()?;
    let (held, answer) = stage.say(false, TAKEN[0].0.replace(" /1 ", " /held ").as_str())?;
    ensure!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    let mut tests: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>> = Vec::new();
    for (text, answer, mount) in TAKEN {
        let stage = &stage;
        tests.push(Box::new(move || {
            let (socket, said) = stage.say(false, text)?;
            ensure!(said.starts_with(answer), "{text:?} is answered {said:?}");
            stage.plays(&socket, mount, text.contains("chunked"))
        }));
    }
    at_once(tests)?;
    stage.plays(&held, "/held", false)?;
    let held = Feeding::begin(held, stage.rest.clone());
    let mut tests: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>> = Vec::new();
    for (text, answer, part) in ANSWERED {
        let stage = &stage;
        tests.push(Box::new(move || {
            let (_, said) = stage.say(false, text)?;
            ensure!(said.starts_with(answer), "{text:?} is answered {said:?}");
            ensure!(said.contains(part), "{part:?} is not in {said:?}");
            Ok(())
        }));
    }
    at_once(tests)?;
    let mut old = held.end()?;
    let silent = stage.crowd_above()?;
    for (is_above, line, mount) in [
        (false, "PASSWORD\r\n", "/icy"),
        (true, "/above:PASSWORD\n", "/above"),
        (true, "/hall/a:HALL\r\r\n", "/hall/a"),
    ] {
        let (mut socket, said) = stage.say(is_above, line)?;
        ensure!(said == ICY, "{line:?} is answered {said:?}");
        socket.write_all(
            b"icy-name:Old\r\nicy-pub:0\r\nicy-br:128\r\ncontent-type:audio/mpeg\r\n\r\n",
        )?;
        stage.plays(&socket, mount, false)?;
        let (_, heard) = stage.say(false, &format!("GET {mount} HTTP/1.0\r\n\r\n"))?;
        ensure!(heard.contains("icy-name: Old\r\n"), "{heard:.400}");
    }
    drop(silent);
    // It is silent, but how long that has to last depends on how it sent before: who asks once waits.
    let taken_over = TAKEN[0].0.replace(" /1 ", " /held ");
    let mut socket = TcpStream::connect(("127.0.0.1", stage.cluster.ports().master))?;
    socket.write_all(stage.filled_in(&taken_over).as_bytes())?;
    socket.set_read_timeout(Some(GIVES_WAY_MAX))?;
    let mut said = [0; 17];
    socket.read_exact(&mut said)?;
    ensure!(&said == b"HTTP/1.0 200 OK\r\n", "{said:?}");
    old.set_read_timeout(Some(ANSWER_MAX))?;
    let n_bytes = old.read(&mut [0; 16]).unwrap_or(0);
    ensure!(n_bytes == 0, "the silent source is still there");
    stage
        .plays(&socket, "/held", false)
        .with_context(|| stage.cluster.story())
}
