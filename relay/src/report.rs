//! Tells the balancer what this relay carries, how much room it has and who came: once a second
//! if anything changed, and else as often as the balancer wants to hear.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use stream::follow::upstream::{client, reason};
use stream::http::overflow::Overflow;
use stream::mount::{Class, Courses, MountPath, MountTable, Slots};
use stream::report::{MountReport, Place, Receipt, Report};
use stream::secret::Secret;
use stream::shutdown::Shutdown;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::config::Config;

/// A report is taken within this time or not at all.
const REPORT_MAX: Duration = Duration::from_secs(3);
/// The balancer may ask for reports this often at most, and this seldom.
const EVERY_MS: std::ops::RangeInclusive<u64> = 200..=10_000;
/// How often, until the balancer says otherwise and while it is away; and at most, if something
/// changes.
const EVERY_DEFAULT: Duration = Duration::from_secs(1);
/// How soon, if the balancer was started anew.
const EVERY_SOON: Duration = Duration::from_millis(*EVERY_MS.start());
/// So many listeners more or fewer are a change, …
const LISTENERS_CHANGE: u32 = 5;
/// … or so many hundredths of them.
const LISTENERS_CHANGE_PERCENT: u32 = 1;

fn locks(config: &Config) -> HashSet<MountPath> {
    let mounts = config.mount.iter().filter(|mount| mount.needs_password());
    mounts.map(|mount| mount.path.clone()).collect()
}

/// The one who reports.
pub(crate) struct Reporter {
    client: Client,
    url: String,
    token: Secret,
    public_url: String,
    place: Option<Place>,
    run: String,
    sequence: u64,
    table: Arc<MountTable>,
    /// Where listeners are while a source is away.
    courses: Arc<Courses>,
    /// Mounts for which listeners' passwords are looked at here.
    locks: HashSet<MountPath>,
    slots: Slots,
    /// All balancers, and which of them this one is.
    overflow: Arc<Overflow>,
    at: usize,
    /// The balancer wants to know who came.
    wants_arrivals: bool,
    /// It could do nothing with what it was lent, and should hear again at once.
    is_due: bool,
    /// The last report that was taken.
    last: Option<Report>,
    /// What went wrong last time; empty when it went well.
    complaint: Option<String>,
}

impl Reporter {
    pub(crate) fn new(
        config: &Config,
        at: usize,
        (table, courses): (Arc<MountTable>, Arc<Courses>),
        slots: Slots,
        overflow: Arc<Overflow>,
    ) -> Self {
        let balancer = &config.balancer[at];
        Self {
            client: client(balancer.server()),
            url: balancer.url.clone(),
            token: balancer.token.clone(),
            public_url: config.public_url.clone().unwrap_or_default(),
            place: config.place,
            run: format!("{:032x}", fastrand::u128(..)),
            sequence: 0,
            table,
            courses,
            locks: locks(config),
            slots,
            overflow,
            at,
            wants_arrivals: false,
            is_due: false,
            last: None,
            complaint: Some(String::new()),
        }
    }

