//! The side that leaves: on SIGUSR2 it starts its heir, hands everything over and ends. Whatever
//! goes wrong before the heir has all of it, this program goes on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, info, warn};

use super::channel::{Channel, SOCKETS_MAX};
use super::estate::{Lock, Met, MountState, Reign, VERSION, Word};
use super::feed::{Feeding, is_needed, stay};
use super::freeze::{Freeze, Part, Stage, Verdict};
use super::launch::{Launch, end};
use crate::fanout::{Fanout, Frozen};
use crate::follow::Trail;
use crate::listen::Listen;
use crate::mount::{Desk, Mount, MountTable};
use crate::shutdown::Shutdown;

/// The heir has read its settings and is ready within this time.
const READY_MAX: Duration = Duration::from_secs(10);
/// Everything that moves stops within this time, each stage.
const STOP_MAX: Duration = Duration::from_millis(500);
/// From the door's stop until those who have just come in are where they belong.
const SETTLE: Duration = Duration::from_millis(20);
/// So long everything may stand still in all; then this program goes on. After 3 s sources and
/// relays would begin to help themselves.
const FROZEN_MAX: Duration = Duration::from_secs(2);

/// Hands a program over.
#[derive(Debug)]
pub struct Giver {
    /// What the program is called.
    pub program: &'static str,
    /// How its heir is started.
    pub launch: Launch,
    /// Where it listens, a socket for each address.
    pub listeners: Vec<OwnedFd>,
    /// At these addresses.
    pub listen: Listen,
    /// Its mounts.
    pub table: Arc<MountTable>,
    /// Who serves.
    pub fanout: Arc<Fanout>,
    /// Who writes the mounts, at a master.
    pub desk: Option<Arc<Desk>>,
    /// Whose logs they are, at a master.
    pub reign: Option<Arc<Trail>>,
    /// The state directory, at a master that has one.
    pub lock: Option<Lock>,
    /// Whether the program before this one is still there.
    pub feeding: Feeding,
    /// The end of the program.
    pub shutdown: Shutdown,
}

/// Those who stay: how pages come for them, and the mounts by their numbers.
type Staying = Option<(Arc<Mutex<Channel>>, Vec<Arc<Mount>>)>;

/// The signal that asks for an upgrade. From now on it does not end the program.
///
/// # Errors
/// When the system does not let us have it.
pub fn asked() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

impl Giver {
    /// Waits to be asked, until an heir has taken over or the program is told to stop.
    pub fn start(self, mut asked: Signal) {
        let giver = Arc::new(self);
        let tasks = giver.shutdown.clone();
        giver.shutdown.clone().spawn("upgrade", async move {
            while let Some(Some(())) = tasks.unless_requested(asked.recv()).await {
                let (upgrading, staying) = (Arc::clone(&giver), Arc::clone(&giver));
                let upgrade = tokio::task::spawn_blocking(move || upgrading.upgrade());
                match upgrade.await {
                    Ok(Ok((pid, those))) => {
                        info!("handed over to process {pid}");
                        let stay = move || staying.stay_with(those);
                        let _ = tokio::task::spawn_blocking(stay).await;
                        return tasks.hand_over();
                    }
                    Ok(Err(why)) => warn!("no upgrade: {why}; this program goes on"),
                    Err(_) => warn!("no upgrade: it panicked; this program goes on"),
                }
            }
        });
    }

    fn upgrade(&self) -> Result<(u32, Staying), String> {
        if std::process::id() == 1 {
            return Err("a container ends with its first process: start another".to_owned());
        }
        info!("upgrade: starting {}", self.launch.program.display());
        self.launch.check()?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let mut heir = self.launch.start(theirs)?;
        let handed = self.hand_over(Channel::new(ours), &heir);
        match handed {
            Ok(staying) => Ok((heir.id(), staying)),
            Err(why) => {
                end(&mut heir);
                Err(why)
            }
        }
    }

    fn stay_with(&self, those: Staying) {
        if let Some((channel, mounts)) = those {
            let (fanout, feeding) = (&self.fanout, &self.feeding);
            stay(
                &mut lock(&channel),
                &mounts,
                fanout,
                feeding,
                &self.shutdown,
            );
        }
    }

