//! The log of a mount: pages in order, each byte with an offset that is the same everywhere.
//!
//! `ring` holds the recent part, `resume` says what a caller gets from it, `splice` is how a
//! master turns what sources send into one chain. `shared` lets one writer and many cursors
//! use a ring at once; it is the only file here that knows of waiting.

mod epoch;
pub mod resume;
pub mod ring;
pub mod shared;
pub mod splice;

pub use epoch::Epoch;
pub use ring::{FellBehind, Join, Keep, Ring};
pub use shared::{Cursor, Log, Wake};
pub use splice::Splice;

#[cfg(test)]
mod tests;
