//! How a source gets its pages to the master: the real backlog, over connections that break.
//!
//! What the source's own `uplink` does with tasks and sockets is done here step by step.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use source::backlog::{Next, Word};
use stream::backoff::Backoff;
use stream::mount::Wanted;
use stream::ogg::Page;

use crate::air::Air;
use crate::load::Load;
use crate::network::{Ask, Item, Node, Say, Socket};
use crate::spool::Spool;
use crate::world::MASTER;

/// As in the source's `uplink`.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const ANSWER_MAX: Duration = Duration::from_secs(3);
const STALLED_MAX: Duration = Duration::from_secs(3);
const WRITE_MAX: Duration = Duration::from_secs(10);
const CLOSE_MAX: Duration = Duration::from_secs(3);
const BUSY_WAIT: Duration = Duration::from_secs(1);
const GOOD: Duration = Duration::from_secs(5);

/// The one who sends.
pub(crate) struct Uplink {
    pub(crate) own: Node,
    /// The last of them is the one that still grows.
    pub(crate) loads: VecDeque<Load>,
    state: State,
    backoff: Backoff,
}

enum State {
    Waiting(Instant),
    Asking(Asked),
    Carrying(Carry),
    /// All is sent; the master may say that it has it.
    Closing(Carry, Instant),
}

#[derive(Clone, Copy)]
struct Asked {
    socket: Socket,
    began: Instant,
}

struct Carry {
    socket: Socket,
    began: Instant,
    /// The first page that was sent, where the master has not said what it wants.
    guessed: Option<u64>,
    /// The page that is being sent, and what of it is left to send.
    page: Option<Page>,
    rest: VecDeque<Bytes>,
    stuck: Option<Instant>,
    outstanding: Option<Instant>,
    second: Option<Asked>,
}

impl Uplink {
    /// Begins to send at `at`.
    pub(crate) fn new(own: Node, loads: VecDeque<Load>, at: Instant) -> Self {
        Self {
            own,
            loads,
            state: State::Waiting(at),
            backoff: Backoff::new(),
        }
    }

    /// The logical stream that still grows.
    pub(crate) fn live(&mut self) -> Option<&mut Load> {
        self.loads.back_mut()
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, air: &mut Air, spool: &mut Spool) {
        let state = std::mem::replace(&mut self.state, State::Waiting(air.now));
        self.state = match state {
            State::Waiting(until) if air.now < until => State::Waiting(until),
            State::Waiting(_) => self.ask(air, spool),
            State::Asking(asked) => self.hear(asked, air),
            State::Carrying(carry) => self.carry(carry, air, spool),
            State::Closing(carry, until) => self.finish(carry, until, air, spool),
        };
        let now = air.now;
        for load in &mut self.loads {
            load.mark(spool, now + Duration::from_millis(100));
        }
    }

    fn ask(&mut self, air: &mut Air, spool: &mut Spool) -> State {
        let Some(load) = self.loads.front() else {
            return State::Waiting(air.now);
        };
        if load.until.is_some_and(|until| air.now >= until) {
            air.tell("source: gives up what an earlier run left");
            return self.next_load(air, spool);
        }
        State::Asking(self.connect(air))
    }

    fn connect(&self, air: &mut Air) -> Asked {
        let serial = self.loads.front().map_or(0, |load| load.serial);
        Asked {
            socket: air.connect(self.own, MASTER, Ask::Publish { serial }),
            began: air.now,
        }
    }

    /// Goes on with the next logical stream; what the master has not got of this one need not come.
    fn next_load(&mut self, air: &mut Air, spool: &mut Spool) -> State {
        if let Some(mut load) = self.loads.pop_front() {
            let end = load.backlog.place(0) + load.backlog.n_waiting();
            let why = "too old to be sent live";
            for sequence in load.backlog.acknowledged()..end {
                let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
                air.book.excuse((load.run, sequence), why);
            }
            let acknowledged = u32::try_from(load.backlog.acknowledged()).unwrap_or(u32::MAX);
            air.book
                .excuse_lost((load.run, 0)..(load.run, acknowledged));
            load.mark(spool, air.now);
            spool.step(air.now);
        }
        self.backoff.reset();
        State::Waiting(air.now)
    }

