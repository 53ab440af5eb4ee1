//! What scripts, stations' tools and old players ask an Icecast for, answered as 2.4 does.
//!
//! `element` is what the answers are made of, `fields` what is asked, `stats` what is told of
//! mounts and listeners, `office` the operator's pages below `/admin` (`manage` of them is about
//! listeners' passwords, `method` about what is none); `playlists` and `public`
//! are for everybody.

pub mod element;
pub mod fields;
mod manage;
mod method;
pub mod office;
pub(super) mod playlists;
pub(super) mod public;
pub(super) mod stats;
pub mod stats_lines;
