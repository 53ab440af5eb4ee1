//! Follows another node: its list of mounts, and each of them byte for byte, over connections
//! that may break at any time.
//!
//! Reading order: `list` (which mounts there are), `mirroring` (one of them), `pull` (one
//! connection for it), `upstream` (where it goes).

mod list;
mod mirroring;
mod pull;
pub mod upstream;

pub use list::Follower;
pub use upstream::Upstream;
