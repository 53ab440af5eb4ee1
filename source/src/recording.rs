//! Writes every encoded page to a file beside sending it: the truth that whatever a
//! listener hears can be compared with. A full disk never stops the stream.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use stream::ogg::Page;
use tracing::{info, warn};

/// The file that is being written.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    /// `None` after an error.
    file: Option<File>,
    n_bytes: u64,
}

impl Recording {
    /// Creates the file; it must not exist, so that no recording is ever overwritten.
    ///
    /// # Errors
    /// Names the file, and says why it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot record to a new file {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
            n_bytes: 0,
        })
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
