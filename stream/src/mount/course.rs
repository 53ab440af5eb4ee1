//! Where those are to be who asked for one path: at its mount, or, while the source of that is
//! away, at the mount that stands in for it. Pure but for the locks.
//!
//! Nobody is pushed: each listener looks at his course whenever he has all there is. So who asked
//! for the other mount itself stays there, whoever comes and goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::mount::Mount;
use super::path::MountPath;
use super::table::{MOUNTS_MAX, MountTable};
use super::terms::{Fallback, Terms};

/// A fallback's fallback, and so on: no more mounts than this are tried one after the other.
pub const FALLBACKS_MAX: usize = 10;

/// So long a source is away before its listeners go to a fallback, if nothing is said.
pub const AFTER_MS: u64 = 2_000;
/// So often it is looked where everybody has to be.
pub const TURN_EVERY: Duration = Duration::from_millis(250);

/// Where those are to be who asked for one path.
#[derive(Debug)]
pub struct Course {
    path: MountPath,
    version: AtomicU64,
    at: Mutex<Option<Arc<Mount>>>,
}

/// The courses of all mounts that have a fallback.
#[derive(Debug, Default)]
pub struct Courses {
    ways: Mutex<BTreeMap<MountPath, Way>>,
    /// What the operator wants instead of what the settings say.
    orders: Mutex<BTreeMap<MountPath, Option<MountPath>>>,
}

#[derive(Debug)]
struct Way {
    course: Arc<Course>,
    fallback: Fallback,
}

/// Those who asked for a path are somewhere else from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What they asked for.
    pub asked: MountPath,
    /// Where they are.
    pub now_at: MountPath,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, now_at } = self;
        if asked == now_at {
            write!(f, "{asked} is back: its own listeners are there again")
        } else {
            write!(
                f,
                "{asked} is away: its listeners are at {now_at} meanwhile"
            )
        }
    }
}

impl Course {
    /// What was asked for.
    pub fn path(&self) -> &MountPath {
        &self.path
    }

    /// Rises with every turn.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Where those are to be who asked.
    pub fn at(&self) -> Option<Arc<Mount>> {
        lock(&self.at).clone()
    }

    fn turn(&self, to: Option<Arc<Mount>>) -> Option<Turn> {
        let mut at = lock(&self.at);
        let is_same = match (&*at, &to) {
            (Some(at), Some(to)) => Arc::ptr_eq(at, to),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return None;
        }
        let was = std::mem::replace(&mut *at, to);
        self.version.fetch_add(1, Ordering::Release);
        let (was, is) = (was.as_ref().map(|m| m.path()), at.as_ref()?.path());
        // That a mount is there for the first time is no turn.
        (was.unwrap_or(&self.path) != is).then(|| Turn {
            asked: self.path.clone(),
            now_at: is.clone(),
        })
    }
}

impl Courses {
    /// The course of those who ask for `path`, if it has a fallback.
    pub fn find(&self, path: &MountPath) -> Option<Arc<Course>> {
        self.ways().get(path).map(|way| Arc::clone(&way.course))
    }

    /// The course of those who ask for `path` and get its mount, even if it is quite new.
    pub fn of(
        &self,
        path: &MountPath,
        own: Option<&Arc<Mount>>,
        table: &MountTable,
    ) -> Option<Arc<Course>> {
        if let Some(known) = self.find(path) {
            return Some(known);
        }
        let fallback = own?.terms().fallback?;
        self.set(path, Some(fallback), table);
        self.find(path)
    }

    /// Says what stands in for `path`, even before the mount is there; `None`: nothing does.
    pub fn set(&self, path: &MountPath, fallback: Option<Fallback>, table: &MountTable) {
        let mut ways = self.ways();
        let Some(fallback) = fallback else {
            if let Some(way) = ways.remove(path) {
                // Who is elsewhere comes home.
                let _ = way.course.turn(table.find(path));
            }
            return;
        };
        if let Some(way) = ways.get_mut(path) {
            way.fallback = fallback;
        } else if ways.len() < MOUNTS_MAX {
            let course = Arc::new(Course {
                path: path.clone(),
                version: AtomicU64::new(1),
                at: Mutex::new(table.find(path)),
            });
            ways.insert(path.clone(), Way { course, fallback });
        }
    }

