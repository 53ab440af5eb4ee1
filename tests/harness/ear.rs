//! A listener that writes down what it gets and when. Follows a redirect like any player.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stream::ogg::Framer;

use crate::heard::Heard;
use crate::http::{Head, Request};
use crate::wait::until;

/// More redirects are taken for a loop.
const REDIRECTS_MAX: usize = 3;
/// An ear that has heard this much stops listening: it keeps all of it in memory.
pub const HEARD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A connection on which a stream is heard, in the background.
#[derive(Debug)]
pub struct Ear {
    url: String,
    start: Instant,
    heard: Arc<Mutex<Heard>>,
    socket: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens to a URL as a player does.
    ///
    /// # Errors
    /// When the answer is not a stream.
    pub fn listen(url: &str) -> Result<Self> {
        Self::listen_with(url, |request| request)
    }

    /// Listens in HTTP/1.0.
    ///
    /// # Errors
    /// When the answer is not a stream.
    pub fn listen_in_version_1_0(url: &str) -> Result<Self> {
        Self::listen_with(url, Request::in_version_1_0)
    }

    /// Listens with a request that `dress` has put more on.
    ///
    /// # Errors
    /// When the answer is not a stream.
    pub fn listen_with(url: &str, dress: impl Fn(Request) -> Request) -> Result<Self> {
        let mut url = url.to_owned();
        let start = Instant::now();
        for _ in 0..=REDIRECTS_MAX {
            let (head, connection) = dress(Request::new("GET", &url)?).open()?;
            match head.status {
                200 | 206 => {
                    let (socket, ahead) = connection.into_parts();
                    return Self::start(url, start, head, socket, ahead);
                }
                302 => {
                    let target = head.header("location").context("302 without Location")?;
                    target.clone_into(&mut url);
                }
                status => bail!("{url} answers {status}"),
            }
        }
        bail!("more than {REDIRECTS_MAX} redirects, the last to {url}")
    }

    fn start(
        url: String,
        start: Instant,
        head: Head,
        socket: TcpStream,
        ahead: Vec<u8>,
    ) -> Result<Self> {
        socket.set_read_timeout(None)?;
        let heard = Arc::new(Mutex::new(Heard {
            head,
            ..Heard::default()
        }));
        let shared = Arc::clone(&heard);
        let reader = socket.try_clone()?;
        let thread = std::thread::spawn(move || hear(reader, &ahead, start, &shared));
        Ok(Self {
            url,
            start,
            heard,
            socket,
            thread: Some(thread),
        })
    }

    /// Where the stream really comes from, after redirects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// When it began: the times of its pages count from here.
    pub fn began(&self) -> Instant {
        self.start
    }

    /// What was heard up to now. The ear is deaf while this is held: look and let go.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest time without a page with sound, until now.
    pub fn longest_gap(&self) -> Duration {
        let heard = self.heard();
        heard.longest_gap(self.start.elapsed())
    }

    /// Waits until this many samples have been heard.
    ///
    /// # Errors
    /// When it takes longer than `deadline`.
    pub fn wait_for_samples(&self, n_samples: i64, deadline: Duration) -> Result<()> {
        let what = format!("{} plays {n_samples} samples", self.url);
        until(deadline, &what, || self.heard().n_samples() >= n_samples)
            .with_context(|| format!("heard {} samples", self.heard().n_samples()))
    }

    /// Waits until the stream has ended by itself, and gives what was heard.
    ///
    /// # Errors
    /// When it goes on at the deadline.
    pub fn wait_for_end(self, deadline: Duration) -> Result<Heard> {
        let what = format!("{} ends", self.url);
        until(deadline, &what, || self.heard().has_ended)?;
        Ok(self.stop())
    }

    /// Hangs up, and gives what was heard.
    pub fn stop(mut self) -> Heard {
        self.hang_up();
        std::mem::take(&mut *self.heard())
    }

    fn hang_up(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn hear(mut socket: TcpStream, ahead: &[u8], start: Instant, shared: &Mutex<Heard>) {
    let mut framer = Framer::new();
    let mut buffer = vec![0; 64 * 1024];
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    lock().take(&mut framer, ahead, start.elapsed());
    while lock().body.len() < HEARD_BYTES_MAX {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n_bytes) => lock().take(&mut framer, &buffer[..n_bytes], start.elapsed()),
        }
    }
    lock().has_ended = true;
}
