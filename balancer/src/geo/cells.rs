//! A small database of places: ranges of addresses, and the cell of the map each is in. Pure.
//!
//! A cell is the part of one country in one field of a grid; its point is the middle of its
//! addresses. That is as good as the full database for telling near relays from far ones,
//! at a fortieth of its size. `packed` reads and writes it, `pack` makes it.

use core::net::IpAddr;

use stream::report::Place;

use super::ranges::{RangesV4, RangesV6};
use crate::place::{Country, Spot};

/// More cells are refused: their numbers have two bytes, and 0 means nowhere.
pub const CELLS_MAX: usize = 65_535;
/// More ranges of one family are refused; five times what the free data needs.
pub const RANGES_MAX: usize = 10_000_000;

/// Where the data comes from; shown wherever it is used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What the makers call it.
    pub source: String,
    /// Their page, which their licence wants linked.
    pub url: String,
    /// Its licence.
    pub licence: String,
    /// The day it was made: 2026-06-05.
    pub date: String,
}

/// The part of one country in one field of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The country, if it is known.
    pub country: Option<Country>,
    /// The middle of its addresses.
    pub place: Place,
    /// How many IPv4 addresses it has.
    pub n_addresses: u64,
}

/// The database.
#[derive(Debug, PartialEq)]
pub struct Cells {
    /// Where it comes from.
    pub origin: Origin,
    pub(super) cells: Vec<Cell>,
    pub(super) v4: RangesV4,
    /// By the upper half of the address: nobody moves within a /64.
    pub(super) v6: RangesV6,
}

impl Origin {
    /// In a sentence, as the licence wants it said.
    pub fn sentence(&self) -> String {
        let Self {
            source,
            url,
            licence,
            date,
        } = self;
        format!("geo data derived from {source} of {date}, {licence}, modified; {url}")
    }
}

impl Cells {
    /// Where an address is.
    pub fn spot(&self, address: IpAddr) -> Option<Spot> {
        self.cell(address).map(Cell::spot)
    }

    /// The cell an address is in.
    pub fn cell(&self, address: IpAddr) -> Option<&Cell> {
        let number = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.number(address.to_bits())?,
            IpAddr::V6(address) => self.v6.number(upper_half(address.to_bits()))?,
        };
        self.cells.get(usize::from(number).checked_sub(1)?)
    }

    /// All cells, for whoever needs to know where the world's addresses are.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How many ranges it has, of both families.
    pub fn n_ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl Cell {
    /// Where it is.
    pub fn spot(&self) -> Spot {
        Spot {
            place: Some(self.place),
            country: self.country,
            ..Spot::default()
        }
    }
}

/// The network part of an IPv6 address.
pub(super) fn upper_half(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or(u64::MAX)
}
