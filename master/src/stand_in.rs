//! Fallback files: while nobody is heard on a mount that has one, its file is played again and again
//! on a hidden mount beside it, at the speed of time, and that mount is the fallback. So relays and
//! listeners know of nothing but fallbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::config::ConfigError;
use stream::current::Current;
use stream::handover::{Part, Played};
use stream::http::serving::MountSettings;
use stream::log::{Ago, Epoch};
use stream::mount::{Claimant, Facts, Mount, MountPath, Publisher};
use stream::reel::Reel;
use stream::shutdown::Shutdown;
use tracing::warn;

use crate::house::Master;
use crate::ticks::Ticks;

/// How often it is looked whether a page is due, and whether anybody is heard.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So much is played ahead: the burst of those who come.
const AHEAD: Duration = Duration::from_secs(4);
/// Who is further behind than this does not catch up: the program stood still.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// The files of all mounts that have one.
pub(crate) type Reels = HashMap<MountPath, Arc<Reel>>;

/// Reads the files of these mounts.
///
/// # Errors
/// When one cannot be read, or is no sound.
pub(crate) fn load(mounts: &[MountSettings]) -> Result<Reels, ConfigError> {
    let mut reels = Reels::new();
    for mount in mounts {
        if let Some(file) = &mount.fallback_file {
            let key = format!("fallback_file` of mount `{}", mount.path);
            reels.insert(mount.path.clone(), Arc::new(Reel::load(&key, file)?));
        }
    }
    Ok(reels)
}

/// Takes those of `before` in place of their like, so that they play on. Returns the mounts whose file
/// is the same and holds other sound.
pub(crate) fn follow(
    reels: &mut Reels,
    before: &Reels,
    is_same_file: impl Fn(&MountPath) -> bool,
) -> Vec<MountPath> {
    let mut renewed = Vec::new();
    for (path, reel) in reels {
        match before.get(path) {
            Some(old) if old == reel => *reel = Arc::clone(old),
            Some(_) if is_same_file(path) => renewed.push(path.clone()),
            _ => {}
        }
    }
    renewed
}

/// A file that is being played.
struct Playing {
    reel: Arc<Reel>,
    /// `None`: it cannot be played, which has been said.
    publisher: Option<Publisher>,
    /// When this round of it began.
    began: Instant,
    next: usize,
}

/// What is being played, by the mount whose source is away.
#[derive(Default)]
pub(crate) struct Player(HashMap<MountPath, Playing>);

impl Player {
    /// Goes on with what the program before this one played, and begins what has to be played
    /// besides. Before listeners are sent anywhere: where nothing is played nobody is sent.
    pub(crate) fn begin(master: &Master, played: &[Played], now: Instant) -> Self {
        let files = played.iter().filter_map(|file| go_on(master, file, now));
        let mut player = Self(files.collect());
        look(master, &mut player.0, now);
        player
    }

    /// How far everything is, for the program after this one.
    fn part(&self) -> Part {
        let now = Instant::now();
        Part::Played(
            self.0
                .values()
                .filter_map(|file| file.played(now))
                .collect(),
        )
    }
}

/// Plays what has to be played, until the program ends.
pub(crate) async fn watch(masters: Arc<Current<Master>>, mut player: Player, shutdown: Shutdown) {
    let mut ticks = Ticks::every(LOOK_EVERY, &shutdown);
    while ticks.next_or(|| player.part()).await {
        look(&masters.now(), &mut player.0, Instant::now());
    }
}

/// The file that the program before this one played, and the mount it stands in for. `None`: the
/// settings do not name it any more, or it holds other sound.
pub(crate) fn same<'a>(
    master: &'a Master,
    played: &Played,
) -> Option<(&'a MountPath, &'a Arc<Reel>)> {
    let path = &master.config().played_at(&played.path)?.path;
    let reel = master.reels().get(path)?;
    (reel.checksum() == played.checksum).then_some((path, reel))
}

fn go_on(master: &Master, played: &Played, now: Instant) -> Option<(MountPath, Playing)> {
    let (path, reel) = same(master, played)?;
    let file = Playing {
        began: played.began.at(now),
        next: played.next,
        ..begin(master, path, reel, now)?
    };
    Some((path.clone(), file))
}

