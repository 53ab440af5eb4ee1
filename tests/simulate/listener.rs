//! A listener: joins, counts bytes, resumes elsewhere when his connection breaks, and compares
//! every page with the book.

use std::time::{Duration, Instant};

use stream::log::Epoch;
use stream::mount::Class;
use stream::ogg::{Found, Framer, Page, Stamp};

use crate::air::Air;
use crate::book::Place;
use crate::network::{Ask, Item, Node, Say, Socket};

/// A player that gets nothing for so long tries another relay.
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// One whose bytes have not come yet asks for them again for so long.
const AHEAD_MAX: Duration = Duration::from_secs(12);

/// Somebody's player.
pub(crate) struct Listener {
    own: Node,
    name: String,
    /// Where he may listen.
    servers: Vec<Node>,
    server: Node,
    /// He counts bytes and resumes.
    is_resuming: bool,
    state: State,
    framer: Framer,
    n_prefix_left: usize,
    /// His connection began within a page.
    is_torn: bool,
    /// The next byte he wants, as he counts. `None`: he was moved and has lost count.
    have: Option<(Epoch, u64)>,
    ahead_since: Option<Instant>,
    /// Where the next page has to stand.
    expected: Option<Place>,
    newest: Option<Stamp>,
    n_moves_seen: u64,
    heard: Instant,
}

enum State {
    Waiting(Instant),
    Hearing(Socket),
}

impl Listener {
    /// Somebody who is about to listen.
    pub(crate) fn new(own: Node, servers: Vec<Node>, is_resuming: bool, at: Instant) -> Self {
        Self {
            own,
            name: format!("listener {own}"),
            server: servers.first().copied().unwrap_or_default(),
            servers,
            is_resuming,
            state: State::Waiting(at),
            framer: Framer::new(),
            n_prefix_left: 0,
            is_torn: false,
            have: None,
            ahead_since: None,
            expected: None,
            newest: None,
            n_moves_seen: 0,
            heard: at,
        }
    }

    /// Where he stands, and when he got the newest page.
    pub(crate) fn place(&self) -> (Option<Place>, Instant) {
        (self.expected, self.heard)
    }

    /// Where he listens now.
    pub(crate) fn server(&self) -> Node {
        self.server
    }

    /// He leaves for another server.
    pub(crate) fn leave(&mut self, air: &mut Air) {
        if let State::Hearing(socket) = self.state {
            air.close(socket);
            self.again(Duration::ZERO, air);
        }
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, air: &mut Air) {
        match self.state {
            State::Waiting(until) if air.now < until => {}
            State::Waiting(_) => self.join(air),
            State::Hearing(socket) => {
                while let Some(item) = air.receive(socket) {
                    if !self.take(socket, item, air) {
                        return;
                    }
                }
                if air.now - self.heard > SILENCE_MAX {
                    air.close(socket);
                    self.again(Duration::ZERO, air);
                }
            }
        }
    }

    fn join(&mut self, air: &mut Air) {
        let at = air.chance.usize(..self.servers.len());
        self.server = self.servers[at];
        let have = self.resumes_at();
        let ask = Ask::Listen {
            class: Class::Listener,
            have,
        };
        let socket = air.connect(self.own, self.server, ask);
        self.heard = air.now;
        self.state = State::Hearing(socket);
    }

    /// One who has not got all header pages cannot go on behind them.
    fn resumes_at(&self) -> Option<Place> {
        let can_resume = self.is_resuming && self.n_prefix_left == 0;
        self.have.filter(|_| can_resume)
    }

    fn again(&mut self, wait: Duration, air: &mut Air) {
        let wait = wait + air.between(0, 300);
        self.state = State::Waiting(air.now + wait);
    }

    /// `false`: this connection is over.
    fn take(&mut self, socket: Socket, item: Item, air: &mut Air) -> bool {
        match item {
            Item::Bytes(bytes) => {
                self.count(bytes.len());
                let mut input: &[u8] = &bytes;
                while let Some(found) = self.framer.next(&mut input) {
                    match found {
                        Found::Page(page) => self.take_page(socket, &page, air),
                        Found::Junk { n_bytes, .. } => self.take_junk(socket, n_bytes, air),
                    }
                }
                return true;
            }
            Item::Say(Say::Start {
                epoch,
                offset,
                n_prefix,
                is_exact,
            }) => {
                self.start((epoch, offset), n_prefix, is_exact, air);
                return true;
            }
            Item::Say(Say::Ahead) => {
                let since = *self.ahead_since.get_or_insert(air.now);
                if air.now - since > AHEAD_MAX {
                    self.have = None;
                }
                air.close(socket);
                self.again(Duration::from_millis(500), air);
            }
            _ => {
                air.close(socket);
                self.again(Duration::from_millis(500), air);
            }
        }
        false
    }

