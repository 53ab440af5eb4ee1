//! All listeners of the swarm, on one thread: one epoll, no task and no buffer for each.

use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::caller::{Caller, Target};
use crate::seat::{Fate, Seat, Shared};
use crate::tally::{Group, Tally};

/// Between two looks the swarm sleeps this long: a server that wakes somebody with every
/// write would be charged for the waking.
pub(crate) const REST: Duration = Duration::from_millis(5);
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 4096;
/// How much is read at once.
const READ_BYTES: usize = 128 * 1024;
/// Redirects that a listener follows.
const HOPS_MAX: u8 = 5;

/// The swarm.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Option<Events>,
    caller: Caller,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    shared: Shared,
    n_waiting: usize,
    n_listening: usize,
    next_to_leave: usize,
}

impl Crowd {
    /// A swarm without anybody.
    ///
    /// # Errors
    /// When the kernel gives no epoll.
    pub(crate) fn new(caller: Caller) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Some(Events::with_capacity(EVENTS_MAX)),
            caller,
            seats: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; READ_BYTES],
            shared: Shared::default(),
            n_waiting: 0,
            n_listening: 0,
            next_to_leave: 0,
        })
    }

    /// Those who have not heard sound yet and still may.
    pub(crate) fn n_waiting(&self) -> usize {
        self.n_waiting
    }

    /// Those who hear sound.
    pub(crate) fn n_listening(&self) -> usize {
        self.n_listening
    }

    /// All counts so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.shared.tally
    }

    /// Somebody joins.
    pub(crate) fn join(&mut self, target: &Target, group: Group, is_sampled: bool) {
        let outcome = &mut self.shared.tally.outcome;
        match group {
            Group::Churned => outcome.n_churned += 1,
            _ => outcome.n_asked += 1,
        }
        // The clock starts before the call: over the loopback the call alone makes the
        // connection.
        let began = Instant::now();
        let Ok(socket) = self.caller.call(target.address) else {
            outcome.n_not_connected += 1;
            return;
        };
        let seat = Seat::new(socket, target.clone(), group, is_sampled, began);
        let at = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        self.seats[at] = Some(seat);
        self.n_waiting += 1;
        self.begin(at);
    }

    /// Watches a new connection and says the request, if it stands already.
    fn begin(&mut self, at: usize) {
        let Some(seat) = self.seats[at].as_mut() else {
            return;
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let is_watched = registry.register(&mut seat.socket, Token(at), interest);
        let fate = match is_watched {
            Ok(()) => seat.ask(),
            Err(_) => Fate::NotConnected,
        };
        self.settle(at, fate);
    }

    /// One who listens goes: not one of the sample, the longest there first, more or less.
    pub(crate) fn leave_one(&mut self) {
        for _ in 0..self.seats.len() {
            let at = self.next_to_leave % self.seats.len();
            self.next_to_leave = at + 1;
            let may_go = |seat: &Seat| {
                let is_plain = matches!(seat.group, Group::Crowd | Group::Churned);
                is_plain && seat.has_heard() && !seat.is_sampled()
            };
            if self.seats[at].as_ref().is_some_and(may_go) {
                return self.close(at);
            }
        }
    }

    /// Takes everything that has come.
    ///
    /// # Errors
    /// When the kernel does not say what has come.
    pub(crate) fn take_all(&mut self) -> io::Result<()> {
        let mut events = self
            .events
            .take()
            .unwrap_or_else(|| Events::with_capacity(EVENTS_MAX));
        loop {
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let mut n_events = 0;
            for event in &events {
                n_events += 1;
                self.take(event);
            }
            if n_events < EVENTS_MAX {
                break;
            }
        }
        self.events = Some(events);
        Ok(())
    }

    fn take(&mut self, event: &Event) {
        let at = event.token().0;
        let Some(Some(seat)) = self.seats.get_mut(at) else {
            return;
        };
        let mut fate = Fate::Stays;
        if event.is_writable() {
            fate = seat.ask();
        }
        if fate == Fate::Stays && (event.is_readable() || event.is_error()) {
            let is_last = event.is_read_closed() || event.is_error();
            fate = seat.listen(&mut self.buffer, is_last, &mut self.shared);
        }
        self.settle(at, fate);
    }

    fn settle(&mut self, at: usize, fate: Fate) {
        let outcome = &mut self.shared.tally.outcome;
        match fate {
            Fate::Stays => return,
            Fate::Heard => {
                self.n_waiting -= 1;
                self.n_listening += 1;
                return;
            }
            Fate::Redirected(location) => {
                if self.redirect(at, &location).is_some() {
                    return;
                }
                let outcome = &mut self.shared.tally.outcome;
                outcome.n_stranded += 1;
                outcome.stranded_at.get_or_insert(location);
            }
            Fate::Refused => {}
            Fate::NotConnected => outcome.n_not_connected += 1,
            Fate::Gone => {
                let has_heard = self.seats[at].as_ref().is_some_and(Seat::has_heard);
                let count = if has_heard {
                    &mut outcome.n_dropped
                } else {
                    &mut outcome.n_closed_early
                };
                *count += 1;
            }
        }
        self.close(at);
    }

    /// Sends somebody elsewhere. `None`: he cannot go there.
    fn redirect(&mut self, at: usize, location: &str) -> Option<()> {
        let seat = self.seats[at].as_mut().filter(|s| s.n_hops < HOPS_MAX)?;
        let target = self.caller.redirected(&seat.target, location).ok()?;
        let socket: TcpStream = self.caller.call(target.address).ok()?;
        let _ = self.poll.registry().deregister(&mut seat.socket);
        seat.go_on(socket, target);
        self.shared.tally.outcome.n_redirects += 1;
        self.begin(at);
        Some(())
    }

    fn close(&mut self, at: usize) {
        let Some(mut seat) = self.seats[at].take() else {
            return;
        };
        if seat.has_heard() {
            self.n_listening -= 1;
        } else {
            self.n_waiting -= 1;
        }
        self.free.push(at);
        let _ = self.poll.registry().deregister(&mut seat.socket);
        seat.finish(Instant::now(), &mut self.shared.tally);
    }

    /// Gives up on those who have not heard anything.
    pub(crate) fn give_up_waiting(&mut self) {
        for at in 0..self.seats.len() {
            if self.seats[at].as_ref().is_some_and(|s| !s.has_heard()) {
                self.close(at);
            }
        }
    }

    /// Everybody goes.
    pub(crate) fn finish(mut self) -> Tally {
        self.shared.tally.outcome.n_at_end = self.n_listening;
        for at in 0..self.seats.len() {
            self.close(at);
        }
        self.shared.tally
    }
}
