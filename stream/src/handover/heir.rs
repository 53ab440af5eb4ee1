//! The side that comes: takes listening sockets, logs and connections of the program that started
//! it, and touches none of them until that one has let go.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{info, warn};

use super::channel::{Channel, Said};
use super::estate::{Lock, Met, MountTaken, Played, Reign, Seat, Source, VERSION, Word};
use super::feed::{Feeding, feed};
use crate::fanout::{Before, Fanout, FiguresState, Joiner, Stay, Wire};
use crate::http::asked::Rules;
use crate::http::door;
use crate::listen::Listen;
use crate::log::Keep;
use crate::mount::{Courses, Desk, Mirror, Mount, MountPath, MountTable, OnAir, Slots};
use crate::shutdown::Shutdown;

/// From its start, the giver has begun within this time.
const BEGIN_MAX: Duration = Duration::from_secs(5);
/// From being ready, the giver has sent everything and let go within this time. Longer than the
/// giver stands still: it is the one who decides.
const ESTATE_MAX: Duration = Duration::from_secs(15);
/// While too many wait to be seated, the next is tried again after this time.
const SEAT_PAUSE: Duration = Duration::from_millis(1);

/// A program that is about to take over.
#[derive(Debug)]
pub struct Heir {
    channel: Channel,
    listeners: Vec<(SocketAddr, OwnedFd)>,
}

/// What a program has taken over.
#[derive(Debug, Default)]
pub struct Inheritance {
    mounts: Vec<MountTaken>,
    seats: Vec<(Seat, Bytes, OwnedFd)>,
    /// The mounts, once they are in the table, in the order in which they came.
    placed: Vec<Option<Arc<Mount>>>,
    /// How far the log of each had come.
    heads: Vec<u64>,
    removed: Vec<MountPath>,
    figures: Option<FiguresState>,
    /// The giver, if it is to be fed.
    fed: Option<Channel>,
    /// Connections whose head has not come yet.
    pub porch: Vec<Met>,
    /// Sources, in the middle of their bodies.
    pub sources: Vec<(Source, TcpStream)>,
    /// The state directory.
    pub lock: Option<Lock>,
    /// Whose logs they are, at a master.
    pub reign: Option<Reign>,
    /// Files that are being played on mounts.
    pub played: Vec<Played>,
}

/// Where a program listens: at its own addresses, or where the one listens that it takes over from.
///
/// # Errors
/// Says in words why it cannot.
pub(super) fn listen(
    program: &str,
    addresses: &Listen,
    takes_over: bool,
) -> Result<(Vec<tokio::net::TcpListener>, Option<Heir>), String> {
    let mut heir = None;
    if takes_over {
        let met = Heir::begin(program).map_err(|error| format!("cannot take over: {error}"))?;
        heir = Some(met);
    }
    let bind = |address: &SocketAddr| match &mut heir {
        Some(heir) => heir.bind(*address),
        None => door::bind(*address),
    };
    match addresses.all().iter().map(bind).collect() {
        Ok(listeners) => Ok((listeners, heir)),
        Err(error) => Err(format!("{error}; set `listen` to another address")),
    }
}

impl Heir {
    /// Meets the giver at the other end of the standard input.
    ///
    /// # Errors
    /// When there is none, or it is of another kind.
    fn begin(program: &str) -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let mut channel = Channel::new(UnixStream::from(socket));
        channel.allow(BEGIN_MAX);
        let Said { word, sockets, .. } = channel.hear(Word::n_sockets)?;
        match word {
            Word::Begin {
                version: VERSION,
                program: giver,
                listen,
                more,
            } if giver == program => Ok(Self {
                channel,
                listeners: std::iter::once(listen).chain(more).zip(sockets).collect(),
            }),
            Word::Begin { .. } => Err(io::Error::other(
                "the program that runs is of another kind or version: restart it instead",
            )),
            _ => Err(strange()),
        }
    }

    /// The socket on which the giver listens at this address, or a new one if it does not.
    ///
    /// # Errors
    /// When the address is taken or not ours; the text names it.
    fn bind(&mut self, address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
        let mut givers = self.listeners.iter();
        match givers.position(|(theirs, _)| *theirs == address) {
            Some(at) => {
                let (_, listener) = self.listeners.swap_remove(at);
                tokio::net::TcpListener::from_std(TcpListener::from(listener))
            }
            None => door::bind(address),
        }
    }

    /// Takes over from the program before this one, if there is one.
    ///
    /// # Errors
    /// When not all of it comes, or it makes no sense. The other program goes on then.
    pub async fn inherit(heir: Option<Self>, keep: Keep) -> io::Result<Inheritance> {
        let Some(heir) = heir else {
            return Ok(Inheritance::default());
        };
        tokio::task::spawn_blocking(move || heir.take(keep))
            .await
            .map_err(io::Error::other)?
    }

    fn take(mut self, keep: Keep) -> io::Result<Inheritance> {
        self.channel.allow(ESTATE_MAX);
        self.channel.say(&Word::Ready, &[], &[])?;
        let mut estate = Inheritance::default();
        while !estate.take(self.channel.hear(Word::n_sockets)?, keep)? {}
        self.channel.say(&Word::Taken, &[], &[])?;
        match self.channel.hear(Word::n_sockets)?.word {
            Word::Go { is_fed } => {
                estate.fed = is_fed.then_some(self.channel);
                estate.tell();
                Ok(estate)
            }
            _ => Err(strange()),
        }
    }
}

