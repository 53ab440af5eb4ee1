//! Who is told of every page that is appended to a log, to write it down. Pure.

use std::fmt;
use std::time::Instant;

use super::account::{Step, Trace};
use crate::ogg::Page;

/// What is known of a page that was appended.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// Where it begins.
    pub offset: u64,
    /// When it came.
    pub at: Instant,
    /// What the splice knows behind it. `None`: the log itself ended the stream.
    pub trace: Option<Trace>,
    /// Another page follows that belongs to it: only both together are a whole step.
    pub is_unfinished: bool,
}

impl Appended {
    /// A page that was appended at `offset`.
    pub fn new(offset: u64, step: Step, at: Instant) -> Self {
        Self {
            offset,
            at,
            trace: step.trace,
            is_unfinished: step.is_unfinished,
        }
    }
}

/// Writes a log down.
pub trait Sink: Send + fmt::Debug {
    /// Takes a page. Must be quick and never wait: a listener's sound comes first.
    fn appended(&mut self, page: &Page, appended: Appended);

    /// Filler may follow from now on, or a link for a title, or sound has followed it. The source
    /// cannot send either again: while it may be there, nobody can say what came behind the last page on disk.
    fn filling(&mut self, may_follow: bool);

    /// What is said about the mount may have changed.
    fn described(&mut self);

    /// The mount was removed: nobody will go on with this log.
    fn removed(&mut self);
}
