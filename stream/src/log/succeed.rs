//! From a log that was copied to one that is written here from now on: what its master told of its
//! newest pages is enough to go on with the very next one. Pure: time comes in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::account::{Account, Shift, header_pages};
use super::restore::follow;
use super::ring::Kept;
use super::shared::Log;
use super::splice::Splice;
use super::writer::Writer;
use crate::ogg::Measure;

/// Where a log stands whose pages were told with what their master knows of them.
pub fn account(log: &Log) -> Option<Account> {
    let (mut account, kept) = log.tail();
    take(&mut account, &kept)?;
    Some(account)
}

/// The writer of a log that was copied until now; nobody else may append to it any more.
/// `may_be_filled`: its master may have written filler that did not come here. `None`: nobody can
/// go on with it.
pub fn writer(log: &Arc<Log>, may_be_filled: bool, now: Instant) -> Option<(Writer, Account)> {
    let (mut account, kept) = log.tail();
    let mut measures: HashMap<u32, Measure> = HashMap::new();
    for page in account.prefix().and_then(header_pages).unwrap_or_default() {
        follow(&mut measures, &page);
    }
    for Kept { page, .. } in &kept {
        follow(&mut measures, page);
    }
    take(&mut account, &kept)?;
    let mut streams = account.streams().iter();
    let is_filled = streams.any(|stream| matches!(stream.trace.shift, Shift::Due(1..)));
    let splice = Splice::restored(&account, measures);
    let mut writer = Writer::restored(Arc::clone(log), splice, now);
    if may_be_filled || is_filled {
        writer.suspect_filler();
    }
    Some((writer, account))
}

/// Goes on behind all of these. `None`: they do not follow what was before.
fn take(account: &mut Account, kept: &[Kept]) -> Option<()> {
    for Kept { page, step, .. } in kept {
        account.take(page, step.trace).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
