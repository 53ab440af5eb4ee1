//! What `?from=` says: how long ago, or when. Pure.

use std::time::Duration;

use jiff::Timestamp;

/// A moment that a listener wants to hear from on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// Reads `-90s`, `-15m`, `-2h`, or a time as RFC 3339 has it, such as
    /// `2026-11-24T19:30:00+01:00`.
    ///
    /// # Errors
    /// Says in words what it may be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let ago = text.strip_prefix('-').and_then(ago);
        // Forms send a plus as a space.
        let at = || text.replace(' ', "+").parse().ok().map(Self::At);
        ago.map(Self::Ago).or_else(at).ok_or_else(|| {
            format!(
                "from={text:.40?} is no moment: it is -90s, -15m, -2h, or a time such as \
                 2026-11-24T19:30:00Z"
            )
        })
    }

    /// In milliseconds since 1970. `now_ms` is the same for now.
    pub(crate) fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(time) => {
                now_ms.saturating_sub_unsigned(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
            }
            Self::At(at) => at.as_millisecond(),
        }
    }
}

fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok())??;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_ago_or_a_time_with_its_zone() {
        let ms = |text: &str| Moment::parse(text).unwrap().ms(10_000_000);
        assert_eq!(ms("-90s"), 9_910_000);
        assert_eq!(ms("-15m"), 9_100_000);
        assert_eq!(ms("-2h"), 2_800_000);
        assert_eq!(ms("1970-01-01T01:00:01+01:00"), 1_000);
        assert_eq!(ms("1970-01-01T01:00:01 01:00"), 1_000);
        assert_eq!(ms("1970-01-01T00:00:01.5Z"), 1_500);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in [
            "",
            "-",
            "-m",
            "-1d",
            "-1.5h",
            "5m",
            "-99999999999999999999h",
            "yesterday",
        ] {
            let complaint = Moment::parse(text).unwrap_err();
            assert!(complaint.contains("-15m"), "{text}: {complaint}");
        }
    }
}
