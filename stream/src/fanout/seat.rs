//! One listener in a shard: a socket and a place in the log. Costs no memory of its own but
//! this entry; what goes out are references into the log.

mod behind;
mod handed;
mod staying;
mod titles;
mod transferred;

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

pub use staying::Stay;

use super::batch::{Batch, PIECES_MAX};
use super::figures::{Closed, Figures};
use super::pace::Pace;
use super::uplink::Uplink;
use super::wire::Wire;
use crate::log::{Cursor, FellBehind, Log};
use crate::mount::{Audience, Class, Mount, MountPath, Slot};
use crate::mpeg::icy::Icy;

/// A listener into whose socket not a byte fits for this long is closed. He who acknowledges
/// nothing has gone long before ([`super::socket`]): this one takes a little now and then.
const STALL_MAX: Duration = Duration::from_secs(90);
/// One who falls behind again within this time is closed instead of being moved on.
const JUMP_EVERY: Duration = Duration::from_secs(60);
/// One who is moved to the log that follows gets this much of it at once: he missed its
/// beginning, and his player has been waiting.
const FOLLOW_BURST: Duration = Duration::from_secs(15);

/// Somebody who is to be served from now on.
#[derive(Debug)]
pub struct Joiner {
    /// His connection; nothing of the answer has been written yet.
    pub wire: Wire,
    /// What he listens to.
    pub mount: Arc<Mount>,
    /// Where he starts.
    pub cursor: Cursor,
    /// What goes out before the log: the head of the answer and the header pages.
    pub first: Bytes,
    /// The last byte of the log that he wants.
    pub last: u64,
    /// How often he is served.
    pub pace: Pace,
    /// Set if he gets titles between the frames.
    pub icy: Option<Icy>,
    /// When his connection came to the door, if he has not got anything yet.
    pub came: Option<Instant>,
    /// Set if the program before this one served him.
    pub before: Option<Before>,
    /// How long he may stay, and where.
    pub stay: Stay,
    /// What he holds while he is served.
    pub holds: (Slot, Audience),
}

/// What is to be known of somebody whom another program served.
#[derive(Clone, Debug)]
pub struct Before {
    /// When he was moved to the live edge.
    pub jumped: Option<Instant>,
    /// Since when he has been served.
    pub since: Instant,
    /// What he asked for, if he was transferred for now.
    pub asked: Option<MountPath>,
}

/// What became of an attempt to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// He has all there is.
    CaughtUp,
    /// His socket is full.
    Full,
    /// He is a listener and the uplink is full: the rest has to wait.
    GaveWay,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) wire: Wire,
    pub(super) pace: Pace,
    mount: Arc<Mount>,
    log: Arc<Log>,
    offset: u64,
    last: u64,
    link_start: u64,
    /// Goes out before the bytes at `offset`: the beginning of the answer, or the rest of a page
    /// that did not fit. So a page is finished even if its log forgets it meanwhile.
    first: Bytes,
    icy: Option<Icy>,
    /// Since when his socket has been full.
    full_since: Option<Instant>,
    last_jump: Option<Instant>,
    id: u64,
    since: Instant,
    /// What he asked for, if he was transferred for now.
    asked: Option<MountPath>,
    /// He goes on in the log of his mount, though the present one has not ended, with so much at
    /// once.
    leads_to: Option<Duration>,
    /// When he came to the door; until he has got his first page.
    came: Option<Instant>,
    stay: Stay,
    /// The turn of his course that he has taken.
    turn_seen: u64,
    holds: (Slot, Audience),
}

