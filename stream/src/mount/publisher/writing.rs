//! What a desk knows of a mount that its log does not say, as it is handed to another program.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Desk, lock};
use crate::log::account::Trace;
use crate::log::writer::WriterState;
use crate::mount::{Facts, MountPath};

/// How far the writing of a mount has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Writing {
    /// What the splice knows of each logical stream, by its serial number in the log.
    pub(crate) traces: Vec<(u32, Trace)>,
    writer: WriterState,
    filled_before: Option<Duration>,
}

impl Desk {
    /// What is said of a mount, if it is there.
    pub fn facts(&self, path: &MountPath) -> Option<Facts> {
        Some(self.table.find(path)?.facts())
    }

    /// How far the writing of a mount has come at `now`.
    pub(crate) fn writing(&self, path: &MountPath, now: Instant) -> Option<Writing> {
        let seats = self.seats();
        let seat = seats.get(path)?;
        let writer = lock(&seat.writer);
        Some(Writing {
            traces: writer.splice().traces(),
            writer: writer.state(now),
            filled_before: seat.filled_before,
        })
    }

    /// Goes on with the writing of a mount that was put back.
    pub(crate) fn go_on(&self, path: &MountPath, writing: &Writing, now: Instant) {
        let mut seats = self.seats();
        if let Some(seat) = seats.get_mut(path) {
            seat.filled_before = writing.filled_before;
            lock(&seat.writer).go_on(&writing.writer, now);
        }
    }
}
