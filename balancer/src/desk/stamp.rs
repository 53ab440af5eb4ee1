//! Times as the page writes them. Pure.

use jiff::Timestamp;

use crate::desk::words::Words;

/// A time, given in seconds since 1970, such as `2026-11-29 18:03`.
pub fn stamp(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(String::new, |time| {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    })
}

/// How long ago something was.
pub fn age(w: &Words, ms_ago: Option<u64>) -> String {
    match ms_ago {
        None => w.never.to_owned(),
        Some(ms) if ms < 10_000 => format!("{:.1} s", as_seconds(ms)),
        Some(ms) if ms < 600_000 => format!("{} s", ms / 1_000),
        Some(ms) => format!("{} min", ms / 60_000),
    }
}

#[expect(clippy::cast_precision_loss, reason = "less than ten seconds")]
fn as_seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn times_are_short() {
        assert_eq!(stamp(1_795_975_380), "2026-11-29 18:03");
        assert_eq!(stamp(u64::MAX), "");
        let w = Language::English.words();
        for (ms, said) in [
            (None, "never"),
            (Some(1_240), "1.2 s"),
            (Some(61_000), "61 s"),
            (Some(3_600_000), "60 min"),
        ] {
            assert_eq!(age(w, ms), said);
        }
    }
}
