//! A server that does what a test tells it, and the uplink that is to reach it.

use std::sync::Arc;
use std::time::Duration;

use stream::ogg::{Found, Framer, Page, Stamp};
use stream::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::backlog::Shared;
use crate::config::{About, Target, Way};
use crate::encoder::{Effort, Encoding};
use crate::pages::Made;
use crate::status::Status;
use crate::uplink::Uplink;
use crate::uplink::request::Stream;

pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// A server's side of one connection.
pub(super) struct Visit {
    socket: TcpStream,
    pub(super) head: String,
    framer: Framer,
    unread: Vec<u8>,
}

/// A server without manners, and an uplink that is to reach it.
pub(super) struct Stage {
    pub(super) listener: TcpListener,
    pub(super) backlog: Arc<Shared>,
    pub(super) status: Arc<Status>,
    pub(super) shutdown: Shutdown,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::with_listener(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn with_listener(listener: TcpListener) -> Self {
        let way = way(&[&listener]);
        Self::with_ways(listener, vec![way])
    }

    /// Starts the uplinks at once, with two header pages in their backlog.
    pub(super) fn with_ways(listener: TcpListener, ways: Vec<Way>) -> Self {
        let stage = Self {
            backlog: Arc::new(Shared::new(ways.len())),
            status: Arc::new(Status::new(ways.len())),
            shutdown: Shutdown::new(),
            listener,
        };
        for sequence in 0..2 {
            stage.backlog.push(Made::Header(page(sequence)));
        }
        let uplink = Uplink {
            ways,
            stream: Stream {
                about: About {
                    name: "Täst".to_owned(),
                    ..About::default()
                },
                encoding: Encoding {
                    n_channels: 1,
                    effort: Effort::Bitrate(64),
                    tags: Vec::new(),
                },
                serial: 99,
            },
            backlog: stage.backlog.clone(),
            status: stage.status.clone(),
            spool: None,
            remains: Vec::new(),
            catch_up: crate::backlog::KEPT_MAX,
        };
        let end = stage.shutdown.clone();
        stage.shutdown.spawn("uplink", async move {
            uplink.run(end).await;
        });
        stage
    }

    /// Nobody listens any more.
    pub(super) async fn without_listener(self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, ..self }
    }

    /// Adds pages of sound.
    pub(super) fn add(&self, sequences: std::ops::Range<u32>) {
        for sequence in sequences {
            self.backlog.push(Made::Sound(page(sequence)));
        }
    }

    /// The next connection, with its request read.
    pub(super) async fn visit(&self) -> Visit {
        visit(&self.listener).await
    }
}

/// The next connection there.
pub(super) async fn visit(listener: &TcpListener) -> Visit {
    let accepted = tokio::time::timeout(DEADLINE, listener.accept()).await;
    let (mut socket, _) = accepted.expect("the uplink comes").unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(socket.read_u8().await.unwrap());
    }
    Visit {
        socket,
        head: String::from_utf8(bytes).unwrap(),
        framer: Framer::new(),
        unread: Vec::new(),
    }
}

/// A way to these masters.
pub(super) fn way(masters: &[&TcpListener]) -> Way {
    let target = |listener: &&TcpListener| Target {
        host: "localhost".to_owned(),
        port: listener.local_addr().unwrap().port(),
        path: "/live.ogg".to_owned(),
        user: "source".to_owned(),
        password: stream::secret::Secret::new("correct horse").unwrap(),
        tls: None,
    };
    Way {
        bind: None,
        is_standby: false,
        targets: masters.iter().map(target).collect(),
    }
}

impl Visit {
    pub(super) async fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) async fn say_continue(&mut self) {
        self.say("HTTP/1.1 100 Continue\r\n\r\n").await;
    }

    /// The sequence numbers of the next pages.
    pub(super) async fn pages(&mut self, n_pages: usize) -> Vec<u32> {
        let work = async {
            let mut pages = Vec::new();
            while pages.len() < n_pages {
                let mut rest = self.unread.as_slice();
                let found = self.framer.next(&mut rest);
                self.unread = rest.to_vec();
                match found {
                    Some(Found::Page(page)) => pages.push(page.stamp().sequence),
                    Some(junk) => panic!("{junk:?}"),
                    None => {
                        let mut bytes = vec![0; 4096];
                        let n_bytes = self.socket.read(&mut bytes).await.unwrap();
                        assert!(n_bytes > 0, "closed after {pages:?}");
                        self.unread = bytes[..n_bytes].to_vec();
                    }
                }
            }
            pages
        };
        tokio::time::timeout(DEADLINE, work)
            .await
            .expect("pages come")
    }

    /// Waits until the other side has said its last, and gives it.
    pub(super) async fn end(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = self.socket.read_to_end(&mut rest);
        let _ = tokio::time::timeout(DEADLINE, read).await.expect("it ends");
        rest
    }
}

fn page(sequence: u32) -> Page {
    let stamp = Stamp {
        serial: 99,
        sequence,
        granule: i64::from(sequence.saturating_sub(1)) * 9_600,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[200], &[7; 200])
}