fn look(master: &Master, playing: &mut HashMap<MountPath, Playing>, now: Instant) {
    let is_wanted = |path: &MountPath| {
        master.trail().is_master() && !master.table().find(path).is_some_and(|own| is_heard(&own))
    };
    playing.retain(|path, file| {
        let is_same = master
            .reels()
            .get(path)
            .is_some_and(|reel| Arc::ptr_eq(reel, &file.reel));
        is_same && is_wanted(path) && file.advance(now)
    });
    for (path, reel) in master.reels() {
        if playing.contains_key(path) || !is_wanted(path) {
            continue;
        }
        if let Some(mut file) = begin(master, path, reel, now) {
            file.advance(now);
            playing.insert(path.clone(), file);
        }
    }
}

/// Whether its source is there and sends.
fn is_heard(mount: &Mount) -> bool {
    mount.is_on_air() && mount.filled_since().is_none()
}

fn begin(master: &Master, path: &MountPath, reel: &Arc<Reel>, now: Instant) -> Option<Playing> {
    let settings = master.config().mount.iter().find(|m| m.path == *path)?;
    let at = settings.stand_in()?;
    let claimant = Claimant {
        user: "fallback_file".to_owned(),
        login: 0,
        serial: None,
        uplink: 0,
    };
    let own = master.table().find(path).map(|own| own.facts());
    let facts = Facts {
        terms: master.config().terms(&at),
        is_public: false,
        ..own.unwrap_or_else(|| Facts::from_headers(|_| None))
    };
    let epoch = Epoch::new(fastrand::u128(..));
    let publisher = master.desk().claim(&at, &claimant, facts, epoch, now);
    Some(Playing {
        reel: Arc::clone(reel),
        publisher: Some(publisher.ok()?),
        began: now,
        next: 0,
    })
}

impl Playing {
    fn played(&self, now: Instant) -> Option<Played> {
        Some(Played {
            path: self.publisher.as_ref()?.mount().path().clone(),
            checksum: self.reel.checksum(),
            began: Ago::of(self.began, now),
            next: self.next,
        })
    }

    /// Plays what is due. `false`: the operator has ended it, and it begins anew.
    fn advance(&mut self, now: Instant) -> bool {
        let Some(publisher) = &mut self.publisher else {
            return true;
        };
        if publisher.dismissed().is_cancelled() {
            return false;
        }
        let elapsed = now.saturating_duration_since(self.began);
        let next = due(&self.reel, self.next);
        if elapsed > next + BEHIND_MAX {
            self.began = now.checked_sub(next).unwrap_or(now);
        }
        while self.began + due(&self.reel, self.next) <= now + AHEAD {
            let Some((_, page)) = self.reel.pages().get(self.next) else {
                self.began += self.reel.length();
                self.next = 0;
                if !self.reel.is_frames() {
                    publisher.end_link(now);
                }
                continue;
            };
            self.next += 1;
            if let Err(stray) = publisher.take(page, now, || fastrand::u32(..)) {
                let path = publisher.mount().path();
                warn!("the fallback file at {path} cannot be played: {stray}");
                self.publisher = None;
                return true;
            }
        }
        true
    }
}

/// When a page begins to be heard, from the beginning of the round.
fn due(reel: &Reel, at: usize) -> Duration {
    let page = reel.pages().get(at);
    page.map_or_else(|| reel.length(), |(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_the_same_plays_on_and_what_holds_other_sound_is_named() {
        let mut frame = [0; 104];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x10, 0xc0]);
        let path = |text: &str| MountPath::parse(text).unwrap();
        let reel = |n: usize| Arc::new(Reel::cut(&frame.repeat(n)).unwrap());
        let before = Reels::from([(path("/a"), reel(9)), (path("/b"), reel(9))]);
        let mut reels = Reels::from([
            (path("/a"), reel(9)),
            (path("/b"), reel(8)),
            (path("/c"), reel(9)),
        ]);
        assert_eq!(follow(&mut reels, &before, |_| true), [path("/b")]);
        assert!(Arc::ptr_eq(&reels[&path("/a")], &before[&path("/a")]));
        assert_eq!(reels[&path("/b")].pages(), reel(8).pages());
        assert!(follow(&mut reels, &before, |_| false).is_empty());
    }
}
