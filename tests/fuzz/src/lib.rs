//! What the targets have in common: how pages are taken from pieces.

use stream::ogg::{Found, Page};

/// All pages that come of these pieces, whatever cuts them: `next` takes from the front of a piece.
pub fn pages<'a>(
    mut next: impl FnMut(&mut &'a [u8]) -> Option<Found>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Page> {
    let mut pages = Vec::new();
    for mut piece in pieces {
        while let Some(found) = next(&mut piece) {
            if let Found::Page(page) = found {
                pages.push(page);
            }
        }
    }
    pages
}
