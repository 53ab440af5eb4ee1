//! A door with TLS: plain and encrypted callers side by side, certificates that change, and
//! callers who never finish.

mod crowd;
mod home;
pub(crate) mod identity;
mod proxied;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use home::Home;
use identity::{Identity, trusting, write};

use super::Tls;
use crate::current::Current;
use crate::fanout::{Fanout, Uplink};
use crate::http::added::Added;
use crate::http::asked::Rules;
use crate::http::door;
use crate::http::gate::Gate;
use crate::http::guard::Guard;
use crate::http::listener::Service;
use crate::http::serving::Serving;
use crate::http::shown::Shown;
use crate::http::{CertificateFiles, common};
use crate::log::Keep;
use crate::mount::{Claimant, Desk, Facts, MountPath, MountTable, Publisher, Slots};
use crate::ogg::tests::opus;
use crate::shutdown::Shutdown;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often certificates are looked at here.
const OFTEN: Duration = Duration::from_millis(20);

/// A server with one mount that has begun.
struct Server {
    address: SocketAddr,
    publisher: Publisher,
    n_pages: u32,
    tls: Option<Arc<Tls>>,
    shutdown: Shutdown,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

fn serving() -> Serving {
    Serving {
        pace: Duration::from_millis(20),
        burst: Duration::from_secs(4),
        pace_allowed: Duration::ZERO..=Duration::from_secs(1),
        burst_max: Duration::ZERO,
        headers: Added::default(),
        mounts: Vec::new(),
    }
}

async fn serve(files: Option<&CertificateFiles>) -> Server {
    serve_behind(Gate::default(), files).await
}

async fn serve_behind(gate: Gate, files: Option<&CertificateFiles>) -> Server {
    let (table, shutdown) = (Arc::new(MountTable::new()), Shutdown::new());
    let path = MountPath::parse("/live.ogg").unwrap();
    let claimant = Claimant {
        user: "source".to_owned(),
        login: 0,
        serial: None,
        uplink: 1,
    };
    let desk = Desk::new(Arc::clone(&table), Keep::default());
    let epoch = "0".repeat(32).parse().unwrap();
    let mut publisher = desk
        .claim(&path, &claimant, Facts::default(), epoch, Instant::now())
        .unwrap();
    for page in opus(1, 3) {
        publisher.take(&page, Instant::now(), || 1).unwrap();
    }
    let uplink = Uplink::new(0, Instant::now());
    let fanout = Arc::new(Fanout::start(1, uplink, &shutdown).unwrap());
    let tls = Tls::start_watching(files, OFTEN, &shutdown).unwrap();
    let slots = Slots::new(100, 10);
    let serving = serving();
    let rules = Rules::new("GET, HEAD, OPTIONS", &[], Guard::new(&[], None).unwrap());
    let router = common::router(Shown {
        program: "plenum-test",
        table: Arc::clone(&table),
        upstreams: Vec::new(),
        slots: slots.clone(),
        fanout: Arc::clone(&fanout),
        serving: Arc::new(serving.clone()),
        rules: rules.clone(),
        public_url: None,
        tls: tls.clone(),
        reign: None,
        started: (Instant::now(), Timestamp::now()),
    });
    let service = Service {
        serving,
        relay_burst: Duration::ZERO,
        fanout,
        slots,
        rules,
        overflow: None,
    };
    let home = Arc::new(Current::new(Home {
        table,
        gate,
        service,
        router,
        shutdown: shutdown.clone(),
    }));
    let listener = door::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (secure, end) = (tls.clone(), shutdown.clone());
    shutdown.spawn("door", async move {
        let served = door::serve(vec![listener], home, secure, Vec::new(), end);
        served.await.unwrap();
    });
    Server {
        address,
        publisher,
        n_pages: 3,
        tls,
        shutdown,
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Server {
    fn plain(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Shakes hands, if this certificate is shown.
    fn secure(
        &self,
        identity: &Identity,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let config = Arc::new(trusting(identity, ALL_VERSIONS));
        self.secure_with(config)
    }

    fn secure_with(
        &self,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        Self::shake_hands(self.plain(), config)
    }

    fn shake_hands(
        socket: TcpStream,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// One more page, and its bytes.
    fn publish(&mut self) -> Vec<u8> {
        self.n_pages += 1;
        let page = opus(1, self.n_pages).pop().unwrap();
        self.publisher.take(&page, Instant::now(), || 1).unwrap();
        page.bytes().to_vec()
    }
}

/// Asks and reads the whole answer.
fn page(stream: &mut impl Stream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:8443\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks for the mount and reads the head of the answer.
fn listen(stream: &mut impl Stream) -> String {
    stream.write_all(b"GET /live.ogg HTTP/1.0\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

fn read(stream: &mut impl Stream, n_bytes: usize) -> Vec<u8> {
    let mut got = vec![0; n_bytes];
    stream.read_exact(&mut got).unwrap();
    got
}

/// Reads what there is when one joins.
fn listen_to_the_edge(stream: &mut impl Stream, server: &Server) -> Vec<u8> {
    let head = listen(stream);
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    let pages = opus(1, server.n_pages);
    read(stream, pages.iter().map(crate::ogg::Page::len).sum())
}

fn shake_hands_eventually(
    server: &Server,
    identity: &Identity,
) -> StreamOwned<ClientConnection, TcpStream> {
    let began = Instant::now();
    loop {
        match server.secure(identity) {
            Ok(stream) => return stream,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_and_encrypted_callers_come_through_one_door() {
    let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new(365));
    let mut server = serve(Some(&write(folder.path(), &identity))).await;
    let (mut plain, mut secure) = (server.plain(), server.secure(&identity).unwrap());
    assert_eq!(
        listen_to_the_edge(&mut plain, &server),
        listen_to_the_edge(&mut secure, &server)
    );
    for _ in 0..20 {
        let page = server.publish();
        assert_eq!(read(&mut plain, page.len()), page);
        assert_eq!(read(&mut secure, page.len()), page);
    }
    let answer = page(&mut server.plain(), "/live.ogg.m3u");
    assert!(
        answer.ends_with("http://localhost:8443/live.ogg\r\n"),
        "{answer}"
    );
    let answer = page(&mut server.secure(&identity).unwrap(), "/live.ogg.m3u");
    assert!(
        answer.ends_with("https://localhost:8443/live.ogg\r\n"),
        "{answer}"
    );
    let metrics = page(&mut server.plain(), "/metrics");
    let expires = server.tls.as_ref().unwrap().certificates().expires();
    for line in [
        "plenum_listeners_tls 1".to_owned(),
        format!(
            "plenum_tls_certificate_expires_seconds {}",
            expires.as_second()
        ),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let mut nonsense = server.secure(&identity).unwrap();
    nonsense
        .write_all(b"\x16\x03\x01 is no head\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    nonsense.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_and_who_listens_hears_no_gap() {
    let (folder, old, new) = (
        tempfile::tempdir().unwrap(),
        Identity::new(365),
        Identity::new(730),
    );
    let mut server = serve(Some(&write(folder.path(), &old))).await;
    let mut listener = server.secure(&old).unwrap();
    listen_to_the_edge(&mut listener, &server);
    write(folder.path(), &new);
    shake_hands_eventually(&server, &new);
    assert!(
        server.secure(&old).is_err(),
        "the old one is not shown any more"
    );
    let page = server.publish();
    assert_eq!(read(&mut listener, page.len()), page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_finish_a_handshake_is_closed_and_disturbs_nobody() {
    let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new(365));
    let mut server = serve(Some(&write(folder.path(), &identity))).await;
    let mut listener = server.plain();
    listen_to_the_edge(&mut listener, &server);
    let began = Instant::now();
    let mut stalled: Vec<_> = (0..100).map(|_| server.plain()).collect();
    for (n, socket) in stalled.iter_mut().enumerate() {
        // A record of 512 bytes, of which a few come.
        socket
            .write_all(&[0x16, 3, 1, 2, 0, 1, 0][..=n % 7])
            .unwrap();
        socket.set_nonblocking(true).unwrap();
    }
    while !stalled.is_empty() {
        let (published, page) = (Instant::now(), server.publish());
        assert_eq!(read(&mut listener, page.len()), page);
        assert!(published.elapsed() < Duration::from_secs(1), "a gap");
        let is_open = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        stalled.retain_mut(|socket| socket.read(&mut [0; 64]).as_ref().is_err_and(is_open));
        let patience = Duration::from_secs(7);
        assert!(
            began.elapsed() < patience,
            "{} are still open",
            stalled.len()
        );
    }
    assert!(began.elapsed() > Duration::from_secs(3), "they had no time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_another_protocol_or_sends_early_is_refused() {
    let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new(365));
    let server = serve(Some(&write(folder.path(), &identity))).await;
    for (offered, taken) in [
        (&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["http/1.0"], Some(b"http/1.0")),
        (&[], None),
    ] {
        let mut config = trusting(&identity, ALL_VERSIONS);
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config.enable_early_data = true;
        let config = Arc::new(config);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            // The second time the client brings its session along.
            let mut stream = server.secure_with(Arc::clone(&config)).unwrap();
            assert_eq!(stream.conn.alpn_protocol(), taken);
            assert_eq!(stream.conn.handshake_kind(), Some(kind));
            assert!(!stream.conn.is_early_data_accepted());
            page(&mut stream, "/health");
        }
    }
    let mut config = trusting(&identity, ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(server.secure_with(Arc::new(config)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_a_handshake_is_answered_in_the_clear() {
    let (server, identity) = (serve(None).await, Identity::new(365));
    let error = server.secure(&identity).unwrap_err();
    assert!(error.to_string().contains("corrupt message"), "{error}");
    assert!(!page(&mut server.plain(), "/metrics").contains("tls"));
}
