//! What a source sends, copied into a file while it sends: a new file whenever a source comes. The
//! copy is a cursor in the mount's log as every listener is; a disk that is slow or full costs the
//! copy and nothing else.

use std::collections::HashSet;
use std::fs::{File, create_dir_all};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use stream::current::Current;
use stream::log::Log;
use stream::mount::{Mount, MountPath, OnAir};
use stream::shutdown::Shutdown;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::house::Master;

/// So often it is looked who has come, and what.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So much is written at once.
const PORTION_BYTES_MAX: usize = 256 * 1024;
/// In so many pieces.
const PORTION_PIECES_MAX: usize = 1024;
const BYTES_A_MEGABYTE: u64 = 1_000_000;
/// A source that began its link no longer ago is copied from there, not from where it is now.
const BEGUN_MAX: Duration = Duration::from_secs(5);

/// One time that a source was there.
type Stay = (MountPath, Timestamp);

/// Copies that are being written.
type Copying = Arc<Mutex<HashSet<Stay>>>;

/// One copy.
struct Dump {
    mount: Arc<Mount>,
    log: Arc<Log>,
    since: Timestamp,
    name: PathBuf,
    n_bytes_max: Option<u64>,
    n_bytes: u64,
    offset: u64,
    link_start: u64,
}

/// How a copy came to its end.
enum End {
    /// The source has gone, or its log.
    Over,
    /// So much was allowed.
    Full,
}

/// The name of a file that is begun at this moment, in the words of `strftime`, by the clock of
/// UTC.
///
/// # Errors
/// When the name holds what `strftime` does not know.
pub(crate) fn name(pattern: &str, now: Timestamp) -> Result<PathBuf, String> {
    let zoned = now.to_zoned(TimeZone::UTC);
    let name = jiff::fmt::strtime::format(pattern, &zoned).map_err(|error| error.to_string())?;
    Ok(PathBuf::from(name))
}

/// Starts a copy whenever a source comes to a mount that is to be copied.
pub(crate) async fn watch(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut clock = interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut begun: HashSet<Stay> = HashSet::new();
    let copying = Copying::default();
    while shutdown.unless_requested(clock.tick()).await.is_some() {
        if shutdown.freeze().has_left() {
            return;
        }
        let master = masters.now();
        let mounts = master.config().mount.iter();
        let mut there = HashSet::new();
        for settings in mounts.filter(|mount| mount.dump_file.is_some()) {
            let Some(mount) = master.table().find(&settings.path) else {
                continue;
            };
            let OnAir::Since(since) = mount.on_air() else {
                continue;
            };
            let stay = (settings.path.clone(), since);
            there.insert(stay.clone());
            let pattern = settings.dump_file.as_deref().unwrap_or_default();
            if !begun.insert(stay.clone()) || lock(&copying).contains(&stay) {
                continue;
            }
            let Ok(name) = name(pattern, Timestamp::now()) else {
                continue;
            };
            let n_bytes_max = settings.dump_megabytes;
            let n_bytes_max = n_bytes_max.map(|n| n.saturating_mul(BYTES_A_MEGABYTE));
            lock(&copying).insert(stay.clone());
            let dump = Dump::new(mount, since, name, n_bytes_max);
            shutdown.spawn(
                "dump",
                dump.run(shutdown.clone(), stay, Arc::clone(&copying)),
            );
        }
        begun = there;
    }
}

