//! Connections that exist only in memory: they carry bytes in order, in slices of any size, late,
//! and now and then not at all.
//!
//! A path joins two nodes and may fall silent: then nothing arrives and nobody is told, as when a
//! cable is pulled. What was under way arrives after it has healed, as late as TCP makes it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use stream::log::Epoch;
use stream::mount::{Class, Wanted};

/// A number for each node.
pub(crate) type Node = usize;

/// So many bytes are under way on one connection at most; then the socket is full.
const WINDOW_BYTES: usize = 32 * 1024;
/// The network cuts what is sent into slices up to so long.
const SLICE_BYTES_MAX: usize = 1_500;
/// After a silence TCP needs up to this much longer.
const RESEND_MAX: Duration = Duration::from_secs(20);
/// What was sent and is not acknowledged for longer ends a connection, where the kernel was told
/// so; elsewhere it may.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    link: usize,
    side: usize,
}

/// What is asked at the beginning of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// PUT, with the serial number of the logical stream.
    Publish { serial: u32 },
    /// GET, perhaps with `If-Range` and `Range`.
    Listen {
        class: Class,
        have: Option<(Epoch, u64)>,
    },
}

/// What is answered, before or between bytes.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// 100: send, from here on if it is known.
    Continue(Option<Wanted>),
    /// 104: so far the master has the stream.
    Acknowledge(u32),
    /// 200 at the end.
    Done,
    /// 4xx.
    Refused(u16),
    /// 200 or 206.
    Start {
        epoch: Epoch,
        offset: u64,
        n_prefix: usize,
        is_exact: bool,
    },
    /// 416.
    Ahead,
}

/// What comes out of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Ask(Ask),
    Say(Say),
    Bytes(Bytes),
    /// The other side will say no more.
    End,
    /// The connection is broken.
    Reset,
}

#[derive(Default)]
struct Lane {
    items: Vec<(Instant, Item)>,
    /// The first item that has not been received.
    next: usize,
    n_bytes: usize,
    newest: Option<Instant>,
}

struct Link {
    ends: [Node; 2],
    lanes: [Lane; 2],
    /// Nothing arrives before then.
    wakes: Instant,
    /// Nothing will ever arrive: a box on the way has forgotten the connection.
    is_lost: bool,
    has_closed: [bool; 2],
    is_established: bool,
    /// How often the one who serves moved the other to another place of the log.
    n_moves: u64,
}

#[derive(Clone, Copy)]
struct Path {
    silent_since: Option<Instant>,
    delay: Duration,
}

/// All connections and paths.
#[derive(Default)]
pub(crate) struct Network {
    links: Vec<Link>,
    arrivals: BTreeMap<Node, Vec<usize>>,
    paths: BTreeMap<(Node, Node), Path>,
}

impl Network {
    /// Joins two nodes.
    pub(crate) fn join(&mut self, one: Node, other: Node, delay: Duration) {
        let path = Path {
            silent_since: None,
            delay,
        };
        self.paths.insert(key([one, other]), path);
    }

    /// Whether something arrives now on the way between two nodes.
    pub(crate) fn is_silent(&self, one: Node, other: Node) -> bool {
        self.path([one, other]).silent_since.is_some()
    }

    /// From now on nothing arrives, and nobody is told.
    pub(crate) fn silence(&mut self, one: Node, other: Node, now: Instant) {
        if let Some(path) = self.paths.get_mut(&key([one, other])) {
            path.silent_since.get_or_insert(now);
        }
    }

    /// Things arrive again.
    pub(crate) fn heal(&mut self, one: Node, other: Node, now: Instant, chance: &mut Rng) {
        let Some(path) = self.paths.get_mut(&key([one, other])) else {
            return;
        };
        let Some(since) = path.silent_since.take() else {
            return;
        };
        let silence = now - since;
        for link in self.links_between(one, other) {
            let link = &mut self.links[link];
            link.wakes = now + (silence / 2).min(RESEND_MAX).mul_f64(chance.f64());
            if silence > USER_TIMEOUT && chance.f64() < 0.3 {
                break_link(link, now, chance);
            }
        }
    }

