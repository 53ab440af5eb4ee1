//! A backlog that one thread fills and uplinks empty, and the spool behind it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream::ogg::Page;
use tokio::sync::Notify;

use super::{Backlog, Next, Word};
use crate::pages::Made;
use crate::spool::Spool;
use crate::spool::remains::Remains;

/// An input that need not keep time pauses while so much sound waits to be sent.
const WAITING_MAX: Duration = Duration::from_secs(20);

/// The backlog of one logical stream.
#[derive(Debug)]
pub struct Shared {
    backlog: Mutex<Backlog>,
    lanes: Vec<Lane>,
    /// Rung when a page was sent.
    taken: Condvar,
    spool: Option<(Arc<Spool>, u32)>,
    /// Nothing is sent to a server that does not answer: it is a master, which says where the
    /// stream goes on.
    is_plenum: AtomicBool,
}

/// What one uplink waits for.
#[derive(Debug, Default)]
struct Lane {
    /// Rung when a page was added or the end came.
    added: Notify,
    /// Since when something that was sent waits to be taken; `None`: nothing does.
    outstanding: Mutex<Option<Instant>>,
}

impl Lane {
    fn outstanding(&self) -> MutexGuard<'_, Option<Instant>> {
        self.outstanding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// An empty one for so many uplinks, without a spool.
    pub fn new(n_uplinks: usize) -> Self {
        Self::of(Backlog::default(), None, n_uplinks)
    }

    /// An empty one that catches up after a break for at most `catch_up`.
    pub fn with_spool(spool: Option<Arc<Spool>>, catch_up: Duration, n_uplinks: usize) -> Self {
        let backlog = Backlog::new(catch_up, spool.is_some());
        let spool = spool.map(|spool| (spool.clone(), spool.link()));
        Self::of(backlog, spool, n_uplinks)
    }

    /// What an earlier run left in the spool. It is not sent before somebody answers, for a master
    /// that stands still would not get it.
    pub fn of_remains(spool: Arc<Spool>, remains: Remains, n_uplinks: usize) -> Self {
        let (link, holes) = (remains.link, spool.holes(remains.link));
        let backlog = Backlog::ended(remains.headers, remains.pages, holes);
        Self {
            is_plenum: true.into(),
            ..Self::of(backlog, Some((spool, link)), n_uplinks)
        }
    }

    fn of(backlog: Backlog, spool: Option<(Arc<Spool>, u32)>, n_uplinks: usize) -> Self {
        Self {
            backlog: Mutex::new(backlog.over(n_uplinks)),
            lanes: (0..n_uplinks).map(|_| Lane::default()).collect(),
            taken: Condvar::new(),
            spool,
            is_plenum: AtomicBool::new(false),
        }
    }

    /// Looks into it. Never keep the guard over a wait.
    pub fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that the spool has to know.
    fn change<T>(&self, change: impl FnOnce(&mut Backlog) -> T) -> T {
        let mut backlog = self.lock();
        let before = (backlog.standing(), backlog.holes.n_pages());
        let outcome = change(&mut backlog);
        if let Some((spool, link)) = &self.spool
            && before != (backlog.standing(), backlog.holes.n_pages())
        {
            let (acknowledged, is_confirmed) = backlog.standing();
            spool.mark(*link, acknowledged, &backlog.holes, is_confirmed);
        }
        outcome
    }

    /// Adds the newest page.
    pub fn push(&self, made: Made) {
        if let Some((spool, _)) = &self.spool {
            spool.add(made.clone());
        }
        self.change(|backlog| backlog.push(made));
        self.ring();
    }

    /// Says that no more pages will come.
    pub fn end(&self) {
        self.lock().is_ended = true;
        self.ring();
    }

    fn ring(&self) {
        self.lanes.iter().for_each(|lane| lane.added.notify_one());
    }

    /// Waits until there is something to send.
    pub async fn filled(&self) {
        while self.lock().next(0) == Next::Wait {
            self.lanes[0].added.notified().await;
        }
        // Whoever waits for the next page must not miss this one.
        self.ring();
    }

    /// The next page for this uplink, as soon as there is one; `None`: everything is sent.
    /// Cancel safe.
    pub async fn next(&self, uplink: usize) -> Option<Page> {
        loop {
            let next = self.lock().next(uplink);
            match next {
                Next::Page(page) => return Some(page),
                Next::End => return None,
                Next::Wait => self.lanes[uplink].added.notified().await,
                Next::Spooled(sequence) => self.recall(uplink, sequence).await,
            }
        }
    }

