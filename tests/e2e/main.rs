//! The promises of the whole chain, kept by the real programs, players and peers.

mod archive;
mod back_fill;
mod bad_config;
mod bad_input;
mod below_icecast;
mod chain;
mod demo;
mod faults;
mod full_house;
mod gap;
mod icecast;
mod protocol;
mod restart;
mod silence;
mod soak;
mod sound;
mod sources;
mod spool;
mod survive;
mod tls;
mod two_paths;
mod two_upstreams;
mod upgrade;
mod uplink;
mod vanished;
mod web;
