//! Keeps a mirror for each mount that the upstreams list. What is missing in a list is not gone,
//! only what the list that rules names as removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::list::{ListNews, Listening, SILENCE_MAX};
use super::mirroring::{Means, Mirroring};
use super::ruling::{Carrier, Lists, Standing, Wanted};
use super::trail::{NODES_MAX, Trail};
use super::upstream::Upstream;
use crate::log::Keep;
use crate::mount::{CatalogMount, Mirror, MountPath, MountTable, Sinks};
use crate::shutdown::Shutdown;

/// Lists that wait to be worked on; then the connection waits.
const LISTS_QUEUED_MAX: usize = 16;
/// How often mounts are looked for that have been silent for too long.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What is known of those who are followed.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// When one of them was last heard.
    pub heard: Instant,
    /// It has hung up then: what it had to say, it has said.
    pub has_hung_up: bool,
}

impl Sight {
    /// Whether it must be thought to be there.
    pub fn is_alive(&self, now: Instant) -> bool {
        !self.has_hung_up && now.saturating_duration_since(self.heard) < SILENCE_MAX
    }
}

/// The one who follows the lists.
#[derive(Debug)]
pub struct Follower {
    means: Means,
    hold: Duration,
    mirrors: HashMap<MountPath, Running>,
    /// What was thought of each upstream when it was last said.
    standings: Vec<Standing>,
    /// For those who watch; before anybody was heard, nothing.
    sight: watch::Sender<Option<Sight>>,
}

#[derive(Debug)]
struct Running {
    wanted: watch::Sender<Wanted>,
    /// The run of the node that last listed it.
    run: String,
    /// When it was last listed.
    listed: Instant,
    stop: CancellationToken,
}

impl Follower {
    /// One who mirrors every mount of `upstream` into `table`, keeps as much of each as `keep`
    /// says, and lets go of one that has been silent for `hold`.
    pub fn new(
        upstream: Arc<Upstream>,
        table: Arc<MountTable>,
        keep: Keep,
        hold: Duration,
        shutdown: Shutdown,
    ) -> Self {
        let own = format!("{:032x}", fastrand::u128(..));
        Self {
            means: Means {
                upstreams: vec![upstream],
                trail: Arc::new(Trail::of_follower(own)),
                table,
                keep,
                sinks: None,
                shutdown,
            },
            hold,
            mirrors: HashMap::new(),
            standings: Vec::new(),
            sight: watch::Sender::new(None),
        }
    }

    /// Has all logs written down, too.
    #[must_use]
    pub fn with_sinks(mut self, sinks: Option<Arc<dyn Sinks>>) -> Self {
        self.means.sinks = sinks;
        self
    }

    /// What is known of those who are followed.
    pub fn sight(&self) -> watch::Receiver<Option<Sight>> {
        self.sight.subscribe()
    }

    /// One more who has the same mounts, or others.
    #[must_use]
    pub fn with_upstream(mut self, upstream: Arc<Upstream>) -> Self {
        self.means.upstreams.push(upstream);
        self
    }

    /// This node's place, which it keeps up to date.
    #[must_use]
    pub fn with_trail(mut self, trail: Arc<Trail>) -> Self {
        self.means.trail = trail;
        self
    }

    /// Goes on with mirrors that the program before this one had. Its upstreams come first.
    #[must_use]
    pub fn resuming(mut self, mirrors: Vec<Mirror>) -> Self {
        // Until the lists say who has it, all are asked.
        let carriers = (0..self.means.upstreams.len()).map(|upstream| Carrier {
            upstream,
            is_good: false,
        });
        let carriers: Vec<Carrier> = carriers.collect();
        for mirror in mirrors {
            let mount = Wanted {
                about: CatalogMount::of(mirror.mount()),
                carriers: carriers.clone(),
            };
            self.begin(mount, "", Some(mirror));
        }
        self
    }

    /// Follows until the program stops. Upstreams that are not there yet are waited for.
    pub async fn run(mut self) {
        let (news, mut incoming) = mpsc::channel(LISTS_QUEUED_MAX);
        for (number, upstream) in self.means.upstreams.iter().enumerate() {
            let listening = Listening {
                number,
                upstream: Arc::clone(upstream),
                trail: Arc::clone(&self.means.trail),
                news: news.clone(),
            };
            let work = listening.run();
            let shutdown = self.means.shutdown.clone();
            self.means.shutdown.spawn("list", async move {
                shutdown.unless_requested(work).await;
            });
        }
        let upstreams = self.means.upstreams.iter();
        let may_rule: Vec<bool> = upstreams.map(|upstream| upstream.may_rule()).collect();
        let mut lists = Lists::new(&self.means.trail, &may_rule, Instant::now());
        self.standings = vec![Standing::Unknown; self.means.upstreams.len()];
        let mut tick = interval(SWEEP_EVERY);
        let shutdown = self.means.shutdown.clone();
        loop {
            tokio::select! {
                Some((number, heard)) = incoming.recv() => self.hear(&mut lists, number, heard),
                _ = tick.tick() => {
                    self.forget(&mut lists);
                    self.sweep();
                }
                () = shutdown.requested() => return,
            }
        }
    }