fn lock(copying: &Copying) -> std::sync::MutexGuard<'_, HashSet<Stay>> {
    copying.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dump {
    fn new(mount: Arc<Mount>, since: Timestamp, name: PathBuf, n_bytes_max: Option<u64>) -> Self {
        let log = mount.log();
        Self {
            offset: log.head(),
            link_start: 0,
            n_bytes: 0,
            n_bytes_max,
            mount,
            log,
            since,
            name,
        }
    }

    async fn run(mut self, shutdown: Shutdown, stay: Stay, copying: Copying) {
        let (path, name) = (self.mount.path().clone(), self.name.display().to_string());
        info!("{path} is copied into {name}");
        match self.copy(&shutdown).await {
            Ok(End::Over) => info!("{name} ends with {} bytes of {path}", self.n_bytes),
            Ok(End::Full) => info!(
                "{name} ends with {} bytes of {path}, as many as `dump_megabytes` allows; the \
                 stream goes on",
                self.n_bytes
            ),
            Err(error) => warn!(
                "{path} is not copied into {name} any more ({error}); the stream goes on, and the \
                 next source begins the next file"
            ),
        }
        lock(&copying).remove(&stay);
    }

    async fn copy(&mut self, shutdown: &Shutdown) -> io::Result<End> {
        let name = self.name.clone();
        let mut file = off_thread(move || open(&name)).await?;
        let mut portion = vec![self.begin()];
        loop {
            let n_bytes: usize = portion.iter().map(Bytes::len).sum();
            if n_bytes > 0 {
                let after = self.n_bytes + n_bytes as u64;
                if self.n_bytes_max.is_some_and(|max| after > max) {
                    portion = vec![self.log.farewell()];
                    off_thread(move || write(&mut file, &portion)).await?;
                    return Ok(End::Full);
                }
                file = off_thread(move || write(&mut file, &portion).map(|()| file)).await?;
                self.n_bytes = after;
            }
            // Looked at before the log is read: what comes in between is read the next time.
            let is_over = self.is_over() || shutdown.is_requested();
            portion = self.next();
            if portion.is_empty() {
                if is_over || shutdown.freeze().has_left() {
                    portion = vec![self.log.farewell()];
                    off_thread(move || write(&mut file, &portion)).await?;
                    return Ok(End::Over);
                }
                shutdown.unless_requested(sleep(LOOK_EVERY)).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_same = matches!(self.mount.on_air(), OnAir::Since(since) if since == self.since);
        !is_same || self.log.has_ended()
    }

    /// Where the copy begins, and what goes first.
    fn begin(&mut self) -> Bytes {
        self.link_start = self.log.link_start();
        let began = self.log.arrival(self.link_start);
        if began.is_some_and(|began| began.elapsed() < BEGUN_MAX) {
            self.offset = self.link_start;
            return Bytes::new();
        }
        // A source that has come back within its link: header pages, and what comes now.
        let (offset, _) = self.log.live_edge(self.link_start);
        self.offset = offset;
        let link = self.log.link();
        link.map_or_else(Bytes::new, |link| link.prefix.clone())
    }

    fn next(&mut self) -> Vec<Bytes> {
        let mut found = Vec::new();
        let read = self.log.read(
            self.offset,
            PORTION_BYTES_MAX,
            PORTION_PIECES_MAX,
            &mut found,
        );
        match read {
            Ok(offset) => {
                self.offset = offset;
                self.link_start = self.log.link_start();
            }
            Err(_) => {
                let (path, name) = (self.mount.path(), self.name.display());
                warn!("the disk is too slow for {name}: a part of {path} is missing there");
                let (offset, prefix) = self.log.live_edge(self.link_start);
                (self.offset, self.link_start) = (offset, self.log.link_start());
                found = vec![prefix];
            }
        }
        found
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
}

/// What is there already stays: the copy goes behind it.
fn open(name: &PathBuf) -> io::Result<File> {
    if let Some(folder) = name.parent() {
        create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(name)
}

fn write(file: &mut File, portion: &[Bytes]) -> io::Result<()> {
    portion.iter().try_for_each(|piece| file.write_all(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_when_it_was_begun() {
        let now: Timestamp = "2026-11-30T09:05:00Z".parse().unwrap();
        let named = name("/srv/%Y/%m-%d_%H%M%S.ogg", now).unwrap();
        assert_eq!(named, PathBuf::from("/srv/2026/11-30_090500.ogg"));
        assert!(name("/srv/%", now).is_err());
    }
}