impl Seat {
    pub(super) fn new(id: u64, joiner: Joiner, now: Instant) -> Self {
        // A socket stays as it was set up, whoever has it.
        if joiner.before.is_none() {
            super::socket::prepare(&joiner.wire);
            if joiner.holds.1.class() == Class::Relay {
                super::socket::prepare_relay(&joiner.wire);
            }
        }
        let (since, last_jump, asked) = match joiner.before {
            Some(before) => (before.since, before.jumped, before.asked),
            None => (now, None, None),
        };
        Self {
            wire: joiner.wire,
            pace: joiner.pace,
            mount: joiner.mount,
            link_start: joiner.cursor.link_start(),
            offset: joiner.cursor.offset(),
            log: Arc::clone(joiner.cursor.log()),
            last: joiner.last,
            first: joiner.first,
            icy: joiner.icy,
            full_since: None,
            last_jump,
            id,
            since,
            asked,
            leads_to: None,
            came: joiner.came,
            stay: joiner.stay,
            turn_seen: 0,
            holds: joiner.holds,
        }
    }

    pub(super) fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    pub(super) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Whether he is a relay: relays never give way.
    pub(super) fn is_relay(&self) -> bool {
        self.holds.1.class() == Class::Relay
    }

    /// Whether his socket is full; then only the kernel knows when to go on.
    pub(super) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// There is room in his socket again; he gets what waits at his next turn.
    pub(super) fn is_full_no_more(&mut self) {
        self.full_since = None;
    }