    fn hear(&mut self, lists: &mut Lists, number: usize, heard: ListNews) {
        let has_hung_up = match heard {
            ListNews::Says(catalog) => {
                if !lists.take(number, catalog, Instant::now()) {
                    return;
                }
                Some(false)
            }
            ListNews::Lost { has_hung_up } => {
                lists.lose(number);
                has_hung_up.then_some(true)
            }
        };
        self.go_by(lists);
        if let Some(has_hung_up) = has_hung_up {
            self.see(has_hung_up);
        }
    }

    fn forget(&mut self, lists: &mut Lists) {
        if lists.forget(Instant::now()) {
            info!("nobody has a higher reign any more: what was taken over from counts again");
            self.go_by(lists);
        }
    }

    fn go_by(&mut self, lists: &Lists) {
        self.say_standings(lists);
        self.apply(lists);
        if self.means.trail.set(lists.above()) {
            // Those who follow us are to know at once.
            self.means.table.touch();
        }
    }

    fn see(&self, has_hung_up: bool) {
        self.sight.send_replace(Some(Sight {
            heard: Instant::now(),
            has_hung_up,
        }));
    }

    fn apply(&mut self, lists: &Lists) {
        for path in lists.removed() {
            if let Some(running) = self.mirrors.remove(path) {
                info!("the master removed {path}");
                running.stop.cancel();
                self.means.table.remove(path);
            }
        }
        for (wanted, run) in lists.wanted() {
            self.keep(wanted, &run);
        }
        // Who is to be asked may change without a list that is heard.
        for (path, running) in &self.mirrors {
            let carriers = lists.carriers(path);
            running.wanted.send_if_modified(|wanted| {
                let has_changed = wanted.carriers != carriers;
                wanted.carriers = carriers;
                has_changed
            });
        }
    }

    fn keep(&mut self, mount: Wanted, run: &str) {
        let path = mount.about.path.clone();
        if let Some(running) = self.mirrors.get_mut(&path) {
            // A node that has just come back is worth trying at once.
            let is_back = running.run != run;
            run.clone_into(&mut running.run);
            running.listed = Instant::now();
            running.wanted.send_if_modified(|wanted| {
                let has_changed = is_back || *wanted != mount;
                *wanted = mount;
                has_changed
            });
            return;
        }
        self.begin(mount, run, None);
    }

    fn begin(&mut self, mount: Wanted, run: &str, mirror: Option<Mirror>) {
        let path = mount.about.path.clone();
        let (wanted, watched) = watch::channel(mount);
        let stop = CancellationToken::new();
        let mirroring = Mirroring::new(self.means.clone(), watched, stop.clone(), mirror);
        self.means.shutdown.spawn("mirror", mirroring.run());
        self.mirrors.insert(
            path,
            Running {
                wanted,
                run: run.to_owned(),
                listed: Instant::now(),
                stop,
            },
        );
    }

    /// Says once why somebody's list is not followed.
    fn say_standings(&mut self, lists: &Lists) {
        for (n, known) in self.standings.iter_mut().enumerate() {
            let standing = lists.standing(n);
            if standing == *known {
                continue;
            }
            *known = standing;
            let url = self.means.upstreams[n].url();
            match standing {
                Standing::Unknown | Standing::Good => {}
                // Both come and go between relays that name each other.
                Standing::CutOff => info!("{url} does not count: it hears from no master now"),
                Standing::Loop => info!("{url} does not count: it follows us"),
                Standing::TooFar => warn!(
                    "{url} does not count: more than {NODES_MAX} nodes are between it and its master"
                ),
                Standing::Deposed => {
                    warn!("{url} does not count: another master has taken over from its own");
                }
            }
        }
    }

    /// Lets go of mounts that have been silent for longer than listeners are kept, unless they
    /// are still listed: then only their source is away.
    fn sweep(&mut self) {
        let now = Instant::now();
        let is_over = |since: Instant| now.duration_since(since) > self.hold;
        for mount in self.means.table.all() {
            let is_silent = mount.away_for(now).is_some_and(|away| away > self.hold);
            let running = self.mirrors.get(mount.path());
            if is_silent && running.is_none_or(|running| is_over(running.listed)) {
                info!(
                    "removed {}: silent for {} s",
                    mount.path(),
                    self.hold.as_secs()
                );
                if let Some(running) = self.mirrors.remove(mount.path()) {
                    running.stop.cancel();
                }
                self.means.table.remove(mount.path());
            }
        }
    }
}
