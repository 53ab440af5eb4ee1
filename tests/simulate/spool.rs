//! A source's disk: pages and marks, each there only some time after it was written. What the
//! source is killed before is lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use source::spool::marks::{Holes, Mark};
use source::spool::remains::Remains;
use stream::ogg::Page;

/// Acknowledged pages are kept until so much newer ones are there.
const ACKNOWLEDGED_KEPT: usize = 300;

/// All logical streams on the disk.
#[derive(Default)]
pub(crate) struct Spool {
    kept: Vec<Kept>,
    jobs: VecDeque<(Instant, u32, Job)>,
}

/// One logical stream.
struct Kept {
    mark: Mark,
    headers: Vec<Page>,
    pages: Vec<Page>,
    newest_at: Instant,
}

/// What waits for the disk.
pub(crate) enum Job {
    Begin { serial: u32 },
    Header(Page),
    Sound(Page),
    Mark(Mark),
}

impl Spool {
    /// To be written at `due`.
    pub(crate) fn add(&mut self, link: u32, job: Job, due: Instant) {
        let due = self
            .jobs
            .back()
            .map_or(due, |(newest, _, _)| due.max(*newest));
        self.jobs.push_back((due, link, job));
    }

    /// Writes what is due.
    pub(crate) fn step(&mut self, now: Instant) {
        while self.jobs.front().is_some_and(|(due, _, _)| *due <= now) {
            if let Some((_, link, job)) = self.jobs.pop_front() {
                self.write(link, job, now);
            }
        }
    }

    /// The source is killed: what was not written is gone.
    pub(crate) fn fall(&mut self) {
        self.jobs.clear();
    }

    fn write(&mut self, link: u32, job: Job, now: Instant) {
        if let Job::Begin { serial } = job {
            let mark = Mark {
                number: link,
                serial,
                is_confirmed: true,
                acknowledged: 0,
                holes: Holes::default(),
            };
            self.kept.push(Kept {
                mark,
                headers: Vec::new(),
                pages: Vec::new(),
                newest_at: now,
            });
            return;
        }
        let Some(kept) = self.find(link) else { return };
        match job {
            Job::Begin { .. } => {}
            Job::Header(page) => kept.headers.push(page),
            Job::Sound(page) => {
                kept.pages.push(page);
                kept.newest_at = now;
            }
            Job::Mark(mark) => {
                kept.mark = mark;
                kept.forget();
            }
        }
    }

    fn find(&mut self, link: u32) -> Option<&mut Kept> {
        self.kept.iter_mut().find(|kept| kept.mark.number == link)
    }

    /// Pages from `sequence` on, or else the number of the next that is there.
    pub(crate) fn read(&mut self, link: u32, sequence: u64) -> Result<Vec<Page>, Option<u64>> {
        let kept = self.find(link).ok_or(None)?;
        let number = |page: &Page| u64::from(page.stamp().sequence);
        let from = kept.pages.partition_point(|page| number(page) < sequence);
        let pages = &kept.pages[from..];
        match pages.first() {
            Some(first) if number(first) == sequence => {
                Ok(pages.iter().take(20).cloned().collect())
            }
            first => Err(first.map(number)),
        }
    }

    /// Whether this page is on the disk.
    pub(crate) fn has(&mut self, link: u32, sequence: u64) -> bool {
        self.read(link, sequence).is_ok()
    }

    /// What earlier runs left, oldest first, with their holes.
    pub(crate) fn remains(&mut self, catch_up: Duration, now: Instant) -> Vec<(Remains, Holes)> {
        let all = self.kept.iter_mut();
        all.filter_map(|kept| kept.remains(catch_up, now)).collect()
    }

    /// The highest number of a logical stream so far.
    pub(crate) fn newest_link(&self) -> u32 {
        let numbers = self.kept.iter().map(|kept| kept.mark.number);
        numbers.max().unwrap_or_default()
    }

    /// The mark of a logical stream as it stands on the disk.
    pub(crate) fn mark(&mut self, link: u32) -> Option<Mark> {
        self.find(link).map(|kept| kept.mark.clone())
    }
}

impl Kept {
    fn remains(&mut self, catch_up: Duration, now: Instant) -> Option<(Remains, Holes)> {
        let first = u64::from(self.pages.first()?.stamp().sequence);
        let end = u64::from(self.pages.last()?.stamp().sequence) + 1;
        let unsent = self.mark.acknowledged.max(first)..end;
        if unsent.is_empty() {
            return None;
        }
        let mut remains = Remains {
            link: self.mark.number,
            serial: self.mark.serial,
            headers: self.headers.clone(),
            pages: self.pages.clone(),
            age: now - self.newest_at,
            end,
        };
        remains.keep_newest(unsent.start, catch_up);
        let is_live = self.mark.is_confirmed && remains.age < catch_up;
        let first = remains.pages.first().filter(|_| is_live);
        let first = first.map(|page| u64::from(page.stamp().sequence));
        let holes = unsent.start..first.unwrap_or(unsent.end);
        self.mark.holes.add(holes);
        first.map(|_| (remains, self.mark.holes.clone()))
    }

    fn forget(&mut self) {
        while self.pages.len() > ACKNOWLEDGED_KEPT {
            let sequence = self
                .pages
                .first()
                .map(|page| u64::from(page.stamp().sequence));
            let Some(sequence) = sequence else { return };
            let is_hole = self.mark.holes.n_within(&(sequence..sequence + 1)) > 0;
            if is_hole || sequence >= self.mark.acknowledged {
                return;
            }
            self.pages.remove(0);
        }
    }
}
