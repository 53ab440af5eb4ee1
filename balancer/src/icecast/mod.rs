//! What an Icecast says of itself, read without trusting it. Pure.
//!
//! There are three pages: `status-json.xsl` (every Icecast since 2.4; hides the limits),
//! `load.xsl` (one file that an operator copies into the web root; free places by mount) and
//! `/admin/stats` (behind a password; limits, listeners and totals). Each may be missing or
//! broken by itself. Reading order: `seen` (what they have in common), `status_json`, `xml`,
//! `reading` (all of them put together, as a report).

pub mod mend;
pub mod reading;
pub mod seen;
pub mod status_json;
pub mod xml;

pub(crate) use reading::with_limits;
pub use reading::{Answers, Reading};
pub use seen::{Limit, Seen};
