//! A source that comes back and does not say who it is: does it go on, or begin again? Pure.
//!
//! Encoders that are started again may use the serial number that they had before: DarkIce always
//! says 0, ezstream and curl send a file as it is. Others go on, behind their headers, with the
//! stream that they had. Only the first page with sound tells them apart, so headers wait for it.

use crate::log::Splice;
use crate::ogg::{Page, Stamp};

/// More header pages than this are no headers.
const HEADERS_MAX: usize = 64;

/// The headers of one source that wait.
#[derive(Debug, Default)]
pub(super) struct Returning {
    headers: Vec<Page>,
}

/// What is to be done with a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits.
    Wait,
    /// It is written behind these, which have waited; mostly there are none.
    GoOn(Vec<Page>),
    /// The link that is open ends, and these begin another one, before it.
    Begin(Vec<Page>),
}

impl Returning {
    /// Looks at the next page of the source.
    pub(super) fn look(&mut self, page: &Page, splice: &Splice) -> Step {
        let stamp = page.stamp();
        let wanted = splice.wanted(stamp.serial);
        let is_known = stamp.is_first && wanted.is_some() && !splice.begins_with(page);
        if self.headers.is_empty() && !is_known {
            return Step::GoOn(Vec::new());
        }
        let before = self.headers.iter().rev();
        let before = before.map(Page::stamp).find(|s| s.serial == stamp.serial);
        let before = before.filter(|s| s.sequence.wrapping_add(1) == stamp.sequence);
        // No codec has sound on its second page (RFC 3533 §6: headers have no time).
        let is_header = |first: Stamp| first.is_first || stamp.granule <= 0;
        let is_header = stamp.is_first || before.is_some_and(is_header);
        if is_header && self.headers.len() < HEADERS_MAX {
            self.headers.push(page.clone());
            return Step::Wait;
        }
        let headers = self.take();
        // Who goes on counts on from where he was; who begins again does so from his headers.
        let is_behind = |wanted| stamp.sequence.wrapping_sub(wanted) > u32::MAX / 2;
        let begins = before.is_some() && wanted.is_some_and(is_behind)
            || headers.iter().any(|header| splice.begins_with(header));
        match begins {
            true => Step::Begin(headers),
            false => Step::GoOn(headers),
        }
    }

    /// What has waited; it does not any more.
    pub(super) fn take(&mut self) -> Vec<Page> {
        std::mem::take(&mut self.headers)
    }
}
