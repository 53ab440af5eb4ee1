//! A bad way between two programs: a TCP proxy that is late, cuts bytes into slices, hangs up on
//! one side, resets connections, and answers in the other's place. It knows what a request
//! looks like, and nothing else of HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::SockRef;

/// So many slices may be on the way in one direction; then the sender waits.
const SLICES_MAX: usize = 4096;
/// A request head that is longer is passed on as it is.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most that is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What is wrong with the way.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Everything is so late, in each direction.
    pub delay: Duration,
    /// Bytes come in slices of at most so many.
    pub slice: usize,
    /// This share of the slices has to be sent again, …
    pub lost: f64,
    /// … which takes so long; what is behind them waits, as it does in TCP.
    pub again: Duration,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            slice: READ_BYTES,
            lost: 0.0,
            again: Duration::ZERO,
        }
    }
}

/// A request whose path begins so is answered with these bytes, and the connection is closed.
#[derive(Clone, Debug)]
pub struct Lie {
    /// Such as `/api/v1/catalog`.
    pub path: String,
    /// Head and body.
    pub answer: Vec<u8>,
}

/// A proxy on a port of its own. It ends with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    n_lies: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    trouble: Trouble,
    lie: Option<Lie>,
    /// Both sides of each connection that began and was not reset.
    pairs: Vec<(TcpStream, TcpStream)>,
}

impl Proxy {
    /// A way to this address that begins on 127.0.0.1, in the network of the calling thread.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn to(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the proxy")?;
        let proxy = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::new(Shared {
                to,
                state: Mutex::default(),
                n_lies: AtomicUsize::new(0),
            }),
        };
        let shared = Arc::clone(&proxy.shared);
        std::thread::spawn(move || {
            for near in listener.incoming().filter_map(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || connect(near, &shared));
            }
        });
        Ok(proxy)
    }

    /// Where it begins.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on the way is like this.
    pub fn set(&self, trouble: Trouble) {
        self.shared.state().trouble = trouble;
    }

    /// From now on it lies, or is honest again.
    pub fn lie(&self, lie: Option<Lie>) {
        self.shared.state().lie = lie;
    }

    /// How often it has lied.
    pub fn n_lies(&self) -> usize {
        self.shared.n_lies.load(SeqCst)
    }

    /// Resets all connections, on both sides.
    pub fn reset(&self) {
        for (near, far) in std::mem::take(&mut self.shared.state().pairs) {
            for side in [near, far] {
                let _ = SockRef::from(&side).set_linger(Some(Duration::ZERO));
                // The copies that read and write it wake up by that; the last one to go resets.
                let _ = side.shutdown(Shutdown::Read);
            }
        }
    }

    /// Ends the near side's stream as if the far one had closed it, and tells the far one
    /// nothing.
    pub fn half_close(&self) {
        for (near, _) in &self.shared.state().pairs {
            let _ = near.shutdown(Shutdown::Write);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(mut near: TcpStream, shared: &Arc<Shared>) {
    let Some(head) = request_head(&mut near) else {
        return;
    };
    let lie = shared.state().lie.clone();
    if let Some(lie) = lie.filter(|lie| is_for(&head, &lie.path)) {
        shared.n_lies.fetch_add(1, SeqCst);
        let _ = near.write_all(&lie.answer);
        return;
    }
    let Ok(far) = TcpStream::connect(shared.to) else {
        return;
    };
    let clone =
        |one: &TcpStream, other: &TcpStream| Some((one.try_clone().ok()?, other.try_clone().ok()?));
    let (Some(kept), Some((near_too, far_too))) = (clone(&near, &far), clone(&near, &far)) else {
        return;
    };
    shared.state().pairs.push(kept);
    let back = Arc::clone(shared);
    std::thread::spawn(move || carry(&[], far_too, near_too, &back));
    carry(&head, near, far, shared);
}

/// All that has come until the head of the request was whole.
fn request_head(near: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match near.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(n_bytes) => head.extend_from_slice(&bytes[..n_bytes]),
        }
    }
    Some(head)
}

