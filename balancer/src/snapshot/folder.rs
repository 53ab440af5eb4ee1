//! The state directory: small files that are replaced wholly or not at all.
//!
//! A file is first written beside its place, brought to the disk, and then moved there. So
//! after a crash or a power failure there is either what was before or what is new.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A state directory, for this program alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held as long as the program runs.
    _lock: File,
}

impl Folder {
    /// Opens the directory, makes it if it is missing, and keeps other balancers out.
    ///
    /// # Errors
    /// Names the directory, what is wrong, and the remedy.
    pub fn open(path: &Path) -> Result<Self, String> {
        let complain = |what: String| format!("`state_directory` {}: {what}", path.display());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| complain(format!("{error}; make it, for the balancer's user")))?;
        let lock = open_new(&path.join("lock"))
            .map_err(|error| complain(format!("{error}; let the balancer's user write there")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(complain(
                "another balancer uses it; give each a directory of its own".to_owned(),
            )),
            Err(TryLockError::Error(error)) => Err(complain(error.to_string())),
        }
    }

    /// The whole path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces a file, wholly or not at all. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Then the old one is still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.file(&format!("{name}.new"));
        let mut file = open_new(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, self.file(name))?;
        File::open(&self.path)?.sync_all()
    }

    /// Keeps what a file holds now under another name as well, replacing what had that name.
    ///
    /// # Errors
    /// When it cannot be done. A file that is missing is no error.
    pub fn keep_before(&self, name: &str, before: &str) -> io::Result<()> {
        let link = self.file(&format!("{before}.new"));
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match std::fs::hard_link(self.file(name), &link) {
            Ok(()) => std::fs::rename(&link, self.file(before)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves a file out of the way, to a name that is free, and says where to.
    ///
    /// # Errors
    /// When it cannot be moved; it is where it was.
    pub fn put_aside(&self, name: &str) -> io::Result<PathBuf> {
        let free = (1..=ASIDE_MAX)
            .map(|n| self.file(&format!("{name}.damaged-{n}")))
            .find(|path| !path.exists())
            // Whoever has so many of them has the first ones already.
            .unwrap_or_else(|| self.file(&format!("{name}.damaged-{ASIDE_MAX}")));
        std::fs::rename(self.file(name), &free)?;
        Ok(free)
    }
}

/// So many damaged files are kept of each name; then the last makes room.
const ASIDE_MAX: usize = 9;

/// The content of a file; `None`: there is no such file.
///
/// # Errors
/// When it cannot be read or is longer than `bytes_max`.
pub fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("it has more than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(Some(bytes))
}

/// For the balancer's user alone: tokens' digests are in there.
fn open_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_is_for_its_owner_alone() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b");
        let folder = Folder::open(&path).unwrap();
        folder.write("x.json", b"one").unwrap();
        folder.write("x.json", b"two").unwrap();
        let read = |n| read_at_most(&folder.file("x.json"), n);
        assert_eq!(read(3).unwrap().as_deref(), Some(b"two".as_slice()));
        assert!(read(2).unwrap_err().to_string().contains("more than 2"));
        assert_eq!(read_at_most(&folder.file("y"), 3).unwrap(), None);
        let mode = std::fs::metadata(folder.file("x.json"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert!(!folder.file("x.json.new").exists());
    }

    #[test]
    fn a_crash_while_writing_leaves_what_was_there() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(above.path()).unwrap();
        folder.write("x", b"one").unwrap();
        // What a crash leaves beside it is overwritten by the next try.
        std::fs::write(folder.file("x.new"), b"hal").unwrap();
        let read = || read_at_most(&folder.file("x"), 9).unwrap().unwrap();
        assert_eq!(read(), b"one");
        folder.write("x", b"two").unwrap();
        assert_eq!(read(), b"two");
    }

    #[test]
    fn a_second_balancer_is_kept_out() {
        let above = tempfile::tempdir().unwrap();
        let first = Folder::open(above.path()).unwrap();
        let complaint = Folder::open(above.path()).unwrap_err();
        assert!(complaint.contains("another balancer"), "{complaint}");
        drop(first);
        Folder::open(above.path()).unwrap();
    }

    #[test]
    fn damaged_files_are_kept_beside_each_other() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(above.path()).unwrap();
        for n in ["1", "2"] {
            folder.write("x", n.as_bytes()).unwrap();
            let aside = folder.put_aside("x").unwrap();
            assert_eq!(std::fs::read_to_string(aside).unwrap(), n);
        }
        assert!(!folder.file("x").exists());
        assert!(folder.file("x.damaged-1").exists() && folder.file("x.damaged-2").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let above = tempfile::tempdir().unwrap();
        let file = above.path().join("file");
        std::fs::write(&file, "").unwrap();
        let complaint = Folder::open(&file.join("below")).unwrap_err();
        assert!(complaint.contains("file/below"), "{complaint}");
    }
}
