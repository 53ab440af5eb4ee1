//! When a title gets a link of its own in the log. Pure: time comes in.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::account::header_pages;
use super::ago::Ago;
use super::splice::Splice;
use crate::ogg::{Format, Link, Page, Tags, tags};

/// A link for a title begins so long after the title was told, or later: of several titles in this
/// time only the newest gets one, and a sink has written down before that one may follow.
pub(super) const TITLE_AFTER: Duration = Duration::from_secs(1);

/// The newest title that has no link yet.
#[derive(Debug, Default)]
pub(super) struct Retitling(Option<Due>);

#[derive(Debug)]
struct Due {
    tags: Tags,
    since: Instant,
}

/// The same as it is handed to another program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RetitlingState(Option<(Tags, Ago)>);

impl Retitling {
    /// As it stands at `now`.
    pub(super) fn state(&self, now: Instant) -> RetitlingState {
        let due = self.0.as_ref();
        RetitlingState(due.map(|due| (due.tags.clone(), Ago::of(due.since, now))))
    }

    /// Goes on from where another stood at `now`.
    pub(super) fn of(state: &RetitlingState, now: Instant) -> Self {
        Self(state.0.as_ref().map(|(tags, since)| Due {
            tags: tags.clone(),
            since: since.at(now),
        }))
    }

    /// Somebody has said at `now` what plays. What `link` says already needs no other.
    pub(super) fn ask(&mut self, tags: Tags, link: Option<&Link>, now: Instant) {
        if link.is_some_and(|link| link.format() != Format::Ogg) {
            return;
        }
        let said = link.map(|link| Tags {
            title: link.tag("TITLE").map(str::to_owned),
            artist: link.tag("ARTIST").map(str::to_owned),
        });
        if said.is_some_and(|said| said == tags) {
            self.0 = None;
            return;
        }
        let since = self.0.as_ref().map_or(now, |due| due.since);
        self.0 = Some(Due { tags, since });
    }

    /// Whether a link may begin because of a title.
    pub(super) fn is_due(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a link behind the newest page of `out` if a title is to have one now, and says
    /// whether it has. `link` is the one that was there before that page. A stream in which no
    /// link can begin keeps its title beside it.
    pub(super) fn part(
        &mut self,
        splice: &mut Splice,
        link: Option<&Link>,
        now: Instant,
        chance: impl FnMut() -> u32,
        out: &mut Vec<Page>,
    ) -> bool {
        let is_time = |due: &&Due| now.saturating_duration_since(due.since) >= TITLE_AFTER;
        let (Some(due), Some(link)) = (self.0.as_ref().filter(is_time), link) else {
            return false;
        };
        let headers = header_pages(&link.prefix).unwrap_or_default();
        let headers = tags::headers(&headers, &due.tags);
        let parts = headers
            .as_ref()
            .is_some_and(|headers| splice.part(headers, chance, out));
        if parts || headers.is_none() {
            self.0 = None;
        }
        parts
    }
}

#[cfg(test)]
mod tests;
