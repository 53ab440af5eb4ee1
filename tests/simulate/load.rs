//! One logical stream that a source sends: the real backlog, and what is checked of its decisions.

use std::time::{Duration, Instant};

use source::backlog::{Backlog, Next};
use source::spool::marks::Mark;
use stream::mount::Wanted;

use crate::air::Air;
use crate::spool::{Job, Spool};

/// What is left out for filler may be longer than the filler by one page.
const PAGE_MAX: Duration = Duration::from_millis(500);

/// One logical stream that is to be sent.
pub(crate) struct Load {
    pub(crate) run: u32,
    pub(crate) serial: u32,
    pub(crate) link: u32,
    pub(crate) backlog: Backlog,
    pub(crate) catch_up: Duration,
    /// Remains are given up then.
    pub(crate) until: Option<Instant>,
    /// It is not sent to one who does not answer.
    pub(crate) is_known: bool,
    /// What the spool was told last.
    pub(crate) marked: (u64, u64),
}

impl Load {
    /// The next page, from memory or the spool.
    pub(crate) fn next(&mut self, spool: &mut Spool) -> Next {
        loop {
            match self.backlog.next(0) {
                Next::Spooled(sequence) => match spool.read(self.link, sequence) {
                    Ok(pages) => self.backlog.recall(0, pages),
                    Err(there) => self.backlog.go_past_gap(0, there),
                },
                next => return next,
            }
        }
    }

    /// Goes to the page that the master wants, or behind what it has bridged.
    pub(crate) fn resume(&mut self, wanted: Option<Wanted>, air: &mut Air) {
        let before = self.backlog.place(0);
        let n_missing = match wanted {
            Some(wanted) => self.backlog.go_to(0, u64::from(wanted.sequence)),
            None => self.backlog.go_to_acknowledged(0),
        };
        air.tell(&format!(
            "source: master wants {wanted:?} of run {}; was at {before}, goes to {}",
            self.run,
            self.backlog.place(0)
        ));
        if n_missing > 0 {
            self.check_age(self.backlog.place(0).saturating_sub(1), air);
        }
        let Some(filled) = wanted
            .map(|wanted| wanted.filled)
            .filter(|filled| !filled.is_zero())
        else {
            return;
        };
        let is_ended = self.backlog.is_ended();
        let length = if is_ended { Duration::MAX } else { filled };
        let waiting = self.backlog.waiting();
        let skipped = self
            .backlog
            .leave_out(0, self.backlog.acknowledged(), length);
        let left_out = waiting.saturating_sub(self.backlog.waiting());
        if !is_ended && left_out > filled + PAGE_MAX {
            air.book
                .wrong(|| format!("{left_out:?} left out for {filled:?} of filler"));
        }
        air.tell(&format!("source: leaves out {skipped:?}"));
        air.count("times sound was left out for filler");
        for sequence in skipped {
            let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
            air.book.excuse((self.run, sequence), "bridged with filler");
        }
    }

    /// A page is only given up when it is too old, or not on the disk.
    fn check_age(&self, sequence: u64, air: &mut Air) {
        let id = (self.run, u32::try_from(sequence).unwrap_or(u32::MAX));
        let now = air.now;
        let made = air.book.made_at(id).filter(|_| !self.backlog.is_ended());
        let age = made.map(|made| now - made);
        if let Some(age) = age.filter(|age| *age + Duration::from_secs(2) < self.catch_up) {
            let catch_up = self.catch_up;
            air.book
                .wrong(|| format!("{id:?} is given up after {age:?}, before {catch_up:?}"));
        }
    }

    /// Tells the spool what has changed.
    pub(crate) fn mark(&mut self, spool: &mut Spool, due: Instant) {
        let (acknowledged, is_confirmed) = self.backlog.standing();
        let marked = (acknowledged, self.backlog.n_skipped());
        if self.marked == marked {
            return;
        }
        self.marked = marked;
        let mark = Mark {
            number: self.link,
            serial: self.serial,
            is_confirmed,
            acknowledged,
            holes: self.backlog.holes().clone(),
        };
        spool.add(self.link, Job::Mark(mark), due);
    }
}
