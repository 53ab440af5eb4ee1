//! plenum-bare-loop: the least a server can do. The bench holds Plenum against it.
//!
//! One thread, one array of listeners, one write for each of them per pace, straight from one
//! long buffer. It speaks no HTTP worth the name, logs nothing, forgives nothing: what it
//! costs is the kernel's price.
//!
//! With several threads it shows what ways there are to share out those who come.

mod programme;

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::net::{SendFlags, send};
use socket2::{Domain, Socket, Type};

use programme::Programme;

const BACKLOG: i32 = 4096;
const DOOR: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 4096;
const HANDED_MAX: usize = 16 * 1024;
/// Listeners are spread over ticks of this length, as Plenum spreads them.
const TICK: Duration = Duration::from_millis(20);
/// Neighbours in the array are neighbours in the kernel's memory, so they are served in a row.
const RUN: usize = 32;
const ANSWER: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: application/ogg\r\nCache-Control: no-store\r\n\r\n";

/// Sends an Ogg file at the speed of time to everybody who connects, with as little work as
/// possible. For measurements only.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address and port
    #[arg(long)]
    listen: SocketAddr,
    /// The Ogg file, repeated
    #[arg(long)]
    file: PathBuf,
    /// Seconds between two writes to a listener; 0 writes every page
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// Seconds of sound for a joiner
    #[arg(long, default_value_t = 4.0)]
    burst: f64,
    /// Minutes of sound; then it ends
    #[arg(long, default_value_t = 20)]
    minutes: u64,
    /// Threads, each with its own listeners
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Who takes connections, if there are several threads
    #[arg(long, value_enum, default_value_t = Doors::Own)]
    doors: Doors,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Doors {
    /// Every thread for itself, by `SO_REUSEPORT`
    Own,
    /// One more thread, which hands them out in turn
    One,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let bytes = std::fs::read(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let programme = Programme::parse(&bytes)?;
    let has_own_doors = arguments.doors == Doors::Own;
    let mut servers = Vec::new();
    let mut shares = Vec::new();
    for _ in 0..arguments.threads {
        let (share, handed) = sync_channel(HANDED_MAX);
        let door = has_own_doors
            .then(|| open(arguments.listen, true))
            .transpose()?;
        let server = Server::new(&arguments, &programme, door, handed)?;
        shares.push((
            share,
            Waker::new(server.poll.registry(), WAKER).map(Arc::new)?,
        ));
        servers.push(server);
    }
    if !has_own_doors {
        let door = open(arguments.listen, false)?;
        std::thread::spawn(move || hand_out(door, &shares));
    }
    let threads: Vec<_> = servers
        .into_iter()
        .map(|server| std::thread::spawn(|| server.run()))
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread panicked"))??;
    }
    Ok(())
}

/// Takes connections for all threads, in turn.
fn hand_out(mut door: TcpListener, shares: &[(SyncSender<TcpStream>, Arc<Waker>)]) -> Result<()> {
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut door, DOOR, Interest::READABLE)?;
    let mut events = Events::with_capacity(1);
    let mut turns = shares.iter().cycle();
    loop {
        poll.poll(&mut events, None)?;
        while let Ok((socket, _)) = door.accept() {
            if let Some((share, waker)) = turns.next() {
                share.send(socket)?;
                waker.wake()?;
            }
        }
    }
}

struct Listener {
    socket: TcpStream,
    /// Goes out first: nothing for those who have not asked yet.
    first: Vec<u8>,
    offset: usize,
    has_asked: bool,
}

struct Server {
    poll: Poll,
    door: Option<TcpListener>,
    handed: Receiver<TcpStream>,
    listeners: Vec<Option<Listener>>,
    free: Vec<usize>,
    greeting: Vec<u8>,
    sound: Vec<u8>,
    /// When a page is due, and where it ends.
    pages: Vec<(Duration, usize)>,
    n_pages_due: usize,
    burst: Duration,
    /// Every so manieth listener is served in one tick; 0: all, with every page.
    n_ticks: usize,
}

impl Server {
    fn new(
        arguments: &Arguments,
        programme: &Programme,
        mut door: Option<TcpListener>,
        handed: Receiver<TcpStream>,
    ) -> Result<Self> {
        let length = Duration::from_secs(60 * arguments.minutes);
        let (mut sound, mut pages) = (Vec::new(), Vec::new());
        for due in programme.endless().take_while(|due| due.at < length) {
            sound.extend_from_slice(due.page.bytes());
            pages.push((due.at, sound.len()));
        }
        let poll = Poll::new()?;
        if let Some(door) = &mut door {
            poll.registry().register(door, DOOR, Interest::READABLE)?;
        }
        let pace = Duration::try_from_secs_f64(arguments.pace)?;
        Ok(Self {
            poll,
            door,
            handed,
            listeners: Vec::new(),
            free: Vec::new(),
            greeting: [ANSWER, &programme.headers].concat(),
            sound,
            pages,
            n_pages_due: 0,
            burst: Duration::try_from_secs_f64(arguments.burst)?,
            n_ticks: usize::try_from(pace.as_millis() / TICK.as_millis())?,
        })
    }

