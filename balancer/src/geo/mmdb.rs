//! One file in the format of MaxMind, in any of the layouts in use: read, checked, asked.
//!
//! Knows MaxMind's nested layout, the flat one of ip-location-db, and IPinfo's.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;
use serde::de::IgnoredAny;
use stream::report::Place;

use crate::place::{Country, Spot, checked};

/// Larger files are refused; the largest free city database has 140 MB.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What some files write where they know no country.
const NOWHERE: [u8; 2] = *b"ZZ";

/// Reads a whole file.
pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, String> {
    let complain = |error: std::io::Error| error.to_string();
    let opened = std::fs::File::open(file).map_err(complain)?;
    let size = opened.metadata().map_err(complain)?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!(
            "it has {size} bytes, at most {FILE_BYTES_MAX} are read"
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let n_read = opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    n_read.map_err(complain)?;
    Ok(bytes)
}

/// A database whose every record was read once, so that damage shows now and not when a
/// listener comes.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Reader<Vec<u8>>, String> {
    let complain =
        |error: MaxMindDbError| format!("{error}; it must be a MaxMind database (.mmdb)");
    let database = Reader::from_source(bytes).map_err(complain)?;
    if walk(&database).map_err(complain)? {
        Ok(database)
    } else {
        Err("it says of no address where it is or whose".to_owned())
    }
}

/// The day it was made.
pub(super) fn date(database: &Reader<Vec<u8>>) -> Option<jiff::civil::Date> {
    let seconds = i64::try_from(database.metadata().build_epoch).ok()?;
    let made = jiff::Timestamp::from_second(seconds).ok()?;
    Some(made.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Whether any record says something of use. (The library's own check also refuses sound
/// files that lack a description.)
fn walk(database: &Reader<Vec<u8>>) -> Result<bool, MaxMindDbError> {
    let mut seen = HashSet::new();
    let mut is_of_use = false;
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
        is_of_use = is_of_use || spot(&found).is_some();
    }
    Ok(is_of_use)
}

/// `None`: the file does not know the address, or says it in a layout of its own. Files for
/// IPv4 only answer an IPv6 address with an error, which is the same to us.
pub(super) fn look_up(database: &Reader<Vec<u8>>, address: IpAddr) -> Option<Spot> {
    spot(&database.lookup(address.to_canonical()).ok()?)
}

/// What a record says, if that is anything.
pub(super) fn spot(found: &LookupResult<'_, Vec<u8>>) -> Option<Spot> {
    let record: Record = found.decode().ok()??;
    let mut spot = record.spot();
    if spot.asn.is_some() {
        // A network of a file of networks is, nearly, what its owner announces.
        spot.prefix = prefix(found);
    }
    (!spot.is_unknown()).then_some(spot)
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
    autonomous_system_number: Option<AsnField>,
    asn: Option<AsnField>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AsnField {
    Is(u32),
    /// IPinfo: `AS174`.
    Word(String),
}

impl AsnField {
    fn value(&self) -> Option<u32> {
        match self {
            Self::Is(number) => Some(*number),
            Self::Word(text) => {
                let text = text.trim();
                text.strip_prefix("AS").unwrap_or(text).parse().ok()
            }
        }
    }
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
                .find_map(Country::parse)
                .filter(|country| country.letters() != NOWHERE),
            // 0 is what some files write for nobody.
            asn: [&self.autonomous_system_number, &self.asn]
                .into_iter()
                .flatten()
                .find_map(AsnField::value)
                .filter(|number| *number != 0),
            ..Spot::default()
        }
    }
}

fn prefix(found: &LookupResult<'_, Vec<u8>>) -> Option<u64> {
    let network = found.network().ok()?;
    let mut hasher = DefaultHasher::new();
    (network.ip(), network.prefix()).hash(&mut hasher);
    Some(hasher.finish())
}

fn place((latitude, longitude): (Option<&Number>, Option<&Number>)) -> Option<Place> {
    checked(Place {
        latitude: latitude?.value()?,
        longitude: longitude?.value()?,
    })
    .ok()
}
