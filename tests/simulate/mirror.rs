//! A relay: the real mirror and log, filled by connections that break.
//!
//! What the relay's `follow` decides with tasks and sockets is done here step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::log::{Epoch, Keep};
use stream::mount::{CatalogMount, Class, Mirror, MountPath, MountTable, Start};
use stream::ogg::{Found, Framer, Page};

use crate::air::Air;
use crate::network::{Ask, Item, Node, Say, Socket};
use crate::serving::Serving;
use crate::world::MASTER;

/// As in `follow`.
const SILENCE_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(5);
const PULLS_MAX: usize = 2;
/// How often the master's list comes.
const LIST_EVERY: Duration = Duration::from_millis(500);

/// The relay's machine.
pub(crate) struct Relay {
    pub(crate) own: Node,
    name: String,
    path: MountPath,
    keep: Keep,
    running: Option<Running>,
}

struct Running {
    name: String,
    path: MountPath,
    keep: Keep,
    table: Arc<MountTable>,
    mirror: Option<Mirror>,
    pulls: Vec<Pull>,
    backoff: Backoff,
    retry_at: Option<Instant>,
    heard: Instant,
    listed: Option<(String, CatalogMount)>,
    next_list: Instant,
    seats: Vec<Serving>,
}

struct Pull {
    socket: Socket,
    started: Instant,
    have: Option<(Epoch, u64)>,
    framer: Framer,
    beginning: Option<Beginning>,
    offset: u64,
    n_prefix_left: usize,
}

#[derive(Clone)]
struct Beginning {
    epoch: Epoch,
    offset: u64,
    prefix: Vec<Page>,
}

impl Relay {
    /// A machine on which nothing runs yet.
    pub(crate) fn new(own: Node, path: MountPath, keep: Keep) -> Self {
        Self {
            own,
            name: format!("relay {own}"),
            path,
            keep,
            running: None,
        }
    }

    /// Starts the relay.
    pub(crate) fn start(&mut self, air: &mut Air) {
        air.tell(&format!("{}: begins", self.name));
        self.running = Some(Running {
            name: self.name.clone(),
            path: self.path.clone(),
            keep: self.keep,
            table: Arc::new(MountTable::new()),
            mirror: None,
            pulls: Vec::new(),
            backoff: Backoff::new(),
            retry_at: Some(air.now),
            heard: air.now,
            listed: None,
            next_list: air.now,
            seats: Vec::new(),
        });
    }

    /// The relay is killed.
    pub(crate) fn fall(&mut self, air: &mut Air) {
        if self.running.take().is_some() {
            let now = air.now;
            air.network.fall(self.own, now, &mut air.chance);
        }
    }

    /// Whether it runs.
    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Where its log stands.
    pub(crate) fn head(&self) -> Option<(Epoch, u64)> {
        let mirror = self.running.as_ref()?.mirror.as_ref()?;
        Some((mirror.epoch(), mirror.head()))
    }

    /// Does what can be done now. `catalog`: what the master would say of the mount.
    pub(crate) fn step(&mut self, catalog: Option<(String, CatalogMount)>, air: &mut Air) {
        let Some(running) = &mut self.running else {
            let now = air.now;
            return air.network.refuse_all(self.own, now);
        };
        while let Some((socket, ask)) = air.network.accept(self.own, air.now) {
            if let Ask::Listen { class, have } = ask {
                let mount = running.table.find(&self.path);
                let seat = Serving::new(socket, class, have, mount, air);
                running.seats.extend(seat);
            }
        }
        if air.now >= running.next_list && !air.network.is_silent(self.own, MASTER) {
            running.next_list = air.now + LIST_EVERY;
            running.take_list(catalog, air.now);
        }
        if running.listed.is_some() {
            running.pull(self.own, air);
            running.hear(air);
        }
        running.seats.retain_mut(|seat| seat.step(air));
    }
}

impl Running {
    fn take_list(&mut self, catalog: Option<(String, CatalogMount)>, now: Instant) {
        let Some(listed) = catalog else { return };
        let has_changed = self.listed.as_ref() != Some(&listed);
        if has_changed && self.retry_at.is_some() {
            self.retry_at = Some(now);
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.set_about(&listed.1, true, now);
        }
        self.listed = Some(listed);
    }

    fn is_expected(&self) -> bool {
        let listed = self.listed.as_ref().map(|(_, mount)| mount);
        listed.is_some_and(|mount| mount.is_on_air || mount.is_filled)
    }

    /// Opens a connection where one is due.
    fn pull(&mut self, own: Node, air: &mut Air) {
        let newest = self.pulls.iter().map(|pull| pull.started).max();
        let silent_since = newest.map_or(self.heard, |newest| newest.max(self.heard));
        match self.retry_at {
            Some(at) if at <= air.now => {
                self.retry_at = None;
                self.start_pull(own, air);
            }
            Some(_) => {}
            None if !self.is_expected() => self.heard = air.now,
            None if silent_since + SILENCE_MAX <= air.now => {
                air.count("second pulls");
                self.start_pull(own, air);
            }
            None => {}
        }
    }

    fn start_pull(&mut self, own: Node, air: &mut Air) {
        while self.pulls.len() >= PULLS_MAX {
            air.close(self.pulls.remove(0).socket);
        }
        let have = self
            .mirror
            .as_ref()
            .map(|mirror| (mirror.epoch(), mirror.head()));
        let ask = Ask::Listen {
            class: Class::Relay,
            have,
        };
        self.pulls.push(Pull {
            socket: air.connect(own, MASTER, ask),
            started: air.now,
            have,
            framer: Framer::new(),
            beginning: None,
            offset: 0,
            n_prefix_left: 0,
        });
    }

