//! Where an address is, by databases that the operator provides (`.mmdb`).
//!
//! Knows the layouts in use: MaxMind's nested one, the flat one of ip-location-db, and
//! IPinfo's. Files are read into memory whole, so replacing one on disk is safe. Works
//! without any: then nobody's place is known, and only load decides.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;
use serde::de::IgnoredAny;
use stream::report::Place;

use crate::place::{Country, Spot, checked};

/// Larger files are refused; the largest free city database has 140 MB.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The databases in use. Cheap to ask, replaced whole.
#[derive(Debug, Default)]
pub struct Geo {
    files: Vec<PathBuf>,
    databases: RwLock<Arc<Vec<Reader<Vec<u8>>>>>,
}

impl Geo {
    /// Reads all files.
    ///
    /// # Errors
    /// Names the file that is missing or broken.
    pub fn open(files: &[PathBuf]) -> Result<Self, String> {
        let geo = Self {
            files: files.to_vec(),
            databases: RwLock::default(),
        };
        geo.reload()?;
        Ok(geo)
    }

    /// Reads all files again. Until that has worked, the old ones answer.
    ///
    /// # Errors
    /// As [`Geo::open`].
    pub fn reload(&self) -> Result<(), String> {
        let fresh = self
            .files
            .iter()
            .map(|file| read(file))
            .collect::<Result<Vec<_>, _>>()?;
        *self
            .databases
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// How many files are in use.
    pub fn n_files(&self) -> usize {
        self.files.len()
    }

    /// Where an address is. Of several files the first one that knows counts.
    pub fn spot(&self, address: IpAddr) -> Spot {
        let address = address.to_canonical();
        let databases = Arc::clone(
            &self
                .databases
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        databases.iter().fold(Spot::default(), |known, database| {
            known.or(look_up(database, address).unwrap_or_default())
        })
    }
}

fn read(file: &Path) -> Result<Reader<Vec<u8>>, String> {
    let complain = |what: String| {
        format!(
            "geo file {}: {what}; it must be a MaxMind database (.mmdb)",
            file.display()
        )
    };
    let size = std::fs::metadata(file)
        .map_err(|error| complain(error.to_string()))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(complain(format!(
            "it has {size} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    let database = Reader::open_readfile(file).map_err(|error| complain(error.to_string()))?;
    match walk(&database) {
        Ok(true) => Ok(database),
        Ok(false) => Err(complain("it says of no address where it is".to_owned())),
        Err(error) => Err(complain(error.to_string())),
    }
}

/// Reads every record once, so that damage shows now and not when a listener comes. Gives
/// whether any record says where it is. (The library's own check also refuses sound files
/// that lack a description.)
fn walk(database: &Reader<Vec<u8>>) -> Result<bool, MaxMindDbError> {
    let mut seen = HashSet::new();
    let mut says_where = false;
    // A sound tree has fewer networks; a damaged one may lead in circles.
    let n_networks_max =
        3 * usize::try_from(database.metadata().node_count).unwrap_or(usize::MAX / 3);
    for (n, found) in database.networks(WithinOptions::default())?.enumerate() {
        let found = found?;
        if n > n_networks_max {
            return Err(MaxMindDbError::invalid_database(
                "its search tree leads in circles",
            ));
        }
        if !found.offset().is_some_and(|offset| seen.insert(offset)) {
            continue;
        }
        found.decode::<IgnoredAny>()?;
        says_where = says_where
            || found
                .decode::<Record>()
                .is_ok_and(|record| record.is_some_and(|record| !record.spot().is_unknown()));
    }
    Ok(says_where)
}

/// `None`: the file does not know the address, or says it in a layout of its own. Files for
/// IPv4 only answer an IPv6 address with an error, which is the same to us.
fn look_up(database: &Reader<Vec<u8>>, address: IpAddr) -> Option<Spot> {
    let record: Record = database.lookup(address).ok()?.decode().ok()??;
    Some(record.spot())
}

/// All layouts at once: every field is optional, and those nobody needs are skipped.
#[derive(Deserialize)]
struct Record {
    country: Option<CountryField>,
    country_code: Option<String>,
    location: Option<Location>,
    latitude: Option<Number>,
    longitude: Option<Number>,
    lat: Option<Number>,
    lng: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CountryField {
    /// GeoIP2: a table with the code in it.
    Table { iso_code: Option<String> },
    /// IPinfo: the code, or in newer files the name.
    Word(String),
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<Number>,
    longitude: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Is(f64),
    Word(String),
}

impl Number {
    fn value(&self) -> Option<f64> {
        match self {
            Self::Is(value) => Some(*value),
            Self::Word(text) => text.trim().parse().ok(),
        }
    }
}

impl Record {
    fn spot(&self) -> Spot {
        let nested = self.location.as_ref();
        let pairs = [
            (
                nested.and_then(|location| location.latitude.as_ref()),
                nested.and_then(|location| location.longitude.as_ref()),
            ),
            (self.latitude.as_ref(), self.longitude.as_ref()),
            (self.lat.as_ref(), self.lng.as_ref()),
        ];
        let word = match &self.country {
            Some(CountryField::Table { iso_code }) => iso_code.as_deref(),
            Some(CountryField::Word(word)) => Some(word.as_str()),
            None => None,
        };
        Spot {
            place: pairs.into_iter().find_map(place),
            country: [word, self.country_code.as_deref()]
                .into_iter()
                .flatten()
                .find_map(Country::parse),
            ..Spot::default()
        }
    }
}

fn place((latitude, longitude): (Option<&Number>, Option<&Number>)) -> Option<Place> {
    checked(Place {
        latitude: latitude?.value()?,
        longitude: longitude?.value()?,
    })
    .ok()
}

#[cfg(test)]
mod tests;
