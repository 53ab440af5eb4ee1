//! The list of mounts that a master or relay tells its relays, one JSON line for each change.
//!
//! A mount that is missing is not gone: only one named in `removed` is. So a list that was cut
//! off, or a master that has just started, takes nothing off the air.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::mount::Mount;
use super::path::MountPath;
use super::table::{MOUNTS_MAX, MountTable, REMOVED_KEPT_MAX};

/// A line is not read beyond this many bytes.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is said when nothing changes, and how often: it shows that the connection is alive.
pub const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(1);

/// All mounts of a master at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Random name of this run of the master.
    pub run: String,
    /// Rises with every change within a run.
    pub version: u64,
    /// Which of several masters that took over from one another: the highest is right.
    #[serde(default)]
    pub reign: u64,
    /// The nodes that it has come through: the master first, the one that says it last. Empty: it
    /// hears from no master. Missing: a master of an older version.
    #[serde(default)]
    pub trail: Option<Vec<String>>,
    /// The mounts there are.
    pub mounts: Vec<CatalogMount>,
    /// The mounts that were removed.
    pub removed: Vec<MountPath>,
}

/// One mount in a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogMount {
    /// Where it is.
    pub path: MountPath,
    /// Its source is there: silence on the wire means that the wire is broken.
    pub is_on_air: bool,
    /// Filler stands in for its source: pages come, though it may not be on air.
    #[serde(default)]
    pub is_filled: bool,
    /// What its source says about it.
    pub facts: Facts,
    /// What plays now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// The address that was said with it. A relay of an older version looks past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_url: Option<Arc<str>>,
}

impl CatalogMount {
    /// What there is to be said of a mount.
    pub(crate) fn of(mount: &Mount) -> Self {
        let playing = mount.playing();
        Self {
            path: mount.path().clone(),
            is_on_air: mount.is_on_air(),
            is_filled: mount.filled_since().is_some(),
            facts: mount.facts(),
            title: playing.title,
            title_url: playing.url,
        }
    }
}

impl Catalog {
    /// The catalog of a table.
    pub fn of(table: &MountTable, run: &str) -> Self {
        let version = *table.version().borrow();
        let mounts = table
            .all()
            .iter()
            .filter(|mount| mount.log().link().is_some())
            .map(|mount| CatalogMount::of(mount))
            .collect();
        Self {
            run: run.to_owned(),
            version,
            reign: 0,
            trail: None,
            mounts,
            removed: table.removed(),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is not a whole catalog, or claims more than a master can have.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let catalog: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if catalog.mounts.len() > MOUNTS_MAX || catalog.removed.len() > REMOVED_KEPT_MAX {
            return Err("more mounts than a master can have".to_owned());
        }
        Ok(catalog)
    }
}
