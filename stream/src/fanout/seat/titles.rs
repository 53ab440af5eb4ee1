//! Titles between the frames that a listener gets who asked for them, and what he can play.

use super::Seat;
use crate::log::Log;

impl Seat {
    /// So much sound is on its way to him: perhaps a title follows.
    pub(super) fn add_title(&mut self, n_bytes: u64) {
        let mount = &self.mount;
        if let Some(block) = self
            .icy
            .as_mut()
            .and_then(|icy| icy.pass(n_bytes, || mount.playing()))
        {
            self.push_first(&[block]);
        }
    }

    /// Whether the log that took the place of his is of another format: nobody can play both.
    pub(super) fn is_other_format(&self) -> bool {
        let format = |log: &Log| log.link().map(|link| link.format());
        match (format(&self.log), format(&self.mount.log())) {
            (Some(his), Some(next)) => his != next,
            _ => false,
        }
    }
}
