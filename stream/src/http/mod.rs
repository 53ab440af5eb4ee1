//! The only doors: what comes in over sockets, and how it is answered.
//!
//! `door` reads the head of every connection (those who have not said it wait in the `porch`). A listener's socket then goes through `listener`
//! to the fan-out; everything that is a page goes through `pages` to hyper and axum. The rest
//! are the words of HTTP: `head`, `answer`, `basic`, `chunked`.

pub mod answer;
pub mod basic;
mod caller;
pub mod chunked;
pub mod common;
pub mod date;
pub mod door;
pub mod head;
pub mod listener;
mod metrics;
pub mod pages;
mod porch;
pub mod serving;
pub mod shown;

pub use caller::Caller;
