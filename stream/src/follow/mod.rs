//! Follows one or several other nodes: their lists of mounts, and each mount byte for byte, over
//! connections that may break at any time.
//!
//! Reading order: `trail` (who is above us), `list` (one node's list), `ruling` (which of several
//! lists is right), `follower` (a mirror for each mount), `mirroring` (one of them), `merge` (one
//! log out of several ways), `ways` and `pull` (the connections), `reading` (what comes over them),
//! `upstream` (where they go), `tally` (what came from there).

mod follower;
mod list;
mod merge;
mod mirroring;
mod pull;
mod reading;
mod ruling;
pub mod tally;
pub mod trail;
pub mod upstream;
mod ways;

pub use follower::{Follower, Sight};
pub use tally::Tally;
pub use trail::Trail;
pub use upstream::Upstream;

#[cfg(test)]
mod tests;
