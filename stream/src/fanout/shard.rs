//! The write loop: one thread, its own epoll, all its listeners in one array.
//!
//! It wakes on a clock, not on a page: every listener is due once per pace and gets all he has
//! not got yet in one write. Relays come first in every round and get every page at once.

mod frozen;
mod ordered;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};

use super::batch::Batch;
use super::figures::{Closed, Figures};
use super::limit::LOOK_EVERY;
use super::order::Order;
use super::pace::{Pace, TICK, Ticket, Wheel};
use super::seat::{Joiner, Seat};
use super::uplink::Uplink;
use super::watch::Watch;
use crate::log::Wake;

pub(super) use frozen::Freeze;

/// The token of the waker; listeners have their place in the array.
const WAKER: Token = Token(usize::MAX);
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// Joiners taken at once, so that a crowd does not make those wait who listen already.
const JOINERS_AT_ONCE_MAX: usize = 256;
/// Of those who had to wait so many are served in one tick, so that relays do not wait for them.
const WAITING_AT_ONCE_MAX: usize = 1024;
/// After so many ticks that were missed (the process was stopped) the clock starts anew.
const TICKS_LATE_MAX: u32 = 64;

/// What wakes a shard: somebody joins, or a page has come for one who gets every page.
#[derive(Debug)]
pub(super) struct Alarm {
    waker: Waker,
    is_rung: AtomicBool,
}

impl Wake for Alarm {
    /// Wakes the shard, unless it has been woken already and not looked yet.
    fn wake(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            let _ = self.waker.wake();
        }
    }
}

/// What comes to a shard.
pub(super) struct Inbox {
    pub(super) joiners: Receiver<Joiner>,
    pub(super) freezes: Receiver<Freeze>,
    pub(super) orders: Receiver<Order>,
    /// The number of the next joiner, whichever shard he comes to.
    pub(super) ids: Arc<AtomicU64>,
}

pub(super) struct Shard {
    /// Its number.
    n: usize,
    poll: Poll,
    alarm: Arc<Alarm>,
    joiners: Receiver<Joiner>,
    freezes: Receiver<Freeze>,
    orders: Receiver<Order>,
    ids: Arc<AtomicU64>,
    seats: Vec<(u32, Option<Seat>)>,
    free: Vec<u32>,
    wheel: Wheel,
    /// Those who get every page at once, relays first.
    prompt: Vec<Ticket>,
    /// Listeners whose turn came when the uplink was full, in order. They are not in the wheel.
    waiting: VecDeque<Ticket>,
    watch: Watch,
    next_look: Instant,
    batch: Batch,
    figures: Arc<Figures>,
    uplink: Arc<Uplink>,
    next_tick: Instant,
}

impl Shard {
    /// # Errors
    /// When the kernel gives no epoll.
    pub(super) fn new(
        n: usize,
        inbox: Inbox,
        figures: Arc<Figures>,
        uplink: Arc<Uplink>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok(Self {
            n,
            poll,
            alarm: Arc::new(Alarm {
                waker,
                is_rung: AtomicBool::new(false),
            }),
            joiners: inbox.joiners,
            freezes: inbox.freezes,
            orders: inbox.orders,
            ids: inbox.ids,
            seats: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::new(),
            prompt: Vec::new(),
            waiting: VecDeque::new(),
            watch: Watch::default(),
            next_look: Instant::now(),
            batch: Batch::default(),
            figures,
            uplink,
            next_tick: Instant::now(),
        })
    }