    fn run(mut self) -> Result<()> {
        // As if it had been running for as long as a burst.
        let began = Instant::now();
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut tick = 0;
        loop {
            let now = began.elapsed() + self.burst;
            let n_before = self.n_pages_due;
            while self.pages.get(self.n_pages_due).is_some_and(|p| p.0 <= now) {
                self.n_pages_due += 1;
            }
            if self.n_pages_due == self.pages.len() {
                return Ok(());
            }
            let next_tick = began + TICK * (tick + 1);
            let next = if self.n_ticks == 0 {
                if n_before != self.n_pages_due {
                    self.serve_every(0, 1);
                }
                began + self.pages[self.n_pages_due].0.saturating_sub(self.burst)
            } else {
                if Instant::now() >= next_tick {
                    tick += 1;
                    self.serve_every(tick as usize % self.n_ticks, self.n_ticks);
                }
                began + TICK * (tick + 1)
            };
            let patience = next.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                match event.token() {
                    DOOR | WAKER => self.welcome(),
                    Token(at) => self.take(at, event.is_read_closed() || event.is_error()),
                }
            }
        }
    }

    /// The next who came to the own door, or was handed over.
    fn next(&self) -> Option<TcpStream> {
        match &self.door {
            Some(door) => door.accept().ok().map(|(socket, _)| socket),
            None => self.handed.try_recv().ok(),
        }
    }

    fn welcome(&mut self) {
        while let Some(mut socket) = self.next() {
            let _ = socket.set_nodelay(true);
            let at = self.free.pop().unwrap_or_else(|| {
                self.listeners.push(None);
                self.listeners.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if registry.register(&mut socket, Token(at), interest).is_err() {
                self.free.push(at);
                continue;
            }
            self.listeners[at] = Some(Listener {
                socket,
                first: Vec::new(),
                offset: 0,
                has_asked: false,
            });
            // The request is mostly there already.
            self.take(at, false);
        }
    }

    /// Somebody has said something, or has room again.
    fn take(&mut self, at: usize, has_gone: bool) {
        let Some(Some(listener)) = self.listeners.get_mut(at) else {
            return;
        };
        if has_gone {
            return self.close(at);
        }
        if !listener.has_asked {
            let mut request = [0; 2048];
            match listener.socket.read(&mut request) {
                Ok(n_bytes) if request[..n_bytes].ends_with(b"\r\n\r\n") => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => return self.close(at),
            }
            let newest = self.n_pages_due.saturating_sub(1);
            let from = self.pages[newest].0.saturating_sub(self.burst);
            let n_pages = self.pages.partition_point(|(at, _)| *at < from);
            listener.has_asked = true;
            listener.offset = n_pages.checked_sub(1).map_or(0, |n| self.pages[n].1);
            listener.first.clone_from(&self.greeting);
            let head = self.pages[newest].1;
            listener
                .first
                .extend_from_slice(&self.sound[listener.offset..head]);
            listener.offset = head;
        } else if listener.first.is_empty() {
            return;
        }
        self.serve(at);
    }

    fn serve_every(&mut self, from: usize, step: usize) {
        let n_listeners = self.listeners.len();
        for run in (from * RUN..n_listeners).step_by(step * RUN) {
            for at in run..n_listeners.min(run + RUN) {
                self.serve(at);
            }
        }
    }

    /// One write.
    fn serve(&mut self, at: usize) {
        let head = self.pages[self.n_pages_due.saturating_sub(1)].1;
        let Some(Some(listener)) = self.listeners.get_mut(at) else {
            return;
        };
        let is_first = !listener.first.is_empty();
        let bytes = if is_first {
            &listener.first
        } else {
            &self.sound[listener.offset..head]
        };
        if !listener.has_asked || bytes.is_empty() {
            return;
        }
        match send(&listener.socket, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from) {
            Ok(n_bytes) if is_first => {
                listener.first.drain(..n_bytes);
                listener.first.shrink_to_fit();
            }
            Ok(n_bytes) => listener.offset += n_bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(at),
        }
    }

    fn close(&mut self, at: usize) {
        self.listeners[at] = None;
        self.free.push(at);
    }
}

fn open(address: SocketAddr, is_shared: bool) -> Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket
        .bind(&address.into())
        .with_context(|| format!("cannot listen on {address}"))?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