    /// Changes how long things take between two nodes.
    pub(crate) fn set_delay(&mut self, one: Node, other: Node, delay: Duration) {
        if let Some(path) = self.paths.get_mut(&key([one, other])) {
            path.delay = delay;
        }
    }

    /// Breaks all connections between two nodes; both ends learn it.
    pub(crate) fn reset_all(&mut self, one: Node, other: Node, now: Instant, chance: &mut Rng) {
        for link in self.links_between(one, other) {
            break_link(&mut self.links[link], now, chance);
        }
    }

    /// All connections between two nodes are forgotten by a box on the way; nobody learns it.
    pub(crate) fn forget_all(&mut self, one: Node, other: Node) {
        for link in self.links_between(one, other) {
            self.links[link].is_lost = true;
        }
    }

    /// One direction of each connection between two nodes ends; the other goes on.
    pub(crate) fn half_close(&mut self, one: Node, other: Node, now: Instant, chance: &mut Rng) {
        for link in self.links_between(one, other) {
            let side = chance.usize(..2);
            self.links[link].lanes[side].put(now, Item::End);
        }
    }

    fn links_between(&self, one: Node, other: Node) -> Vec<usize> {
        let of = |link: &Link| key(link.ends) == key([one, other]) && link.has_closed != [true; 2];
        let all = self.links.iter().enumerate();
        all.filter(|(_, link)| of(link)).map(|(n, _)| n).collect()
    }

    /// Opens a connection and asks something on it.
    pub(crate) fn connect(&mut self, from: Node, to: Node, ask: Ask, now: Instant) -> Socket {
        let mut link = Link {
            ends: [from, to],
            lanes: [Lane::default(), Lane::default()],
            wakes: now,
            is_lost: false,
            has_closed: [false; 2],
            is_established: false,
            n_moves: 0,
        };
        let delay = self.path([from, to]).delay;
        link.lanes[0].put(now + delay, Item::Ask(ask));
        let number = self.links.len();
        self.links.push(link);
        self.arrivals.entry(to).or_default().push(number);
        Socket {
            link: number,
            side: 0,
        }
    }

    /// The next connection that has come to a node.
    pub(crate) fn accept(&mut self, node: Node, now: Instant) -> Option<(Socket, Ask)> {
        let waiting = self.arrivals.get(&node)?;
        let at = waiting.iter().position(|link| self.is_due(*link, 0, now))?;
        let link = self.arrivals.get_mut(&node)?.remove(at);
        let socket = Socket { link, side: 1 };
        match self.receive(socket, now)? {
            Item::Ask(ask) => Some((socket, ask)),
            _ => None,
        }
    }

    /// Whether the other side's kernel has answered.
    pub(crate) fn is_established(&mut self, socket: Socket, now: Instant) -> bool {
        let is_there = self.is_due(socket.link, 0, now);
        let link = &mut self.links[socket.link];
        link.is_established |= is_there || link.lanes[0].next > 0;
        link.is_established
    }

    /// What has arrived next, if anything.
    pub(crate) fn receive(&mut self, socket: Socket, now: Instant) -> Option<Item> {
        let lane = 1 - socket.side;
        if !self.is_due(socket.link, lane, now) {
            return None;
        }
        let lane = &mut self.links[socket.link].lanes[lane];
        let item = std::mem::replace(&mut lane.items[lane.next].1, Item::End);
        lane.next += 1;
        if let Item::Bytes(bytes) = &item {
            lane.n_bytes -= bytes.len();
        }
        Some(item)
    }

    /// Whether the other side's kernel has not had for long what was sent.
    pub(crate) fn has_timed_out(&self, socket: Socket, now: Instant) -> bool {
        let link = &self.links[socket.link];
        let lane = &link.lanes[socket.side];
        let is_cut = link.is_lost || now < link.wakes || self.is_silent(link.ends[0], link.ends[1]);
        let oldest = lane.items.get(lane.next);
        is_cut && oldest.is_some_and(|(at, _)| now.saturating_duration_since(*at) > USER_TIMEOUT)
    }

    fn is_due(&self, link: usize, lane: usize, now: Instant) -> bool {
        let link = &self.links[link];
        let lane = &link.lanes[lane];
        let is_cut = link.is_lost || now < link.wakes;
        let is_there = lane.items.get(lane.next).is_some_and(|(at, _)| *at <= now);
        is_there && !is_cut && self.path(link.ends).silent_since.is_none()
    }