    /// The operator wants this fallback for `path`, or none, whatever the settings say.
    pub fn order(&self, path: &MountPath, to: Option<MountPath>) {
        let mut orders = lock(&self.orders);
        if orders.len() < MOUNTS_MAX || orders.contains_key(path) {
            orders.insert(path.clone(), to);
        }
    }

    /// The settings hold again for these mounts.
    pub fn forget_orders(&self, is_forgotten: impl Fn(&MountPath) -> bool) {
        lock(&self.orders).retain(|path, _| !is_forgotten(path));
    }

    /// What holds of a mount of which the settings say `terms`.
    pub fn ordered(&self, path: &MountPath, mut terms: Terms) -> Terms {
        if let Some(to) = lock(&self.orders).get(path) {
            let after_ms = terms
                .fallback
                .map_or(AFTER_MS, |fallback| fallback.after_ms);
            terms.fallback = to.clone().map(|to| Fallback { to, after_ms });
        }
        terms
    }

    /// Looks where everybody has to be now. Mounts say themselves what stands in for them.
    pub fn review(&self, table: &MountTable, now: Instant) -> Vec<Turn> {
        for mount in table.all() {
            self.set(mount.path(), mount.terms().fallback, table);
        }
        let ways = self.ways();
        ways.values()
            .filter_map(|way| way.course.turn(resolve(&ways, way, table, now)))
            .collect()
    }

