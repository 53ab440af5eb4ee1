//! Reports of relays that are made up: all who were sent there have come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use stream::report::Receipt;

/// What each relay says it has.
const SLOTS: u32 = 1_000_000;
/// The balancer closes a connection after a minute.
const CONNECTION_LIFE: Duration = Duration::from_secs(20);

/// A thread that reports for all relays of a balancer.
pub(crate) struct Reporter {
    desk: Arc<Desk>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the thread is told.
struct Desk {
    address: SocketAddr,
    /// From one report of a relay to its next.
    every: Duration,
    /// Listeners at each of them.
    counts: Vec<AtomicU32>,
    must_stop: AtomicBool,
    /// So many reports are due at once.
    n_urgent: AtomicUsize,
    /// No report is due: another server has its turn.
    is_quiet: AtomicBool,
}

impl Reporter {
    /// Reports to the balancer at this address, for each relay so often.
    pub(crate) fn start(address: SocketAddr, n_relays: usize, every: Duration) -> Self {
        let desk = Arc::new(Desk {
            address,
            every,
            counts: (0..n_relays).map(|_| AtomicU32::new(0)).collect(),
            must_stop: AtomicBool::new(false),
            n_urgent: AtomicUsize::new(0),
            is_quiet: AtomicBool::new(false),
        });
        let ours = Arc::clone(&desk);
        Self {
            desk,
            thread: Some(std::thread::spawn(move || ours.report_for_all())),
        }
    }

    /// So many more listeners are at each relay.
    pub(crate) fn count(&self, at_relay: &[u32]) {
        for (count, n) in self.desk.counts.iter().zip(at_relay) {
            count.fetch_add(*n, Ordering::Relaxed);
        }
    }

    /// No relay says anything, or they do again.
    pub(crate) fn set_quiet(&self, is_quiet: bool) {
        self.desk.is_quiet.store(is_quiet, Ordering::Relaxed);
    }

    /// Every relay reports now; each of them has when this returns.
    pub(crate) fn tell_all(&self) {
        let desk = &self.desk;
        desk.n_urgent.store(desk.counts.len(), Ordering::Relaxed);
        while desk.n_urgent.load(Ordering::Relaxed) > 0 && !desk.must_stop() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.desk.must_stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Relaxed)
    }

    /// Says again and again that all who were sent have come.
    fn report_for_all(&self) {
        let n_relays = self.counts.len();
        let step = self.every / u32::try_from(n_relays.max(1)).unwrap_or(1);
        let (mut sequence, mut run) = (0_u32, 0);
        let mut due = Instant::now();
        while !self.must_stop() {
            let Ok(mut socket) = TcpStream::connect(self.address) else {
                self.must_stop.store(true, Ordering::Relaxed);
                return;
            };
            let until = Instant::now() + CONNECTION_LIFE;
            while Instant::now() < until && !self.must_stop() {
                let is_urgent = self.n_urgent.load(Ordering::Relaxed) > 0;
                let now = Instant::now();
                if !is_urgent && (self.is_quiet.load(Ordering::Relaxed) || due > now) {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                // Who was late need not catch up.
                due = (due + step).max(now);
                let at = sequence as usize % n_relays;
                let n = self.counts[at].load(Ordering::Relaxed);
                sequence += 1;
                match report(&mut socket, at, sequence, n % SLOTS, run) {
                    Ok(receipt) => run = receipt.run,
                    Err(_) => break,
                }
                if is_urgent {
                    self.n_urgent.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// The token of a relay.
pub(crate) fn token(at: usize) -> String {
    format!("token of relay number {at}, long enough")
}

/// Says that everybody has come whom the balancer in this run has sent.
fn report(
    socket: &mut TcpStream,
    at: usize,
    sequence: u32,
    n_listeners: u32,
    run: u32,
) -> Result<Receipt> {
    let all = u32::MAX;
    // An address and not a name, so that nobody looks it up.
    let (high, low) = (at / 256, at % 256);
    let body = format!(
        "{{\"url\":\"http://10.1.{high}.{low}:8000\",\"run\":\"bench\",\"sequence\":{sequence},\
         \"slots\":{SLOTS},\"listeners\":{n_listeners},\"draining\":false,\"mounts\":[{{\
         \"path\":\"/live.ogg\",\"content_type\":\"application/ogg\",\"is_on_air\":true,\
         \"epoch\":\"00\",\"offset\":0,\"listeners\":{n_listeners}}}],\
         \"arrivals\":{{\"direct\":0,\"bounced\":0,\
         \"admitted\":[{{\"run\":{run},\"serials\":[[1,{all}]]}}]}}}}"
    );
    // In one piece: the kernel would let a second one wait for the first one's acknowledgement.
    let text = format!(
        "POST /api/v1/report HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        token(at),
        body.len()
    );
    socket.write_all(text.as_bytes())?;
    let mut answer = [0; 2048];
    let n_bytes = socket.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..n_bytes]);
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}
