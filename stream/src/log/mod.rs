//! The log of a mount: pages in order, each byte with an offset that is the same everywhere.
//!
//! `ring` holds the recent part, `resume` says what a caller gets from it, `splice` is how a
//! master turns what sources send into one chain (`logical` is one stream of it), `filler` says
//! when silence has to stand in for a source, `clusters` is what `splice` is for WebM, `retitling`
//! says when a title gets a link of its own, `writer` brings all of it into a log. `shared` lets
//! one writer and many cursors use a ring at once; it is the only file here that knows of waiting.
//!
//! On disk: `sink` is told of every page, `scribe` says what to write down, `account` is what must
//! be known to go on at an offset, `segment` what stands in the files, `restore` the way back.
//!
//! Another master that may have to go on with a log is told it as `recorded` says, and goes on by
//! `succeed`.

pub mod account;
mod ago;
mod clusters;
mod epoch;
pub mod filler;
mod logical;
pub mod recorded;
pub mod restore;
pub mod resume;
mod retitling;
pub mod ring;
pub mod scribe;
pub mod segment;
pub mod shared;
pub mod sink;
pub mod splice;
pub mod succeed;
pub mod writer;

pub use ago::Ago;
pub use epoch::Epoch;
pub use ring::{Copied, FellBehind, Join, Keep, Ring};
pub use shared::{Cursor, Log, Wake};
pub use sink::Sink;
pub use splice::Splice;

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod tests;
