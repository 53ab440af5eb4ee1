//! What a mount's operator says about it, and what goes with it to relays: whether it is shown,
//! whether listeners need a password, where they go while the source is away. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::path::MountPath;

/// The operator's word on a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// It stands in no list and on no page.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_hidden: bool,
    /// Nobody hears it whose password has not been checked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_password: bool,
    /// Where its listeners are while its source is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// The mount that stands in for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Which one.
    pub to: MountPath,
    /// So long the source has to be away before.
    pub after_ms: u64,
}

impl Terms {
    /// Nothing is said.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Fallback {
    /// So long the source has to be away before.
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}
