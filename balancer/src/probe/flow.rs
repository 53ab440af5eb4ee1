//! What the master sent lately of MP3 or AAC: bytes by their place in the log, since frames have no
//! numbers. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::truth::{KEPT, KEPT_BYTES_MAX, KEPT_PAGES_MAX, Place};

/// The bytes of one log, in order.
#[derive(Debug, Default)]
pub struct Flow {
    epoch: Option<Arc<str>>,
    pieces: VecDeque<Piece>,
    n_bytes: usize,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    bytes: Bytes,
    came: Instant,
}

/// What is known of bytes that a relay sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    /// The master sent them, too; the last of them that is known came at this moment.
    Same(Instant),
    /// The master sent others in this place.
    Other {
        /// Which of the relay's bytes is the first that differs.
        at: usize,
        /// What the master has from there on.
        master: Bytes,
    },
    /// All of them are further back than is known here.
    Older,
    /// All of them are further ahead than is known here.
    Newer,
    /// They are of another log.
    Stranger,
}

impl Flow {
    /// So many pieces are known.
    pub fn n_pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The next bytes of the master's answer. Whether they are the first of a log.
    pub fn take(&mut self, place: &Place, bytes: &Bytes, now: Instant) -> bool {
        let is_new = self.epoch.as_ref() != Some(&place.epoch);
        if is_new {
            *self = Self::default();
            self.epoch = Some(Arc::clone(&place.epoch));
        }
        // A new connection begins with what is known.
        let n_known = self.end().saturating_sub(place.offset);
        let n_known = usize::try_from(n_known).unwrap_or(usize::MAX);
        if n_known < bytes.len() {
            let bytes = bytes.slice(n_known..);
            self.n_bytes += bytes.len();
            self.pieces.push_back(Piece {
                offset: place.offset.saturating_add(n_known as u64),
                bytes,
                came: now,
            });
        }
        is_new
    }

    /// Lets go of what is old or too much. Says when the newest came of what is gone before its
    /// time.
    pub fn forget(&mut self, now: Instant) -> Option<Instant> {
        let mut gone = None;
        while let Some(oldest) = self.pieces.front() {
            let is_old = now.saturating_duration_since(oldest.came) > KEPT;
            let is_much = self.n_bytes > KEPT_BYTES_MAX || self.pieces.len() > KEPT_PAGES_MAX;
            if !is_old && !is_much {
                break;
            }
            if !is_old {
                gone = Some(oldest.came);
            }
            self.n_bytes -= oldest.bytes.len();
            self.pieces.pop_front();
        }
        gone
    }

    /// What is known of these bytes, which a relay sent from this place on.
    pub fn look(&self, (epoch, offset): (&str, u64), bytes: &[u8]) -> Match {
        if self.epoch.as_deref() != Some(epoch) {
            return Match::Stranger;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        let mut newest = None;
        for piece in &self.pieces {
            let piece_end = piece.offset.saturating_add(piece.bytes.len() as u64);
            let (from, until) = (piece.offset.max(offset), piece_end.min(end));
            if from >= until {
                continue;
            }
            let theirs = part(bytes, offset, from, until);
            let ours = part(&piece.bytes, piece.offset, from, until);
            if let Some(n) = (0..ours.len()).find(|n| theirs.get(*n) != ours.get(*n)) {
                let before = usize::try_from(from - offset).unwrap_or(0);
                return Match::Other {
                    at: before + n,
                    master: Bytes::copy_from_slice(&ours[n..]),
                };
            }
            newest = Some(piece.came);
        }
        match newest {
            Some(came) => Match::Same(came),
            None if offset >= self.end() => Match::Newer,
            None => Match::Older,
        }
    }

    fn end(&self) -> u64 {
        let last = self.pieces.back();
        last.map_or(0, |last| {
            last.offset.saturating_add(last.bytes.len() as u64)
        })
    }
}

/// The bytes between two places, of those that begin at `start`.
fn part(bytes: &[u8], start: u64, from: u64, until: u64) -> &[u8] {
    let at = |place: u64| usize::try_from(place - start).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(until)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(epoch: &str, offset: u64) -> Place {
        Place {
            epoch: epoch.into(),
            offset,
        }
    }

    /// The byte at an offset.
    fn sound(range: std::ops::Range<u64>) -> Bytes {
        range
            .map(|n| u8::try_from(n * n % 251).unwrap())
            .collect::<Vec<_>>()
            .into()
    }

    /// A second of the log is 100 bytes.
    fn flow(start: Instant) -> Flow {
        let mut flow = Flow::default();
        for n in 10..20_u32 {
            let at = u64::from(n) * 100;
            flow.take(&place("e", at), &sound(at..at + 100), start + n * SECOND);
        }
        flow
    }

    #[test]
    fn bytes_are_the_masters_wherever_a_relay_cuts_them() {
        let start = Instant::now();
        let flow = flow(start);
        for (from, until, second) in [(1000, 1001, 10), (1037, 1455, 14), (0, 2000, 19)] {
            let came = start + second * SECOND;
            assert_eq!(
                flow.look(("e", from), &sound(from..until)),
                Match::Same(came)
            );
        }
        let ahead = sound(1950..2400);
        assert_eq!(
            flow.look(("e", 1950), &ahead),
            Match::Same(start + 19 * SECOND)
        );
        assert_eq!(flow.look(("e", 2000), &sound(2000..2100)), Match::Newer);
        assert_eq!(flow.look(("e", 100), &sound(100..1000)), Match::Older);
        assert_eq!(flow.look(("f", 1000), &sound(1000..1100)), Match::Stranger);
    }

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let flow = flow(Instant::now());
        let mut wrong = sound(950..1900).to_vec();
        wrong[377] ^= 1;
        let master = sound(1327..1400);
        assert_eq!(
            flow.look(("e", 950), &wrong),
            Match::Other { at: 377, master }
        );
        // The same sound in another place is other sound.
        let moved = flow.look(("e", 1001), &sound(1000..1100));
        assert!(matches!(moved, Match::Other { at: 0, .. }), "{moved:?}");
    }

    #[test]
    fn a_new_connection_adds_what_is_new_and_a_new_log_begins_anew() {
        let start = Instant::now();
        let mut flow = flow(start);
        let later = start + 30 * SECOND;
        assert!(!flow.take(&place("e", 1900), &sound(1900..2050), later));
        assert_eq!(
            flow.look(("e", 1900), &sound(1900..2000)),
            Match::Same(start + 19 * SECOND)
        );
        assert_eq!(
            flow.look(("e", 1990), &sound(1990..2050)),
            Match::Same(later)
        );
        assert!(flow.take(&place("f", 0), &sound(0..50), later));
        assert_eq!(flow.look(("e", 1900), &sound(1900..2000)), Match::Stranger);
    }

    #[test]
    fn what_is_old_or_too_much_is_let_go() {
        let start = Instant::now();
        let mut flow = flow(start);
        assert_eq!(flow.forget(start + 12 * SECOND + KEPT), None);
        assert_eq!(flow.n_pieces(), 8);
        let much: Bytes = vec![0; KEPT_BYTES_MAX].into();
        flow.take(&place("e", 2000), &much, start + 20 * SECOND);
        assert_eq!(flow.forget(start + 20 * SECOND), Some(start + 19 * SECOND));
        assert_eq!((flow.n_pieces(), flow.n_bytes), (1, KEPT_BYTES_MAX));
    }
}
