//! One who is served from a log: a relay page by page, a listener once per pace. What a seat of the
//! fan-out does with a socket is done here with a connection in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stream::log::resume::{Answer, FOR_EVER, Wish};
use stream::log::{Epoch, FellBehind, Log};
use stream::mount::{Class, Mount};

use crate::air::Air;
use crate::network::{Item, Say, Socket};

/// As in the fan-out.
const WRITE_BYTES_MAX: usize = 64 * 1024;
const PIECES_MAX: usize = 63;
const STALL_MAX: Duration = Duration::from_secs(30);
const JUMP_EVERY: Duration = Duration::from_secs(60);
const FOLLOW_BURST: Duration = Duration::from_secs(15);
const PACE: Duration = Duration::from_millis(500);
/// What a relay and a listener get at once.
const RELAY_BURST: Duration = Duration::from_secs(15);
const BURST: Duration = Duration::from_secs(4);

/// Somebody's place.
pub(crate) struct Serving {
    socket: Socket,
    class: Class,
    mount: Arc<Mount>,
    log: Arc<Log>,
    offset: u64,
    link_start: u64,
    /// Goes out before the bytes at `offset`.
    first: Bytes,
    next_turn: Instant,
    full_since: Option<Instant>,
    last_jump: Option<Instant>,
}

impl Serving {
    /// Answers one who wants to be served. `None`: he is not.
    pub(crate) fn new(
        socket: Socket,
        class: Class,
        have: Option<(Epoch, u64)>,
        mount: Option<Arc<Mount>>,
        air: &mut Air,
    ) -> Option<Self> {
        let wish = match have {
            Some((epoch, offset)) => Wish::parse(
                Some(&format!("bytes={offset}-{FOR_EVER}")),
                Some(&format!("\"{epoch}\"")),
            ),
            None => Wish::Join,
        };
        let burst = match class {
            Class::Relay => RELAY_BURST,
            Class::Listener => BURST,
        };
        let opened = mount.and_then(|mount| {
            let log = mount.log();
            let (answer, cursor, prefix) = log.open(wish, burst)?;
            Some((mount, log, answer, cursor, prefix))
        });
        let Some((mount, log, answer, cursor, prefix)) = opened else {
            air.say(socket, Say::Refused(404));
            air.close(socket);
            return None;
        };
        check_answer(have, answer, &log, air);
        if let Answer::Ahead { .. } = answer {
            air.say(socket, Say::Ahead);
            air.close(socket);
            return None;
        }
        air.say(
            socket,
            Say::Start {
                epoch: log.epoch(),
                offset: cursor.offset(),
                n_prefix: prefix.len(),
                is_exact: matches!(answer, Answer::Exact { .. }),
            },
        );
        Some(Self {
            socket,
            class,
            mount,
            log,
            offset: cursor.offset(),
            link_start: cursor.link_start(),
            first: prefix,
            next_turn: air.now,
            full_since: None,
            last_jump: None,
        })
    }

    /// Sends what there is. `false`: it is over.
    pub(crate) fn step(&mut self, air: &mut Air) -> bool {
        let is_alive = self.serve(air);
        if !is_alive {
            air.close(self.socket);
        }
        is_alive
    }

    fn serve(&mut self, air: &mut Air) -> bool {
        if let Some(Item::End | Item::Reset) = air.receive(self.socket) {
            return false;
        }
        if self
            .full_since
            .is_some_and(|since| air.now - since > STALL_MAX)
        {
            return false;
        }
        if air.now < self.next_turn {
            return true;
        }
        if self.class == Class::Listener {
            self.next_turn = air.now + PACE;
        }
        loop {
            if !self.send_first(air) {
                return true;
            }
            let mut pieces = Vec::new();
            let read = |offset, pieces: &mut Vec<Bytes>| {
                self.log.read(offset, WRITE_BYTES_MAX, PIECES_MAX, pieces)
            };
            if let Err(FellBehind { .. }) = read(self.offset, &mut pieces) {
                if !self.jump(air) {
                    return false;
                }
                continue;
            }
            self.link_start = self.log.link_start();
            if pieces.is_empty() {
                if self.class == Class::Relay && self.log.has_ended() {
                    air.close(self.socket);
                    return false;
                }
                if self.log.has_ended() && self.follow(air) {
                    continue;
                }
                return true;
            }
            for piece in pieces {
                let n_sent = air.send(self.socket, &piece);
                if n_sent == 0 {
                    self.full_since.get_or_insert(air.now);
                    return true;
                }
                self.full_since = None;
                self.offset += piece.len() as u64;
                if n_sent < piece.len() {
                    self.first = piece.slice(n_sent..);
                    return true;
                }
            }
        }
    }

    /// `false`: the socket is full.
    fn send_first(&mut self, air: &mut Air) -> bool {
        if self.first.is_empty() {
            return true;
        }
        let n_sent = air.send(self.socket, &self.first);
        self.first = self.first.slice(n_sent..);
        if n_sent > 0 {
            self.full_since = None;
        } else {
            self.full_since.get_or_insert(air.now);
        }
        self.first.is_empty()
    }

    fn jump(&mut self, air: &mut Air) -> bool {
        let again = self
            .last_jump
            .is_some_and(|last| air.now - last < JUMP_EVERY);
        if self.class == Class::Relay || again {
            return false;
        }
        self.last_jump = Some(air.now);
        let (offset, prefix) = self.log.live_edge(self.link_start);
        air.tell(&format!(
            "a listener at {} is moved to {offset}",
            self.offset
        ));
        self.offset = offset;
        self.first = [self.first.as_ref(), &prefix].concat().into();
        air.network.moved(self.socket);
        true
    }

    fn follow(&mut self, air: &mut Air) -> bool {
        let next = self.mount.log();
        if Arc::ptr_eq(&next, &self.log) {
            return false;
        }
        let Some((_, cursor, prefix)) = next.open(Wish::Join, FOLLOW_BURST) else {
            return false;
        };
        self.first = [self.first.as_ref(), &self.log.farewell(), &prefix]
            .concat()
            .into();
        self.offset = cursor.offset();
        self.link_start = cursor.link_start();
        self.log = next;
        air.network.moved(self.socket);
        true
    }
}

/// Who has a part of this very log gets what follows it, as long as it is kept.
fn check_answer(have: Option<(Epoch, u64)>, answer: Answer, log: &Arc<Log>, air: &mut Air) {
    let Some((_, offset)) = have.filter(|(epoch, _)| *epoch == log.epoch()) else {
        return;
    };
    let is_kept = log.read(offset, 1, 1, &mut Vec::new()).is_ok() && offset <= log.head();
    let is_exact = matches!(answer, Answer::Exact { first, .. } if first == offset);
    if is_kept != is_exact {
        air.book
            .wrong(|| format!("asked for {offset}, which is kept: {is_kept}; got {answer:?}"));
    }
}
