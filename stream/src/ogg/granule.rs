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

/// How many samples last at least so long.
pub fn samples(time: Duration, rate_hertz: u32) -> u64 {
    let samples = time.as_nanos() * u128::from(rate_hertz);
    u64::try_from(samples.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
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

    #[test]
    fn time_becomes_samples_that_last_at_least_so_long() {
        assert_eq!(samples(Duration::from_secs(1), 48_000), 48_000);
        assert_eq!(samples(Duration::from_nanos(1), 48_000), 1);
        assert_eq!(samples(Duration::ZERO, 48_000), 0);
        assert_eq!(samples(Duration::MAX, u32::MAX), u64::MAX);
    }
}
