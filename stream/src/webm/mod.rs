//! Bytes ↔ clusters of WebM and Matroska (RFC 9559). Pure: no clock, no sockets, no chance.
//!
//! `ebml` reads elements (RFC 8794), `tracks` what the header says of picture and sound. `page` is
//! what stands in a log: a head that a decoder needs first, and clusters, each of which is whole,
//! says its own length and number, and whether a decoder may begin with it. `framer` (with `gathering`) makes such
//! pages of what a source sends, whatever its clusters are; `cutter` finds them again in a log.

pub mod cutter;
mod ebml;
pub mod framer;
mod gathering;
pub mod page;
pub mod tracks;

pub use cutter::Cutter;
pub use framer::Framer;
pub use page::{CLUSTER_BYTES_MAX, Head};
pub use tracks::{Kind, Track};

#[cfg(test)]
pub(crate) mod tests;
