//! The operator's word on listeners of one country at relays in another. Pure.
//!
//! Networks do not follow borders and neither do politics: what is near on the globe may be far
//! by cable, or out of the question.

use std::collections::HashMap;

use serde::Deserialize;

use crate::place::Country;

/// More pairs than this are refused.
pub const PAIRS_MAX: usize = 10_000;

/// One word of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Listeners of this country …
    pub listeners: Country,
    /// … at relays in that one …
    pub relays: Country,
    /// … have so many kilometres more, instead of what another country costs.
    pub km: Option<f32>,
    /// … are never sent there.
    #[serde(default)]
    pub deny: bool,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    rows: HashMap<u16, HashMap<u16, f32>>,
}

/// What is said about listeners of one country.
pub(super) type Row = HashMap<u16, f32>;

impl Pairs {
    /// Those pairs; of two about the same countries the later one counts.
    pub fn new(pairs: &[Pair]) -> Self {
        let mut rows: HashMap<u16, Row> = HashMap::new();
        for pair in pairs {
            let km = if pair.deny {
                f32::INFINITY
            } else {
                pair.km.unwrap_or(0.0)
            };
            let row = rows.entry(pair.listeners.index()).or_default();
            row.insert(pair.relays.index(), km);
        }
        Self { rows }
    }

    /// What is said about listeners of a country.
    pub(super) fn row(&self, country: u16) -> Option<&Row> {
        self.rows.get(&country)
    }
}
