//! Tries settings before they are written: what does not work together is commented out, with the
//! reason. Pure.
//!
//! Each tag was translated by itself. That two mounts have one path, or three lead back to the
//! first, shows only in the whole.

use super::draft::{Draft, Table};
use super::translate::World;

/// More tables are not tried out: those beyond it are commented out.
const TABLES_MAX: usize = 1_000;

/// Comments out what keeps `draft` from being settings.
pub(super) fn settle(draft: &mut Draft, world: &mut dyn World) {
    if world.check(&draft.write()).is_ok() {
        return;
    }
    let n_tables = draft.several().count();
    let ons: Vec<Table> = draft.several().map(Table::take).collect();
    for (at, on) in ons.into_iter().enumerate().take(n_tables) {
        put(draft, at, on);
        if at >= TABLES_MAX {
            switch_off(draft, at, "There are too many of these.");
        } else if let Err(complaint) = world.check(&draft.write()) {
            settle_table(draft, world, at, &complaint);
        }
    }
}

/// One key may be enough.
fn settle_table(draft: &mut Draft, world: &mut dyn World, at: usize, complaint: &str) {
    let n_lines = draft.several().nth(at).map_or(0, |table| table.n_lines());
    for line in (1..n_lines).rev() {
        let Some(table) = draft.several().nth(at) else {
            return;
        };
        let was_off = table.set_off(line, true);
        if world.check(&draft.write()).is_ok() {
            let said = draft.several().nth(at).map(|table| {
                table.say(line, complaint);
                table.key(line)
            });
            draft.close_without(at, said.unwrap_or_default(), complaint);
            return;
        }
        if let Some(table) = draft.several().nth(at) {
            table.set_off(line, was_off);
        }
    }
    switch_off(draft, at, complaint);
}

fn switch_off(draft: &mut Draft, at: usize, complaint: &str) {
    if let Some(table) = draft.several().nth(at) {
        for line in 0..table.n_lines() {
            table.set_off(line, true);
        }
        table.say(0, complaint);
    }
}

fn put(draft: &mut Draft, at: usize, on: Table) {
    if let Some(table) = draft.several().nth(at) {
        *table = on;
    }
}
