//! A source: makes pages, keeps them on its disk, sends them, and is killed now and then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use source::backlog::{Backlog, KEPT_MAX};
use source::pages::Made;
use stream::ogg::Page;

use crate::air::Air;
use crate::load::Load;
use crate::network::Node;
use crate::plan::Settings;
use crate::spool::{Job, Spool};
use crate::studio::{Kind, Studio};
use crate::uplink::Uplink;

/// A file that is later than this, as after a sleep, goes on from where it stopped. Where there is
/// a card, silence stands for what it did not deliver, however long.
const LATE_MAX: Duration = Duration::from_secs(2);
/// What an earlier run left waits so long for the first new sound.
const FIRST_SOUND_MAX: Duration = Duration::from_secs(2);

/// The source's machine.
pub(crate) struct Speaker {
    own: Node,
    kind: Kind,
    settings: Settings,
    spool: Spool,
    n_runs: u32,
    running: Option<Running>,
    /// Which run made which of the spool's logical streams.
    runs: Vec<(u32, u32)>,
}

struct Running {
    studio: Studio,
    uplink: Uplink,
    link: u32,
    next_page_at: Instant,
    has_sound: bool,
    n_pages: u64,
}

impl Speaker {
    /// A machine on which nothing runs yet.
    pub(crate) fn new(own: Node, kind: Kind, settings: Settings) -> Self {
        Self {
            own,
            kind,
            settings,
            spool: Spool::default(),
            n_runs: 0,
            running: None,
            runs: Vec::new(),
        }
    }

    /// Starts the source.
    pub(crate) fn start(&mut self, air: &mut Air) {
        self.n_runs += 1;
        let (run, link) = (self.n_runs, self.spool.newest_link() + 1);
        let serial = air.chance.u32(..);
        let catch_up = self.settings.catch_up;
        let mut loads = VecDeque::new();
        for (remains, holes) in self.spool.remains(catch_up, air.now) {
            let of = self.runs.iter().find(|(link, _)| *link == remains.link);
            air.tell(&format!(
                "source: {} pages are left of run {of:?}",
                remains.pages.len()
            ));
            loads.push_back(Load {
                run: of.map_or(0, |(_, run)| *run),
                serial: remains.serial,
                link: remains.link,
                is_known: true,
                until: Some(air.now + catch_up.saturating_sub(remains.age)),
                backlog: Backlog::ended(remains.headers, remains.pages, holes),
                catch_up: Duration::MAX,
                marked: (0, 0),
            });
        }
        self.excuse_holes(air);
        for (link, run) in &self.runs {
            if !loads.iter().any(|load| load.link == *link) {
                // The source has let go of it.
                air.book.excuse_lost((*run, 0)..(run + 1, 0));
            }
        }
        let wait = if loads.is_empty() {
            Duration::ZERO
        } else {
            FIRST_SOUND_MAX
        };
        loads.push_back(Load {
            run,
            serial,
            link,
            backlog: Backlog::new(catch_up, self.settings.is_spooled),
            catch_up: match self.settings.is_spooled {
                true => catch_up,
                false => catch_up.min(KEPT_MAX),
            },
            until: None,
            is_known: false,
            marked: (0, 0),
        });
        self.runs.push((link, run));
        self.spool.add(link, Job::Begin { serial }, air.now);
        air.tell(&format!("source: run {run} begins"));
        self.running = Some(Running {
            studio: Studio::new(self.kind.clone(), run, serial),
            uplink: Uplink::new(self.own, loads, air.now + wait),
            link,
            next_page_at: air.now,
            has_sound: false,
            n_pages: 0,
        });
    }

    /// The source is killed.
    pub(crate) fn fall(&mut self, air: &mut Air) {
        self.excuse_holes(air);
        let Some(running) = self.running.take() else {
            return;
        };
        self.spool.step(air.now);
        self.spool.fall();
        for sequence in 0..running.n_pages + 10 {
            let is_kept = self.settings.is_spooled && self.spool.has(running.link, sequence);
            let mark = self.spool.mark(running.link);
            let is_done = mark.is_some_and(|mark| sequence < mark.acknowledged);
            let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
            let (id, why) = ((self.n_runs, sequence), "died with the source");
            if is_done && !self.settings.is_spooled {
                // A master that was killed did not have it on its disk yet, and cannot ask again.
                air.book.excuse_lost(id..(self.n_runs, sequence + 1));
            } else if !is_kept && !is_done {
                air.book.excuse(id, why);
            }
        }
        if !self.settings.is_spooled {
            self.spool = Spool::default();
        }
    }

    /// Whether it runs.
    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, air: &mut Air) {
        self.spool.step(air.now);
        let Some(running) = &mut self.running else {
            return;
        };
        if !self.settings.is_card && running.next_page_at + LATE_MAX < air.now {
            running.next_page_at = air.now;
        }
        if !running.has_sound {
            running.has_sound = true;
            for page in running.studio.headers() {
                running.keep(&mut self.spool, Made::Header(page), air);
            }
        }
        while running.next_page_at <= air.now {
            let n_packets = air.chance.usize(4..=14);
            let is_cut = self.settings.has_cut_packets && air.chance.f64() < 0.1;
            let (page, length) = running.studio.page(n_packets, is_cut);
            let id = (self.n_runs, page.stamp().sequence);
            air.book.made(id, &page, running.next_page_at);
            running.next_page_at += length.max(Duration::from_millis(20));
            running.n_pages += 1;
            running.keep(&mut self.spool, Made::Sound(page), air);
        }
        running.uplink.step(air, &mut self.spool);
    }

    /// What is in a hole need not come.
    pub(crate) fn excuse_holes(&mut self, air: &mut Air) {
        let mut all = Vec::new();
        for (link, run) in &self.runs {
            all.extend(self.spool.mark(*link).map(|mark| (*run, mark.holes)));
        }
        if let Some(running) = &self.running {
            let loads = running.uplink.loads.iter();
            all.extend(loads.map(|load| (load.run, load.backlog.holes().clone())));
        }
        for (run, holes) in all.iter().filter(|(_, holes)| holes.n_pages() > 0) {
            for sequence in 0..air.book.n_made(*run) {
                let at = u64::from(sequence);
                if holes.n_within(&(at..at + 1)) > 0 {
                    air.book.excuse((*run, sequence), "left out");
                }
            }
        }
    }

    /// How much waits to be sent.
    pub(crate) fn waiting(&mut self) -> Duration {
        let live = self
            .running
            .as_mut()
            .and_then(|running| running.uplink.live());
        live.map_or(Duration::ZERO, |load| load.backlog.waiting())
    }
}

impl Running {
    fn keep(&mut self, spool: &mut Spool, made: Made, air: &mut Air) {
        let page: Page = made.page().clone();
        let job = match &made {
            Made::Header(_) => Job::Header(page),
            Made::Sound(_) => Job::Sound(page),
        };
        let late = air.between(0, 40);
        spool.add(self.link, job, air.now + late);
        if let Some(load) = self.uplink.live() {
            load.backlog.push(made);
        }
    }
}
