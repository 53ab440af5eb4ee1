//! Where connections come in, at one address or several: one thread that takes them, reads the head of
//! each, and hands the connection itself to the house. An error of one connection never ends the door.
//!
//! A crowd of listeners passes here without a task, a timer or a turn of the runtime for each;
//! only who is more than a listener goes on as a task.

mod others;
mod waiting;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::caller::Caller;
use super::gate::Gate;
use super::head::{HEAD_BYTES_MAX, Head};
use super::porch::Porch;
use super::tls::Tls;
use crate::current::Current;
use crate::descriptors;
use crate::handover::{Member, Met, Part, Stage, Verdict};
use crate::shutdown::Shutdown;
use others::is_password;
pub(super) use others::{late_head, status_of};
use waiting::{Heard, Waiting};

/// Connections that the kernel holds for us until we take them.
const BACKLOG: u32 = 4096;
/// A head comes within this time in all, not from byte to byte.
pub(super) const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// The most connections whose head has not come yet. For a further one the oldest is closed: it
/// has had more time than any other.
const HEADS_PENDING_MAX: usize = 4096;
/// How long the door rests when the system has no socket left to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections taken before those are looked at whose head is arriving.
const ACCEPTED_AT_ONCE_MAX: usize = 256;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

const LISTENERS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Who lives behind the door.
pub trait House: Send + Sync + 'static {
    /// Takes a connection without waiting for anything, as most listeners can be taken. Runs on
    /// the door's thread: nobody else comes in meanwhile.
    ///
    /// # Errors
    /// Gives back a connection that needs more; it will be welcomed.
    fn seat(
        &self,
        head: &Head,
        socket: std::net::TcpStream,
        came: Instant,
    ) -> Result<(), std::net::TcpStream>;

    /// Who may come in at all.
    fn gate(&self) -> &Gate;

    /// Whether a connection may begin with a password instead of a head, as SHOUTcast's sources do.
    fn takes_passwords(&self) -> bool {
        false
    }

    /// Takes a connection that begins with a password, of which the first bytes have been read.
    fn welcome_password(self: Arc<Self>, caller: Caller) -> impl Future<Output = ()> + Send {
        async move { drop(caller) }
    }

    /// Takes a connection whose head has been read, and keeps it as long as it likes.
    fn welcome(self: Arc<Self>, head: Head, caller: Caller) -> impl Future<Output = ()> + Send;
}

/// Binds an address such as `0.0.0.0:8000` or `[::]:8000` (which takes IPv4 too).
///
/// # Errors
/// When the address is taken or not ours; the text names it.
pub fn bind(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()
    } else {
        tokio::net::TcpSocket::new_v6()
    }?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Whatever the system does by itself (`net.ipv6.bindv6only`).
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket
        .bind(address)
        .and_then(|()| socket.listen(BACKLOG))
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })
}

/// Takes connections at all these addresses until the program is told to stop, for whoever lives behind the door when
/// each of them comes; those first whom the program before this
/// one has `met`. With `tls`, those who begin with a handshake are met there.
///
/// # Errors
/// When the system gives no epoll or no thread, or takes them back.
pub async fn serve<H: House>(
    listeners: Vec<tokio::net::TcpListener>,
    house: Arc<Current<H>>,
    tls: Option<Arc<Tls>>,
    met: Vec<Met>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let mut waiting_at = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let mut listener = TcpListener::from_std(listener.into_std()?);
        let registry = poll.registry();
        registry.register(&mut listener, LISTENERS, Interest::READABLE)?;
        waiting_at.push(listener);
    }
    let n_descriptors = descriptors::raise();
    let door = Door {
        poll,
        listeners: waiting_at,
        porch: Porch::new(descriptors::share(HEADS_PENDING_MAX, n_descriptors)),
        buffer: vec![0; HEAD_BYTES_MAX],
        house,
        tls,
        member: shutdown.freeze().join(Stage::Door),
        met,
        shutdown: shutdown.clone(),
        n_descriptors,
    };
    let runtime = tokio::runtime::Handle::current();
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("door".to_owned())
        .spawn(move || {
            let _inside = runtime.enter();
            let _ = ended.send(door.run());
        })?;
    let end = until_closed(&waker, end, &shutdown).await?;
    end.unwrap_or_else(|_| Err(io::Error::other("the door's thread panicked")))
}

