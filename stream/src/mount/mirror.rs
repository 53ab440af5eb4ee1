//! The writer of a mount at a relay or a standby: the very bytes that its upstream has.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;

use super::catalog::CatalogMount;
use super::facts::Facts;
use super::mount::{Mount, OnAir};
use super::path::MountPath;
use super::sinks::Sinks;
use super::table::{MOUNTS_MAX, MountTable, TableFull};
use crate::log::account::{Shift, Step, Trace};
use crate::log::sink::Appended;
use crate::log::{Epoch, Keep, Log, Sink, succeed};
use crate::ogg::{Page, Stray};

/// Pages of one step are held back until all of them are there, but no more of them than this.
const HELD_PAGES_MAX: usize = 256;

/// The writer of a mount at a relay: appends the very bytes that its upstream has.
#[derive(Debug)]
pub struct Mirror {
    table: Arc<MountTable>,
    mount: Arc<Mount>,
    log: Arc<Log>,
    /// The beginning of a step that is not whole yet: who goes on with the log wants whole steps.
    held: Vec<(Page, Step)>,
    sink: Option<Box<dyn Sink>>,
    /// The sink was told that filler may follow.
    is_filled: bool,
    newest: Option<u64>,
}

impl Mirror {
    /// Mirrors the log `epoch` from `offset` on; `prefix` are the header pages before it. Makes
    /// the mount, or puts the new log in the place of the one it had.
    ///
    /// # Errors
    /// When there are too many mounts, or the prefix is not the headers of a link.
    pub fn open(
        table: &Arc<MountTable>,
        path: &MountPath,
        facts: &Facts,
        start: Start<'_>,
        now: Instant,
    ) -> Result<Self, MirrorError> {
        let log = Log::new(start.epoch, start.offset, start.keep);
        for page in start.prefix {
            log.learn_header(page).map_err(MirrorError::Stray)?;
        }
        let mut is_new = false;
        let mount = table
            .find_or_make(path, || {
                is_new = true;
                Mount::new(path.clone(), facts.clone(), Arc::clone(&log), now)
            })
            .map_err(|TableFull| MirrorError::TableFull)?;
        if !is_new {
            mount.replace_log(Arc::clone(&log));
        }
        Ok(Self::resumed(table, mount))
    }

    /// Goes on with a mount and its log that the program before this one had.
    pub fn resumed(table: &Arc<MountTable>, mount: Arc<Mount>) -> Self {
        Self {
            table: Arc::clone(table),
            log: mount.log(),
            mount,
            held: Vec::new(),
            sink: None,
            is_filled: false,
            newest: None,
        }
    }

    /// Lets somebody write the log down, if there is anybody.
    pub fn write_down(&mut self, sinks: Option<&Arc<dyn Sinks>>) {
        self.sink = sinks.and_then(|sinks| {
            let account = succeed::account(&self.log)?;
            sinks.open(&self.mount, account)
        });
    }