    async fn recall(&self, uplink: usize, sequence: u64) {
        let read = match &self.spool {
            Some((spool, link)) => spool.read(*link, sequence).await,
            None => Err(None),
        };
        match read {
            Ok(content) => self.lock().recall(uplink, content.pages),
            Err(there) => self.change(|backlog| backlog.go_past_gap(uplink, there)),
        }
    }

    /// A page is about to be written.
    pub fn sending(&self, uplink: usize) {
        self.lanes[uplink]
            .outstanding()
            .get_or_insert_with(Instant::now);
    }

    /// The page was written wholly.
    pub fn sent(&self, uplink: usize, page: &Page) {
        self.change(|backlog| backlog.sent(uplink, page));
        if self.is_unconfirmed() {
            *self.lanes[uplink].outstanding() = None;
        }
        self.taken.notify_one();
    }

    /// The server says over this uplink that it has everything before this page.
    pub fn acknowledge(&self, uplink: usize, next: u32) {
        let is_confirmed = self.change(|backlog| {
            backlog.acknowledge(uplink, u64::from(next));
            backlog.is_confirmed_to(uplink)
        });
        *self.lanes[uplink].outstanding() = (!is_confirmed).then(Instant::now);
        // What waited for one that is behind may be sent already.
        self.taken.notify_one();
    }

    /// The server says over this uplink that it has everything.
    pub fn acknowledge_all(&self, uplink: usize) {
        self.change(|backlog| backlog.acknowledge_all(uplink));
        self.ring();
    }

    /// A connection begins. Nothing of what was sent before counts as on its way.
    pub fn begin(&self, uplink: usize, word: Word) {
        self.change(|backlog| backlog.begin(uplink, word));
        *self.lanes[uplink].outstanding() = None;
    }

    /// As [`Backlog::leave`].
    pub fn leave(&self, uplink: usize) {
        self.lock().leave(uplink);
    }

    /// The server does not say what it has.
    pub fn is_unconfirmed(&self) -> bool {
        self.lock().word() != Word::Given
    }

    /// As [`Backlog::answered`].
    pub fn answered(&self) {
        self.change(Backlog::answered);
    }

    /// The server is one that says where the stream goes on: it is not sent to without that.
    pub fn is_plenum(&self) -> bool {
        self.is_plenum.load(Relaxed)
    }

    /// So it is.
    pub fn set_plenum(&self) {
        self.is_plenum.store(true, Relaxed);
    }

    /// For how long something that this uplink has sent has waited to be taken.
    pub fn stalled(&self, uplink: usize) -> Duration {
        self.lanes[uplink]
            .outstanding()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// As [`Backlog::go_to`].
    pub fn go_to(&self, uplink: usize, wanted: u32) -> u64 {
        self.change(|backlog| backlog.go_to(uplink, u64::from(wanted)))
    }

    /// As [`Backlog::go_to_acknowledged`].
    pub fn go_to_acknowledged(&self, uplink: usize) -> u64 {
        self.change(|backlog| backlog.go_to_acknowledged(uplink))
    }

    /// As [`Backlog::go_back`].
    pub fn go_back(&self, uplink: usize, length: Duration, n_bytes: usize) {
        self.change(|backlog| backlog.go_back(uplink, length, n_bytes));
    }

    /// As [`Backlog::leave_out`], from the page on that the server wanted. Returns how many pages
    /// that has cost.
    pub fn leave_out(&self, uplink: usize, length: Duration) -> u64 {
        let skipped = self.change(|backlog| {
            let wanted = backlog.acknowledged();
            backlog.leave_out(uplink, wanted, length)
        });
        skipped.end - skipped.start
    }

    /// The server has these pages for its recording now.
    pub fn forget_hole(&self, pages: &Range<u64>) {
        self.change(|backlog| backlog.holes.remove(pages));
    }

    /// Everything goes well: a server that says what it has, has nearly all.
    pub fn is_calm(&self, most: Duration) -> bool {
        !self.is_unconfirmed() && self.lock().unacknowledged() < most
    }

    /// How many pages the server did not get and nobody will.
    pub fn n_lost(&self) -> u64 {
        match &self.spool {
            Some((spool, _)) => spool.report().n_lost,
            None => self.lock().n_skipped(),
        }
    }

    /// The spool, if there is one.
    pub fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref().map(|(spool, _)| &**spool)
    }

    /// Blocks the thread while much waits to be sent, at most `wait`. True: there is room.
    pub fn wait_for_room(&self, wait: Duration) -> bool {
        let is_full = |backlog: &mut Backlog| backlog.waiting() >= WAITING_MAX;
        let waited = self.taken.wait_timeout_while(self.lock(), wait, is_full);
        let (_guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}
