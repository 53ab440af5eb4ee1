//! Makes a small database out of full ones: the same ranges, with cells instead of cities.
//!
//! Only for the one who refreshes the data: `plenum-balancer geo-pack`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

use maxminddb::{LookupResult, Reader, WithinOptions};
use stream::report::Place;

use super::cells::{CELLS_MAX, Cell, Cells, Origin, RANGES_MAX, upper_half};
use super::ranges::{Address, Ranges};
use super::{mmdb, packed};
use crate::centroids;
use crate::place::{Country, Spot};

/// What a cell is known by: its country, and how many fields north and east it is.
type Key = (Option<[u8; 2]>, i32, i32);

/// Pack databases of cities (.mmdb) into a small file that geo_files takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The databases, such as dbip-city-lite-2026-06.mmdb
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The small file to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How large the fields are, in degrees: smaller ones make a larger file
    #[arg(long, default_value_t = 5.0, value_parser = parse_degrees)]
    pub degrees: f64,
    /// Whose data it is
    #[arg(long, default_value = "DB-IP City Lite")]
    pub source: String,
    /// The makers' page
    #[arg(long, default_value = "https://db-ip.com")]
    pub url: String,
    /// The licence of the data
    #[arg(long, default_value = "CC BY 4.0")]
    pub licence: String,
}

fn parse_degrees(text: &str) -> Result<f64, String> {
    let degrees = text.parse().ok();
    degrees
        .filter(|degrees| (0.1..=90.0).contains(degrees))
        .ok_or_else(|| "write a number from 0.1 to 90".to_owned())
}

/// Packs, and puts the file in its place whole.
///
/// # Errors
/// Names the file that cannot be read or written, or says what there is too much of.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let packed = pack(arguments)?;
    let output = &arguments.output;
    let draft = output.with_extension("draft");
    std::fs::write(&draft, &packed)
        .and_then(|()| std::fs::rename(&draft, output))
        .map_err(|error| format!("cannot write {}: {error}", output.display()))
}

/// The bytes of the small file.
///
/// # Errors
/// As [`run`].
pub fn pack(arguments: &Arguments) -> Result<Vec<u8>, String> {
    let mut packer = Packer::new(arguments.degrees);
    let mut made = None;
    for file in &arguments.files {
        let complain = |what: String| format!("geo file {}: {what}", file.display());
        let bytes = mmdb::read_bytes(file).map_err(complain)?;
        let database = mmdb::parse(bytes).map_err(complain)?;
        made = made.max(mmdb::date(&database));
        packer.add(&database).map_err(complain)?;
    }
    let date = made.ok_or("no file says when it was made")?;
    packed::write(&packer.finish(Origin {
        source: arguments.source.clone(),
        url: arguments.url.clone(),
        licence: arguments.licence.clone(),
        date: date.to_string(),
    })?)
}

struct Packer {
    degrees: f64,
    numbers: HashMap<Key, usize>,
    cells: Vec<Draft>,
    v4: Vec<Piece>,
    v6: Vec<Piece>,
}

/// A cell in the making.
struct Draft {
    country: Option<Country>,
    n_addresses: u64,
    n_pieces: usize,
    /// Sums of degrees, each address counting once.
    by_addresses: (f64, f64),
    /// The same for networks of IPv6.
    by_networks: (f64, f64, f64),
}

/// A network: first address, last address, cell.
type Piece = (u64, u64, usize);

