//! Mounts: one writer, many cursors.
//!
//! `path`, `facts` and `audio_info` are their names and descriptions, `mount` is one of them, `table` all of
//! them, `publisher` and `mirror` the one who may write (at a master, at a relay), `sitting` which
//! connections a publisher may have, `sinks` who writes logs down, `slots` how many may listen,
//! `title` what plays now, `catalog` what a master tells its relays.

pub mod audio_info;
pub mod catalog;
pub mod course;
pub mod departure;
mod facts;
pub mod hearing;
mod mirror;
#[expect(
    clippy::module_inception,
    reason = "a file is named after the noun in it"
)]
pub mod mount;
mod path;
pub mod publisher;
mod sinks;
pub mod sitting;
mod slots;
mod table;
mod terms;
mod title;

pub use catalog::{Catalog, CatalogMount};
pub use course::{Course, Courses};
pub use facts::Facts;
pub(crate) use facts::clean;
pub use mirror::{Mirror, MirrorError, Start};
pub use mount::{Audience, Mount, OnAir};
pub use path::{BALANCER_PAGES, MountPath};
pub use publisher::{Desk, Gap, Publisher, Wanted, Writing};
pub use sinks::Sinks;
pub use sitting::{Claimant, Refusal};
pub use slots::{Class, Slot, Slots};
pub use table::{MOUNTS_MAX, MountTable, TableFull};
pub use terms::{Fallback, ICY_INTERVAL_BYTES, Terms};
pub use title::{Playing, TITLE_BYTES_MAX, TITLE_URL_BYTES_MAX};

#[cfg(test)]
mod tests;