fn is_for(head: &[u8], path: &str) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    target.starts_with(path.as_bytes())
}

/// Carries one direction until it ends: reads, and hands slices with their time to a thread that
/// writes.
fn carry(ahead: &[u8], mut from: TcpStream, to: TcpStream, shared: &Shared) {
    let (slices, due) = sync_channel(SLICES_MAX);
    let writer = std::thread::spawn(move || write(to, &due));
    let mut last = Instant::now();
    let mut is_there = hand_on(ahead, &mut last, &slices, shared);
    let mut bytes = vec![0; READ_BYTES];
    while is_there {
        is_there = match from.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(n_bytes) => hand_on(&bytes[..n_bytes], &mut last, &slices, shared),
        };
    }
    drop(slices);
    let _ = writer.join();
}

/// `false`: nobody takes them any more.
fn hand_on(
    bytes: &[u8],
    last: &mut Instant,
    slices: &SyncSender<(Instant, Vec<u8>)>,
    shared: &Shared,
) -> bool {
    let trouble = shared.state().trouble.clone();
    bytes.chunks(trouble.slice.max(1)).all(|slice| {
        let is_lost = trouble.lost > 0.0 && fastrand::f64() < trouble.lost;
        let again = if is_lost {
            trouble.again
        } else {
            Duration::ZERO
        };
        *last = (*last).max(Instant::now() + trouble.delay + again);
        slices.send((*last, slice.to_vec())).is_ok()
    })
}

fn write(mut to: TcpStream, due: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((at, slice)) = due.recv() {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&slice).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    // A connection that is to be reset must not end in good order first.
    if !matches!(SockRef::from(&to).linger(), Ok(Some(_))) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const REQUEST: &[u8] = b"GET /list?follow HTTP/1.1\r\n\r\n";

    /// A proxy before one who takes requests.
    fn pair() -> Result<(Proxy, TcpListener)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok((Proxy::to(listener.local_addr()?)?, listener))
    }

    fn call(proxy: &Proxy) -> Result<TcpStream> {
        let mut socket = TcpStream::connect(("127.0.0.1", proxy.port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(REQUEST)?;
        Ok(socket)
    }

    #[test]
    fn bytes_come_late_and_whole_in_both_directions() -> Result<()> {
        let (proxy, listener) = pair()?;
        proxy.set(Trouble {
            delay: Duration::from_millis(50),
            slice: 7,
            lost: 0.1,
            again: Duration::from_millis(5),
        });
        let began = Instant::now();
        let mut near = call(&proxy)?;
        let (mut far, _) = listener.accept()?;
        let mut request = vec![0; REQUEST.len()];
        far.read_exact(&mut request)?;
        assert_eq!(request, REQUEST);
        let sent: Vec<u8> = (0..=255).cycle().take(5000).collect();
        far.write_all(&sent)?;
        drop(far);
        let mut heard = Vec::new();
        near.read_to_end(&mut heard)?;
        assert_eq!(heard, sent);
        assert!(began.elapsed() >= Duration::from_millis(100));
        Ok(())
    }

    #[test]
    fn it_lies_about_one_path_and_resets_or_half_closes_when_told() -> Result<()> {
        let (proxy, listener) = pair()?;
        let answer = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        proxy.lie(Some(Lie {
            path: "/list".to_owned(),
            answer: answer.clone(),
        }));
        let mut heard = Vec::new();
        call(&proxy)?.read_to_end(&mut heard)?;
        assert_eq!((heard, proxy.n_lies()), (answer, 1));
        proxy.lie(None);

        let mut near = call(&proxy)?;
        let (mut far, _) = listener.accept()?;
        far.read_exact(&mut vec![0; REQUEST.len()])?;
        proxy.half_close();
        assert_eq!(near.read(&mut [0])?, 0);
        far.set_read_timeout(Some(Duration::from_millis(200)))?;
        assert!(far.read(&mut [0]).is_err(), "the far one was told");

        proxy.reset();
        far.set_read_timeout(Some(PATIENCE))?;
        assert!(!matches!(far.read(&mut [0]), Ok(n) if n > 0));
        Ok(())
    }
}
