//! Writes every encoded page to a file beside sending it: the truth that whatever a
//! listener hears can be compared with. A full disk never stops the stream.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use stream::ogg::Page;
use tracing::{info, warn};

/// So many recordings with one name are kept side by side.
const NAMES_MAX: u32 = 10_000;

/// The file that is being written.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    /// `None` after an error.
    file: Option<File>,
    n_bytes: u64,
}

impl Recording {
    /// Creates the file. No recording is ever overwritten: if there is one already, as after a
    /// restart, the new one is called `today-2.ogg`, `today-3.ogg` and so on.
    ///
    /// # Errors
    /// Names the file, and says why it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        for n in 1..=NAMES_MAX {
            let path = numbered(path, n);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return Ok(Self {
                        path,
                        file: Some(file),
                        n_bytes: 0,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let complaint = format!("cannot record to {}", path.display());
                    return Err(error).context(complaint);
                }
            }
        }
        anyhow::bail!(
            "there are {NAMES_MAX} recordings called {} already",
            path.display()
        )
    }

    /// Adds a page.
    pub fn write(&mut self, page: &Page) {
        let Some(file) = &mut self.file else {
            return;
        };
        match file.write_all(page.bytes()) {
            Ok(()) => self.n_bytes += page.len() as u64,
            Err(error) => {
                let path = self.path.display();
                warn!("recording to {path} failed ({error}); it ends here, the stream goes on");
                self.file = None;
            }
        }
    }

    /// All pages are written.
    pub fn finish(self) {
        let Some(file) = self.file else {
            return;
        };
        let (path, n_bytes) = (self.path.display(), self.n_bytes);
        match file.sync_all() {
            Ok(()) => info!(n_bytes, "recorded {n_bytes} bytes to {path}"),
            Err(error) => warn!("the end of the recording {path} may be missing: {error}"),
        }
    }
}

/// `today.ogg`, `today-2.ogg`, `today-3.ogg` and so on.
fn numbered(path: &Path, n: u32) -> PathBuf {
    if n == 1 {
        return path.to_owned();
    }
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_os_string();
    let mut name = text(path.file_stem());
    name.push(format!("-{n}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_recording_gets_a_number_and_the_first_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("today.ogg");
        std::fs::write(&path, "yesterday").unwrap();
        Recording::create(&path).unwrap().finish();
        Recording::create(&path).unwrap().finish();
        assert_eq!(std::fs::read(&path).unwrap(), b"yesterday");
        for name in ["today-2.ogg", "today-3.ogg"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        let complaint = Recording::create(Path::new("/nowhere/x.ogg")).unwrap_err();
        assert!(
            complaint.to_string().contains("/nowhere/x.ogg"),
            "{complaint}"
        );
    }
}
