//! Cursors to sockets: what a listener has not got yet goes out in as few writes as possible.

mod delivery;
pub mod socket;

pub use delivery::{Closed, Delivery, deliver};