    /// Reports until the relay stops; the last report says that it wants no new listeners, unless
    /// another program goes on with its own.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let is_stopping = shutdown.is_requested();
            if shutdown.freeze().has_left() {
                return;
            }
            let wait = match self.send(is_stopping).await {
                Ok(receipt) => {
                    if self.complaint.take().is_some() {
                        info!("the balancer at {} takes our reports", self.url);
                    }
                    let every = receipt
                        .next_report_ms
                        .clamp(*EVERY_MS.start(), *EVERY_MS.end());
                    if std::mem::take(&mut self.is_due) {
                        EVERY_SOON
                    } else {
                        Duration::from_millis(every)
                    }
                }
                Err(why) => {
                    if self.complaint.as_ref() != Some(&why) {
                        warn!(
                            "the balancer at {} does not take our reports: {why}",
                            self.url
                        );
                        self.complaint = Some(why);
                    }
                    EVERY_DEFAULT
                }
            };
            if is_stopping {
                return;
            }
            shutdown.unless_requested(self.until_due(wait)).await;
        }
    }

    /// Waits so long, or until something has changed, but then a second at least.
    async fn until_due(&self, wait: Duration) {
        let due = Instant::now() + wait;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            sleep(left.min(EVERY_DEFAULT)).await;
            if left <= EVERY_DEFAULT || self.has_news() {
                return;
            }
        }
    }

    fn has_news(&self) -> bool {
        let now = self.report(false);
        let is_news = |last: &Report| {
            let n_changed = now.listeners.abs_diff(last.listeners);
            n_changed >= LISTENERS_CHANGE
                || n_changed * 100 > last.listeners * LISTENERS_CHANGE_PERCENT
                || now.slots != last.slots
                || now.draining != last.draining
                || on_air(&now) != on_air(last)
        };
        self.overflow.admissions(self.at).has_news() || self.last.as_ref().is_none_or(is_news)
    }

    async fn send(&mut self, is_draining: bool) -> Result<Receipt, String> {
        self.sequence += 1;
        let mut report = self.report(is_draining);
        // Counted anew, in one moment with what is lent.
        let now = std::time::Instant::now();
        (report.listeners, report.lease) = self.overflow.lend(self.at, &self.slots, now);
        let request = self
            .client
            .post(format!("{}/api/v1/report", self.url))
            .bearer_auth(self.token.expose())
            .json(&report);
        let work = async {
            let answer = request.send().await.map_err(|error| reason(&error))?;
            match answer.status() {
                StatusCode::OK => answer
                    .json::<Receipt>()
                    .await
                    .map_err(|error| reason(&error)),
                StatusCode::UNAUTHORIZED => {
                    Err("it does not know our token: ask its operator for one".to_owned())
                }
                status => {
                    let why = answer.text().await.unwrap_or_default();
                    Err(format!("it answers {status}: {:.200}", why.trim()))
                }
            }
        };
        let late = || Err(format!("no answer within {} s", REPORT_MAX.as_secs()));
        let outcome = timeout(REPORT_MAX, work).await.unwrap_or_else(|_| late());
        let admissions = self.overflow.admissions(self.at);
        match &outcome {
            Ok(receipt) => {
                if let Some(arrivals) = &report.arrivals {
                    admissions.told(arrivals);
                }
                admissions.set_draining(receipt.drain);
                let now = std::time::Instant::now();
                self.is_due = self.overflow.settle(self.at, receipt, now);
                self.wants_arrivals = receipt.arrivals;
                self.last = Some(report);
            }
            // It may be another one now, which does not know what it did not ask for.
            Err(_) => {
                self.wants_arrivals = false;
                self.overflow.fail(self.at);
            }
        }
        outcome
    }

    fn report(&self, is_draining: bool) -> Report {
        // Before the listeners are counted: whoever is told of is among them.
        let arrivals = self
            .wants_arrivals
            .then(|| self.overflow.admissions(self.at).arrivals());
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut mounts = self.table.all();
        // Nobody is to be sent here for what he would not be given.
        mounts.retain(|mount| {
            let is_heard = !mount.needs_password() || self.locks.contains(mount.path());
            // What is there for others only is asked for by nobody.
            is_heard && !mount.is_only_fallback() && !mount.path().is_stand_in()
        });
        let now = std::time::Instant::now();
        let mounts = mounts.iter().map(|mount| {
            let log = mount.log();
            MountReport {
                path: mount.path().to_string(),
                content_type: mount.facts().content_type,
                // Who comes while the source is away waits with the others.
                is_on_air: mount.is_moving(),
                is_stood_in: !mount.is_moving()
                    && self.courses.is_stood_in(mount, &self.table, now),
                epoch: log.epoch().to_string(),
                offset: log.head(),
                listeners: count(mount.n_served(Class::Listener)),
            }
        });
        Report {
            url: self.public_url.clone(),
            run: self.run.clone(),
            sequence: self.sequence,
            slots: count(self.slots.n_max(Class::Listener)),
            listeners: count(self.slots.n_taken(Class::Listener)),
            draining: is_draining || self.overflow.is_drained_by_others(self.at),
            place: self.place,
            mounts: mounts.collect(),
            arrivals,
            lease: None,
        }
    }
}

/// What can be heard here, and what cannot.
fn on_air(report: &Report) -> Vec<(&str, bool)> {
    let mounts = report.mounts.iter();
    mounts
        .map(|mount| (mount.path.as_str(), mount.is_on_air || mount.is_stood_in))
        .collect()
}
