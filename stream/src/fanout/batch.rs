//! What several listeners of one mount are sent in one round.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::log::{FellBehind, Log};

/// How much is written at once.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// How many pieces one write may have (the kernel takes up to 1024).
pub(super) const PIECES_MAX: usize = 64;
/// What several listeners of one mount are sent in one round: looked up once, and for all but
/// the first of them laid together once, for the kernel takes one piece faster than five.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) log: Option<Arc<Log>>,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) pieces: Vec<Bytes>,
    /// The pieces in one, once a second listener is sent them.
    pub(super) whole: Vec<u8>,
    is_used: bool,
    /// When the first byte arrived.
    pub(super) arrived: Option<Instant>,
}

impl Batch {
    /// Fills it with what follows `from`.
    pub(super) fn fill(&mut self, log: &Arc<Log>, from: u64) -> Result<(), FellBehind> {
        self.clear();
        let to = log.read_on(from, WRITE_BYTES_MAX, PIECES_MAX - 1, &mut self.pieces)?;
        self.arrived = log.arrival(from);
        self.log = Some(Arc::clone(log));
        (self.from, self.to) = (from, to);
        Ok(())
    }

    /// Forgets what it holds: the log may have grown since.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.whole.clear();
        self.is_used = false;
        self.log = None;
    }

    /// Whether it lies in one piece. It is laid together when somebody was sent it before: he is
    /// not the last, then.
    pub(super) fn is_whole(&mut self) -> bool {
        if !self.is_used {
            self.is_used = true;
            return false;
        }
        if self.whole.is_empty() {
            for piece in &self.pieces {
                self.whole.extend_from_slice(piece);
            }
        }
        true
    }
}
