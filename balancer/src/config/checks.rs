//! Checks that several settings share. Pure.

use super::{BIAS_KM_MAX, NAME_BYTES_MAX};
use crate::choice::Pair;
use crate::choice::pairs::PAIRS_MAX;

/// Whether something on the globe can be so far away.
pub(super) fn is_distance(km: f32) -> bool {
    (-BIAS_KM_MAX..=BIAS_KM_MAX).contains(&km)
}

/// Whether what is to count between countries makes sense.
///
/// # Errors
/// Names the pair and what it needs.
pub(super) fn check_pairs(pairs: &[Pair]) -> Result<(), String> {
    if pairs.len() > PAIRS_MAX {
        return Err(format!(
            "{} [[country_pair]], at most {PAIRS_MAX} work",
            pairs.len()
        ));
    }
    let is_wrong = |pair: &&Pair| match pair.km {
        Some(km) => pair.deny || !is_distance(km),
        None => !pair.deny,
    };
    match pairs.iter().find(is_wrong) {
        Some(Pair {
            listeners, relays, ..
        }) => Err(format!(
            "the [[country_pair]] of {listeners} and {relays} needs either `km`, between \
             -{BIAS_KM_MAX} and {BIAS_KM_MAX}, or `deny = true`"
        )),
        None => Ok(()),
    }
}

/// Whether a relay can be called that.
///
/// # Errors
/// Says what a name is made of.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_short = (1..=NAME_BYTES_MAX).contains(&name.len());
    // Those two would be other places in the address of its page.
    if is_short && name.bytes().all(is_plain) && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(format!(
        "a relay is named {name:?}; use 1 to {NAME_BYTES_MAX} letters, digits and . _ -, \
         not . or .. alone"
    ))
}

/// Whether a number of seconds is within `range`.
///
/// # Errors
/// Names the key and the range.
pub(super) fn check_seconds(
    key: &str,
    seconds: f64,
    range: std::ops::RangeInclusive<f64>,
) -> Result<(), String> {
    if range.contains(&seconds) {
        return Ok(());
    }
    Err(format!(
        "`{key}` is {seconds}, it must be from {} to {}",
        range.start(),
        range.end()
    ))
}