    fn retry(&mut self, socket: Socket, began: Instant, why: &str, air: &mut Air) -> State {
        air.close(socket);
        if air.now - began > GOOD {
            self.backoff.reset();
        }
        let mut wait = self.backoff.next(air.chance.f64());
        if why == "busy" {
            wait = wait.min(BUSY_WAIT);
        }
        air.tell(&format!("source: {why}; again in {wait:?}"));
        State::Waiting(air.now + wait)
    }

    fn hear(&mut self, asked: Asked, air: &mut Air) -> State {
        let Asked { socket, began } = asked;
        match air.receive(socket) {
            Some(Item::Say(Say::Continue(wanted))) => self.begin(socket, Some(wanted), air),
            Some(Item::Say(Say::Refused(403 | 409))) => self.retry(socket, began, "busy", air),
            Some(_) => self.retry(socket, began, "not taken", air),
            None if air.now - began < CONNECT_MAX => State::Asking(asked),
            None if !air.network.is_established(socket, air.now) => {
                self.retry(socket, began, "no connection", air)
            }
            None if air.now - began < CONNECT_MAX + ANSWER_MAX => State::Asking(asked),
            None if self.loads.front().is_some_and(|load| load.is_known) => {
                self.retry(socket, began, "no answer", air)
            }
            None => self.begin(socket, None, air),
        }
    }

    /// The master takes the stream, or has said nothing for so long that it is sent all the same.
    fn begin(&mut self, socket: Socket, answer: Option<Option<Wanted>>, air: &mut Air) -> State {
        let Some(load) = self.loads.front_mut() else {
            return State::Waiting(air.now);
        };
        load.is_known |= answer.is_some();
        let mut word = Word::Given;
        if answer.is_none() {
            air.count("uplinks without an answer");
            word = Word::Awaited;
        }
        load.backlog.begin(0, word);
        if let Some(wanted) = answer {
            load.resume(wanted, air);
        }
        let headers = load
            .backlog
            .headers()
            .iter()
            .map(|page| page.bytes().clone());
        State::Carrying(Carry {
            socket,
            began: air.now,
            guessed: answer.is_none().then(|| load.backlog.place(0)),
            page: None,
            rest: headers.collect(),
            stuck: None,
            outstanding: None,
            second: None,
        })
    }

    fn carry(&mut self, mut carry: Carry, air: &mut Air, spool: &mut Spool) -> State {
        while let Some(item) = air.receive(carry.socket) {
            if let Err(why) = self.told(&mut carry, &item, air.now) {
                carry.give_up_second(air);
                return self.retry(carry.socket, carry.began, why, air);
            }
        }
        if let Some(socket) = self.second(&mut carry, air) {
            air.close(carry.socket);
            air.tell("source: the second connection goes on");
            air.count("second uplinks");
            return socket;
        }
        if self.write(&mut carry, air, spool) {
            carry.give_up_second(air);
            air.network.end(carry.socket, air.now);
            return State::Closing(carry, air.now + CLOSE_MAX);
        }
        if air.network.has_timed_out(carry.socket, air.now) {
            carry.give_up_second(air);
            return self.retry(carry.socket, carry.began, "timed out", air);
        }
        if carry
            .stuck
            .is_some_and(|since| air.now - since >= WRITE_MAX)
        {
            carry.give_up_second(air);
            return self.retry(carry.socket, carry.began, "nothing was taken", air);
        }
        State::Carrying(carry)
    }

