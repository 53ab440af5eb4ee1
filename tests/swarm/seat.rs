//! One listener of the swarm: a connection and how far it has come.

use std::io::{self, Read, Write};
use std::time::Instant;

use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use rustix::net::{RecvFlags, recv};

use crate::arrivals::Arrivals;
use crate::caller::Target;
use crate::opening::{Head, Walk};
use crate::sampled::Sampled;
use crate::tally::{Group, Tally};

/// A listener.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The connection.
    pub(crate) socket: TcpStream,
    /// What he is.
    pub(crate) group: Group,
    /// How often he was sent elsewhere.
    pub(crate) n_hops: u8,
    /// Whom he calls.
    pub(crate) target: Target,
    /// When he began.
    began: Instant,
    stage: Stage,
    is_sampled: bool,
    sampled: Option<Box<Sampled>>,
}

#[derive(Debug)]
enum Stage {
    /// Has not said all of his request.
    Asks(Bytes),
    /// The head of the answer is arriving.
    Waits(Vec<u8>),
    /// The first page with sound is arriving.
    Opens(Walk),
    /// Has heard sound.
    Listens,
}

/// What became of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// He stays.
    Stays,
    /// He stays, and has just heard his first sound.
    Heard,
    /// He is to go elsewhere.
    Redirected(String),
    /// He got an answer that is not sound.
    Refused,
    /// The connection was never made.
    NotConnected,
    /// The server hung up.
    Gone,
}

/// What all listeners share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Who got which page first.
    pub(crate) arrivals: Arrivals,
    /// All counts.
    pub(crate) tally: Tally,
}

impl Seat {
    /// A listener whose connection was begun at `began`.
    pub(crate) fn new(
        socket: TcpStream,
        target: Target,
        group: Group,
        is_sampled: bool,
        began: Instant,
    ) -> Self {
        Self {
            socket,
            group,
            n_hops: 0,
            began,
            stage: Stage::Asks(target.request.clone()),
            target,
            is_sampled,
            sampled: None,
        }
    }

    /// Goes on with another connection. The time counts from the first.
    pub(crate) fn go_on(&mut self, socket: TcpStream, target: Target) {
        self.socket = socket;
        self.stage = Stage::Asks(target.request.clone());
        self.target = target;
        self.n_hops += 1;
    }

    /// Whether he has heard sound.
    pub(crate) fn has_heard(&self) -> bool {
        matches!(self.stage, Stage::Listens)
    }

    /// Whether he is listened to closely.
    pub(crate) fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Says as much of the request as can be said now.
    pub(crate) fn ask(&mut self) -> Fate {
        let Stage::Asks(request) = &mut self.stage else {
            return Fate::Stays;
        };
        while !request.is_empty() {
            match self.socket.write(request) {
                Ok(n_bytes) => request.advance(n_bytes),
                Err(error) if is_not_yet(&error) => return Fate::Stays,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Fate::NotConnected,
            }
        }
        self.stage = Stage::Waits(Vec::new());
        Fate::Stays
    }

    /// Takes all that has come. `is_last`: the server has said that no more will.
    pub(crate) fn listen(&mut self, buffer: &mut [u8], is_last: bool, shared: &mut Shared) -> Fate {
        let mut fate = Fate::Stays;
        loop {
            let n_bytes = match self.receive(buffer) {
                Ok(n_bytes) if n_bytes > 0 => n_bytes,
                Err(error) if is_not_yet(&error) => return fate,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) if matches!(self.stage, Stage::Asks(_)) => {
                    return Fate::NotConnected;
                }
                Ok(_) | Err(_) => return Fate::Gone,
            };
            shared.tally.n_bytes += n_bytes as u64;
            match self.take(&buffer[..n_bytes.min(buffer.len())], shared) {
                Fate::Stays => {}
                Fate::Heard => fate = Fate::Heard,
                ended => return ended,
            }
            // Fewer bytes than there was room for: the kernel has no more, and will tell.
            if n_bytes < buffer.len() && !is_last {
                return fate;
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_heard() && self.sampled.is_none() {
            // The kernel throws it away without copying it (tcp(7), MSG_TRUNC).
            let (_, n_bytes) = recv(&self.socket, buffer, RecvFlags::TRUNC)?;
            return Ok(n_bytes);
        }
        self.socket.read(buffer)
    }

    fn take(&mut self, bytes: &[u8], shared: &mut Shared) -> Fate {
        if self.has_heard() && self.sampled.is_none() {
            return Fate::Stays;
        }
        let now = Instant::now();
        let Stage::Waits(read) = &mut self.stage else {
            return self.take_body(bytes, now, shared);
        };
        if read.is_empty() && self.n_hops == 0 {
            let time = now.saturating_duration_since(self.began);
            shared.tally.first_byte(self.group, time);
        }
        read.extend_from_slice(bytes);
        let (head, n_bytes) = match Head::parse(read) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Fate::Stays,
            Err(_) => return Fate::Refused,
        };
        let body = read.split_off(n_bytes);
        let count = shared.tally.outcome.statuses.entry(head.status);
        *count.or_default() += 1;
        match (head.status, head.location.as_deref()) {
            (200 | 206, _) => {}
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                return Fate::Redirected(location.to_owned());
            }
            _ => return Fate::Refused,
        }
        self.stage = Stage::Opens(Walk::default());
        if self.is_sampled {
            self.sampled = Some(Box::new(Sampled::new(self.began, &head)));
        }
        self.take_body(&body, now, shared)
    }

    fn take_body(&mut self, bytes: &[u8], now: Instant, shared: &mut Shared) -> Fate {
        if let Some(sampled) = &mut self.sampled {
            let (group, Shared { arrivals, tally }) = (self.group, shared);
            let mut lags = Vec::new();
            let counts = &mut tally.outcome.sample;
            sampled.take(bytes, now, arrivals, counts, |lag| lags.push(lag));
            lags.into_iter().for_each(|lag| tally.lag(group, lag));
            return self.open(bytes, now, tally);
        }
        self.open(bytes, now, &mut shared.tally)
    }

    fn open(&mut self, bytes: &[u8], now: Instant, tally: &mut Tally) -> Fate {
        let Stage::Opens(walk) = &mut self.stage else {
            return Fate::Stays;
        };
        if !walk.take(bytes) {
            return Fate::Stays;
        }
        self.stage = Stage::Listens;
        tally.first_audio(self.group, now.saturating_duration_since(self.began));
        Fate::Heard
    }

    /// Hangs up. What his player went through is counted.
    pub(crate) fn finish(self, now: Instant, tally: &mut Tally) {
        let Some(sampled) = self.sampled else {
            return;
        };
        let (n_stalls, stalled) = sampled.finish(now);
        let sample = &mut tally.outcome.sample;
        sample.n_listeners += 1;
        sample.n_stalls += n_stalls;
        sample.stalled_seconds += stalled.as_secs_f64();
    }
}

/// Not an error: the connection is not made yet, or has nothing to say.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