impl Packer {
    fn new(degrees: f64) -> Self {
        Self {
            degrees,
            numbers: HashMap::new(),
            cells: Vec::new(),
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }

    fn add(&mut self, database: &Reader<Vec<u8>>) -> Result<(), String> {
        // Many networks share a record: each is decoded once.
        let mut known = HashMap::new();
        let networks = database.networks(WithinOptions::default());
        for found in networks.map_err(|error| error.to_string())? {
            let found = found.map_err(|error| error.to_string())?;
            let Some(offset) = found.offset() else {
                continue;
            };
            let cell = *known.entry(offset).or_insert_with(|| self.cell(&found));
            if let Some((cell, place)) = cell {
                self.add_network(&found, cell, place)?;
            }
        }
        Ok(())
    }

    fn cell(&mut self, found: &LookupResult<'_, Vec<u8>>) -> Option<(usize, Place)> {
        let Spot { place, country, .. } = mmdb::spot(found)?;
        let place = place.or_else(|| centroids::middle(country?.letters()))?;
        let key = (
            country.map(Country::letters),
            field(place.latitude, self.degrees),
            field(place.longitude, self.degrees),
        );
        let cells = &mut self.cells;
        let number = *self.numbers.entry(key).or_insert_with(|| {
            cells.push(Draft {
                country,
                n_addresses: 0,
                n_pieces: 0,
                by_addresses: (0.0, 0.0),
                by_networks: (0.0, 0.0, 0.0),
            });
            cells.len() - 1
        });
        Some((number, place))
    }

    fn add_network(
        &mut self,
        found: &LookupResult<'_, Vec<u8>>,
        cell: usize,
        place: Place,
    ) -> Result<(), String> {
        let network = found.network().map_err(|error| error.to_string())?;
        let draft = &mut self.cells[cell];
        match network.ip() {
            IpAddr::V4(first) => {
                let first = u64::from(first.to_bits());
                let n_addresses = 1_u64 << (32 - network.prefix());
                draft.n_addresses += n_addresses;
                let weight = as_f64(n_addresses);
                draft.by_addresses.0 += weight * place.latitude;
                draft.by_addresses.1 += weight * place.longitude;
                self.v4.push((first, first + n_addresses - 1, cell));
            }
            IpAddr::V6(first) => {
                let first = upper_half(first.to_bits());
                let n_more = u64::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
                draft.by_networks.0 += place.latitude;
                draft.by_networks.1 += place.longitude;
                draft.by_networks.2 += 1.0;
                self.v6.push((first, first | n_more, cell));
            }
        }
        Ok(())
    }

    fn finish(mut self, origin: Origin) -> Result<Cells, String> {
        let (v4, v6) = (rows(self.v4), rows(self.v6));
        for (_, cell) in v4.iter().chain(&v6) {
            if let Some(cell) = cell {
                self.cells[*cell].n_pieces += 1;
            }
        }
        // The most frequent first: small numbers compress better.
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        order.sort_by_key(|at| (usize::MAX - self.cells[*at].n_pieces, *at));
        order.retain(|at| self.cells[*at].n_pieces > 0);
        if order.len() > CELLS_MAX {
            let n_cells = order.len();
            return Err(format!(
                "{n_cells} cells, at most {CELLS_MAX} work: take more degrees"
            ));
        }
        let mut numbers = vec![0; self.cells.len()];
        for (rank, at) in order.iter().enumerate() {
            numbers[*at] = u16::try_from(rank + 1).unwrap_or(0);
        }
        let number = |cell: Option<usize>| cell.map_or(0, |at| numbers[at]);
        let narrow = |start: u64| u32::try_from(start).unwrap_or(u32::MAX);
        Ok(Cells {
            origin,
            cells: order.iter().map(|at| self.cells[*at].cell()).collect(),
            v4: ranges(&v4, narrow, number)?,
            v6: ranges(&v6, |start| start, number)?,
        })
    }
}

impl Draft {
    fn cell(&self) -> Cell {
        let (sums, n) = match self.n_addresses {
            0 => {
                let (latitude, longitude, n) = self.by_networks;
                ((latitude, longitude), n)
            }
            n => (self.by_addresses, as_f64(n)),
        };
        Cell {
            country: self.country,
            place: Place {
                latitude: sums.0 / n,
                longitude: sums.1 / n,
            },
            n_addresses: self.n_addresses,
        }
    }
}

/// Networks as ranges without gaps: where each starts, and its cell. Neighbours in one cell
/// are one range; where networks overlap, the first counts.
fn rows(mut pieces: Vec<Piece>) -> Vec<(u64, Option<usize>)> {
    pieces.sort_unstable();
    let mut rows: Vec<(u64, Option<usize>)> = Vec::new();
    let mut push = |start, cell| {
        if rows.last().is_none_or(|(_, last)| *last != cell) {
            rows.push((start, cell));
        }
    };
    let mut next = Some(0);
    for (first, last, cell) in pieces {
        let Some(expected) = next else { break };
        if last < expected {
            continue;
        }
        if first > expected {
            push(expected, None);
        }
        push(first.max(expected), Some(cell));
        next = last.checked_add(1);
    }
    if let Some(rest) = next {
        push(rest, None);
    }
    rows
}

fn ranges<A: Address, const N: usize>(
    rows: &[(u64, Option<usize>)],
    narrow: impl Fn(u64) -> A,
    number: impl Fn(Option<usize>) -> u16,
) -> Result<Ranges<A, N>, String> {
    if rows.len() > RANGES_MAX {
        let n_ranges = rows.len();
        return Err(format!(
            "{n_ranges} ranges, at most {RANGES_MAX} work: take more degrees"
        ));
    }
    let starts: Vec<A> = rows.iter().map(|(start, _)| narrow(*start)).collect();
    let numbers: Vec<u16> = rows.iter().map(|(_, cell)| number(*cell)).collect();
    Ok(Ranges::new(&starts, &numbers))
}

#[expect(clippy::cast_possible_truncation, reason = "degrees are at most 180")]
fn field(degrees: f64, size: f64) -> i32 {
    (degrees / size).floor() as i32
}

#[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
