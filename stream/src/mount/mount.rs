//! One mount: the log that is current, what is said about it, and how many listen.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::facts::Facts;
use super::path::MountPath;
use super::slots::Class;
use super::terms::Terms;
use super::title::Playing;
use crate::log::Log;

/// A mount that exists. It outlives its source: listeners stay while the source is away.
#[derive(Debug)]
pub struct Mount {
    path: MountPath,
    log: Mutex<Arc<Log>>,
    about: Mutex<About>,
    playing: watch::Sender<Playing>,
    counts: Counts,
    is_removed: AtomicBool,
}

/// The number of the next time that a source is heard.
static BEGINNINGS: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
struct About {
    facts: Facts,
    on_air: OnAir,
    /// Which time it is; 0 is never yet.
    beginning: u64,
    filled_since: Option<Timestamp>,
    /// The same by the clock that does not jump.
    filled_at: Option<Instant>,
}

/// Whether the source is there.
#[derive(Clone, Copy, Debug)]
pub enum OnAir {
    /// Yes, since then.
    Since(Timestamp),
    /// No, since then.
    AwaySince(Instant),
}

/// What happened on a mount since it exists.
#[derive(Debug, Default)]
pub struct Counts {
    n_listeners: AtomicUsize,
    n_relays: AtomicUsize,
    peak_listeners: AtomicU64,
    /// Bytes written to listeners' and relays' sockets.
    pub n_bytes_sent: AtomicU64,
    /// Writes to their sockets.
    pub n_sends: AtomicU64,
    /// Times a listener's bytes had left the ring before he got them.
    pub n_fell_behind: AtomicU64,
    /// Pages that the source's own numbers say it sent and that never came.
    pub n_pages_missing: AtomicU64,
    /// Bytes that a relay could not get from its master.
    pub n_bytes_skipped: AtomicU64,
    /// Bytes of the log that a master wrote to its disk.
    pub n_bytes_to_disk: AtomicU64,
    /// Times that writing it to disk was given up.
    pub n_disk_failures: AtomicU64,
    /// Pages that a master read back from its disk when it started.
    pub n_pages_restored: AtomicU64,
    /// Times that filler had to stand in for the source.
    pub n_gaps: AtomicU64,
    /// How much filler there was in all.
    pub filler_ms: AtomicU64,
    /// Uplinks over which a master's source delivers at the moment.
    pub n_uplinks: AtomicUsize,
}

/// Somebody being served on a mount. Not counted any more when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Audience {
    mount: Arc<Mount>,
    class: Class,
}