    fn hear(&mut self, air: &mut Air) {
        let mut at = 0;
        while at < self.pulls.len() {
            let pull = &mut self.pulls[at];
            let item = air.receive(pull.socket);
            let outcome = match item {
                None if pull.beginning.is_none() && air.now - pull.started > ANSWER_MAX => {
                    Err("no answer")
                }
                None => {
                    at += 1;
                    continue;
                }
                Some(Item::Bytes(bytes)) => self.take_bytes(at, &bytes, air),
                Some(Item::Say(say)) => pull.take_answer(&say),
                Some(_) => Err("it broke"),
            };
            match outcome {
                // The one that delivers is kept, the other is gone.
                Ok(()) => at = at.min(self.pulls.len().saturating_sub(1)),
                Err(why) => self.end_pull(at, why, air),
            }
        }
    }

    fn end_pull(&mut self, at: usize, why: &str, air: &mut Air) {
        air.close(self.pulls.remove(at).socket);
        if self.pulls.is_empty() {
            let wait = self.backoff.next(air.chance.f64());
            air.tell(&format!("{}: {why}; again in {wait:?}", self.name));
            self.retry_at = Some(air.now + wait);
        }
    }

    fn take_bytes(
        &mut self,
        mut at: usize,
        mut input: &[u8],
        air: &mut Air,
    ) -> Result<(), &'static str> {
        while let Some(found) = self.pulls[at].framer.next(&mut input) {
            let Found::Page(page) = found else {
                let name = &self.name;
                air.book.wrong(|| format!("{name} got {found:?}"));
                return Err("junk");
            };
            let pull = &mut self.pulls[at];
            let Some(beginning) = &mut pull.beginning else {
                return Err("pages before the answer");
            };
            if pull.n_prefix_left > 0 {
                let left = pull.n_prefix_left.checked_sub(page.len());
                pull.n_prefix_left = left.ok_or("its prefix is not whole pages")?;
                beginning.prefix.push(page);
                continue;
            }
            let (offset, beginning) = (pull.offset, beginning.clone());
            pull.offset += page.len() as u64;
            let has_delivered = self.take_page(&beginning, offset, &page, air)?;
            if has_delivered && self.pulls.len() > 1 {
                at = self.keep_only(at, air);
            }
        }
        Ok(())
    }

    /// `true`: it was the next one.
    fn take_page(
        &mut self,
        beginning: &Beginning,
        offset: u64,
        page: &Page,
        air: &mut Air,
    ) -> Result<bool, &'static str> {
        let name = &self.name;
        let is_same = |mirror: &Mirror| mirror.epoch() == beginning.epoch;
        let is_beyond =
            |mirror: &Mirror| offset > mirror.head() && !mirror.is_in_link(&beginning.prefix);
        let goes_on = self
            .mirror
            .as_ref()
            .is_some_and(|m| is_same(m) && !is_beyond(m));
        if !goes_on {
            air.tell(&format!(
                "{name}: mirrors {:.8} from {}",
                beginning.epoch, beginning.offset
            ));
            let start = Start {
                epoch: beginning.epoch,
                offset: beginning.offset,
                prefix: &beginning.prefix,
                keep: self.keep,
            };
            let facts = self.listed.as_ref().map(|(_, mount)| mount.facts.clone());
            let facts = facts.unwrap_or_default();
            let mirror = Mirror::open(&self.table, &self.path, &facts, start, air.now);
            self.mirror = Some(mirror.map_err(|_| "the mirror cannot be opened")?);
        }
        let Some(mirror) = &mut self.mirror else {
            return Ok(false);
        };
        if offset < mirror.head() {
            return Ok(false);
        }
        if offset > mirror.head() {
            air.tell(&format!("{name}: goes from {} to {offset}", mirror.head()));
            mirror.skip_to(offset);
            air.count("jumps of relays");
        }
        if let Err(stray) = mirror.append(page, air.now) {
            air.book
                .wrong(|| format!("{name} cannot append {page:?} at {offset}: {stray}"));
            self.mirror = None;
            return Err("broken Ogg");
        }
        air.book.copied(name, (beginning.epoch, offset), page);
        self.heard = air.now;
        self.backoff.reset();
        Ok(true)
    }

    /// This connection delivers: the other is not needed. Gives its place.
    fn keep_only(&mut self, at: usize, air: &mut Air) -> usize {
        let kept = self.pulls.swap_remove(at);
        for other in self.pulls.drain(..) {
            air.close(other.socket);
        }
        self.pulls.push(kept);
        0
    }
}

impl Pull {
    fn take_answer(&mut self, say: &Say) -> Result<(), &'static str> {
        let Say::Start {
            epoch,
            offset,
            n_prefix,
            is_exact,
        } = say
        else {
            return Err("it is not served");
        };
        if *is_exact && (self.have != Some((*epoch, *offset)) || *n_prefix > 0) {
            return Err("its 206 is not what was asked for");
        }
        (self.offset, self.n_prefix_left) = (*offset, *n_prefix);
        self.beginning = Some(Beginning {
            epoch: *epoch,
            offset: *offset,
            prefix: Vec::new(),
        });
        Ok(())
    }
}
