//! What runs the four programs for real: tests, the demo and the long run are built on it.
//!
//! Reading order: `programs` (one child process), `cluster` (all of them, configured),
//! `ear` (a listener that notes everything), `players` (other people's listeners), `radios`
//! (the same as people have them), `pcm` (was anything lost?), `tone` (which one plays?),
//! `picture` (the same for packets of WebM). Sound to send comes from `speech`, through a sound card that is
//! not there from `alsa`, networks that are not there from `netns` with a program each in a
//! `place`; `line` is a way between two programs that can be cut, `proxy` one that does worse;
//! `clock` sets the time of day. `peers` are other people's servers and source clients; `tls` is
//! what they are given to trust. A `fleet` is many relays, a `crowd` comes to it.

pub mod alsa;
pub mod browser;
pub mod clock;
pub mod cluster;
pub mod configs;
pub mod crowd;
pub mod ear;
pub mod figures;
pub mod fleet;
pub mod heard;
pub mod http;
pub mod likeness;
pub mod line;
pub mod netns;
pub mod pcm;
pub mod peers;
pub mod picture;
pub mod place;
pub mod players;
pub mod ports;
pub mod programs;
pub mod proxy;
pub mod radios;
pub mod soak;
pub mod speech;
pub mod tls;
pub mod tone;
pub mod tools;
pub mod uplink;
pub mod wait;
