//! A master: the real desk, publisher and log, with its disk; killed and started again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::log::{Epoch, Keep};
use stream::mount::{
    Catalog, CatalogMount, Claimant, Class, Desk, Facts, MountPath, MountTable, Publisher, Refusal,
};
use stream::ogg::{Found, Framer};

use crate::air::Air;
use crate::disk::Disk;
use crate::network::{Ask, Item, Node, Say, Socket};
use crate::serving::Serving;

/// As in the master.
const FILL_EVERY: Duration = Duration::from_millis(500);
const FILLER_AFTER: Duration = Duration::from_secs(2);
const SILENCE_MAX: Duration = Duration::from_secs(10);
const TAKEOVER_MAX: Duration = Duration::from_secs(2);
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// The master's machine.
pub(crate) struct Chief {
    own: Node,
    path: MountPath,
    keep: Keep,
    pub(crate) disk: Disk,
    running: Option<Running>,
    /// The log that it wrote last.
    epoch: Option<Epoch>,
}

struct Running {
    run: String,
    table: Arc<MountTable>,
    desk: Arc<Desk>,
    uploads: Vec<Upload>,
    claims: Vec<Claim>,
    seats: Vec<Serving>,
    next_fill: Instant,
}

struct Claim {
    socket: Socket,
    serial: u32,
    since: Instant,
}

struct Upload {
    socket: Socket,
    serial: u32,
    publisher: Publisher,
    framer: Framer,
    heard: Instant,
    said: Option<(u32, Instant)>,
}

impl Chief {
    /// A machine on which nothing runs yet.
    pub(crate) fn new(own: Node, path: MountPath, keep: Keep, disk: Disk) -> Self {
        Self {
            own,
            path,
            keep,
            disk,
            running: None,
            epoch: None,
        }
    }

    /// Starts the master; it goes on with the log on its disk, if it can.
    pub(crate) fn start(&mut self, air: &mut Air) {
        let table = Arc::new(MountTable::new());
        let sinks: Arc<Disk> = Arc::new(self.disk.clone());
        self.disk.step(air.now);
        let desk = Desk::with_sinks(Arc::clone(&table), self.keep, Some(sinks));
        match self.disk.restore(self.keep, air.now) {
            Err(why) => air
                .book
                .wrong(|| format!("the disk cannot be read back: {why}")),
            Ok(None) => {
                air.tell("master: begins");
                if let Some(lost) = self.epoch.take() {
                    air.book.begun_anew(lost);
                }
            }
            Ok(Some(restored)) => {
                let (epoch, head) = (restored.log().epoch(), restored.log().head());
                air.tell(&format!("master: goes on at {head} of {epoch:.8}"));
                air.count("logs read back");
                air.book.restored(epoch, head);
                air.book.check_ring("the restored master", restored.log());
                if desk
                    .restore(&self.path, Facts::default(), restored, air.now)
                    .is_err()
                {
                    air.book.wrong(|| "the table is full".to_owned());
                }
            }
        }
        self.running = Some(Running {
            run: format!("{:x}", air.chance.u64(..)),
            table,
            desk,
            uploads: Vec::new(),
            claims: Vec::new(),
            seats: Vec::new(),
            next_fill: air.now,
        });
    }

    /// The master is killed.
    pub(crate) fn fall(&mut self, air: &mut Air) {
        if self.running.take().is_some() {
            self.look(air);
            self.disk.fall(&mut air.chance);
            let now = air.now;
            air.network.fall(self.own, now, &mut air.chance);
        }
    }

    /// Whether it runs.
    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// What it tells relays of the mount, and by which run.
    pub(crate) fn catalog(&self) -> Option<(String, CatalogMount)> {
        let running = self.running.as_ref()?;
        let catalog = Catalog::of(&running.table, &running.run);
        let mount = catalog
            .mounts
            .into_iter()
            .find(|mount| mount.path == self.path)?;
        Some((catalog.run, mount))
    }

    /// Where its log stands.
    pub(crate) fn head(&self) -> Option<(Epoch, u64)> {
        let running = self.running.as_ref()?;
        let log = running.table.find(&self.path)?.log();
        Some((log.epoch(), log.head()))
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, air: &mut Air) {
        let Some(running) = &mut self.running else {
            let now = air.now;
            return air.network.refuse_all(self.own, now);
        };
        while let Some((socket, ask)) = air.network.accept(self.own, air.now) {
            running.greet(socket, ask, &self.path, air);
        }
        running.uploads.retain_mut(|upload| upload.step(air));
        let claims = std::mem::take(&mut running.claims);
        for claim in claims {
            running.claim(claim, &self.path, air);
        }
        if air.now >= running.next_fill {
            running.next_fill = air.now + FILL_EVERY;
            for gap in running.desk.fill(|_| Some(FILLER_AFTER), air.now) {
                air.tell(&format!("master: filler: {gap:?}"));
                air.count("gaps begun or ended");
            }
        }
        self.look(air);
        if let Some(running) = &mut self.running {
            running.seats.retain_mut(|seat| seat.step(air));
        }
    }

