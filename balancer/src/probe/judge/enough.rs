//! When a probe has heard enough to judge by, and the newest of what it heard. Pure.

use std::time::Instant;

use stream::ogg::Page;

use super::{AGE_MAX, Heard, OTHER_BYTES_MIN};
use crate::probe::flow::Match;
use crate::probe::truth::{Lookup, Truth};

/// The newest page with sound that a relay had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The logical stream.
    pub serial: u32,
    /// The page of it.
    pub sequence: u32,
    /// When it was read.
    pub at: Instant,
}

/// The newest page with sound in an answer.
pub fn newest(heard: &Heard, at: Instant) -> Option<Newest> {
    let page = heard.pages.iter().rev().find(|page| has_sound(page))?;
    Some(Newest {
        serial: page.serial(),
        sequence: page.stamp().sequence,
        at,
    })
}

/// Whether a page is more than headers.
pub fn has_sound(page: &Page) -> bool {
    page.stamp().granule > 0
}

/// Whether the pages that came so far are enough to judge by: two with sound, and the newest of
/// them not an old one. Behind old ones there may come new ones still.
pub fn is_enough(heard: &Heard, truth: Option<&Truth>, now: Instant) -> bool {
    let pages = &heard.pages;
    if pages.is_empty() {
        return are_enough(heard, truth, now);
    }
    let Some(newest) = pages.last().filter(|page| has_sound(page)) else {
        return false;
    };
    if pages.iter().filter(|page| has_sound(page)).count() < 2 {
        return false;
    }
    match truth.map(|truth| truth.find(newest)) {
        Some(Lookup::Same(known)) => now.saturating_duration_since(known.came) <= AGE_MAX,
        Some(Lookup::Older) => false,
        _ => true,
    }
}

/// The same of frames.
fn are_enough(heard: &Heard, truth: Option<&Truth>, now: Instant) -> bool {
    let frames = heard.frames_of_log();
    if frames.len() < OTHER_BYTES_MIN {
        return false;
    }
    let place = heard.epoch.as_deref().zip(heard.offset);
    let known = truth.and_then(Truth::flow).zip(place);
    match known.map(|(flow, place)| flow.look(place, frames)) {
        Some(Match::Same(came)) => now.saturating_duration_since(came) <= AGE_MAX,
        Some(Match::Older) => false,
        _ => true,
    }
}