    /// Nobody will go on with this log.
    pub fn removed(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.removed();
        }
    }

    /// The log it mirrors.
    pub fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    /// The offset of the next byte it wants.
    pub fn head(&self) -> u64 {
        let n_held: usize = self.held.iter().map(|(page, _)| page.len()).sum();
        self.log.head() + n_held as u64
    }

    /// The mount it writes.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// Appends the page at [`Self::head`].
    ///
    /// # Errors
    /// When the page belongs to no link.
    pub fn append(&mut self, page: &Page, now: Instant) -> Result<(), Stray> {
        self.append_step(page, Step::default(), now)
    }

    /// As [`Self::append`], with what its master knows of the page; not before its step is whole.
    ///
    /// # Errors
    /// When the page belongs to no link.
    pub fn append_step(&mut self, page: &Page, step: Step, now: Instant) -> Result<(), Stray> {
        self.newest = Some(self.head());
        self.held.push((page.clone(), step));
        if step.is_unfinished && self.held.len() < HELD_PAGES_MAX {
            return Ok(());
        }
        for (page, step) in std::mem::take(&mut self.held) {
            let offset = self.log.head();
            self.log.append(&page, step, now)?;
            if let Some(sink) = &mut self.sink {
                let is_filled = step.trace.is_some_and(is_filled);
                if is_filled != std::mem::replace(&mut self.is_filled, is_filled) {
                    sink.filling(is_filled);
                }
                sink.appended(&page, Appended::new(offset, step, now));
            }
        }
        Ok(())
    }

    /// The offset of the newest page.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether `page` is what the log has at `offset`. `None`: that is not kept any more.
    pub fn has(&self, offset: u64, page: &Page) -> Option<bool> {
        let mut at = self.log.head();
        for (held, _) in &self.held {
            if at == offset {
                return Some(held == page);
            }
            at += held.len() as u64;
        }
        let mut pieces = Vec::new();
        let read = self
            .log
            .read(offset, page.len(), usize::MAX, &mut pieces)
            .ok()?;
        let is_whole = read >= offset + page.len() as u64;
        let own = pieces.iter().flat_map(|piece| piece.iter());
        Some(is_whole && page.bytes().iter().eq(own.take(page.len())))
    }

    /// Whether these are the header pages of the link that the log is in now.
    pub fn is_in_link(&self, prefix: &[Page]) -> bool {
        let n_bytes: usize = prefix.iter().map(Page::len).sum();
        self.log.link().is_some_and(|link| {
            link.prefix.len() == n_bytes
                && prefix
                    .iter()
                    .flat_map(|page| page.bytes().iter())
                    .eq(link.prefix.iter())
        })
    }

    /// Goes on at a later offset: the bytes between are lost.
    pub fn skip_to(&mut self, offset: u64) {
        self.held.clear();
        let n_bytes = offset.saturating_sub(self.log.head());
        self.mount
            .counts()
            .n_bytes_skipped
            .fetch_add(n_bytes, Ordering::Relaxed);
        self.log.skip_to(offset);
        self.newest = None;
    }

    /// Says what upstream says about the stream; nothing comes from it unless `is_heard`.
    pub fn set_about(&mut self, upstream: &CatalogMount, is_heard: bool, now: Instant) {
        let (facts, mount) = (&upstream.facts, &self.mount);
        let is_on_air = upstream.is_on_air && is_heard;
        let is_filled = upstream.is_filled && is_heard;
        let is_retitled = mount.say_all(upstream.title.as_deref(), upstream.title_url.as_deref());
        let has_changed = is_retitled
            || mount.facts() != *facts
            || mount.is_on_air() != is_on_air
            || mount.filled_since().is_some() != is_filled;
        if !has_changed {
            return;
        }
        mount.set_facts(facts.clone());
        if let Some(sink) = &mut self.sink {
            sink.described();
        }
        // It is away from the moment when nothing comes any more, not even filler.
        let was_moving = mount.is_moving();
        let filled_since = mount.filled_since().unwrap_or_else(Timestamp::now);
        mount.set_filled_since(is_filled.then_some(filled_since));
        match (is_on_air, mount.is_on_air()) {
            (true, false) => mount.set_on_air(OnAir::Since(Timestamp::now())),
            (false, true) => mount.set_on_air(OnAir::AwaySince(now)),
            (false, false) if was_moving => mount.set_on_air(OnAir::AwaySince(now)),
            _ => {}
        }
        self.table.touch();
    }
}

/// Whether filler is the newest in the log.
fn is_filled(trace: Trace) -> bool {
    matches!(trace.shift, Shift::Due(1..))
}

/// Where a mirror begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Which log.
    pub epoch: Epoch,
    /// The first offset it will get.
    pub offset: u64,
    /// The header pages before it.
    pub prefix: &'a [Page],
    /// How much to keep.
    pub keep: Keep,
}

/// Why a mirror cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorError {
    /// There are too many mounts.
    TableFull,
    /// The prefix is not the headers of a link.
    Stray(Stray),
}

impl std::fmt::Display for MirrorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TableFull => write!(f, "more than {MOUNTS_MAX} mounts"),
            Self::Stray(stray) => write!(f, "its headers are damaged: {stray}"),
        }
    }
}
