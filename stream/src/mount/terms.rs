//! What a mount's operator says about it, and what goes with it to relays: whether it is shown,
//! whether listeners need a password, where they go while the source is away. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::path::MountPath;
use crate::mpeg::icy::INTERVAL_BYTES;

/// How much sound there may be between two titles. Less would be a write for every few frames,
/// more a title that comes minutes late.
pub const ICY_INTERVAL_BYTES: RangeInclusive<u32> = 1_000..=1_000_000;

/// The operator's word on a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// It stands in no list and on no page.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_hidden: bool,
    /// Nobody hears it whose password has not been checked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_password: bool,
    /// Nobody gets it who asks for it by its name; it is heard as another mount's fallback.
    #[serde(default, skip_serializing_if = "is_false")]
    pub only_as_fallback: bool,
    /// Where its listeners are while its source is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// So much sound comes between two titles for players that ask; 0: they get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icy_interval_bytes: Option<u32>,
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

    /// So much sound comes between two titles for players that ask; `None`: they get none. What
    /// makes no sense counts as if nothing were said.
    pub fn icy_interval(&self) -> Option<usize> {
        match self.icy_interval_bytes {
            Some(0) => None,
            Some(said) if ICY_INTERVAL_BYTES.contains(&said) => usize::try_from(said).ok(),
            Some(_) | None => Some(INTERVAL_BYTES),
        }
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

#[cfg(test)]
mod tests {
    use super::Terms;

    #[test]
    fn an_interval_that_makes_no_sense_is_the_usual_one() {
        for (said, interval) in [
            (None, Some(16_000)),
            (Some(0), None),
            (Some(1), Some(16_000)),
            (Some(8_192), Some(8_192)),
            (Some(u32::MAX), Some(16_000)),
        ] {
            let terms = Terms {
                icy_interval_bytes: said,
                ..Terms::default()
            };
            assert_eq!(terms.icy_interval(), interval, "{said:?}");
        }
    }
}