    /// What the master says while pages are sent.
    fn told(&mut self, carry: &mut Carry, item: &Item, now: Instant) -> Result<(), &'static str> {
        let Some(load) = self.loads.front_mut() else {
            return Ok(());
        };
        match item {
            Item::Say(Say::Acknowledge(next)) => {
                load.is_known = true;
                load.backlog.acknowledge(0, u64::from(*next));
                carry.outstanding = (!load.backlog.is_confirmed_to(0)).then_some(now);
                Ok(())
            }
            Item::Say(Say::Continue(wanted)) => {
                load.is_known = true;
                let wanted = wanted.map(|wanted| u64::from(wanted.sequence));
                let is_late = wanted.zip(carry.guessed).is_some_and(|(w, g)| w < g);
                if is_late {
                    Err("wants earlier pages")
                } else {
                    Ok(())
                }
            }
            Item::Say(Say::Refused(403 | 409)) => Err("busy"),
            Item::Say(_) => Err("refused"),
            Item::End => Err("hung up"),
            _ => Err("broken"),
        }
    }

    /// Opens a second connection when the first stands still. `Some`: it is answered.
    fn second(&mut self, carry: &mut Carry, air: &mut Air) -> Option<State> {
        let is_stalled = carry
            .outstanding
            .is_some_and(|since| air.now - since >= STALLED_MAX);
        match carry.second {
            None if is_stalled => carry.second = Some(self.connect(air)),
            None => {}
            Some(asked) => match air.receive(asked.socket) {
                Some(Item::Say(Say::Continue(wanted))) => {
                    return Some(self.begin(asked.socket, Some(wanted), air));
                }
                None if air.now - asked.began < ANSWER_MAX => {}
                _ => carry.give_up_second(air),
            },
        }
        None
    }

    /// Sends what there is room for. `true`: everything is sent, and no more will come.
    fn write(&mut self, carry: &mut Carry, air: &mut Air, spool: &mut Spool) -> bool {
        let Some(load) = self.loads.front_mut() else {
            return false;
        };
        loop {
            while let Some(bytes) = carry.rest.front_mut() {
                // Header pages wait for the first sound.
                if carry.page.is_none() && load.backlog.next(0) == Next::Wait {
                    return false;
                }
                carry.outstanding.get_or_insert(air.now);
                let n_taken = air.send(carry.socket, bytes);
                if n_taken < bytes.len() {
                    *bytes = bytes.slice(n_taken..);
                    carry.stuck.get_or_insert(air.now);
                    return false;
                }
                carry.stuck = None;
                carry.rest.pop_front();
            }
            if let Some(page) = carry.page.take() {
                load.backlog.sent(0, &page);
                if load.backlog.word() != Word::Given {
                    carry.outstanding = None;
                }
            }
            match load.next(spool) {
                Next::Page(page) => {
                    carry.rest.push_back(page.bytes().clone());
                    carry.page = Some(page);
                }
                Next::End => return true,
                Next::Wait | Next::Spooled(_) => return false,
            }
        }
    }

    /// Everything was sent: the master may still say what it has of it.
    fn finish(
        &mut self,
        mut carry: Carry,
        until: Instant,
        air: &mut Air,
        spool: &mut Spool,
    ) -> State {
        let mut is_over = air.now >= until;
        let mut is_had = false;
        while let Some(item) = air.receive(carry.socket) {
            match item {
                Item::Say(Say::Done) => (is_over, is_had) = (true, true),
                Item::Say(Say::Refused(_)) | Item::End | Item::Reset => is_over = true,
                item => drop(self.told(&mut carry, &item, air.now)),
            }
        }
        if !is_over {
            return State::Closing(carry, until);
        }
        let Some(load) = self.loads.front_mut() else {
            return State::Waiting(air.now);
        };
        if is_had {
            load.backlog.acknowledge_all(0);
        }
        if !load.backlog.is_confirmed_to(0) {
            return self.retry(carry.socket, carry.began, "not all is confirmed", air);
        }
        air.close(carry.socket);
        air.tell("source: what an earlier run left is sent");
        air.count("remains sent");
        self.next_load(air, spool)
    }
}

impl Carry {
    fn give_up_second(&mut self, air: &mut Air) {
        if let Some(asked) = self.second.take() {
            air.close(asked.socket);
        }
    }
}
