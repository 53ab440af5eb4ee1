//! Cuts a byte stream into pages, however the network sliced it. Pure.
//!
//! After damage it looks for the next page. Holds at most one page of bytes.

use bytes::Bytes;

use super::page::{CAPTURE, Damage, HEADER_BYTES, PAGE_BYTES_MAX, Page, checksum, length};

/// Finds pages in bytes that arrive in any portions.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of the page that is still arriving; after damage perhaps several.
    held: Vec<u8>,
}

/// What the framer found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole page with a right checksum.
    Page(Page),
    /// Bytes that belong to no page were dropped.
    Junk {
        /// How many.
        n_bytes: usize,
        /// What was wrong at their beginning.
        why: Damage,
    },
}

impl Framer {
    /// A framer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` until something is found. `None`: all of
    /// `input` was taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        loop {
            match self.look() {
                Look::Needs(n_bytes) => {
                    let missing = n_bytes - self.held.len();
                    let (taken, rest) = input.split_at(missing.min(input.len()));
                    self.held.extend_from_slice(taken);
                    *input = rest;
                    if taken.len() < missing {
                        return None;
                    }
                }
                Look::Damaged(why) => return Some(self.resynchronise(why)),
                Look::Whole(n_bytes) => {
                    let page = Page::checked(Bytes::copy_from_slice(&self.held[..n_bytes]));
                    self.held.drain(..n_bytes);
                    return Some(Found::Page(page));
                }
            }
        }
    }

    /// How many bytes of an unfinished page are held, at most [`PAGE_BYTES_MAX`].
    pub fn n_held(&self) -> usize {
        self.held.len()
    }

    /// The bytes of that page.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    fn look(&self) -> Look {
        let held = self.held.as_slice();
        let n_same = held
            .iter()
            .zip(CAPTURE)
            .take_while(|(a, b)| *a == b)
            .count();
        if n_same < CAPTURE.len() && n_same < held.len() {
            return Look::Damaged(Damage::NoCapture);
        }
        if held.get(4).is_some_and(|version| *version != 0) {
            return Look::Damaged(Damage::Version);
        }
        if held.len() < HEADER_BYTES {
            return Look::Needs(HEADER_BYTES);
        }
        match length(held) {
            None => Look::Needs(HEADER_BYTES + usize::from(held[HEADER_BYTES - 1])),
            Some(n_bytes) if held.len() < n_bytes => Look::Needs(n_bytes),
            Some(n_bytes) if checksum(&held[..n_bytes]).to_le_bytes() != held[22..26] => {
                Look::Damaged(Damage::Checksum)
            }
            Some(n_bytes) => Look::Whole(n_bytes),
        }
    }

    /// Steps past a false beginning and drops everything before the next possible one:
    /// `OggS` can stand inside audio data by chance, so only the checksum decides.
    fn resynchronise(&mut self, why: Damage) -> Found {
        let start = (1..self.held.len())
            .find(|at| {
                let tail = &self.held[*at..];
                let n = tail.len().min(CAPTURE.len());
                tail[..n] == CAPTURE[..n]
            })
            .unwrap_or(self.held.len());
        self.held.drain(..start);
        debug_assert!(
            self.held.len() < PAGE_BYTES_MAX,
            "holds less than a page after damage"
        );
        Found::Junk {
            n_bytes: start,
            why,
        }
    }
}

enum Look {
    Needs(usize),
    Whole(usize),
    Damaged(Damage),
}