    pub(super) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// Serves until nobody can join any more: the other side of the channel is gone.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut due = Vec::new();
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!("a shard cannot wait for events: {error}");
                return;
            }
            let began = Instant::now();
            if self.alarm.is_rung.swap(false, Ordering::AcqRel) {
                self.serve_prompt(began);
            }
            self.look_at_relays(began);
            for event in &events {
                if event.token() != WAKER {
                    self.take_event(event, began);
                }
            }
            due = self.turn(due, began);
            if !self.take_joiners(began) {
                return self.close_all();
            }
            self.obey();
            if let Ok(freeze) = self.freezes.try_recv() {
                self.freeze(&freeze);
            }
            self.figures.busy(began.elapsed());
        }
    }

    /// How long it may sleep. Without listeners: until somebody joins.
    fn patience(&self) -> Option<Duration> {
        let is_empty = self.wheel.is_empty() && self.prompt.is_empty() && self.waiting.is_empty();
        (!is_empty).then(|| self.next_tick.saturating_duration_since(Instant::now()))
    }

    /// Serves those whose tick has come.
    fn turn(&mut self, mut due: Vec<Ticket>, now: Instant) -> Vec<Ticket> {
        if self.next_tick + TICK * TICKS_LATE_MAX < now {
            self.next_tick = now;
        }
        while self.next_tick <= now {
            self.next_tick += TICK;
            due = self.wheel.turn(due);
            // Who is due in one tick was mostly due in one tick before: same mount, same place.
            self.batch.clear();
            self.serve_waiting(now);
            for ticket in due.drain(..) {
                if self.gives_way(ticket, now) {
                    self.waiting.push_back(ticket);
                } else if let Some(pace) = self.serve(ticket, now) {
                    self.wheel.again(ticket, ticks(pace));
                }
            }
        }
        due
    }

    /// Whether he is one of those who give way when the uplink is full, and it is. Who comes after
    /// others who wait already waits behind them.
    fn gives_way(&self, ticket: Ticket, now: Instant) -> bool {
        let has_room = self.waiting.is_empty() && self.uplink.has_room(now);
        let gives_way = !has_room
            && find(&self.seats, ticket).is_some_and(|seat| !seat.is_relay() && !seat.is_full());
        if gives_way {
            self.uplink.put_off();
        }
        gives_way
    }

    /// Serves those who have been waiting, as long as there is room.
    fn serve_waiting(&mut self, now: Instant) {
        for _ in 0..WAITING_AT_ONCE_MAX {
            if self.waiting.is_empty() || !self.uplink.has_room(now) {
                return;
            }
            let Some(ticket) = self.waiting.pop_front() else {
                return;
            };
            if let Some(pace) = self.serve(ticket, now) {
                // Not all at once again, though they come out of the queue at once.
                self.wheel.join(ticket, ticks(pace));
            }
        }
    }

    /// Tells the uplink how the relays are doing.
    fn look_at_relays(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let seats = &self.seats;
        let seen = self.watch.look(|ticket| find(seats, ticket), now);
        let was_in_vain = self
            .uplink
            .report(self.n, seen.n_relays, seen.n_held_up, now);
        if was_in_vain {
            self.watch.give_up(now);
        }
    }

    fn serve_prompt(&mut self, now: Instant) {
        self.batch.clear();
        let mut prompt = std::mem::take(&mut self.prompt);
        prompt.retain(|ticket| self.gives_way(*ticket, now) || self.serve(*ticket, now).is_some());
        self.prompt = prompt;
    }

    /// Serves one. `None`: he is not there any more.
    fn serve(&mut self, ticket: Ticket, now: Instant) -> Option<Pace> {
        let (generation, seat) = self.seats.get_mut(ticket.0 as usize)?;
        if *generation != ticket.1 {
            return None;
        }
        let seat = seat.as_mut()?;
        let pace = seat.pace;
        if seat.is_full() && !seat.is_overdue(now) {
            return Some(pace);
        }
        let log = (pace == Pace::EachPage).then(|| Arc::clone(seat.log()));
        let closed = seat
            .serve(&mut self.batch, &self.figures, &self.uplink, now)
            .err();
        if log.is_some_and(|log| !Arc::ptr_eq(&log, seat.log())) {
            seat.log().wake_on_append(&self.alarm);
        }
        if let Some(closed) = closed {
            self.close(ticket.0, closed);
            return None;
        }
        Some(pace)
    }

    fn take_event(&mut self, event: &mio::event::Event, now: Instant) {
        let at = event.token().0;
        let Some((generation, Some(seat))) = self.seats.get_mut(at) else {
            return;
        };
        let ticket = (u32::try_from(at).unwrap_or(u32::MAX), *generation);
        if event.is_error() || (event.is_readable() && seat.wire.has_hung_up()) {
            return self.close(ticket.0, Closed::Gone);
        }
        if event.is_writable() && seat.is_full() {
            if !seat.is_relay() && !self.uplink.has_room(now) {
                return seat.is_full_no_more();
            }
            seat.is_full_no_more();
            self.batch.clear();
            self.serve(ticket, now);
        }
    }

    /// `false`: nobody will join any more.
    fn take_joiners(&mut self, now: Instant) -> bool {
        self.batch.clear();
        for _ in 0..JOINERS_AT_ONCE_MAX {
            match self.joiners.try_recv() {
                Ok(joiner) => self.take_joiner(joiner, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.alarm.wake();
        true
    }

    fn take_joiner(&mut self, joiner: Joiner, now: Instant) {
        if self.wheel.is_empty() {
            self.next_tick = now;
        }
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut seat = Seat::new(id, joiner, now);
        let at = self.free.pop().unwrap_or_else(|| {
            self.seats.push((0, None));
            u32::try_from(self.seats.len() - 1).unwrap_or(u32::MAX)
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(at as usize);
        let is_registered = self
            .poll
            .registry()
            .register(seat.wire.socket(), token, interest);
        let (pace, is_relay) = (seat.pace, seat.is_relay());
        if pace == Pace::EachPage {
            seat.log().wake_on_append(&self.alarm);
        }
        self.figures.joined(&seat);
        self.seats[at as usize].1 = Some(seat);
        if is_registered.is_err() {
            return self.close(at, Closed::Gone);
        }
        let ticket = (at, self.seats[at as usize].0);
        if is_relay {
            self.watch.join(ticket, now);
        }
        match pace {
            Pace::Ticks(_) => {}
            Pace::EachPage if is_relay => self.prompt.insert(0, ticket),
            Pace::EachPage => self.prompt.push(ticket),
        }
        if self.gives_way(ticket, now) {
            self.waiting.push_back(ticket);
        } else if self.serve(ticket, now).is_some() {
            self.wheel.join(ticket, ticks(pace));
        }
    }

    fn close(&mut self, at: u32, closed: Closed) {
        let (generation, seat) = &mut self.seats[at as usize];
        let Some(mut seat) = seat.take() else { return };
        *generation = generation.wrapping_add(1);
        self.free.push(at);
        let _ = self.poll.registry().deregister(seat.wire.socket());
        seat.wire.say_goodbye();
        self.figures.left(&seat);
        self.figures.closed(closed);
        tracing::debug!(
            "a listener on {} is not served any more: {closed:?}",
            seat.mount().path()
        );
    }

    fn close_all(mut self) {
        for at in 0..self.seats.len() {
            self.close(u32::try_from(at).unwrap_or(u32::MAX), Closed::Stopping);
        }
    }
}

/// Those who get every page are looked at this often besides, so that one whose socket stays
/// full, or whose mount is removed, is noticed without a page coming.
const PROMPT_CHECK_TICKS: u8 = 50;

/// In so many ticks he is due again.
fn ticks(pace: Pace) -> u8 {
    match pace {
        Pace::Ticks(ticks) => ticks,
        Pace::EachPage => PROMPT_CHECK_TICKS,
    }
}

/// Who holds this ticket, if he is still there.
fn find(seats: &[(u32, Option<Seat>)], ticket: Ticket) -> Option<&Seat> {
    let (generation, seat) = seats.get(ticket.0 as usize)?;
    seat.as_ref().filter(|_| *generation == ticket.1)
}
