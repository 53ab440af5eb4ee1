//! One listener being served: from his cursor to his socket until one of them ends.
//!
//! Holds no copy of the sound: what waits to be written are references into the log.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::socket;
use crate::log::{Cursor, FellBehind, Log};
use crate::mount::Mount;
use crate::shutdown::Shutdown;

/// How much is taken from the log at once.
const TAKE_BYTES: usize = 64 * 1024;
/// How many pieces one write may have (the kernel takes up to 1024).
const PIECES_MAX: usize = 64;
/// A listener into whose socket not a byte fits for this long is closed.
const STALL_MAX: Duration = Duration::from_secs(30);
/// One who falls behind again within this time is closed instead of being moved on.
const JUMP_EVERY: Duration = Duration::from_secs(60);

/// One who is moved to the log that follows gets this much of it at once: he missed its
/// beginning, and his player has been waiting.
const FOLLOW_BURST: Duration = Duration::from_secs(15);

/// Why a listener is not served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// He went.
    Gone,
    /// He has all the bytes he asked for.
    Complete,
    /// He took nothing for too long, or fell behind twice within a minute.
    TooSlow,
    /// The mount was removed.
    MountRemoved,
    /// The program is stopping.
    Stopping,
}

/// A listener and his place in the log.
#[derive(Debug)]
pub struct Delivery {
    socket: TcpStream,
    mount: Arc<Mount>,
    cursor: Cursor,
    waiting: VecDeque<Bytes>,
    /// How many bytes of the log he still wants.
    n_wanted: u64,
    link_start: u64,
    last_jump: Option<Instant>,
}

/// Why the writing paused.
enum Pause {
    /// All that there is has been written.
    CaughtUp,
    /// The log was replaced or the mount removed.
    LogEnded,
}

impl Delivery {
    /// `first` goes out before the bytes of the log from the cursor to `last` (inclusive).
    pub fn new(
        socket: TcpStream,
        mount: Arc<Mount>,
        cursor: Cursor,
        first: [Bytes; 2],
        last: u64,
    ) -> Self {
        socket::prepare(&socket);
        let n_wanted = (last - cursor.offset().min(last)).saturating_add(1);
        let link_start = cursor.link_start();
        let waiting = first
            .into_iter()
            .filter(|bytes| !bytes.is_empty())
            .collect();
        Self {
            socket,
            mount,
            cursor,
            waiting,
            n_wanted,
            link_start,
            last_jump: None,
        }
    }