impl Inheritance {
    /// Takes a word. `true`: it was the last.
    fn take(&mut self, said: Said, keep: Keep) -> io::Result<bool> {
        let now = Instant::now();
        let mut beside = Bytes::from(said.beside);
        let mut sockets = said.sockets.into_iter();
        match said.word {
            Word::Mount(state) => {
                let mount = state.take(beside, keep, now);
                self.mounts.push(mount.map_err(io::Error::other)?);
            }
            Word::Seats(seats) => {
                for (seat, socket) in seats.into_iter().zip(sockets) {
                    let n_bytes = seat.n_first_bytes.min(beside.len());
                    let first = Bytes::copy_from_slice(&beside.split_to(n_bytes));
                    self.seats.push((seat, first, socket));
                }
            }
            Word::Source(state) => {
                let held = beside.to_vec();
                let source = Source { state, held };
                let socket = sockets.next().map(TcpStream::from);
                self.sources.extend(socket.map(|socket| (source, socket)));
            }
            Word::Porch(met) => {
                for (state, socket) in met.iter().zip(sockets) {
                    let read = beside.split_to(state.n_read.min(beside.len()));
                    self.porch.push(Met::of(state, socket, read, now));
                }
            }
            Word::End {
                removed,
                figures,
                state_directory,
                reign,
                played,
            } => {
                (self.removed, self.figures) = (removed, Some(figures));
                (self.reign, self.played) = (reign, played);
                let lock = state_directory.zip(sockets.next());
                self.lock = lock.map(|(path, file)| Lock { path, file });
                return Ok(true);
            }
            _ => return Err(strange()),
        }
        Ok(false)
    }

    /// Puts the mounts of a relay or a standby into its table, and gives those who mirror them on.
    pub fn mirrors(&mut self, table: &Arc<MountTable>) -> Vec<Mirror> {
        let mut mirrors = Vec::new();
        for taken in std::mem::take(&mut self.mounts) {
            let (path, log) = (taken.path, Arc::clone(taken.restored.log()));
            self.heads.push(log.head());
            let mount = Mount::new(path.clone(), taken.facts, log, Instant::now());
            taken.about.dress(&mount);
            let mount = table.find_or_make(&path, || mount).ok();
            if let Some(mount) = &mount {
                mirrors.push(Mirror::resumed(table, Arc::clone(mount)));
            } else {
                warn!("{path} is not taken over: there are too many mounts");
            }
            self.placed.push(mount);
        }
        table.set_removed(std::mem::take(&mut self.removed));
        mirrors
    }

    /// Puts the mounts of a master on its desk.
    pub fn put_on(&mut self, desk: &Desk, table: &MountTable) {
        let now = Instant::now();
        for taken in std::mem::take(&mut self.mounts) {
            let path = taken.path;
            self.heads.push(taken.restored.log().head());
            if desk
                .restore(&path, taken.facts, taken.restored, now)
                .is_err()
            {
                warn!("{path} is not taken over: there are too many mounts");
            }
            let mount = table.find(&path);
            if let Some(mount) = &mount {
                taken.about.dress(mount);
                if mount.is_on_air() && !self.is_written(&path) {
                    // It came through TLS and could not be handed over.
                    mount.set_on_air(OnAir::AwaySince(now));
                }
            }
            if let Some(writing) = &taken.writing {
                desk.go_on(&path, writing, now);
            }
            self.placed.push(mount);
        }
        table.set_removed(std::mem::take(&mut self.removed));
    }

    fn is_written(&self, path: &MountPath) -> bool {
        let (mut sources, mut played) = (self.sources.iter(), self.played.iter());
        sources.any(|(source, _)| source.state.path == *path)
            || played.any(|file| file.path == *path)
    }

    /// Seats listeners and relays, each where he was. The mounts come first.
    pub fn seat(&mut self, slots: &Slots, fanout: &Fanout, courses: &Courses, rules: &Rules) {
        let now = Instant::now();
        for (seat, first, socket) in std::mem::take(&mut self.seats) {
            let Some(Some(mount)) = self.placed.get(seat.mount) else {
                continue;
            };
            let icy = seat.icy();
            let asked = seat
                .asked
                .and_then(|asked| self.placed.get(asked)?.as_ref());
            let departure = seat
                .visitor
                .and_then(|(visitor, since)| rules.departure(visitor, since.at(now)));
            let slot = slots.keep(seat.class).telling(departure);
            let mut joiner = Joiner {
                wire: Wire::plain(TcpStream::from(socket)),
                cursor: mount.log().cursor(seat.offset, seat.link_start),
                first,
                last: seat.last,
                pace: seat.pace,
                icy,
                came: seat.came.map(|came| came.at(now)),
                before: Some(Before {
                    jumped: seat.jumped.map(|jumped| jumped.at(now)),
                    since: seat.since.map_or(now, |since| since.at(now)),
                    asked: asked.map(|mount| mount.path().clone()),
                }),
                stay: Stay {
                    until: seat.until.map(|until| until.at(now)),
                    course: seat.course.and_then(|path| courses.find(&path)),
                },
                holds: (slot, mount.admit(seat.class)),
                mount: Arc::clone(mount),
            };
            while let Err(back) = fanout.take(joiner) {
                joiner = *back;
                std::thread::sleep(SEAT_PAUSE);
            }
        }
        if let Some(figures) = self.figures.take() {
            fanout.count_from(&figures);
        }
    }

    /// Feeds those who had to stay behind. The mounts come first.
    pub fn feed(&mut self, shutdown: &Shutdown) -> Feeding {
        let fed = self.fed.take();
        let mounts = self.placed.iter().zip(&self.heads);
        fed.map(|fed| feed(fed, mounts, shutdown.clone()))
            .unwrap_or_default()
    }

    fn tell(&self) {
        info!(
            "took over: {} mounts, {} sources, {} listeners and relays",
            self.mounts.len(),
            self.sources.len(),
            self.seats.len()
        );
    }
}

fn strange() -> io::Error {
    io::Error::other("the other program says what makes no sense")
}
