//! What is handed over, word by word. Beside the words go bytes (pages, what was cut off a page)
//! and sockets.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fanout::{FiguresState, Pace};
use crate::http::chunked::Chunked;
use crate::http::head::Version;
use crate::log::restore::{Restored, from_copy};
use crate::log::splice::Counts;
use crate::log::{Ago, Keep};
use crate::mount::departure::Visitor;
use crate::mount::{Class, Facts, Mount, MountPath, OnAir, Writing};
use crate::mpeg::icy::{INTERVAL_BYTES, Icy};

/// Two programs understand each other if this number is the same in both.
pub(super) const VERSION: u32 = 1;

/// What one program says to the other.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The giver begins. Beside it: the listening sockets.
    Begin {
        version: u32,
        program: String,
        listen: SocketAddr,
        /// Further addresses; older programs have none.
        #[serde(default)]
        more: Vec<SocketAddr>,
    },
    /// The heir's settings are right; it waits for the estate.
    Ready,
    /// A mount. Beside it: index and pages of its ring.
    Mount(Box<MountState>),
    /// Listeners and relays. Beside them: what goes out first to each, and their sockets.
    Seats(Vec<Seat>),
    /// A source. Beside it: the part of a page that has come, and its socket.
    Source(SourceState),
    /// Connections whose head has not come yet. Beside them: what has been read, and their sockets.
    Porch(Vec<MetState>),
    /// The rest. Beside it: the lock of the state directory, if there is one.
    End {
        removed: Vec<MountPath>,
        figures: FiguresState,
        state_directory: Option<PathBuf>,
        #[serde(default)]
        reign: Option<Reign>,
        #[serde(default)]
        played: Vec<Played>,
    },
    /// The heir has all of it.
    Taken,
    /// The giver has let go: from now on everything is the heir's. If somebody stays with the
    /// giver, he is to be fed.
    Go { is_fed: bool },
    /// Pages for those who stay, of the mount with this number.
    Pages { mount: usize, offset: u64 },
}

impl Word {
    /// How many sockets belong to it.
    pub(crate) fn n_sockets(&self) -> usize {
        match self {
            Self::Begin { more, .. } => 1 + more.len(),
            Self::Source(_) => 1,
            Self::Seats(seats) => seats.len(),
            Self::Porch(met) => met.len(),
            Self::End {
                state_directory, ..
            } => usize::from(state_directory.is_some()),
            Self::Ready | Self::Mount(_) | Self::Taken | Self::Go { .. } | Self::Pages { .. } => 0,
        }
    }
}

/// A mount, but for its ring.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MountState {
    path: MountPath,
    facts: Facts,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    title_url: Option<String>,
    on_air: Option<Timestamp>,
    away: Option<Ago>,
    filled_since: Option<Timestamp>,
    counts: Vec<u64>,
    writing: Option<Writing>,
    n_index_bytes: usize,
}

/// A mount that was taken over.
#[derive(Debug)]
pub(crate) struct MountTaken {
    pub(crate) path: MountPath,
    pub(crate) facts: Facts,
    pub(crate) about: About,
    pub(crate) writing: Option<Writing>,
    pub(crate) restored: Restored,
}

/// What is to be put down again of a mount that was taken over.
#[derive(Debug)]
pub(crate) struct About {
    title: Option<String>,
    title_url: Option<String>,
    on_air: OnAir,
    filled_since: Option<Timestamp>,
    counts: Vec<u64>,
}

impl About {
    pub(crate) fn dress(&self, mount: &Mount) {
        mount.say_all(self.title.as_deref(), self.title_url.as_deref());
        mount.set_on_air(self.on_air);
        mount.set_filled_since(self.filled_since);
        for (count, n) in mount.counts().all().iter().zip(&self.counts) {
            count.store(*n, Ordering::Relaxed);
        }
    }
}

/// One listener or relay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// The number of the mount, in the order in which mounts were handed over.
    pub(crate) mount: usize,
    pub(crate) class: Class,
    pub(crate) pace: Pace,
    pub(crate) offset: u64,
    pub(crate) last: u64,
    pub(crate) link_start: u64,
    pub(crate) n_first_bytes: usize,
    /// He gets titles, and so much sound went out since the last.
    #[serde(default)]
    pub(crate) icy: Option<usize>,
    /// How much comes between two of them. Missing: a program of an older version.
    #[serde(default)]
    pub(crate) icy_interval: Option<usize>,
    /// When he was moved to the live edge.
    pub(crate) jumped: Option<Ago>,
    /// When he came, if he has not got anything yet.
    pub(crate) came: Option<Ago>,
    /// When he has to go.
    #[serde(default)]
    pub(crate) until: Option<Ago>,
    /// What he asked for, if something stands in for that at times.
    #[serde(default)]
    pub(crate) course: Option<MountPath>,
    /// Since when he has been served.
    #[serde(default)]
    pub(crate) since: Option<Ago>,
    /// The number of the mount he asked for, if he was transferred for now.
    #[serde(default)]
    pub(crate) asked: Option<usize>,
    /// Somebody is to be told when he goes, and since when he has been there.
    #[serde(default)]
    pub(crate) visitor: Option<(Visitor, Ago)>,
}

impl Seat {
    /// Where between two titles he is, if he gets any.
    pub(crate) fn icy(&self) -> Option<Icy> {
        let interval = self.icy_interval.unwrap_or(INTERVAL_BYTES);
        self.icy.map(|n_sent| Icy::at(interval, n_sent))
    }
}

