//! Asks a server for redirects: as fast as it answers, or so many a second. One thread.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// An answer is no longer than this.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// A server that answers nobody for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Relays whose listeners are counted.
pub(crate) const RELAYS_MAX: usize = 5_000;

/// Askers so far, of all servers together: who comes a second time is known to a balancer, and a
/// crowd comes for the first time.
static ASKERS: AtomicU32 = AtomicU32::new(0);

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// The next request as soon as an answer is there, on the same connection.
    Eager,
    /// The same, on a new connection each time, as players do.
    Anew,
    /// So many a second, whatever happens; late is late.
    PerSecond(f64),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Knocked {
    pub(crate) per_second: f64,
    /// From the moment a request was due to its answer, sorted.
    pub(crate) us: Vec<u32>,
    /// Listeners sent to `10.1.<n / 256>.<n % 256>`, by n.
    pub(crate) at_relay: Vec<u32>,
}

struct Caller {
    socket: TcpStream,
    /// Since when it waits for an answer.
    due: Option<Instant>,
    answer: Vec<u8>,
}

struct Knock {
    address: SocketAddr,
    poll: Poll,
    callers: Vec<Caller>,
    idle: Vec<usize>,
    pace: Pace,
    n_asked: usize,
    us: Vec<u32>,
    at_relay: Vec<u32>,
}

/// Asks for `seconds` from `n_callers` connections.
///
/// # Errors
/// When the server does not answer, or with something else than a redirect.
pub(crate) fn knock(
    address: SocketAddr,
    n_callers: usize,
    seconds: Duration,
    pace: Pace,
) -> Result<Knocked> {
    let poll = Poll::new()?;
    let mut callers = Vec::new();
    for at in 0..n_callers {
        callers.push(call(&poll, address, at)?);
    }
    let knock = Knock {
        address,
        poll,
        callers,
        idle: (0..n_callers).collect(),
        pace,
        n_asked: 0,
        us: Vec::new(),
        at_relay: vec![0; RELAYS_MAX],
    };
    knock.run(seconds)
}

fn call(poll: &Poll, address: SocketAddr, at: usize) -> Result<Caller> {
    let socket = std::net::TcpStream::connect(address).context("cannot connect")?;
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let mut socket = TcpStream::from_std(socket);
    let registry = poll.registry();
    registry.register(&mut socket, Token(at), Interest::READABLE)?;
    Ok(Caller {
        socket,
        due: None,
        answer: Vec::new(),
    })
}

impl Knock {
    fn run(mut self, seconds: Duration) -> Result<Knocked> {
        let mut events = Events::with_capacity(self.callers.len().max(64));
        let began = Instant::now();
        let mut heard = began;
        loop {
            let now = Instant::now();
            if now >= began + seconds {
                break;
            }
            ensure!(now < heard + SILENCE_MAX, "no answer for {SILENCE_MAX:?}");
            self.ask_all(began, now)?;
            // Never asleep, so that no server pays for waking it.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                heard = now;
                self.hear(event.token().0)?;
            }
        }
        let per_second = self.us.len() as f64 / began.elapsed().as_secs_f64();
        self.us.sort_unstable();
        Ok(Knocked {
            per_second,
            us: self.us,
            at_relay: self.at_relay,
        })
    }

    /// All requests that are due.
    fn ask_all(&mut self, began: Instant, now: Instant) -> Result<()> {
        loop {
            let due = match self.pace {
                Pace::Eager | Pace::Anew => now,
                Pace::PerSecond(rate) => {
                    began + Duration::from_secs_f64(self.n_asked as f64 / rate)
                }
            };
            if due > now {
                return Ok(());
            }
            let Some(at) = self.idle.pop() else {
                return Ok(());
            };
            self.ask(at, due)?;
        }
    }

    /// Each request from somewhere else in the world.
    fn ask(&mut self, at: usize, due: Instant) -> Result<()> {
        self.n_asked += 1;
        let asker = ASKERS.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, c] = asker.wrapping_mul(2_654_435_761).to_be_bytes();
        let request = format!(
            "GET /live.ogg HTTP/1.1\r\nHost: radio.example\r\nUser-Agent: knock\r\n\
             X-Forwarded-For: {}.{a}.{b}.{c}\r\n\r\n",
            1 + asker % 200
        );
        let caller = &mut self.callers[at];
        caller.due = Some(due);
        caller.answer.clear();
        caller
            .socket
            .write_all(request.as_bytes())
            .context("cannot ask")
    }

    fn hear(&mut self, at: usize) -> Result<()> {
        let caller = &mut self.callers[at];
        let mut bytes = [0; 2048];
        loop {
            match caller.socket.read(&mut bytes) {
                Ok(0) if caller.due.is_none() => break,
                Ok(0) => bail!("the server hung up"),
                Ok(n_bytes) => caller.answer.extend_from_slice(&bytes[..n_bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot read"),
            }
        }
        ensure!(caller.answer.len() < ANSWER_BYTES_MAX, "an endless answer");
        let Some(due) = caller.due.filter(|_| is_whole(&caller.answer)) else {
            return Ok(());
        };
        caller.due = None;
        let us = due.elapsed().as_micros();
        self.us.push(u32::try_from(us).unwrap_or(u32::MAX));
        let relay = relay_of(&caller.answer).with_context(|| {
            let answer = String::from_utf8_lossy(&caller.answer);
            format!("no redirect: {answer}")
        })?;
        if let Some(n) = self.at_relay.get_mut(relay) {
            *n += 1;
        }
        if self.pace == Pace::Anew {
            self.callers[at] = call(&self.poll, self.address, at)?;
        }
        self.idle.push(at);
        Ok(())
    }
}

/// The head and as much body as it announces.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.split("content-length:").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    answer.len() >= head + 4 + length.unwrap_or(0)
}

/// The number in `Location: http://10.1.0.7:8000/…`.
fn relay_of(answer: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(answer).ok()?;
    if !text.starts_with("HTTP/1.1 302") {
        return None;
    }
    let host = text.split("//10.1.").nth(1)?.split(':').next()?;
    let (high, low) = host.split_once('.')?;
    Some(high.parse::<usize>().ok()? * 256 + low.parse::<usize>().ok()?)
}