    /// Writes into the book what was appended.
    fn look(&mut self, air: &mut Air) {
        for (epoch, offset, page) in self.disk.step(air.now) {
            self.epoch = Some(epoch);
            let now = air.now;
            if air.book.wrote((epoch, offset), &page, now) {
                air.count("bytes skipped");
            }
        }
    }
}

impl Running {
    fn greet(&mut self, socket: Socket, ask: Ask, path: &MountPath, air: &mut Air) {
        match ask {
            Ask::Publish { serial } => self.claims.push(Claim {
                socket,
                serial,
                since: air.now,
            }),
            Ask::Listen { class, have } => {
                let mount = self.table.find(path);
                let seat = Serving::new(socket, class, have, mount, air);
                match (seat, class) {
                    (Some(seat), Class::Relay) => self.seats.insert(0, seat),
                    (seat, _) => self.seats.extend(seat),
                }
            }
        }
    }

    fn claim(&mut self, claim: Claim, path: &MountPath, air: &mut Air) {
        let claimant = Claimant {
            user: "source".to_owned(),
            login: 0,
            serial: Some(claim.serial),
            uplink: 0,
        };
        let epoch = Epoch::new(air.chance.u128(..));
        let facts = Facts::default();
        match self.desk.claim(path, &claimant, facts, epoch, air.now) {
            Ok(publisher) => {
                let wanted = publisher.wanted(claim.serial);
                air.tell(&format!("master: takes a source, and wants {wanted:?}"));
                air.say(claim.socket, Say::Continue(wanted));
                self.uploads.push(Upload {
                    socket: claim.socket,
                    serial: claim.serial,
                    publisher,
                    framer: Framer::new(),
                    heard: air.now,
                    said: None,
                });
            }
            Err(Refusal::NotYetSilent(heard)) if heard < claim.since => self.claims.push(claim),
            Err(Refusal::TakingOver) if air.now - claim.since < TAKEOVER_MAX => {
                self.claims.push(claim);
            }
            Err(_) => {
                air.say(claim.socket, Say::Refused(403));
                air.close(claim.socket);
            }
        }
    }
}

impl Upload {
    /// `false`: it is over.
    fn step(&mut self, air: &mut Air) -> bool {
        let answer = self.receive(air);
        if answer.is_ok() {
            self.acknowledge(air);
            return true;
        }
        if let Err(Some(say)) = answer {
            air.say(self.socket, say);
        }
        air.close(self.socket);
        false
    }

    fn receive(&mut self, air: &mut Air) -> Result<(), Option<Say>> {
        if self.publisher.dismissed().is_cancelled() {
            return Err(Some(Say::Refused(409)));
        }
        while let Some(item) = air.receive(self.socket) {
            match item {
                Item::Bytes(bytes) => self.take(&bytes, air)?,
                Item::End => return Err(Some(Say::Done)),
                _ => return Err(None),
            }
            self.heard = air.now;
            self.publisher.heard(air.now);
        }
        if air.now - self.heard > SILENCE_MAX {
            return Err(Some(Say::Refused(408)));
        }
        Ok(())
    }

    fn take(&mut self, mut input: &[u8], air: &mut Air) -> Result<(), Option<Say>> {
        while let Some(found) = self.framer.next(&mut input) {
            let Found::Page(page) = found else {
                air.book.wrong(|| format!("the master got {found:?}"));
                continue;
            };
            let chance = &mut air.chance;
            if let Err(stray) = self.publisher.take(&page, air.now, || chance.u32(..)) {
                air.tell(&format!("master: {page:?} is refused: {stray}"));
                return Err(Some(Say::Refused(400)));
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, air: &mut Air) {
        let Some(wanted) = self.publisher.wanted(self.serial) else {
            return;
        };
        let is_due = self.said.is_none_or(|(said, when)| {
            said != wanted.sequence && air.now - when >= ACKNOWLEDGE_EVERY
        });
        if is_due {
            self.said = Some((wanted.sequence, air.now));
            air.say(self.socket, Say::Acknowledge(wanted.sequence));
        }
    }
}
