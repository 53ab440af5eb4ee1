//! Where an address is, and whose: by the operator's databases, then by the program's own.
//!
//! Reading order: `mmdb` (the operator's files), `cells`, `ranges` and `packed` (the small database),
//! `embedded` (the one within the program), `watch` (new files), `pack` (makes a small one).
//! Files are read into memory whole, so replacing one on disk is safe.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::civil::Date;
use maxminddb::Reader;
use serde::Serialize;

use crate::place::Spot;
use cells::{Cells, Origin};

pub mod cells;
pub mod embedded;
pub mod mmdb;
pub mod pack;
pub mod packed;
mod ranges;
pub(crate) mod watch;

/// More files are refused: each is asked for every listener.
pub const FILES_MAX: usize = 16;

/// The databases in use. Cheap to ask; each is replaced whole.
#[derive(Debug, Default)]
pub struct Geo {
    files: RwLock<Arc<Vec<GeoFile>>>,
    /// The one within the program, if it is wanted and there.
    builtin: Option<&'static Cells>,
}

/// A file and what was read from it.
#[derive(Clone, Debug)]
struct GeoFile {
    path: PathBuf,
    /// What the file looked like when it was last read, well or not.
    stamp: Option<Stamp>,
    database: Arc<Database>,
    /// Why its newest version is not in use.
    complaint: Option<String>,
}

#[derive(Debug)]
enum Database {
    Mmdb(Reader<Vec<u8>>),
    Cells(Cells),
}

/// Changes whenever a file is written or another one is put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// Seconds, and nanoseconds within.
    modified: (i64, i64),
    n_bytes: u64,
    inode: u64,
}

/// Which files to read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Those that look different.
    Changed,
    /// All.
    All,
}

/// What became of a file that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is in use.
    Fresh(PathBuf),
    /// It is not, and why; what was in use stays.
    Broken(String),
}

/// What is known of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeoSource {
    /// The name of the file, without its folder; of the program's own what it is made from.
    pub name: String,
    /// The day it was made.
    pub date: Option<String>,
    /// Its newest version could be read.
    pub is_good: bool,
    /// Whose it is and its licence, as far as it says.
    pub origin: Option<Origin>,
}

impl Geo {
    /// Reads all files.
    ///
    /// # Errors
    /// Names the file that is missing or broken.
    pub fn open(files: &[PathBuf]) -> Result<Self, String> {
        if files.len() > FILES_MAX {
            let n_files = files.len();
            return Err(format!("{n_files} geo files, at most {FILES_MAX} work"));
        }
        let files = files.iter().map(|path| GeoFile::open(path));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            files: RwLock::new(Arc::new(files)),
            builtin: None,
        })
    }

    /// The same, with the program's own database behind the files.
    #[must_use]
    pub fn with_builtin(self) -> Self {
        Self {
            builtin: embedded::cells(),
            ..self
        }
    }

    /// Where an address is. Of several files the first one that knows counts. The program's
    /// own database is the last, and does not name a place in another country.
    pub fn spot(&self, address: IpAddr) -> Spot {
        let address = address.to_canonical();
        let known = self.files().iter().fold(Spot::default(), |known, file| {
            known.or(file.database.spot(address).unwrap_or_default())
        });
        let own = self.builtin.filter(|_| known.place.is_none());
        match own.and_then(|own| own.spot(address)) {
            Some(own) if known.country.is_none() || known.country == own.country => known.or(own),
            _ => known,
        }
    }

    /// What is in use, in the order in which it is asked.
    pub fn sources(&self) -> Vec<GeoSource> {
        let own = self.builtin.map(|own| GeoSource {
            name: own.origin.source.clone(),
            date: Some(own.origin.date.clone()),
            is_good: true,
            origin: Some(own.origin.clone()),
        });
        self.files()
            .iter()
            .map(GeoFile::source)
            .chain(own)
            .collect()
    }

    /// Reads files again. Of each, what was read last well answers until then. Calls must
    /// not overlap.
    pub fn refresh(&self, which: Refresh) -> Vec<News> {
        let mut files = self.files().as_ref().clone();
        let news: Vec<_> = files
            .iter_mut()
            .filter_map(|file| file.refresh(which))
            .collect();
        if !news.is_empty() {
            let mut in_use = self.files.write().unwrap_or_else(PoisonError::into_inner);
            *in_use = Arc::new(files);
        }
        news
    }

    fn files(&self) -> Arc<Vec<GeoFile>> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GeoFile {
    fn open(path: &Path) -> Result<Self, String> {
        let stamp = Stamp::of(path);
        Ok(Self {
            path: path.to_owned(),
            stamp,
            database: Arc::new(Database::open(path)?),
            complaint: None,
        })
    }

    fn refresh(&mut self, which: Refresh) -> Option<News> {
        // Before the reading: who writes meanwhile is looked at again.
        let stamp = Stamp::of(&self.path);
        if which == Refresh::Changed && stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        match Database::open(&self.path) {
            Ok(database) => {
                self.database = Arc::new(database);
                self.complaint = None;
                Some(News::Fresh(self.path.clone()))
            }
            Err(complaint) => {
                let is_news = self.complaint.as_ref() != Some(&complaint);
                self.complaint = Some(complaint.clone());
                (is_news || which == Refresh::All).then_some(News::Broken(complaint))
            }
        }
    }

    fn source(&self) -> GeoSource {
        let name = self.path.file_name().unwrap_or_default();
        GeoSource {
            name: name.to_string_lossy().into_owned(),
            date: self.database.date(),
            is_good: self.complaint.is_none(),
            origin: self.database.origin().cloned(),
        }
    }
}

impl Database {
    fn open(path: &Path) -> Result<Self, String> {
        let read = || {
            let bytes = mmdb::read_bytes(path)?;
            if packed::is_packed(&bytes) {
                packed::read(&bytes).map(Self::Cells)
            } else {
                mmdb::parse(bytes).map(Self::Mmdb)
            }
        };
        read().map_err(|complaint| format!("geo file {}: {complaint}", path.display()))
    }

    fn spot(&self, address: IpAddr) -> Option<Spot> {
        match self {
            Self::Mmdb(database) => mmdb::look_up(database, address),
            Self::Cells(cells) => cells.spot(address),
        }
    }

    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Mmdb(_) => None,
            Self::Cells(cells) => Some(&cells.origin),
        }
    }

    fn date(&self) -> Option<String> {
        match self {
            Self::Mmdb(database) => mmdb::date(database).map(|date| date.to_string()),
            Self::Cells(cells) => Some(cells.origin.date.clone()),
        }
    }
}

impl GeoSource {
    /// How old it is; `None`: it does not say.
    pub fn age_days(&self, today: Date) -> Option<i32> {
        let made: Date = self.date.as_ref()?.parse().ok()?;
        Some(made.until(today).ok()?.get_days())
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            n_bytes: metadata.len(),
            inode: metadata.ino(),
        })
    }
}

#[cfg(test)]
mod tests;
