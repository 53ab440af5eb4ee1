//! What a mirror does when pages do not follow one another: another log, something missing,
//! other bytes.

use std::time::Instant;

use tracing::{info, warn};

use super::{LEFT_MAX, Mirroring, OFF_AIR_AFTER, OLD_LOG_AFTER, OTHER_LOG_AFTER};
use crate::follow::pull::Beginning;
use crate::log::Epoch;
use crate::log::account::Step;
use crate::mount::{Mirror, Start};
use crate::ogg::Page;

impl Mirroring {
    /// The place of a way among those that carry the mount; the best is 0.
    fn rank(&self, way: usize) -> usize {
        let carriers = &self.wanted.borrow().carriers;
        let mut ranks = carriers.iter().map(|carrier| carrier.upstream);
        ranks.position(|n| n == way).unwrap_or(usize::MAX)
    }

    /// Another log is followed if a way brings it that is no worse than the one that the present
    /// log comes over, or if nothing comes over that one.
    pub(super) fn may_change_log(&self, way: usize, epoch: Epoch, now: Instant) -> bool {
        let silence = now.saturating_duration_since(self.heard);
        let patience = if self.left.contains(&epoch) {
            OLD_LOG_AFTER
        } else {
            OTHER_LOG_AFTER
        };
        self.mirror.is_none() || self.rank(way) <= self.rank(self.from) || silence >= patience
    }

    pub(super) fn open(&mut self, beginning: &Beginning, now: Instant) -> bool {
        let about = self.wanted.borrow().about.clone();
        let start = Start {
            epoch: beginning.epoch,
            offset: beginning.offset,
            prefix: &beginning.prefix,
            keep: self.means.keep,
        };
        match Mirror::open(&self.means.table, &about.path, &about.facts, start, now) {
            Ok(mut mirror) => {
                mirror.write_down(self.means.sinks.as_ref());
                info!("mirroring {} from offset {}", about.path, beginning.offset);
                let before = self.mirror.replace(mirror).map(|before| before.epoch());
                self.left.retain(|left| *left != beginning.epoch);
                if let Some(before) = before.filter(|before| *before != beginning.epoch) {
                    if self.left.len() == LEFT_MAX {
                        self.left.remove(0);
                    }
                    self.left.push(before);
                }
                true
            }
            Err(why) => {
                warn!("cannot mirror {}: {why}", about.path);
                false
            }
        }
    }

    /// Frames may be cut into portions elsewhere on each way: what is new in this one, if the rest
    /// is what is there.
    pub(super) fn cut_at(&self, page: &Page, offset: u64, head: u64) -> Option<Page> {
        let n_bytes = usize::try_from(head.checked_sub(offset)?).ok()?;
        let (before, new) = page.split_at(n_bytes)?;
        let is_other = self.mirror.as_ref()?.has(offset, &before) == Some(false);
        (!is_other).then_some(new)
    }

    /// Whether what is missing may still come over another way.
    pub(super) fn has_other_way(&self, way: usize, now: Instant) -> bool {
        let carriers = &self.wanted.borrow().carriers;
        carriers
            .iter()
            .any(|c| c.upstream != way && !self.ways[c.upstream].is_quarantined(now))
    }

    /// The first pages that are held: way, connection, until when.
    pub(super) fn held(&self) -> Option<(usize, usize, Instant)> {
        let ways = self.ways.iter().enumerate();
        let held = ways.flat_map(|(n, way)| {
            let pulls = way.pulls.iter().enumerate();
            pulls.filter_map(move |(at, pull)| Some((n, at, pull.held.until()?)))
        });
        held.min_by_key(|(_, _, until)| *until)
    }

    /// Takes what was held and is not above the head any more.
    pub(super) fn take_held(&mut self) {
        while let Some((way, at, offset, page, step)) = self.next_held() {
            self.take_page((way, at), offset, page, step);
        }
    }

    fn next_held(&mut self) -> Option<(usize, usize, u64, Page, Step)> {
        let head = self.mirror.as_ref()?.head();
        self.ways.iter_mut().enumerate().find_map(|(n, way)| {
            let mut pulls = way.pulls.iter_mut().enumerate();
            pulls.find_map(|(at, pull)| {
                let (offset, page, step) = pull.held.take(head)?;
                Some((n, at, offset, page, step))
            })
        })
    }

    /// Forgets the log: it is asked for anew, from wherever it is to be had now.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.mirror = None;
        for way in self.ways.iter_mut().filter(|way| !way.pulls.is_empty()) {
            way.begin_anew(now);
        }
    }

    /// What is missing before the held pages of a connection will not come any more.
    pub(super) fn give_up(&mut self, way: usize, at: usize, now: Instant) {
        let pull = &self.ways[way].pulls[at];
        let (Some(offset), Some(beginning)) = (pull.held.first(), pull.beginning.clone()) else {
            return;
        };
        let Some(mirror) = &mut self.mirror else {
            return;
        };
        let path = mirror.mount().path().clone();
        if mirror.is_in_link(&beginning.prefix) {
            let n_bytes = offset.saturating_sub(mirror.head());
            warn!("{n_bytes} bytes of {path} were lost: the break was too long");
            mirror.skip_to(offset);
        } else {
            // How much of it there was nobody can say: a log that began anew leaves out offsets.
            warn!("{path} goes on with another link, and the end of the one before did not come");
            // Another link began in the part that was missed.
            let beginning = Beginning {
                offset,
                ..beginning
            };
            if !self.open(&beginning, now) {
                self.end_pull((way, at), "the mirror cannot be opened");
            }
        }
    }

    /// A way brings other bytes than those that are there. Who is nearer to the master is right;
    /// among equals, who was first.
    pub(super) fn differs(&mut self, way: usize, now: Instant) {
        let path = self.wanted.borrow().about.path.clone();
        if !self.has_other_way(way, now) {
            warn!(
                "{} has other bytes of {path} than it had before: beginning anew",
                self.ways[way].url()
            );
            return self.begin_anew(now);
        }
        let is_better = way != self.from && self.rank(way) < self.rank(self.from);
        let wrong = if is_better { self.from } else { way };
        warn!(
            "{} has other bytes of {path} than {}: it is not asked for a minute",
            self.ways[wrong].url(),
            self.ways[if is_better { way } else { self.from }].url(),
        );
        self.ways[wrong].quarantine(now);
        if is_better {
            self.begin_anew(now);
        }
        self.review(now);
    }

    pub(super) fn say_standby(&self) {
        let path = &self.wanted.borrow().about.path;
        if self.is_standby_called {
            warn!("pages of {path} are late: those on standby are asked, too");
        } else {
            info!("pages of {path} come steadily: those on standby are let go");
        }
    }

    /// Tells the mount whether it is on air: its source is there, and so is the sound.
    pub(super) fn say_about(&mut self) {
        let now = Instant::now();
        let is_heard = now.duration_since(self.alive_at()) < OFF_AIR_AFTER;
        let Some(mirror) = &mut self.mirror else {
            return;
        };
        mirror.set_about(&self.wanted.borrow().about, is_heard, now);
    }
}
