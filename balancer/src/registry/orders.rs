//! What the operator wants of a relay while the balancer runs. Pure.

use serde::{Deserialize, Serialize};

/// His orders. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// It gets nobody, as if it were not in the list.
    pub is_disabled: bool,
    /// It gets no new listeners, and sends those back that come without being sent.
    pub is_draining: bool,
    /// It is taken for so many kilometres nearer (negative: farther) than it is.
    pub bias_km: f32,
    /// No more than this many of its slots are used.
    pub slots_max: Option<u32>,
}
