//! The only doors: what comes in over sockets, and how it is answered.

pub mod basic;
