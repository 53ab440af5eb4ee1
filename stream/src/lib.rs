//! What Plenum's four programs share: the log of a mount and how it travels.
//!
//! Reading order: `ogg`, `mpeg` and `webm` (bytes ↔ pages), `log` (pages in order, with offsets), `mount`
//! (one writer, many cursors), `fanout` (cursors to sockets), `http` (the only doors),
//! `follow` (another node's log, mirrored), `handover` (to the program that replaces this one).
//! Between balancer and relays: `report`, `ticket` and `lease`. Around them: `config`, `listen`, `reload`, `current`,
//! `reel` (sound files), `outward` and `post` (to other people's servers), `text`, `secret`, `shutdown`,
//! `backoff`, `client_addr`, `log_setup`.

pub mod backoff;
pub mod client_addr;
pub mod config;
pub mod current;
pub mod descriptors;
pub mod fanout;
pub mod follow;
pub mod handover;
pub mod http;
pub mod lease;
pub mod listen;
pub mod log;
pub mod log_setup;
pub mod mount;
pub mod mpeg;
pub mod ogg;
pub mod outward;
pub mod post;
pub mod reel;
pub mod reload;
pub mod report;
pub mod secret;
pub mod shutdown;
pub mod status;
pub mod text;
pub mod ticket;
pub mod webm;