    /// Only one who went on within a page and was moved before its rest came gets half a page.
    fn take_junk(&mut self, socket: Socket, n_bytes: usize, air: &mut Air) {
        let has_moved = air.network.n_moves(socket) > self.n_moves_seen;
        if !(self.is_torn && has_moved) {
            let name = &self.name;
            air.book
                .wrong(|| format!("{name} got {n_bytes} bytes of no page"));
        }
    }

    fn start(&mut self, place: Place, n_prefix: usize, is_exact: bool, air: &mut Air) {
        self.n_moves_seen = 0;
        self.ahead_since = None;
        let have = self.resumes_at();
        self.n_prefix_left = n_prefix;
        self.is_torn = is_exact && self.framer.n_held() > 0;
        if is_exact {
            air.count("resumes of listeners");
            let name = &self.name;
            if have != Some(place) {
                air.book
                    .wrong(|| format!("{name} wanted {have:?} and got {place:?}"));
            }
            return;
        }
        if have.is_some() {
            air.count("listeners who had to begin anew");
            air.tell(&format!(
                "{} wanted {have:?} and begins anew at {}",
                self.name, place.1
            ));
        }
        self.framer = Framer::new();
        self.have = Some(place);
        self.expected = Some(place);
        self.newest = None;
    }

    fn count(&mut self, n_bytes: usize) {
        let n_of_log = n_bytes.saturating_sub(self.n_prefix_left);
        if let Some((_, offset)) = &mut self.have {
            *offset += n_of_log as u64;
        }
        // What is left of the prefix is counted by pages, too: see `take_page`.
        self.n_prefix_left = self.n_prefix_left.saturating_sub(n_bytes);
    }

    fn take_page(&mut self, socket: Socket, page: &Page, air: &mut Air) {
        let stamp = page.stamp();
        let is_next = self
            .expected
            .is_some_and(|place| air.book.page_at(place) == Some(page));
        if is_next {
            if let Some((_, offset)) = &mut self.expected {
                *offset += page.len() as u64;
            }
            self.check_chain(stamp, air);
            self.heard = air.now;
            return;
        }
        let places = air.book.places_of(page);
        let is_header = stamp.granule == 0 && !places.is_empty();
        if self.newest.is_none() && is_header {
            // The prefix.
            return;
        }
        let n_moves = air.network.n_moves(socket) - self.n_moves_seen;
        let may_have_moved = n_moves > 0;
        let is_farewell = stamp.is_last
            && self.newest.is_some_and(|newest| {
                let ahead = stamp.sequence.wrapping_sub(newest.sequence);
                // Moved on where nothing came any more, and then to the next log.
                let is_in_order = ahead == 1 || (n_moves > 1 && ahead < u32::MAX / 2);
                newest.serial == stamp.serial && is_in_order
            });
        if may_have_moved && (is_header || is_farewell) {
            return;
        }
        let forward = places.iter().rev().find(|place| {
            self.expected
                .is_none_or(|(epoch, offset)| place.0 != epoch || place.1 >= offset)
        });
        let Some((epoch, offset)) = forward.copied().filter(|_| may_have_moved) else {
            let (name, expected) = (&self.name, self.expected);
            air.book.wrong(|| {
                format!("{name} got {page:?}, which stands at {places:?}, and not what stands at {expected:?}")
            });
            return;
        };
        self.n_moves_seen += 1;
        air.count("listeners who were moved");
        self.have = None;
        self.expected = Some((epoch, offset + page.len() as u64));
        self.newest = Some(stamp);
        self.heard = air.now;
    }

    /// A link begins only where the last one has ended, and no page is missing within one.
    fn check_chain(&mut self, stamp: Stamp, air: &mut Air) {
        let Some(newest) = self.newest.replace(stamp) else {
            return;
        };
        let is_in_order = if newest.serial == stamp.serial {
            stamp.sequence == newest.sequence.wrapping_add(1)
        } else {
            stamp.is_first && newest.is_last
        };
        let name = &self.name;
        if !is_in_order {
            air.book
                .wrong(|| format!("{name} got {stamp:?} after {newest:?}"));
        }
    }
}