    /// Writes until there is nothing to write, or for good.
    async fn write_all(&mut self) -> Result<Pause, Closed> {
        loop {
            if self.waiting.is_empty() {
                if self.n_wanted == 0 {
                    return Err(Closed::Complete);
                }
                self.take()?;
            }
            if self.waiting.is_empty() {
                let has_ended = !Arc::ptr_eq(&self.mount.log(), self.cursor.log());
                return Ok(if has_ended {
                    Pause::LogEnded
                } else {
                    Pause::CaughtUp
                });
            }
            match timeout(STALL_MAX, self.write_some()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Closed::Gone),
                Err(_) => return Err(Closed::TooSlow),
            }
        }
    }

    /// Takes what is new from the log.
    fn take(&mut self) -> Result<(), Closed> {
        let mut found = Vec::new();
        if let Err(FellBehind { n_bytes }) = self.cursor.read(TAKE_BYTES, &mut found) {
            self.jump(n_bytes)?;
            self.cursor
                .read(TAKE_BYTES, &mut found)
                .map_err(|_| Closed::TooSlow)?;
        }
        for mut piece in found {
            let n_bytes = usize::try_from(self.n_wanted)
                .unwrap_or(usize::MAX)
                .min(piece.len());
            piece.truncate(n_bytes);
            self.n_wanted -= n_bytes as u64;
            self.waiting.push_back(piece);
        }
        self.link_start = self.cursor.link_start();
        Ok(())
    }

    /// Moves one who fell behind to the live edge, once a minute.
    fn jump(&mut self, n_bytes: u64) -> Result<(), Closed> {
        self.mount
            .counts()
            .n_fell_behind
            .fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        if self
            .last_jump
            .is_some_and(|last| now.duration_since(last) < JUMP_EVERY)
        {
            return Err(Closed::TooSlow);
        }
        self.last_jump = Some(now);
        debug!(
            "a listener on {} fell {n_bytes} bytes behind, moved on",
            self.mount.path()
        );
        let prefix = self.cursor.jump_to_live_edge(self.link_start);
        if !prefix.is_empty() {
            self.waiting.push_back(prefix);
        }
        Ok(())
    }

    async fn write_some(&mut self) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            let pieces: Vec<IoSlice<'_>> = self
                .waiting
                .iter()
                .take(PIECES_MAX)
                .map(|piece| IoSlice::new(piece))
                .collect();
            match self.socket.try_write_vectored(&pieces) {
                Ok(n_bytes) => {
                    self.mount
                        .counts()
                        .n_bytes_sent
                        .fetch_add(n_bytes as u64, Ordering::Relaxed);
                    self.written(n_bytes);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn written(&mut self, mut n_bytes: usize) {
        while let Some(piece) = self.waiting.front_mut() {
            if n_bytes < piece.len() {
                piece.advance(n_bytes);
                return;
            }
            n_bytes -= piece.len();
            self.waiting.pop_front();
        }
    }

    /// Goes on in the log that followed: ends the link he hears, then starts as a joiner does.
    fn follow(&mut self, log: &Arc<Log>) -> bool {
        let wish = crate::log::resume::Wish::Join;
        let Some((_, cursor, prefix)) = log.open(wish, FOLLOW_BURST) else {
            return false;
        };
        self.waiting.push_back(self.cursor.log().farewell());
        self.waiting.push_back(prefix);
        self.waiting.retain(|piece| !piece.is_empty());
        self.cursor = cursor;
        self.link_start = self.cursor.link_start();
        true
    }
}

/// Serves a listener until he, the mount or the program ends.
pub async fn deliver(mut delivery: Delivery, shutdown: &Shutdown) -> Closed {
    let removed = delivery.mount.removed().clone();
    let closed = tokio::select! {
        closed = run(&mut delivery) => closed,
        () = removed.cancelled() => Closed::MountRemoved,
        () = shutdown.requested() => Closed::Stopping,
    };
    debug!(
        "a listener on {} is not served any more: {closed:?}",
        delivery.mount.path()
    );
    closed
}

async fn run(delivery: &mut Delivery) -> Closed {
    let mut logs = delivery.mount.watch_log();
    loop {
        let pause = match delivery.write_all().await {
            Ok(pause) => pause,
            Err(closed) => return closed,
        };
        match pause {
            Pause::CaughtUp => {
                let grown = delivery.cursor.grown();
                tokio::select! {
                    grown = grown => {
                        if !grown && logs.changed().await.is_err() {
                            return Closed::MountRemoved;
                        }
                    }
                    () = hung_up(&delivery.socket) => return Closed::Gone,
                }
            }
            Pause::LogEnded => {
                let log = Arc::clone(&logs.borrow_and_update());
                if !delivery.follow(&log) && !wait_for_link(&log, &delivery.socket).await {
                    return Closed::Gone;
                }
            }
        }
    }
}

/// Waits until the log has something to join. `false`: the listener went meanwhile.
async fn wait_for_link(log: &Arc<Log>, socket: &TcpStream) -> bool {
    let mut state = log.watch();
    tokio::select! {
        changed = state.changed() => changed.is_ok(),
        () = hung_up(socket) => false,
    }
}

/// Waits until the listener hangs up. What he says is not listened to.
async fn hung_up(socket: &TcpStream) {
    let mut waste = [0; 1024];
    loop {
        if socket.ready(Interest::READABLE).await.is_err() {
            return;
        }
        match socket.try_read(&mut waste) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
