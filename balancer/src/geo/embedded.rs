//! The small database that is part of the program: DB-IP's cities, reduced to cells.
//!
//! It is there so that a balancer knows where people are without any file or account.
//! Refreshed with `make geo CITY=dbip-city-lite.mmdb`.

use std::sync::OnceLock;

use super::cells::{Cells, Origin};
use super::packed;

/// Older data is complained of at the start.
pub const AGE_DAYS_MAX: i32 = 120;

#[cfg(feature = "embedded-geo")]
const BYTES: &[u8] = include_bytes!("../../geo/dbip-city-lite-5deg.cells");
#[cfg(not(feature = "embedded-geo"))]
const BYTES: &[u8] = b"";

/// The database, unpacked when first asked for: a quarter of a second, once. `None`: this
/// program was built without it.
pub fn cells() -> Option<&'static Cells> {
    static CELLS: OnceLock<Option<Cells>> = OnceLock::new();
    CELLS.get_or_init(|| packed::read(BYTES).ok()).as_ref()
}

/// Where it comes from, without unpacking it.
pub fn origin() -> Option<&'static Origin> {
    static ORIGIN: OnceLock<Option<Origin>> = OnceLock::new();
    ORIGIN.get_or_init(|| packed::origin(BYTES).ok()).as_ref()
}

/// Version, and what the geo data is and whose.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let program = env!("CARGO_PKG_VERSION");
        match origin() {
            None => format!("{program}, without geo data"),
            Some(origin) => format!("{program}\n{}", origin.sentence()),
        }
    })
}

#[cfg(test)]
#[cfg(feature = "embedded-geo")]
mod tests;
