//! A shard that stands still while its listeners are handed over to another program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Shard, find};
use crate::fanout::figures::Closed;
use crate::fanout::seat::Seat;
use crate::handover::{Channel, SOCKETS_MAX, Verdict, Word};
use crate::mount::MountPath;

/// What a shard is told that has to stand still.
#[derive(Debug)]
pub(in crate::fanout) struct Freeze {
    /// Where its listeners go.
    pub(in crate::fanout) channel: Arc<Mutex<Channel>>,
    /// The mounts, by their numbers.
    pub(in crate::fanout) paths: Arc<Vec<MountPath>>,
    /// Told when all of them have been sent.
    pub(in crate::fanout) sent: SyncSender<io::Result<()>>,
    /// Says what becomes of them; as long as it does not, nothing moves.
    pub(in crate::fanout) verdict: Receiver<Verdict>,
}

impl Shard {
    pub(super) fn freeze(&mut self, freeze: &Freeze) {
        let now = Instant::now();
        while let Ok(joiner) = self.joiners.try_recv() {
            self.take_joiner(joiner, now);
        }
        let _ = freeze.sent.send(self.send_all(freeze, now));
        if freeze.verdict.recv() == Ok(Verdict::Leave) {
            self.let_go(&freeze.paths);
        }
        // To be handed over some were moved to the log that is current.
        for seat in self.prompt.iter().filter_map(|at| find(&self.seats, *at)) {
            seat.log().wake_on_append(&self.alarm);
        }
        self.next_tick = Instant::now();
    }

    fn send_all(&mut self, freeze: &Freeze, now: Instant) -> io::Result<()> {
        let mut seats = self.seats.iter_mut().filter_map(|(_, seat)| seat.as_mut());
        loop {
            let some: Vec<&mut Seat> = seats
                .by_ref()
                .filter(|seat| !seat.has_to_stay())
                .take(SOCKETS_MAX)
                .collect();
            if some.is_empty() {
                return Ok(());
            }
            let (mut words, mut beside) = (Vec::new(), Vec::new());
            let mut sockets: Vec<BorrowedFd<'_>> = Vec::new();
            for seat in some {
                let Some(mount) = number_of(seat, &freeze.paths) else {
                    continue;
                };
                let (word, first) = seat.hand_over(mount, &freeze.paths, now);
                words.push(word);
                beside.extend_from_slice(&first);
                let seat: &Seat = seat;
                sockets.push(seat.as_fd());
            }
            freeze
                .channel
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .say(&Word::Seats(words), &beside, &sockets)?;
        }
    }

    /// Another program serves them now: nothing is said to them, but to the relays that come back.
    fn let_go(&mut self, paths: &[MountPath]) {
        let mut relays = Vec::new();
        for (at, (generation, place)) in self.seats.iter_mut().enumerate() {
            let goes = |seat: &mut Seat| !seat.has_to_stay() && number_of(seat, paths).is_some();
            if let Some(mut seat) = place.take_if(goes) {
                seat.is_another_programs();
                *generation = generation.wrapping_add(1);
                self.free.push(u32::try_from(at).unwrap_or(u32::MAX));
                // A socket that somebody has stays in the epoll until it is taken out.
                let _ = self.poll.registry().deregister(seat.wire.socket());
            } else if place.as_ref().is_some_and(Seat::comes_back) {
                relays.push(u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
        for at in relays {
            self.close(at, Closed::Stopping);
        }
    }
}

fn number_of(seat: &Seat, paths: &[MountPath]) -> Option<usize> {
    paths.iter().position(|path| path == seat.mount().path())
}
