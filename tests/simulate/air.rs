//! What all nodes have in common: the time, chance, the network, the book, and what is written
//! down of it all.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;

use crate::book::Book;
use crate::network::{Ask, Item, Network, Node, Say, Socket};

/// So many lines are kept of what happened before something went wrong.
const LINES_MAX: usize = 60;

/// What all nodes breathe.
pub(crate) struct Air {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) chance: Rng,
    pub(crate) network: Network,
    pub(crate) book: Book,
    /// The newest lines of what happened.
    pub(crate) lines: VecDeque<String>,
    /// How often what is worth counting happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    is_traced: bool,
}

impl Air {
    /// At the beginning of time.
    pub(crate) fn new(seed: u64, is_traced: bool) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            chance: Rng::with_seed(seed),
            network: Network::default(),
            book: Book::default(),
            lines: VecDeque::new(),
            counts: BTreeMap::new(),
            is_traced,
        }
    }

    /// Writes down what happens.
    #[expect(clippy::print_stdout, reason = "the trace is what was asked for")]
    pub(crate) fn tell(&mut self, what: &str) {
        let line = format!("{:9.2} s  {what}", self.elapsed().as_secs_f64());
        if self.is_traced {
            println!("{line}");
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Counts what happens.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// A length between two others.
    pub(crate) fn between(&mut self, shortest_ms: u64, longest_ms: u64) -> Duration {
        Duration::from_millis(self.chance.u64(shortest_ms..=longest_ms))
    }

    /// As [`Network::connect`], now.
    pub(crate) fn connect(&mut self, from: Node, to: Node, ask: Ask) -> Socket {
        self.network.connect(from, to, ask, self.now)
    }

    /// As [`Network::receive`], now.
    pub(crate) fn receive(&mut self, socket: Socket) -> Option<Item> {
        self.network.receive(socket, self.now)
    }

    /// As [`Network::say`], now.
    pub(crate) fn say(&mut self, socket: Socket, say: Say) {
        self.network.say(socket, say, self.now);
    }

    /// As [`Network::send`], now.
    pub(crate) fn send(&mut self, socket: Socket, bytes: &Bytes) -> usize {
        self.network.send(socket, bytes, self.now, &mut self.chance)
    }

    /// As [`Network::close`], now.
    pub(crate) fn close(&mut self, socket: Socket) {
        self.network.close(socket, self.now);
    }
}
