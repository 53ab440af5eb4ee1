//! Bytes ↔ Ogg pages (RFC 3533). Pure: no clock, no sockets, no chance.
//!
//! First `page` (one page), then `framer` (bytes to pages). `link` knows which pages a
//! joining listener needs first, `codec` and `vorbis` what they say, `granule` what time it
//! is, `measure` how long packets last, `theora` where a picture can be joined, `tags` how a title
//! gets into the headers. `format` names what a log can be besides.

mod bits;
pub mod crc;
pub mod page;

pub mod framer;

pub mod codec;
pub mod format;
pub mod granule;
pub mod link;
pub mod measure;
pub mod modes;
pub mod tags;
pub mod theora;
pub mod vorbis;

pub use codec::Codec;
pub use format::Format;
pub use framer::{Found, Framer};
pub use link::{HEADERS_BYTES_MAX, Link, Links, Role, Stray};
pub use measure::Measure;
pub use page::{Damage, PAGE_BYTES_MAX, Page, Stamp};
pub use tags::Tags;

#[cfg(test)]
pub(crate) mod tests;