    /// Whether who asks for this mount while its own log stands still hears something all the same:
    /// another mount, or what its source left a moment ago.
    pub fn is_stood_in(&self, mount: &Mount, table: &MountTable, now: Instant) -> bool {
        let ways = self.ways();
        let Some(way) = ways.get(mount.path()) else {
            return false;
        };
        let other = resolve(&ways, way, table, now).filter(|at| at.path() != mount.path());
        let a_turn_ago = now.checked_sub(2 * TURN_EVERY).unwrap_or(now);
        other.is_some() || is_heard(mount, Some(way), a_turn_ago)
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<MountPath, Way>> {
        lock(&self.ways)
    }
}

/// The first mount on the way that can be heard; the one that was asked for if there is none.
fn resolve(
    ways: &BTreeMap<MountPath, Way>,
    way: &Way,
    table: &MountTable,
    now: Instant,
) -> Option<Arc<Mount>> {
    let own = table.find(way.course.path());
    if let Some(own) = own.as_ref().filter(|own| is_heard(own, Some(way), now)) {
        return Some(Arc::clone(own));
    }
    let mut at = way;
    for _ in 0..FALLBACKS_MAX {
        let path = &at.fallback.to;
        let next = ways.get(path);
        let mount = table.find(path);
        if let Some(mount) = mount.filter(|mount| is_heard(mount, next, now)) {
            return Some(mount);
        }
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    own
}

/// Whether its source has not been away for long; without a fallback of its own: not at all.
fn is_heard(mount: &Mount, way: Option<&Way>, now: Instant) -> bool {
    if mount.log().link().is_none() {
        return false;
    }
    let Some(way) = way else {
        return mount.is_on_air() && mount.filled_since().is_none();
    };
    let after = way.fallback.after();
    let is_away = mount.away_for(now).is_some_and(|away| away >= after);
    !is_away && mount.filled_for(now).is_none_or(|filled| filled < after)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Keep;
    use crate::mount::{Claimant, Desk, Facts, Publisher};
    use crate::ogg::tests::opus;

    struct Stage {
        table: Arc<MountTable>,
        desk: Arc<Desk>,
        courses: Courses,
        now: Instant,
    }

    impl Stage {
        fn new() -> Self {
            let table = Arc::new(MountTable::new());
            Self {
                desk: Desk::new(Arc::clone(&table), Keep::default()),
                table,
                courses: Courses::default(),
                now: Instant::now(),
            }
        }

        /// A source at `path` whose mount has this fallback, after 2 s.
        fn publish(&self, path: &str, to: Option<&str>, serial: u32) -> Publisher {
            let claimant = Claimant {
                user: "source".to_owned(),
                login: 0,
                serial: None,
                uplink: 1,
            };
            let facts = Facts {
                terms: Terms {
                    fallback: to.map(|to| Fallback {
                        to: of(to),
                        after_ms: 2000,
                    }),
                    ..Terms::default()
                },
                ..Facts::default()
            };
            let epoch = "0".repeat(32).parse().unwrap();
            let claimed = self
                .desk
                .claim(&of(path), &claimant, facts, epoch, self.now);
            let mut publisher = claimed.unwrap();
            for page in opus(serial, 3) {
                publisher.take(&page, self.now, || serial).unwrap();
            }
            publisher
        }

        fn at(&self, path: &str, after: u64) -> Option<String> {
            // An absence begins by the real clock.
            let now = Instant::now() + Duration::from_secs(after);
            self.courses.review(&self.table, now);
            let course = self.courses.find(&of(path)).unwrap();
            course.at().map(|mount| mount.path().to_string())
        }

        /// Whether somebody who asks for it then hears something, though its source is away.
        fn is_stood_in(&self, path: &str, after: u64) -> bool {
            let now = Instant::now() + Duration::from_secs(after);
            let mount = self.table.find(&of(path)).unwrap();
            self.courses.is_stood_in(&mount, &self.table, now)
        }
    }

    fn of(path: &str) -> MountPath {
        MountPath::parse(path).unwrap()
    }

    #[test]
    fn listeners_go_along_the_chain_after_a_while_and_come_home_at_once() {
        let stage = Stage::new();
        let a = stage.publish("/a", Some("/b"), 1);
        let b = stage.publish("/b", Some("/c"), 2);
        let c = stage.publish("/c", None, 3);
        assert_eq!(stage.at("/a", 0).as_deref(), Some("/a"));
        drop(a);
        assert_eq!(stage.at("/a", 1).as_deref(), Some("/a"));
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/b"));
        assert!(stage.is_stood_in("/a", 1) && stage.is_stood_in("/a", 3));
        drop(b);
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/c"));
        let a = stage.publish("/a", Some("/b"), 4);
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/a"));
        assert_eq!(stage.at("/b", 3).as_deref(), Some("/c"));
        drop((a, c));
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/a"), "nobody is there");
        assert!(stage.is_stood_in("/a", 1) && !stage.is_stood_in("/a", 3));
    }

    #[test]
    fn a_mount_that_is_gone_still_leads_to_its_fallback_and_is_led_back_to_when_it_is_new() {
        let stage = Stage::new();
        let _b = stage.publish("/b", None, 2);
        drop(stage.publish("/a", Some("/b"), 1));
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/b"));
        let later = Instant::now() + Duration::from_secs(10);
        stage.desk.sweep(Duration::from_secs(5), later);
        assert!(stage.table.find(&of("/a")).is_none());
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/b"));
        let course = stage.courses.find(&of("/a")).unwrap();
        let version = course.version();
        let _a = stage.publish("/a", Some("/b"), 5);
        assert_eq!(stage.at("/a", 0).as_deref(), Some("/a"));
        assert!(course.version() > version);
    }

    #[test]
    fn a_circle_is_walked_no_further_than_the_limit() {
        let stage = Stage::new();
        drop(stage.publish("/a", Some("/b"), 1));
        drop(stage.publish("/b", Some("/a"), 2));
        assert_eq!(stage.at("/a", 3).as_deref(), Some("/a"));
    }
}
