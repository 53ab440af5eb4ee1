//! What a master has whatever its settings say: mounts, logs, listeners, recordings. When the
//! settings are read again, another [`Master`](crate::house::Master) is put around it.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use stream::fanout::Fanout;
use stream::follow::Trail;
use stream::http::asked::Rules;
use stream::http::guard::Departures;
use stream::http::icecast::stats_lines::StatsLines;
use stream::http::office::Office;
use stream::http::shown::Shown;
use stream::http::tls::Tls;
use stream::mount::{Courses, Desk, MountTable, Slots};
use stream::shutdown::Shutdown;

use crate::archive::{Archive, Retentions};
use crate::config::Config;
use crate::disk::Disk;
use crate::standby::Standby;

/// What stays when the settings change.
#[derive(Clone, Debug)]
pub(crate) struct Lasting {
    pub(crate) table: Arc<MountTable>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) trail: Arc<Trail>,
    pub(crate) standby: Arc<Standby>,
    pub(crate) archive: Arc<Archive>,
    pub(crate) slots: Slots,
    pub(crate) fanout: Arc<Fanout>,
    /// Where listeners are while a source is away.
    pub(crate) courses: Arc<Courses>,
    /// Where listeners come who have gone.
    pub(crate) departures: Departures,
    /// Who follows the statistics.
    pub(crate) stats_lines: StatsLines,
    pub(crate) shutdown: Shutdown,
    retentions: Retentions,
    pub(crate) tls: Option<Arc<Tls>>,
    started: (Instant, Timestamp),
}

impl Lasting {
    /// Everything there is at the beginning.
    pub(crate) fn new(
        config: &Config,
        fanout: Arc<Fanout>,
        tls: Option<Arc<Tls>>,
        (disk, retentions): (Disk, Retentions),
        trail: Trail,
        shutdown: Shutdown,
    ) -> Self {
        let (trail, table) = (Arc::new(trail), Arc::new(MountTable::new()));
        let keep = config.knobs().keep();
        let desk = Desk::with_sinks(Arc::clone(&table), keep, disk.sinks.clone());
        let standby = Standby::new(
            Arc::clone(&desk),
            Arc::clone(&table),
            disk.sinks,
            Arc::clone(&trail),
            shutdown.clone(),
        );
        let archive = Archive::new(
            disk.mounts,
            retentions.clone(),
            Arc::clone(&table),
            Arc::clone(&fanout),
            shutdown.clone(),
        );
        Self {
            desk,
            trail,
            standby: Arc::new(standby),
            archive: Arc::new(archive),
            slots: Slots::new(config.slots.listeners, config.slots.relays),
            courses: Arc::default(),
            departures: Departures::start(&shutdown),
            stats_lines: StatsLines::default(),
            retentions,
            tls,
            started: (Instant::now(), Timestamp::now()),
            table,
            fanout,
            shutdown,
        }
    }

    /// What the pages show of it.
    pub(crate) fn shown(&self, config: &Config, rules: &Rules) -> Shown {
        Shown {
            program: "plenum-master",
            table: Arc::clone(&self.table),
            upstreams: Vec::new(),
            slots: self.slots.clone(),
            serving: Arc::new(config.knobs().serving()),
            fanout: Arc::clone(&self.fanout),
            rules: rules.clone(),
            public_url: config.public_url.clone(),
            tls: self.tls.clone(),
            reign: Some(Arc::clone(&self.trail)),
            started: self.started,
        }
    }

    /// What the operator sees and orders.
    pub(crate) fn office(&self, config: &Config, rules: &Rules) -> Office {
        Office {
            shown: self.shown(config, rules),
            courses: Some(Arc::clone(&self.courses)),
        }
    }

    /// Other settings hold from now on, in the place of those `before`.
    pub(crate) fn follow(&self, config: &Config, before: &Config) {
        self.slots
            .resize(config.slots.listeners, config.slots.relays);
        self.fanout.uplink().allow(config.knobs().uplink_bits());
        self.retentions.become_as(&config.retentions());
        // What the operator ordered holds on where the settings say what they said.
        let said = |config: &Config, path: &_| config.terms(path).fallback.map(|said| said.to);
        let courses = &self.courses;
        courses.forget_orders(|path| said(config, path) != said(before, path));
        for mount in &before.mount {
            let terms = courses.ordered(&mount.path, config.terms(&mount.path));
            if terms.fallback.is_none() {
                self.courses.set(&mount.path, None, &self.table);
            }
        }
    }
}