/// A source's connection, in the middle of its body.
#[derive(Debug)]
pub struct Source {
    /// Who it is, and how far it is.
    pub state: SourceState,
    /// The part of a page that has come.
    pub held: Vec<u8>,
}

/// Who a source is, and how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceState {
    /// The mount it writes.
    pub path: MountPath,
    /// The user whose password was right.
    pub user: String,
    /// Tells his login from others; 0: that is not known.
    #[serde(default)]
    pub login: u64,
    /// The serial number that it named.
    pub serial: Option<u32>,
    /// Which of its source's uplinks it is.
    pub uplink: u32,
    /// What it speaks.
    pub version: Version,
    /// It has had its final answer.
    pub has_answered: bool,
    /// What is left of its body, if that has a length.
    pub n_left: Option<u64>,
    /// Where in a chunk it is, if its body is chunked.
    pub chunked: Option<Chunked>,
    /// Pages so far.
    pub n_pages: u64,
    /// Bytes so far that belonged to no page.
    pub n_junk: usize,
    /// What was put right of them.
    #[serde(default)]
    pub counts: Counts,
    /// How long it has been sending.
    pub lasted: Duration,
}

/// A connection whose head has not come yet.
#[derive(Debug)]
pub struct Met {
    /// The connection.
    pub socket: OwnedFd,
    /// What has been read.
    pub read: Bytes,
    /// When it came.
    pub came: Instant,
    /// Who it is: the other end, or whom a proxy has said. `None`: that is not known.
    pub from: Option<IpAddr>,
    /// A proxy may still say for whom it speaks.
    pub may_be_proxied: bool,
}

/// The same in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetState {
    /// How much has been read.
    pub(super) n_read: usize,
    pub(super) came: Ago,
    // A program of an older version says neither.
    #[serde(default)]
    pub(super) from: Option<IpAddr>,
    #[serde(default)]
    pub(super) may_be_proxied: bool,
}

impl Met {
    pub(super) fn state(&self, now: Instant) -> MetState {
        MetState {
            n_read: self.read.len(),
            came: Ago::of(self.came, now),
            from: self.from,
            may_be_proxied: self.may_be_proxied,
        }
    }

    pub(super) fn of(state: &MetState, socket: OwnedFd, read: Bytes, now: Instant) -> Self {
        Self {
            socket,
            read,
            came: state.came.at(now),
            from: state.from,
            may_be_proxied: state.may_be_proxied,
        }
    }
}

/// A file that is being played on a mount, and how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Played {
    /// The mount.
    pub path: MountPath,
    /// Tells the file from others: see [`Reel::checksum`](crate::reel::Reel::checksum).
    pub checksum: u32,
    /// When this round of it began.
    pub began: Ago,
    /// The page of it that comes next.
    pub next: usize,
}

/// Whose logs a master has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reign {
    /// Of several masters the one with the highest number counts.
    pub number: u64,
    /// They are another's, and copied.
    pub is_standby: bool,
}

/// A state directory, and the lock on it.
#[derive(Debug)]
pub struct Lock {
    /// Where it is.
    pub path: PathBuf,
    /// Locked as long as one of its descriptors is open, whoever has it.
    pub file: OwnedFd,
}

impl MountState {
    /// A mount as it is at `now`, and the bytes of its ring.
    pub(super) fn of(mount: &Mount, writing: Option<Writing>, now: Instant) -> (Self, Vec<u8>) {
        let traces = writing.as_ref().map_or(&[][..], |writing| &writing.traces);
        let now_ms = Timestamp::now().as_millisecond();
        let copied = mount.log().copy(traces, now, now_ms);
        let n_index_bytes = copied.index.len();
        let mut beside = copied.index;
        beside.extend_from_slice(&copied.pages);
        let (on_air, away) = match mount.on_air() {
            OnAir::Since(since) => (Some(since), None),
            OnAir::AwaySince(since) => (None, Some(Ago::of(since, now))),
        };
        let counts = mount.counts().all();
        let playing = mount.playing();
        let state = Self {
            path: mount.path().clone(),
            facts: mount.facts(),
            title: playing.title.map(|title| title.to_string()),
            title_url: playing.url.map(|url| url.to_string()),
            on_air,
            away,
            filled_since: mount.filled_since(),
            counts: counts.iter().map(|n| n.load(Ordering::Relaxed)).collect(),
            writing,
            n_index_bytes,
        };
        (state, beside)
    }

    pub(super) fn take(
        self,
        mut index: Bytes,
        keep: Keep,
        now: Instant,
    ) -> Result<MountTaken, String> {
        if self.n_index_bytes > index.len() {
            return Err("it is cut off".to_owned());
        }
        let pages = index.split_off(self.n_index_bytes);
        let now_ms = Timestamp::now().as_millisecond();
        let restored = from_copy(&index, &pages, keep, now, now_ms);
        let away = OnAir::AwaySince(self.away.map_or(now, |away| away.at(now)));
        Ok(MountTaken {
            path: self.path,
            facts: self.facts,
            about: About {
                title: self.title,
                title_url: self.title_url,
                on_air: self.on_air.map_or(away, OnAir::Since),
                filled_since: self.filled_since,
                counts: self.counts,
            },
            writing: self.writing,
            restored: restored.map_err(|damage| damage.to_string())?,
        })
    }
}
