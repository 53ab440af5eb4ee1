//! Which pages of the programme somebody heard, page by page: what a listener did not hear must
//! be in the source's spool.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use bytes::Bytes;
use stream::ogg::{Found, Framer};

use crate::stage::Stage;

/// A page with less in it is a header, an end, or filler.
const PROGRAMME_BYTES_MIN: usize = 600;

/// The pages with programme in these bytes, in order.
fn pages(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut framer = Framer::new();
    let found = std::iter::from_fn(|| framer.next(&mut bytes));
    let bodies = found.filter_map(|found| match found {
        Found::Page(page) if page.stamp().granule > 0 => Some(Bytes::copy_from_slice(page.body())),
        _ => None,
    });
    bodies
        .filter(|body| body.len() >= PROGRAMME_BYTES_MIN)
        .collect()
}

/// Of the pages that the source recorded from the first heard on: how many were not heard, and
/// how many of these are in its spool.
pub(crate) fn n_missed_and_kept(stage: &Stage, heard: &[u8]) -> Result<(usize, usize)> {
    let heard: Vec<_> = pages(heard);
    let mut recorded = Vec::new();
    for path in stage.recordings() {
        recorded.extend(pages(&std::fs::read(path)?));
    }
    let mut kept = HashSet::new();
    for entry in std::fs::read_dir(stage.plan.path("spool"))?.flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "ogg")
        {
            kept.extend(pages(&std::fs::read(entry.path())?));
        }
    }
    let first = heard.first();
    let due = recorded.iter().skip_while(|page| Some(*page) != first);
    let heard: HashSet<_> = heard.iter().collect();
    let missed: Vec<_> = due.filter(|page| !heard.contains(page)).collect();
    let n_kept = missed.iter().filter(|page| kept.contains(**page)).count();
    Ok((missed.len(), n_kept))
}

/// How many pages of the programme came more than once.
pub(crate) fn n_repeated(heard: &[u8]) -> usize {
    let mut counts: HashMap<Bytes, usize> = HashMap::new();
    for page in pages(heard) {
        *counts.entry(page).or_default() += 1;
    }
    counts.values().map(|n| n - 1).sum()
}
