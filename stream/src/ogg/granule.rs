//! Granule position to time, for codecs whose granule positions count samples. Pure.

use std::time::Duration;

/// The time from the start of the logical stream to `granule`. `None` for "no packet ends
/// here" (−1) and anything else below 0, and for a rate of 0.
pub fn time(granule: i64, rate_hertz: u32) -> Option<Duration> {
    let samples = u64::try_from(granule).ok()?;
    let rate = u64::from(rate_hertz);
    let seconds = samples.checked_div(rate)?;
    let nanoseconds = (samples % rate) * 1_000_000_000 / rate;
    Some(Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_time_without_rounding_away_or_overflow() {
        assert_eq!(time(48_000, 48_000), Some(Duration::from_secs(1)));
        assert_eq!(
            time(44_100 * 3 + 22_050, 44_100),
            Some(Duration::from_millis(3_500))
        );
        assert_eq!(time(-1, 48_000), None);
        assert_eq!(time(1, 0), None);
        assert!(time(i64::MAX, 1).is_some());
        assert!(time(i64::MAX, u32::MAX).is_some());
    }
}