impl Mount {
    /// A mount that is off the air.
    pub fn new(path: MountPath, facts: Facts, log: Arc<Log>, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            path,
            log: Mutex::new(log),
            about: Mutex::new(About {
                facts,
                on_air: OnAir::AwaySince(now),
                beginning: 0,
                filled_since: None,
                filled_at: None,
            }),
            playing: watch::Sender::default(),
            counts: Counts::default(),
            is_removed: AtomicBool::new(false),
        })
    }

    /// Its path.
    pub fn path(&self) -> &MountPath {
        &self.path
    }

    /// The log that new listeners join.
    pub fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What its source says about it.
    pub fn facts(&self) -> Facts {
        self.about().facts.clone()
    }

    /// What plays now, if anybody has said so.
    pub fn title(&self) -> Option<Arc<str>> {
        self.playing.borrow().title.clone()
    }

    /// What plays now, and the address that was said with it.
    pub fn playing(&self) -> Playing {
        self.playing.borrow().clone()
    }

    /// What plays, for one who wants to know of every change.
    pub fn watch_playing(&self) -> watch::Receiver<Playing> {
        self.playing.subscribe()
    }

    /// What the operator says about it.
    pub fn terms(&self) -> Terms {
        self.about().facts.terms.clone()
    }

    /// Says something else about it. `true`: that is new.
    pub fn set_terms(&self, terms: Terms) -> bool {
        let mut about = self.about();
        let is_new = about.facts.terms != terms;
        about.facts.terms = terms;
        is_new
    }

    /// Puts the operator's words in the place of what is said of the stream. `true`: that is new.
    pub fn describe(&self, words: impl FnOnce(Facts) -> Facts) -> bool {
        let mut about = self.about();
        let said = words(about.facts.clone());
        let is_new = about.facts != said;
        about.facts = said;
        is_new
    }

    /// Whether it stands in no list.
    pub fn is_hidden(&self) -> bool {
        self.about().facts.terms.is_hidden
    }

    /// Whether nobody gets it by its name.
    pub fn is_only_fallback(&self) -> bool {
        self.about().facts.terms.only_as_fallback
    }

    /// See [`Terms::icy_interval`].
    pub fn icy_interval(&self) -> Option<usize> {
        self.about().facts.terms.icy_interval()
    }

    /// Whether nobody hears it whose password has not been checked.
    pub fn needs_password(&self) -> bool {
        self.about().facts.terms.needs_password
    }

    /// Whether somebody is writing the log.
    pub fn on_air(&self) -> OnAir {
        self.about().on_air
    }

    /// Whether somebody is writing the log.
    pub fn is_on_air(&self) -> bool {
        matches!(self.on_air(), OnAir::Since(_))
    }

    /// Since when filler stands in for the source, if it does now. Listeners hear silence.
    pub fn filled_since(&self) -> Option<Timestamp> {
        self.about().filled_since
    }

    /// For how long filler has been standing in for the source, if it does now.
    pub fn filled_for(&self, now: Instant) -> Option<Duration> {
        let filled_at = self.about().filled_at?;
        Some(now.saturating_duration_since(filled_at))
    }

    /// Whether pages come, be it sound or filler: who joins now has something to wait in.
    pub fn is_moving(&self) -> bool {
        self.is_on_air() || self.filled_since().is_some()
    }

    /// For how long nobody has been writing the log.
    pub fn away_for(&self, now: Instant) -> Option<Duration> {
        match self.on_air() {
            OnAir::Since(_) => None,
            OnAir::AwaySince(since) => Some(now.saturating_duration_since(since)),
        }
    }

    /// Whether the mount was removed: its listeners are sent home.
    pub fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    /// Counts and their names.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many of a class are being served now.
    pub fn n_served(&self, class: Class) -> usize {
        self.counts.of(class).load(Ordering::Relaxed)
    }

    /// The most listeners at once so far.
    pub fn peak_listeners(&self) -> usize {
        let peak = self.counts.peak_listeners.load(Ordering::Relaxed);
        usize::try_from(peak).unwrap_or(usize::MAX)
    }

    /// Counts somebody in until the result is dropped.
    pub fn admit(self: &Arc<Self>, class: Class) -> Audience {
        let n_now = self.counts.of(class).fetch_add(1, Ordering::Relaxed) + 1;
        if class == Class::Listener {
            self.counts
                .peak_listeners
                .fetch_max(n_now as u64, Ordering::Relaxed);
        }
        Audience {
            mount: Arc::clone(self),
            class,
        }
    }

    /// As [`Self::admit`] for a listener, unless so many are there already.
    pub fn admit_up_to(self: &Arc<Self>, listeners_max: usize) -> Option<Audience> {
        let admitted =
            self.counts
                .n_listeners
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                    (n < listeners_max).then_some(n + 1)
                });
        let n_now = admitted.ok()? + 1;
        let peak = &self.counts.peak_listeners;
        peak.fetch_max(n_now as u64, Ordering::Relaxed);
        Some(Audience {
            mount: Arc::clone(self),
            class: Class::Listener,
        })
    }

    pub(super) fn remove(&self) {
        self.is_removed.store(true, Ordering::Release);
        self.log().end();
    }

    /// Takes what a source says about its stream, but for what it is: that shows in the stream.
    pub(super) fn set_facts(&self, mut facts: Facts) {
        let link = self.log().link();
        if let Some(media_type) = link.and_then(|link| link.media_type()) {
            media_type.clone_into(&mut facts.content_type);
        }
        self.about().facts = facts;
    }

    /// Says what plays now. `false`: it is what was said before. Relays hear of it through
    /// [`MountTable::say`](super::MountTable).
    pub(crate) fn say(&self, change: impl FnOnce(&mut Playing)) -> bool {
        self.playing.send_if_modified(|playing| {
            let before = playing.clone();
            change(playing);
            *playing != before
        })
    }

    /// Says all that plays now.
    pub(crate) fn say_all(&self, title: Option<&str>, url: Option<&str>) -> bool {
        self.say(|playing| {
            playing.set_title(title);
            playing.set_url(url);
        })
    }

    pub(crate) fn set_on_air(&self, on_air: OnAir) {
        let mut about = self.about();
        let begins = matches!(
            (about.on_air, on_air),
            (OnAir::AwaySince(_), OnAir::Since(_))
        );
        if begins {
            about.beginning = BEGINNINGS.fetch_add(1, Ordering::Relaxed);
        }
        about.on_air = on_air;
    }

    /// Which time it is that a source is heard, or was: another number each time, on whichever mount.
    pub fn beginning(&self) -> u64 {
        self.about().beginning
    }

    pub(crate) fn set_filled_since(&self, since: Option<Timestamp>) {
        let mut about = self.about();
        about.filled_since = since;
        about.filled_at = since.map(|_| about.filled_at.unwrap_or_else(Instant::now));
    }

    /// Puts another log in the place of the present one, which ends.
    pub(super) fn replace_log(&self, log: Arc<Log>) {
        let mut current = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, log).end();
    }

    fn about(&self) -> std::sync::MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// All that only ever rise, in an order that stays the same.
    pub(crate) fn all(&self) -> [&AtomicU64; 11] {
        [
            &self.n_bytes_sent,
            &self.n_sends,
            &self.n_fell_behind,
            &self.n_pages_missing,
            &self.n_bytes_skipped,
            &self.n_bytes_to_disk,
            &self.n_disk_failures,
            &self.n_pages_restored,
            &self.n_gaps,
            &self.filler_ms,
            &self.peak_listeners,
        ]
    }

    fn of(&self, class: Class) -> &AtomicUsize {
        match class {
            Class::Listener => &self.n_listeners,
            Class::Relay => &self.n_relays,
        }
    }
}

impl Audience {
    /// Who is being served.
    pub fn class(&self) -> Class {
        self.class
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.mount
            .counts
            .of(self.class)
            .fetch_sub(1, Ordering::Relaxed);
    }
}
