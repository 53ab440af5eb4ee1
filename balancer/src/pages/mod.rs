//! The public page: play, what is on air, how much room there is, and the links for players.
//!
//! Reading order: `front` (the page), `words` (in two languages), `map` (the relays on it),
//! `files` (script and style), `visit` (who asks, and for what). Nothing on the page comes from
//! anywhere else, and without script it has players and links.

mod files;
mod front;
mod map;
pub mod visit;
mod words;

pub use files::{FOLDER, STATE, WebFile, find};
pub use front::{Wish, front};

use crate::html::Text;

/// Only the page's own script and style; sound from wherever a listener is sent.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; connect-src 'self' http: https:; \
     media-src 'self' blob: http: https:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// How full something is, in three steps.
fn load_class(taken: u64, slots: u64) -> &'static str {
    if taken >= slots {
        "none"
    } else if taken >= many(slots) {
        "many"
    } else {
        "few"
    }
}

/// From so many taken places on there is little room.
fn many(slots: u64) -> u64 {
    slots - slots / 4
}

/// Text that can stand in HTML and in XML.
pub fn escaped(text: &str) -> String {
    Text(text).to_string()
}

#[cfg(test)]
mod tests;
