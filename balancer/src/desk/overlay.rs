//! What the operator wants of a relay instead of what `balancer.toml` says: each wish by itself. Pure.

use serde::{Deserialize, Deserializer, Serialize};

use super::stamps::Stamp;
use crate::registry::Orders;

/// His wishes; where there is none, the file decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Overlay {
    /// See [`Orders::is_disabled`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_disabled: Option<bool>,
    /// See [`Orders::is_draining`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_draining: Option<bool>,
    /// See [`Orders::bias_km`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_km: Option<f32>,
    /// See [`Orders::slots_max`]; the inner `None` is the wish that there be no limit.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "null_is_a_wish"
    )]
    pub slots_max: Option<Option<u32>>,
}

/// When what is said of a relay was last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Stamps {
    /// Whether it is there at all.
    #[serde(skip_serializing_if = "Stamp::is_none")]
    pub presence: Stamp,
    /// Each wish.
    #[serde(skip_serializing_if = "Stamp::is_none")]
    pub is_disabled: Stamp,
    /// Likewise.
    #[serde(skip_serializing_if = "Stamp::is_none")]
    pub is_draining: Stamp,
    /// Likewise.
    #[serde(skip_serializing_if = "Stamp::is_none")]
    pub bias_km: Stamp,
    /// Likewise.
    #[serde(skip_serializing_if = "Stamp::is_none")]
    pub slots_max: Stamp,
}

impl Overlay {
    /// What holds over what the file says.
    pub fn over(&self, file: Orders) -> Orders {
        Orders {
            is_disabled: self.is_disabled.unwrap_or(file.is_disabled),
            is_draining: self.is_draining.unwrap_or(file.is_draining),
            bias_km: self.bias_km.unwrap_or(file.bias_km),
            slots_max: self.slots_max.unwrap_or(file.slots_max),
        }
    }

    /// There is no wish.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// From now on `wanted` is to hold. What holds already stays as it is said; who wants what the
    /// file says lets it decide.
    pub fn want(&mut self, stamps: &mut Stamps, file: Orders, wanted: Orders, now: Stamp) {
        let before = self.over(file);
        let own = [&mut stamps.is_disabled, &mut stamps.is_draining];
        let [is_disabled, is_draining] = own;
        let change = (file.is_disabled, before.is_disabled, wanted.is_disabled);
        set(&mut self.is_disabled, is_disabled, change, now);
        let change = (file.is_draining, before.is_draining, wanted.is_draining);
        set(&mut self.is_draining, is_draining, change, now);
        let change = (file.bias_km, before.bias_km, wanted.bias_km);
        set(&mut self.bias_km, &mut stamps.bias_km, change, now);
        let change = (file.slots_max, before.slots_max, wanted.slots_max);
        set(&mut self.slots_max, &mut stamps.slots_max, change, now);
    }

    /// Takes over the wishes that are later.
    pub fn merge(&mut self, stamps: &mut Stamps, other: &Self, others: &Stamps) {
        take(
            (&mut self.is_disabled, &mut stamps.is_disabled),
            (other.is_disabled, others.is_disabled),
        );
        take(
            (&mut self.is_draining, &mut stamps.is_draining),
            (other.is_draining, others.is_draining),
        );
        take(
            (&mut self.bias_km, &mut stamps.bias_km),
            (other.bias_km, others.bias_km),
        );
        take(
            (&mut self.slots_max, &mut stamps.slots_max),
            (other.slots_max, others.slots_max),
        );
    }
}

impl Stamps {
    /// One after another.
    pub fn each(&mut self) -> [&mut Stamp; 5] {
        [
            &mut self.presence,
            &mut self.is_disabled,
            &mut self.is_draining,
            &mut self.bias_km,
            &mut self.slots_max,
        ]
    }

    /// The latest.
    pub fn newest(&self) -> Stamp {
        let wishes = self.is_disabled.max(self.is_draining).max(self.bias_km);
        wishes.max(self.slots_max).max(self.presence)
    }

    /// All of it was changed at once.
    pub fn all(now: Stamp) -> Self {
        Self {
            presence: now,
            is_disabled: now,
            is_draining: now,
            bias_km: now,
            slots_max: now,
        }
    }
}

/// Two different changes with one stamp are no accident, or of a time before there were stamps: then
/// any order will do if it is the same everywhere, but something is more than nothing.
pub fn is_later<T: PartialEq + Serialize>(
    (own, stamp): (&Option<T>, Stamp),
    (other, others): (&Option<T>, Stamp),
) -> bool {
    let rank = |value: &Option<T>| {
        let text = serde_json::to_string(value).unwrap_or_default();
        (value.is_some(), text)
    };
    others > stamp || (others == stamp && own != other && rank(other) > rank(own))
}

fn set<T: PartialEq>(
    wish: &mut Option<T>,
    stamp: &mut Stamp,
    (file, before, wanted): (T, T, T),
    now: Stamp,
) {
    if wanted != before {
        *wish = (wanted != file).then_some(wanted);
        *stamp = now;
    }
}

fn take<T: Copy + PartialEq + Serialize>(
    (wish, stamp): (&mut Option<T>, &mut Stamp),
    (other, others): (Option<T>, Stamp),
) {
    if is_later((wish, *stamp), (&other, others)) {
        *wish = other;
        *stamp = others;
    }
}

impl From<Orders> for Overlay {
    /// All of it is wanted.
    fn from(orders: Orders) -> Self {
        Self {
            is_disabled: Some(orders.is_disabled),
            is_draining: Some(orders.is_draining),
            bias_km: Some(orders.bias_km),
            slots_max: Some(orders.slots_max),
        }
    }
}

/// Tells `null` from nothing at all.
pub(super) fn null_is_a_wish<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<u32>>, D::Error> {
    Option::<u32>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_program_wrote_is_read_as_wishes() {
        let old = "{\"is_disabled\":true,\"is_draining\":false,\"bias_km\":0.0,\"slots_max\":null}";
        let overlay: Overlay = serde_json::from_str(old).unwrap();
        let file = Orders {
            bias_km: 7.0,
            slots_max: Some(5),
            ..Orders::default()
        };
        let is_disabled = true;
        let wanted = Orders {
            is_disabled,
            ..Orders::default()
        };
        assert_eq!(overlay.over(file), wanted);
        let text = serde_json::to_string(&Overlay::default()).unwrap();
        assert_eq!(text, "{}");
        let empty: Overlay = serde_json::from_str(&text).unwrap();
        assert!(empty.is_empty() && empty.over(file) == file);
    }

    #[test]
    fn a_wish_for_what_the_file_says_lets_the_file_decide_that_and_nothing_else() {
        let file = Orders {
            bias_km: 30.0,
            ..Orders::default()
        };
        let (mut overlay, mut stamps) = (Overlay::default(), Stamps::default());
        let limited = Orders {
            bias_km: 0.0,
            slots_max: Some(9),
            ..file
        };
        overlay.want(&mut stamps, file, limited, Stamp::default());
        assert_eq!((overlay.bias_km, overlay.is_disabled), (Some(0.0), None));
        let nearer = Orders {
            bias_km: 30.0,
            ..limited
        };
        overlay.want(&mut stamps, file, nearer, Stamp::default());
        assert_eq!((overlay.bias_km, overlay.slots_max), (None, Some(Some(9))));
    }
}
