//! Bytes ↔ whole frames of MP3 (MPEG audio) and AAC (ADTS). Pure: no clock, no sockets, no chance.
//!
//! `frame` reads the head of one frame, `framer` cuts a stream into portions of whole frames, each
//! of which is a page of the log at which a listener may join; `sniff` tells by the first bytes
//! whether what comes is that or Ogg; `icy` is how titles go between the frames. `silence` stands in
//! for a source, `bridge` leads from there back to its sound.

pub mod bridge;
pub mod frame;
pub mod framer;
pub mod icy;
pub mod silence;
pub mod sniff;

pub use bridge::Bridge;
pub use frame::{FRAME_BYTES_MAX, Frame, Sound};
pub use framer::Framer;
pub use silence::Silence;
pub use sniff::Sniffer;

#[cfg(test)]
pub(crate) mod tests;
