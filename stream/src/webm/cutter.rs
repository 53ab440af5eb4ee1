//! Finds the pages of a log of WebM again, which say their own length. Pure.
//!
//! Only for what a master wrote: what a source sends is cut by `framer`.

use super::page::{Length, length};
use crate::ogg::{Damage, Found, Page};

/// Holds at most one page.
#[derive(Debug, Default)]
pub struct Cutter {
    held: Vec<u8>,
}

impl Cutter {
    /// One that begins where a page does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` until a page is whole, or cannot be. `None`: all of
    /// `input` was taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        loop {
            let n_bytes = match length(&self.held) {
                Length::Needs(n_bytes) => n_bytes,
                Length::Bytes(n_bytes) if self.held.len() < n_bytes => n_bytes,
                Length::Bytes(_) => {
                    let bytes = std::mem::take(&mut self.held);
                    let n_bytes = bytes.len();
                    let why = match Page::parse(bytes.into()) {
                        Ok(page) => return Some(Found::Page(page)),
                        Err(why) => why,
                    };
                    return Some(Found::Junk { n_bytes, why });
                }
                Length::Damaged => {
                    let n_bytes = std::mem::take(&mut self.held).len();
                    let why = Damage::NoCluster;
                    return Some(Found::Junk { n_bytes, why });
                }
            };
            let n_missing = n_bytes.saturating_sub(self.held.len());
            let (taken, rest) = input.split_at(n_missing.min(input.len()));
            self.held.extend_from_slice(taken);
            *input = rest;
            if taken.len() < n_missing {
                return None;
            }
        }
    }

    /// The bytes of the page that is still arriving.
    pub fn held(&self) -> &[u8] {
        &self.held
    }
}
