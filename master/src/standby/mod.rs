//! A second master that stands by: copies every log of the first as a relay does, takes no sources,
//! and goes on with the logs itself when it is promoted.
//!
//! `settings` says whom it copies, `at_start` whose logs they are when the program begins. Only a
//! person promotes: two masters that both believe that the other is gone would be worse than a
//! minute of silence.

mod at_start;
mod settings;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stream::follow::trail::Above;
use stream::follow::{Follower, Sight, Trail};
use stream::handover::{Member, Part, Stage, Verdict};
use stream::http::serving::Titles;
use stream::log::Epoch;
use stream::mount::{Desk, Mirror, Mount, MountTable, Sinks};
use stream::shutdown::{DRAIN_MAX, Drained, Shutdown};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::disk::reign::Standing;

pub(crate) use at_start::trail_at_start;
pub(crate) use settings::StandbyConfig;

/// The mirrors end within this time when it is promoted.
const STOP_MAX: Duration = Duration::from_secs(3);
/// A master that was not seen to hang up may have gone on unheard for so long.
const UNHEARD_MAX: Duration = Duration::from_secs(1);

/// One that can be promoted, or was.
#[derive(Debug)]
pub(crate) struct Standby {
    desk: Arc<Desk>,
    table: Arc<MountTable>,
    sinks: Option<Arc<dyn Sinks>>,
    trail: Arc<Trail>,
    shutdown: Shutdown,
    following: Mutex<Option<Following>>,
}

#[derive(Debug)]
struct Following {
    /// Ends the mirrors, and nothing else.
    shutdown: Shutdown,
    sight: watch::Receiver<Option<Sight>>,
}

/// Why one is not promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It stands by nobody.
    NoStandby,
    /// The other master is there.
    MasterIsThere(String),
    /// It is being promoted, or its mirrors do not end.
    Stuck,
    /// It was upgraded meanwhile.
    HandedOver,
}

impl Standby {
    pub(crate) fn new(
        desk: Arc<Desk>,
        table: Arc<MountTable>,
        sinks: Option<Arc<dyn Sinks>>,
        trail: Arc<Trail>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            desk,
            table,
            sinks,
            trail,
            shutdown,
            following: Mutex::default(),
        }
    }

    /// Copies the other master from now on, and goes on with these mirrors.
    pub(crate) fn start(&self, config: &Config, mirrors: Vec<Mirror>) {
        let Some(standby) = config.standby.as_ref() else {
            return;
        };
        info!(
            "standing by for {}: sources are refused until this one is promoted",
            standby.master
        );
        let shutdown = self.shutdown.of_part();
        let follower = Follower::new(
            standby.upstream(),
            Arc::clone(&self.table),
            config.knobs().keep(),
            config.hold(),
            shutdown.clone(),
        );
        let follower = follower
            .with_sinks(self.sinks.clone())
            .with_trail(Arc::clone(&self.trail))
            .resuming(mirrors);
        let sight = follower.sight();
        shutdown.spawn("catalog", follower.run());
        let (program, mirrors) = (self.shutdown.clone(), shutdown.clone());
        self.shutdown.spawn("standby", async move {
            program.requested().await;
            let _ = mirrors.drain(DRAIN_MAX).await;
        });
        *self.lock() = Some(Following { shutdown, sight });
    }

    /// Makes it the master, and gives its reign. One that was promoted already stays what it is.
    pub(crate) async fn promote(&self, config: &Config, is_forced: bool) -> Result<u64, Refused> {
        let Some(standby) = &config.standby else {
            return Err(Refused::NoStandby);
        };
        if self.trail.is_master() {
            return Ok(self.trail.reign());
        }
        // Who takes over writes logs: what is handed over meanwhile is handed over with it, or without.
        let mut member = self.shutdown.freeze().join(Stage::Writers);
        stand_still(&mut member).await?;
        let following = self.let_go(&standby.master, is_forced)?;
        // There is one writer for a log: the mirrors first have to be gone.
        let mut drained = pin!(following.shutdown.drain(STOP_MAX));
        let drained = loop {
            tokio::select! {
                drained = &mut drained => break drained,
                () = member.asked() => stand_still(&mut member).await?,
            }
        };
        if drained != Drained::Clean {
            error!("the mirrors did not end: restart this program and promote it then");
            return Err(Refused::Stuck);
        }
        stand_still(&mut member).await?;
        let sight = *following.sight.borrow();
        for mount in self.table.all() {
            self.take_over(config, &mount, sight, Instant::now());
        }
        let reign = self.trail.reign().saturating_add(1);
        self.trail.set(Above::Nobody { reign });
        self.table.touch();
        info!("promoted: this is the master now, with reign {reign}");
        let standing = Standing {
            reign,
            is_promoted: true,
        };
        standing.keep(config.state_directory());
        Ok(reign)
    }

    /// Takes what follows the other master, to end it.
    fn let_go(&self, master: &str, is_forced: bool) -> Result<Following, Refused> {
        let mut following = self.lock();
        let sight = following.as_ref().and_then(|f| *f.sight.borrow());
        let is_alive = sight.is_some_and(|sight| sight.is_alive(Instant::now()));
        if is_alive && !is_forced {
            return Err(Refused::MasterIsThere(master.to_owned()));
        }
        following.take().ok_or(Refused::Stuck)
    }

    fn take_over(&self, config: &Config, mount: &Arc<Mount>, sight: Option<Sight>, now: Instant) {
        let filler_after = config.filler_after(mount.path());
        // Nor can it be seen whether a title has got a link.
        let may_be_filled = config.titles(mount.path()) == Titles::Chained
            || filler_after.is_some_and(|after| may_be_filled(mount, sight, after, now));
        let (path, epoch) = (mount.path(), Epoch::new(fastrand::u128(..)));
        if self.desk.take_over(mount, epoch, may_be_filled, now) {
            info!("{path} goes on at offset {}", mount.log().head());
        } else {
            warn!("{path} begins anew: its copy contradicts itself");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Following>> {
        self.following
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits while the program is frozen.
///
/// # Errors
/// When another one goes on with its logs.
async fn stand_still(member: &mut Member) -> Result<(), Refused> {
    while member.is_asked() {
        if member.arrive(Part::Nothing).await == Verdict::Leave {
            return Err(Refused::HandedOver);
        }
    }
    Ok(())
}

/// Whether the other master may have written filler that did not come here: the log had been
/// silent for long enough when it was last heard.
fn may_be_filled(mount: &Mount, sight: Option<Sight>, after: Duration, now: Instant) -> bool {
    let (Some(sight), Some(silence)) = (sight, mount.log().silence(now)) else {
        return true;
    };
    let unheard = if sight.has_hung_up {
        Duration::ZERO
    } else {
        UNHEARD_MAX
    };
    let quiet = silence.saturating_sub(now.saturating_duration_since(sight.heard));
    quiet + unheard >= after
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStandby => {
                f.write_str("this is no standby: there is no [standby] in its settings")
            }
            Self::MasterIsThere(master) => write!(
                f,
                "the master at {master} is there: stop it first, or promote by force if it cannot \
                 be stopped and nobody must hear it any more"
            ),
            Self::Stuck => f.write_str(
                "it is being promoted, or its mirrors do not end: look again, or restart it",
            ),
            Self::HandedOver => f.write_str("it was upgraded at this moment: ask again"),
        }
    }
}

#[cfg(test)]
mod tests;
