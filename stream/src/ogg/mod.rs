//! Bytes ↔ Ogg pages (RFC 3533). Pure: no clock, no sockets, no chance.
//!
//! First `page` (one page), then `framer` (bytes to pages). `headers` knows which pages a
//! joining listener needs first, `vorbis` what they say, `granule` what time it is.

pub(crate) mod crc;
pub mod framer;
pub mod page;

pub use framer::{Found, Framer};
pub use page::{Damage, PAGE_BYTES_MAX, Page, Stamp};
