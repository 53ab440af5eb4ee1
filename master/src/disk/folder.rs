//! What lies where in a state directory.
//!
//! ```text
//! lock                                        held while a master runs
//! mounts/live.ogg/log.json                    the log that can be continued: path, epoch, facts
//! mounts/live.ogg/<epoch>/<offset>.ogg        a stretch of the log, as it is
//! mounts/live.ogg/<epoch>/<offset>.index      its index
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stream::handover::Lock;
use stream::log::Epoch;
use stream::mount::{Facts, MountPath};

/// Longer names of folders are not made: file systems end at 255.
const NAME_BYTES_MAX: usize = 200;
/// The description of a log is not read beyond this.
const DESCRIPTION_BYTES_MAX: u64 = 64 * 1024;
/// A file of a segment is not read beyond this.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Digits of an offset in the name of a file, so that names sort as offsets do.
const OFFSET_DIGITS: usize = 20;

/// A state directory that is ours.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    lock: File,
}

/// Why a state directory is not ours.
#[derive(Debug)]
pub(super) enum Locked {
    /// Another program has it.
    ByAnother,
    /// It cannot be made or locked.
    Failed(io::Error),
}

/// The log of a mount that can be continued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    /// The mount.
    pub(super) path: MountPath,
    /// Which log.
    pub(super) epoch: Epoch,
    /// What its source said about it.
    pub(super) facts: Facts,
    /// Filler may have come behind what is on disk, which the source cannot send again.
    #[serde(default)]
    pub(super) may_be_filled: bool,
}

impl Folder {
    /// Makes the directory if there is none, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, Locked> {
        let open = || {
            std::fs::create_dir_all(path.join("mounts"))?;
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            options.open(path.join("lock"))
        };
        let lock = open().map_err(Locked::Failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Locked::ByAnother),
            Err(TryLockError::Error(error)) => Err(Locked::Failed(error)),
        }
    }

    /// A directory that the program before this one has locked: the lock is the same.
    pub(super) fn inherited(lock: Lock) -> Self {
        Self {
            path: lock.path,
            lock: File::from(lock.file),
        }
    }

    /// Its lock, to be handed over.
    pub(super) fn lock(&self) -> Option<Lock> {
        let file = self.lock.as_fd().try_clone_to_owned().ok()?;
        Some(Lock {
            path: self.path.clone(),
            file,
        })
    }

    /// Where the mounts are.
    pub(super) fn mounts(&self) -> PathBuf {
        self.path.join("mounts")
    }

    /// The folder of a mount. `None`: its path is too long for one.
    pub(super) fn mount(&self, path: &MountPath) -> Option<PathBuf> {
        Some(self.mounts().join(name_of(path)?))
    }
}

/// The name of a mount's folder: no mount path has a bare `+` in it, so that no two names are the same.
pub(crate) fn name_of(path: &MountPath) -> Option<String> {
    let name = path.as_str().trim_start_matches('/').replace('/', "+");
    (name.len() <= NAME_BYTES_MAX).then_some(name)
}

/// The mount that a folder is of; the way back from [`name_of`].
pub(crate) fn path_of(mount: &Path) -> Option<MountPath> {
    let name = mount.file_name()?.to_str()?;
    MountPath::parse(&format!("/{}", name.replace('+', "/"))).ok()
}

/// The folders of a mount's logs. What was set aside is the operator's and not among them.
pub(crate) fn logs(mount: &Path) -> Vec<(Epoch, PathBuf)> {
    let entries = std::fs::read_dir(mount).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let epoch = entry.file_name().to_str()?.parse().ok()?;
        Some((epoch, entry.path()))
    });
    named.collect()
}

/// The folder of a log.
pub(crate) fn log_folder(mount: &Path, epoch: Epoch) -> PathBuf {
    mount.join(epoch.to_string())
}

/// The two files of a segment: its bytes and its index.
pub(crate) fn segment(log: &Path, offset: u64) -> [PathBuf; 2] {
    ["ogg", "index"].map(|ending| log.join(format!("{offset:0OFFSET_DIGITS$}.{ending}")))
}

/// The offsets of the segments in a log's folder, the newest first.
pub(crate) fn offsets(log: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(log)? {
        let name = entry?.file_name();
        let offset = name
            .to_str()
            .and_then(|name| {
                name.strip_suffix(".index")
                    .or_else(|| name.strip_suffix(".ogg"))
            })
            .filter(|digits| digits.len() == OFFSET_DIGITS);
        found.extend(offset.and_then(|digits| digits.parse::<u64>().ok()));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    Ok(found)
}

/// Reads a file of a segment; one that is not there is empty.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, SEGMENT_BYTES_MAX)
}

pub(super) fn read_at_most(path: &Path, n_bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(n_bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > n_bytes_max {
        return Err(io::Error::other(format!(
            "it has more than {n_bytes_max} bytes"
        )));
    }
    Ok(bytes)
}

/// The file that says which log of a mount can be continued.
pub(super) fn description(mount: &Path) -> PathBuf {
    mount.join("log.json")
}

impl Description {
    /// Reads what is said of a mount. `None`: no log of it can be continued.
    pub(super) fn read(mount: &Path) -> Result<Option<Self>, String> {
        let bytes = read_at_most(&description(mount), DESCRIPTION_BYTES_MAX)
            .map_err(|error| error.to_string())?;
        if bytes.is_empty() && !description(mount).exists() {
            return Ok(None);
        }
        let found: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let is_at_home =
            mount.file_name().and_then(|name| name.to_str()) == name_of(&found.path).as_deref();
        if !is_at_home {
            return Err(format!("it speaks of another mount, {}", found.path));
        }
        Ok(Some(found))
    }

    /// Writes it, wholly or not at all.
    pub(super) fn write(&self, mount: &Path) -> io::Result<()> {
        let new = mount.join("log.json.new");
        let words = serde_json::to_vec(self)?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&words)?;
            file.sync_data()
        };
        let written = write().and_then(|()| std::fs::rename(&new, description(mount)));
        if written.is_err() {
            let _ = std::fs::remove_file(new);
        }
        written
    }
}
