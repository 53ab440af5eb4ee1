//! What each relay does with each mount. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use stream::mount::MountPath;

use crate::checked_report::CheckedReport;
use crate::choice::Carries;

/// More mounts over all relays are not redirected to.
pub const MOUNTS_MAX: usize = 1_024;
/// Beyond so many that some relay has ever had, further ones are strange as soon as they are gone.
const FORMER_MAX: usize = 4 * MOUNTS_MAX;

/// One column for each mount.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    columns: HashMap<MountPath, Vec<Carries>>,
    /// All that some relay has ever had.
    ever: HashSet<MountPath>,
}

impl Mounts {
    /// A relay reports another thing than before.
    pub(super) fn change(
        &mut self,
        at: usize,
        before: Option<&CheckedReport>,
        now: Option<&CheckedReport>,
    ) {
        for path in before.into_iter().flat_map(|report| report.mounts.keys()) {
            if now.is_none_or(|report| !report.mounts.contains_key(path)) {
                self.set(path, at, Carries::No);
            }
        }
        for (path, carried) in now.into_iter().flat_map(|report| &report.mounts) {
            let carries = if carried.is_heard() {
                Carries::OnAir
            } else {
                Carries::Silent
            };
            self.set(path, at, carries);
        }
    }

    /// What each relay does with a mount; those beyond the end do not carry it.
    pub(super) fn of(&self, path: &MountPath) -> &[Carries] {
        self.columns.get(path).map_or(&[], Vec::as_slice)
    }

    /// Every mount that some relay knows.
    pub(super) fn all(&self) -> BTreeSet<&MountPath> {
        self.columns.keys().collect()
    }

    /// Whether some relay knows it.
    pub(super) fn has(&self, path: &MountPath) -> bool {
        self.columns.contains_key(path)
    }

    /// Whether relays have had other mounts, and never this one.
    pub(super) fn is_strange(&self, path: &MountPath) -> bool {
        !self.ever.is_empty() && !self.ever.contains(path)
    }

    fn set(&mut self, path: &MountPath, at: usize, carries: Carries) {
        if let Some(column) = self.columns.get_mut(path) {
            if column.len() <= at {
                column.resize(at + 1, Carries::No);
            }
            column[at] = carries;
            if carries == Carries::No && column.iter().all(|carries| *carries == Carries::No) {
                self.columns.remove(path);
            }
        } else if carries != Carries::No && self.columns.len() < MOUNTS_MAX {
            let mut column = vec![Carries::No; at + 1];
            column[at] = carries;
            self.columns.insert(path.clone(), column);
            if self.ever.len() < FORMER_MAX {
                self.ever.insert(path.clone());
            }
        }
    }
}