    /// Says something.
    pub(crate) fn say(&mut self, socket: Socket, say: Say, now: Instant) {
        let delay = self.path(self.links[socket.link].ends).delay;
        self.links[socket.link].lanes[socket.side].put(now + delay, Item::Say(say));
    }

    /// Takes as many bytes as there is room for, and says how many.
    pub(crate) fn send(
        &mut self,
        socket: Socket,
        bytes: &Bytes,
        now: Instant,
        chance: &mut Rng,
    ) -> usize {
        let delay = self.path(self.links[socket.link].ends).delay;
        let lane = &mut self.links[socket.link].lanes[socket.side];
        let n_taken = bytes.len().min(WINDOW_BYTES - lane.n_bytes);
        lane.n_bytes += n_taken;
        let mut at = 0;
        while at < n_taken {
            let n_slice = (n_taken - at).min(chance.usize(1..=SLICE_BYTES_MAX));
            let late = delay.mul_f64(1.0 + chance.f64());
            let slice = bytes.slice(at..at + n_slice);
            lane.put(now + late, Item::Bytes(slice));
            at += n_slice;
        }
        n_taken
    }

    /// Says that nothing more will be said; what is under way arrives.
    pub(crate) fn end(&mut self, socket: Socket, now: Instant) {
        let delay = self.path(self.links[socket.link].ends).delay;
        self.links[socket.link].lanes[socket.side].put(now + delay, Item::End);
    }

    /// Lets go of a connection.
    pub(crate) fn close(&mut self, socket: Socket, now: Instant) {
        self.end(socket, now);
        self.links[socket.link].has_closed[socket.side] = true;
    }

    /// The node's program was killed: its kernel ends or breaks its connections.
    pub(crate) fn fall(&mut self, node: Node, now: Instant, chance: &mut Rng) {
        for number in 0..self.links.len() {
            let link = &self.links[number];
            let Some(side) = link.ends.iter().position(|end| *end == node) else {
                continue;
            };
            if link.has_closed[side] {
                continue;
            }
            let socket = Socket { link: number, side };
            if chance.bool() {
                self.close(socket, now);
            } else {
                self.links[number].has_closed[side] = true;
                self.links[number].lanes[side].break_off(now, chance);
            }
        }
    }

    /// Nobody listens at the node: whoever comes is told.
    pub(crate) fn refuse_all(&mut self, node: Node, now: Instant) {
        while let Some((socket, _)) = self.accept(node, now) {
            let delay = self.path(self.links[socket.link].ends).delay;
            self.links[socket.link].lanes[1].put(now + delay, Item::Reset);
            self.links[socket.link].has_closed[1] = true;
        }
    }

    /// The one who serves has moved the other to another place of the log, or another log.
    pub(crate) fn moved(&mut self, socket: Socket) {
        self.links[socket.link].n_moves += 1;
    }

    /// How often that was.
    pub(crate) fn n_moves(&self, socket: Socket) -> u64 {
        self.links[socket.link].n_moves
    }

    fn path(&self, ends: [Node; 2]) -> Path {
        self.paths.get(&key(ends)).copied().unwrap_or(Path {
            silent_since: None,
            delay: Duration::from_millis(20),
        })
    }
}

impl Lane {
    /// Nothing overtakes anything.
    fn put(&mut self, at: Instant, item: Item) {
        let at = self.newest.map_or(at, |newest| newest.max(at));
        self.newest = Some(at);
        self.items.push((at, item));
    }

    /// Some of what is under way does not arrive any more.
    fn break_off(&mut self, now: Instant, chance: &mut Rng) {
        let n_kept = chance.usize(self.next..=self.items.len());
        self.items.truncate(n_kept);
        self.put(now, Item::Reset);
    }
}

fn break_link(link: &mut Link, now: Instant, chance: &mut Rng) {
    for lane in &mut link.lanes {
        lane.break_off(now, chance);
    }
}

fn key([one, other]: [Node; 2]) -> (Node, Node) {
    (one.min(other), one.max(other))
}