type End = Result<io::Result<()>, oneshot::error::RecvError>;

/// Wakes the door when it has to close, be it for a moment only.
async fn until_closed(
    waker: &Waker,
    mut end: oneshot::Receiver<io::Result<()>>,
    shutdown: &Shutdown,
) -> io::Result<End> {
    let freeze = shutdown.freeze();
    loop {
        tokio::select! {
            end = &mut end => return Ok(end),
            () = shutdown.requested() => {
                waker.wake()?;
                return Ok(end.await);
            }
            () = freeze.asked(Stage::Door) => waker.wake()?,
        }
        if freeze.ended().await == Verdict::Leave {
            let end = end.await;
            shutdown.requested().await;
            return Ok(end);
        }
    }
}

struct Door<H> {
    poll: Poll,
    listeners: Vec<TcpListener>,
    porch: Porch<Waiting>,
    buffer: Vec<u8>,
    house: Arc<Current<H>>,
    tls: Option<Arc<Tls>>,
    member: Member,
    /// Those whom the program before this one has met.
    met: Vec<Met>,
    shutdown: Shutdown,
    n_descriptors: u64,
}

impl<H: House> Door<H> {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut accept_at = None;
        for met in std::mem::take(&mut self.met) {
            self.greet(Waiting::of(met));
        }
        while !self.shutdown.is_requested() {
            if self.member.is_asked() && self.close() == Verdict::Leave {
                return Ok(());
            }
            let patience = self.patience(accept_at, Instant::now());
            if let Err(error) = self.poll.poll(&mut events, patience)
                && error.kind() != io::ErrorKind::Interrupted
            {
                let why = format!("the door cannot wait for connections: {error}");
                return Err(io::Error::new(error.kind(), why));
            }
            for event in &events {
                match event.token() {
                    LISTENERS => accept_at = Some(Instant::now()),
                    WAKER => {}
                    Token(_) => self.take_event(event),
                }
            }
            let now = Instant::now();
            if accept_at.is_some_and(|at| at <= now) {
                accept_at = self.accept(now);
            }
            self.turn_out_the_slow(now);
        }
        Ok(())
    }

    /// Stands still. Who knocks meanwhile waits; whose head has not come is handed in.
    fn close(&mut self) -> Verdict {
        let met = self.porch.all().filter_map(|waiting| waiting.met().ok());
        let part = Part::Porch(met.collect());
        tokio::runtime::Handle::current().block_on(self.member.arrive(part))
    }

    fn patience(&mut self, accept_at: Option<Instant>, now: Instant) -> Option<Duration> {
        let head_until = self.porch.oldest().map(|(_, w)| w.came + HEAD_TIME_MAX);
        let next = [accept_at, head_until].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(now))
    }

    /// Takes those who knock, at all addresses. Gives the time to look again, if there may be more of
    /// them.
    fn accept(&mut self, now: Instant) -> Option<Instant> {
        let mut again = None;
        for at in 0..self.listeners.len() {
            let next = self.accept_at(at, now);
            again = [again, next].into_iter().flatten().min();
        }
        again
    }

    fn accept_at(&mut self, at: usize, now: Instant) -> Option<Instant> {
        for _ in 0..ACCEPTED_AT_ONCE_MAX {
            match self.listeners.get(at)?.accept() {
                Ok((_, peer)) if !self.house.now().gate().opens(peer.ip()) => {}
                Ok((socket, peer)) => self.meet(socket, peer.ip(), now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!("cannot take a connection: {error}");
                    return Some(now + ACCEPT_PAUSE);
                }
            }
        }
        Some(now)
    }

    /// Most requests are there as soon as the connection is.
    fn meet(&mut self, socket: TcpStream, peer: IpAddr, now: Instant) {
        let _ = socket.set_nodelay(true);
        self.greet(Waiting {
            socket,
            read: BytesMut::new(),
            came: now,
            from: Some(peer),
            may_be_proxied: self.house.now().gate().trusts(peer),
        });
    }

    fn greet(&mut self, mut waiting: Waiting) {
        match waiting.listen(&mut self.buffer, self.house.now().gate()) {
            Heard::Nothing => self.let_wait(waiting),
            heard => self.answer(waiting, heard),
        }
    }

    fn answer(&self, waiting: Waiting, heard: Heard) {
        match heard {
            Heard::Nothing | Heard::End => {}
            Heard::Head(head) => self.lead_in(waiting, head),
            Heard::Bad(_) if self.tls.is_some() && Tls::is_handshake(&waiting.read) => {
                self.shake_hands(waiting);
            }
            Heard::Bad(_) if self.house.now().takes_passwords() && is_password(&waiting.read) => {
                self.take_password(waiting);
            }
            Heard::Bad(bad) => self.refuse(waiting, status_of(bad), &bad.to_string()),
        }
    }

    fn let_wait(&mut self, waiting: Waiting) {
        if self.porch.is_full()
            && let Some((oldest, _)) = self.porch.oldest()
        {
            self.porch.leave(oldest);
        }
        let at = self.porch.enter(waiting);
        let Some(waiting) = self.porch.get_mut(at) else {
            return;
        };
        let registry = self.poll.registry();
        let registered = registry.register(&mut waiting.socket, Token(at), Interest::READABLE);
        if registered.is_err() {
            self.porch.leave(at);
        }
    }

    fn take_event(&mut self, event: &Event) {
        let at = event.token().0;
        let Some(waiting) = self.porch.get_mut(at) else {
            return;
        };
        let heard = waiting.listen(&mut self.buffer, self.house.now().gate());
        if matches!(heard, Heard::Nothing) {
            return;
        }
        let Some(waiting) = self.release(at) else {
            return;
        };
        self.answer(waiting, heard);
    }

    /// Takes one out of the porch.
    fn release(&mut self, at: usize) -> Option<Waiting> {
        let mut waiting = self.porch.leave(at)?;
        let _ = self.poll.registry().deregister(&mut waiting.socket);
        Some(waiting)
    }

    fn lead_in(&self, waiting: Waiting, head: Head) {
        let is_last = descriptors::is_among_last(waiting.socket.as_raw_fd(), self.n_descriptors);
        if is_last {
            let why = "this server has no connection left to give; try again in a few seconds";
            return self.refuse(waiting, StatusCode::SERVICE_UNAVAILABLE, why);
        }
        // A mistake of ours with one listener's request is not to end all others' stream.
        let led = catch_unwind(AssertUnwindSafe(|| self.seat(waiting, head)));
        if led.is_err() {
            error!("a request panicked: its connection is closed, and nobody else is concerned");
        }
    }

    fn seat(&self, waiting: Waiting, head: Head) {
        let house = self.house.now();
        let Some(known) = house.gate().came(waiting.from, &head) else {
            return;
        };
        let Waiting {
            socket, read, came, ..
        } = waiting;
        let socket = std::net::TcpStream::from(OwnedFd::from(socket));
        if let Err(socket) = house.seat(&head, socket, came)
            && let Ok(mut caller) = Caller::met(socket, read, came)
        {
            caller.known = known;
            self.shutdown.spawn(
                "connection",
                async move { house.welcome(head, caller).await },
            );
        }
    }

    fn turn_out_the_slow(&mut self, now: Instant) {
        while let Some((at, oldest)) = self.porch.oldest()
            && oldest.came + HEAD_TIME_MAX <= now
        {
            let Some(waiting) = self.release(at) else {
                return;
            };
            if !waiting.read.is_empty() {
                self.refuse(waiting, StatusCode::REQUEST_TIMEOUT, &late_head());
            }
        }
    }
}

/// The caller went while he was being taken: nothing is wrong with the door.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