    /// Whether his socket has been full for too long, or his mount is gone: then he is closed.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let is_stalled = self
            .full_since
            .is_some_and(|since| now.saturating_duration_since(since) > STALL_MAX);
        is_stalled || self.mount.is_removed() || self.is_past_his_time(now)
    }

    /// Writes what he has not got yet.
    pub(super) fn serve(
        &mut self,
        batch: &mut Batch,
        figures: &Figures,
        uplink: &Uplink,
        now: Instant,
    ) -> Result<Served, Closed> {
        if self.mount.is_removed() && !self.turn(now) {
            return Err(Closed::MountRemoved);
        }
        if self.is_past_his_time(now) {
            return Err(Closed::Complete);
        }
        loop {
            if let Some(full) = self.flush(now)? {
                return Ok(full);
            }
            if self.offset > self.last && self.first.is_empty() {
                return Err(Closed::Complete);
            }
            if self.first.is_empty() && self.offset == self.log.head() {
                if self.ends(now) || self.turn(now) {
                    continue;
                }
                if self.is_relay() && self.log.has_ended() {
                    // He counts the bytes, and would book those of another log under this one's name.
                    return Err(Closed::Complete);
                }
                let is_lead = self.leads_to.is_some();
                if !is_lead && self.log.has_ended() && self.is_other_format() {
                    return Err(Closed::MountRemoved);
                }
                if !((is_lead || self.log.has_ended()) && self.follow()) {
                    return Ok(Served::CaughtUp);
                }
                continue;
            }
            self.look_up(batch, now)?;
            if self.first.is_empty() && batch.to == self.offset {
                // He was moved to where the log ends.
                return Ok(Served::CaughtUp);
            }
            match self.write(batch) {
                Ok(n_bytes) => {
                    self.full_since = None;
                    self.measure(batch, figures, now);
                    uplink.spend(n_bytes);
                    self.mount
                        .counts()
                        .n_bytes_sent
                        .fetch_add(n_bytes as u64, Ordering::Relaxed);
                    self.mount.counts().n_sends.fetch_add(1, Ordering::Relaxed);
                    if !self.is_relay() && !uplink.has_room(now) {
                        return Ok(Served::GaveWay);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_for_room(now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed::Gone),
            }
        }
    }

    /// Sends what is encrypted for him already. `Some`: not all of it fits into his socket.
    fn flush(&mut self, now: Instant) -> Result<Option<Served>, Closed> {
        while self.wire.has_unsent() {
            match self.wire.flush() {
                Ok(()) => self.full_since = None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_for_room(now).map(Some);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed::Gone),
            }
        }
        Ok(None)
    }

    fn measure(&mut self, batch: &Batch, figures: &Figures, now: Instant) {
        match (self.came.take(), batch.arrived) {
            // The clock stands still within a round; here the time in the queue counts.
            (Some(came), _) => figures.joined_after(came.elapsed()),
            (None, Some(arrived)) => {
                figures.sent_late_by(now.saturating_duration_since(arrived));
            }
            (None, None) => {}
        }
    }

    fn wait_for_room(&mut self, now: Instant) -> Result<Served, Closed> {
        let since = *self.full_since.get_or_insert(now);
        if now.saturating_duration_since(since) > STALL_MAX {
            return Err(Closed::TooSlow);
        }
        Ok(Served::Full)
    }

    /// Fills `batch` with what follows `offset`, unless it holds that already.
    fn look_up(&mut self, batch: &mut Batch, now: Instant) -> Result<(), Closed> {
        let is_there = batch.from == self.offset
            && batch.to > batch.from
            && batch
                .log
                .as_ref()
                .is_some_and(|log| Arc::ptr_eq(log, &self.log));
        if is_there {
            return Ok(());
        }
        let read = batch.fill(&self.log, self.offset);
        if let Err(FellBehind { .. }) = read {
            self.jump(now)?;
            batch
                .fill(&self.log, self.offset)
                .map_err(|_| Closed::TooSlow)?;
        }
        let link_start = self.log.link_start();
        // Of a link that he has not come to yet he has no header pages.
        if self.offset >= link_start {
            self.link_start = link_start;
        }
        Ok(())
    }

    fn push_first(&mut self, more: &[Bytes]) {
        if more.iter().all(Bytes::is_empty) {
            return;
        }
        let mut all = Vec::from(self.first.as_ref());
        more.iter().for_each(|bytes| all.extend_from_slice(bytes));
        self.first = all.into();
    }

    /// One write: what goes first, then the batch. Moves behind what was written.
    fn write(&mut self, batch: &mut Batch) -> io::Result<usize> {
        let is_plain = self.first.is_empty() && self.icy.is_none();
        if is_plain && batch.to <= self.last && batch.is_whole() {
            return self.write_whole(batch);
        }
        // The rest of the last page he wants, or a farewell, is no part of it.
        let n_left = self.last.checked_sub(self.offset);
        let n_left = n_left.map_or(0, |n_bytes| n_bytes.saturating_add(1));
        let n_wanted = usize::try_from(n_left).unwrap_or(usize::MAX);
        let n_until_title = self.icy.as_ref().map_or(usize::MAX, Icy::n_left);
        let n_wanted = n_wanted.min(n_until_title);
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        slices[0] = IoSlice::new(&self.first);
        let mut n_slices = 1;
        let mut n_left = n_wanted;
        for piece in batch.pieces.iter().take(PIECES_MAX - 1) {
            let piece = &piece[..piece.len().min(n_left)];
            n_left -= piece.len();
            slices[n_slices] = IoSlice::new(piece);
            n_slices += 1;
        }
        let from = usize::from(self.first.is_empty());
        let n_written = self.wire.send(&slices[from..n_slices])?;
        if n_written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let n_first = n_written.min(self.first.len());
        self.first.advance(n_first);
        if self.first.is_empty() {
            // An empty remainder would hold the whole of what it was cut from.
            self.first = Bytes::new();
        }
        let before = self.offset;
        self.advance(batch, n_written - n_first, n_wanted);
        self.add_title(self.offset - before);
        Ok(n_written)
    }

    /// One write of the whole batch and nothing else: what nearly every write is.
    fn write_whole(&mut self, batch: &Batch) -> io::Result<usize> {
        let n_written = self.wire.send(&[IoSlice::new(&batch.whole)])?;
        if n_written == batch.whole.len() {
            self.offset = batch.to;
        } else {
            self.advance(batch, n_written, batch.whole.len());
        }
        Ok(n_written)
    }

    fn advance(&mut self, batch: &Batch, mut n_bytes: usize, mut n_wanted: usize) {
        for piece in &batch.pieces {
            if n_bytes == 0 {
                return;
            }
            let n_of_piece = piece.len().min(n_wanted);
            n_wanted -= n_of_piece;
            self.offset += n_of_piece as u64;
            if n_bytes < n_of_piece {
                // The kernel cut a page: its rest is kept, whatever happens to the log.
                self.first = piece.slice(n_bytes..n_of_piece);
                return;
            }
            n_bytes -= n_of_piece;
        }
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}