    fn hand_over(&self, mut channel: Channel, heir: &Child) -> Result<Staying, String> {
        let text = |error: io::Error| error.to_string();
        channel.allow(READY_MAX);
        let begin = Word::Begin {
            version: VERSION,
            program: self.program.to_owned(),
            listen: self.listen.first(),
            more: self.listen.all().iter().skip(1).copied().collect(),
        };
        let listeners: Vec<_> = self.listeners.iter().map(AsFd::as_fd).collect();
        channel
            .say(&begin, &[], &listeners)
            .and_then(|()| channel.expect(|word| matches!(word, Word::Ready)))
            .map_err(text)?;
        let began = Instant::now();
        channel.allow(FROZEN_MAX);
        let thaw = Thaw(self.shutdown.freeze());
        let channel = Arc::new(Mutex::new(channel));
        let (mounts, frozen) = self.stop_and_send(&channel)?;
        let is_fed = is_needed(&self.fanout, &self.feeding);
        let taken = lock(&channel).expect(|word| matches!(word, Word::Taken));
        taken
            .and_then(|()| lock(&channel).say(&Word::Go { is_fed }, &[], &[]))
            .map_err(text)?;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::MainPid(heir.id())]);
        frozen.end(Verdict::Leave);
        thaw.0.end(Verdict::Leave);
        info!(
            "upgrade: everything stood still for {} ms",
            began.elapsed().as_millis()
        );
        Ok(is_fed.then_some((channel, mounts)))
    }

    fn stop_and_send(
        &self,
        channel: &Arc<Mutex<Channel>>,
    ) -> Result<(Vec<Arc<Mount>>, Frozen), String> {
        let freeze = self.shutdown.freeze();
        if !freeze.gather(Stage::Door, STOP_MAX) {
            return Err("the door did not stop in time".to_owned());
        }
        std::thread::sleep(SETTLE);
        if !freeze.gather(Stage::Writers, STOP_MAX) {
            return Err("those who write did not stop in time".to_owned());
        }
        let mounts = self.table.all();
        for mount in &mounts {
            self.send_mount(channel, mount)?;
        }
        let paths = mounts.iter().map(|mount| mount.path().clone());
        let frozen = self
            .fanout
            .freeze(channel, &Arc::new(paths.collect()))
            .map_err(|error| error.to_string())?;
        self.send_rest(channel, freeze.parts())
            .map_err(|error| error.to_string())?;
        Ok((mounts, frozen))
    }

    fn send_mount(&self, channel: &Mutex<Channel>, mount: &Mount) -> Result<(), String> {
        let (path, now) = (mount.path(), Instant::now());
        let writing = self.desk.as_ref().and_then(|desk| desk.writing(path, now));
        let (state, beside) = MountState::of(mount, writing, now);
        lock(channel)
            .say(&Word::Mount(Box::new(state)), &beside, &[])
            .map_err(|error| error.to_string())
    }

    fn send_rest(&self, channel: &Mutex<Channel>, parts: Vec<Part>) -> io::Result<()> {
        let mut channel = lock(channel);
        let mut played = Vec::new();
        for part in parts {
            match part {
                Part::Nothing => {}
                Part::Played(files) => played.extend(files),
                Part::Porch(met) => send_porch(&mut channel, &met)?,
                Part::Source(source, socket) => {
                    let word = Word::Source(source.state);
                    channel.say(&word, &source.held, &[socket.as_fd()])?;
                }
            }
        }
        let end = Word::End {
            removed: self.table.removed(),
            figures: self.fanout.state(),
            state_directory: self.lock.as_ref().map(|lock| lock.path.clone()),
            reign: self.reign.as_ref().map(|trail| Reign {
                number: trail.reign(),
                is_standby: !trail.is_master(),
            }),
            played,
        };
        let lock = self.lock.as_ref().map(|lock| lock.file.as_fd());
        debug!("upgrade: everything is sent");
        channel.say(&end, &[], lock.as_slice())
    }
}

fn send_porch(channel: &mut Channel, met: &[Met]) -> io::Result<()> {
    let now = Instant::now();
    for some in met.chunks(SOCKETS_MAX) {
        let words = some.iter().map(|met| met.state(now));
        let beside: Vec<u8> = some.iter().flat_map(|met| met.read.to_vec()).collect();
        let sockets: Vec<BorrowedFd<'_>> = some.iter().map(|met| met.socket.as_fd()).collect();
        channel.say(&Word::Porch(words.collect()), &beside, &sockets)?;
    }
    Ok(())
}

fn lock(channel: &Mutex<Channel>) -> std::sync::MutexGuard<'_, Channel> {
    channel.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whatever happens, nothing stays frozen.
struct Thaw(Freeze);

impl Drop for Thaw {
    fn drop(&mut self) {
        if !self.0.has_left() {
            self.0.end(Verdict::GoOn);
        }
    }
}
