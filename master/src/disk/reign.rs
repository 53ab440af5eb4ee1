//! Whether this master was promoted, and its reign: kept beside the logs, so that a restart changes
//! neither.
//!
//! ```text
//! reign.json                                  {"reign":1,"is_promoted":true}
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::folder::read_at_most;

/// The file is not read beyond this.
const BYTES_MAX: u64 = 4096;

/// What a master was when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The highest reign it knew of.
    pub(crate) reign: u64,
    /// It was a standby and was promoted: the reign is its own.
    pub(crate) is_promoted: bool,
}

impl Standing {
    /// What is kept in a state directory; nothing: a master that never saw another.
    pub(crate) fn kept(directory: Option<PathBuf>) -> Self {
        let Some(directory) = directory else {
            return Self::default();
        };
        read(&directory).unwrap_or_else(|error| {
            warn!(
                "reign.json in {} cannot be read ({error}): this master was not promoted, as far \
                 as it knows",
                directory.display()
            );
            Self::default()
        })
    }

    /// Keeps it in a state directory, if there is one.
    pub(crate) fn keep(self, directory: Option<PathBuf>) {
        if let Some(directory) = directory
            && let Err(error) = write(&directory, self)
        {
            warn!(
                "cannot keep the reign in {}: {error}; after a restart this master is what it was",
                directory.display()
            );
        }
    }
}

fn read(directory: &Path) -> io::Result<Standing> {
    let bytes = read_at_most(&directory.join("reign.json"), BYTES_MAX)?;
    if bytes.is_empty() {
        return Ok(Standing::default());
    }
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

/// Wholly or not at all.
fn write(directory: &Path, standing: Standing) -> io::Result<()> {
    let new = directory.join("reign.json.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(&standing)?)?;
    file.sync_data()?;
    std::fs::rename(&new, directory.join("reign.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let directory = || Some(folder.path().to_owned());
        assert_eq!(Standing::kept(directory()), Standing::default());
        let standing = Standing {
            reign: 3,
            is_promoted: true,
        };
        standing.keep(directory());
        assert_eq!(Standing::kept(directory()), standing);
        std::fs::write(folder.path().join("reign.json"), "{\"reign\":").unwrap();
        assert_eq!(Standing::kept(directory()), Standing::default());
        assert_eq!(Standing::kept(None), Standing::default());
    }
}
