//! An Icecast's place on the network, whose manner the test decides and changes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stream::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a question.
#[derive(Clone)]
pub(super) enum Manner {
    /// Nothing, until the other side hangs up.
    Hang,
    /// It answers with this page after a while.
    Page(Duration, String),
    /// It answers 500.
    Fail,
}

/// One server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manner: Mutex<Manner>,
    n_asked: AtomicUsize,
    n_pages: AtomicUsize,
    n_open: AtomicUsize,
    n_open_most: AtomicUsize,
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            manner: Mutex::new(manner),
            n_asked: AtomicUsize::new(0),
            n_pages: AtomicUsize::new(0),
            n_open: AtomicUsize::new(0),
            n_open_most: AtomicUsize::new(0),
        });
        let of_task = Arc::clone(&state);
        let shutdown = Shutdown::new();
        let connections = shutdown.clone();
        shutdown.spawn("server", async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&of_task);
                connections.spawn("connection", async move { state.serve(socket).await });
            }
        });
        Self { address, state }
    }

    /// From now on it does this.
    pub(super) fn set(&self, manner: Manner) {
        *self.state.manner.lock().unwrap() = manner;
    }

    /// Questions that have come.
    pub(super) fn n_asked(&self) -> usize {
        self.state.n_asked.load(Ordering::SeqCst)
    }

    /// Pages that were given.
    pub(super) fn n_pages(&self) -> usize {
        self.state.n_pages.load(Ordering::SeqCst)
    }

    /// The most questions that were open at once.
    pub(super) fn n_open_most(&self) -> usize {
        self.state.n_open_most.load(Ordering::SeqCst)
    }

    /// As a relay in the settings.
    pub(super) fn relay(&self, name: &str, more: &str) -> String {
        let address = self.address;
        format!(
            "[[relay]]\nname = \"{name}\"\nurl = \"http://{address}\"\n[relay.icecast]\n{more}\n"
        )
    }
}

impl State {
    async fn serve(&self, mut socket: TcpStream) {
        let n_open = self.n_open.fetch_add(1, Ordering::SeqCst) + 1;
        self.n_open_most.fetch_max(n_open, Ordering::SeqCst);
        let mut request = vec![0; 4096];
        let _ = socket.read(&mut request).await;
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        let manner = self.manner.lock().unwrap().clone();
        match manner {
            Manner::Hang => drop(socket.read(&mut request).await),
            Manner::Fail => answer(&mut socket, "500 Internal Server Error", "").await,
            Manner::Page(after, body) => {
                tokio::time::sleep(after).await;
                self.n_pages.fetch_add(1, Ordering::SeqCst);
                answer(&mut socket, "200 OK", &body).await;
            }
        }
        self.n_open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(socket: &mut TcpStream, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all((head + body).as_bytes()).await;
}
