//! Which bytes of a file somebody asks for (RFC 9110 §14). Pure.

use std::ops::Range;

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// 200.
    Whole,
    /// 206.
    Some(Range<u64>),
    /// 304: he has it already.
    Nothing,
    /// 416.
    Impossible,
}

/// Decides by the headers `Range`, `If-Range` and `If-None-Match`, for a file of so many bytes
/// whose tag is `tag`. More than one range is answered with the whole file, as may be.
pub(super) fn part(
    range: Option<&str>,
    if_range: Option<&str>,
    if_none_match: Option<&str>,
    tag: &str,
    n_bytes: u64,
) -> Part {
    let mut known = if_none_match.unwrap_or_default().split(',');
    if known.any(|known| matches!(known.trim(), "*") || known.trim() == tag) {
        return Part::Nothing;
    }
    // A date would not be strong enough: only our own tag is believed.
    if if_range.is_some_and(|given| given.trim() != tag) {
        return Part::Whole;
    }
    let Some((first, last)) = range.and_then(span) else {
        return Part::Whole;
    };
    let wanted = match (first, last) {
        (Some(first), Some(last)) if last < first => return Part::Whole,
        (Some(first), last) => first..last.map_or(n_bytes, |last| last.saturating_add(1)),
        (None, Some(n_last)) => n_bytes.saturating_sub(n_last)..n_bytes,
        (None, None) => return Part::Whole,
    };
    let there = wanted.start..wanted.end.min(n_bytes);
    if there.is_empty() {
        return Part::Impossible;
    }
    Part::Some(there)
}

type Span = (Option<u64>, Option<u64>);

/// First and last byte of `bytes=first-last`, each of which may be missing.
fn span(text: &str) -> Option<Span> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| -> Option<Option<u64>> {
        if text.is_empty() {
            return Some(None);
        }
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok())?.map(Some)
    };
    Some((number(first.trim())?, number(last.trim())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_http_says_and_nonsense_is_the_whole_file() {
        let of = |range: &str| part(Some(range), None, None, "\"a\"", 1000);
        for (range, expected) in [
            ("bytes=0-", Part::Some(0..1000)),
            ("bytes=10-19", Part::Some(10..20)),
            ("bytes=990-5000", Part::Some(990..1000)),
            ("bytes=-10", Part::Some(990..1000)),
            ("bytes=-5000", Part::Some(0..1000)),
            ("bytes=999-18446744073709551615", Part::Some(999..1000)),
            ("bytes=1000-", Part::Impossible),
            ("bytes=-0", Part::Impossible),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=x-", Part::Whole),
            ("bytes=+1-", Part::Whole),
            ("seconds=1-2", Part::Whole),
        ] {
            assert_eq!(of(range), expected, "{range}");
        }
    }

    #[test]
    fn only_who_has_the_same_file_gets_a_part_of_it() {
        let of = |if_range| part(Some("bytes=5-"), Some(if_range), None, "\"a\"", 10);
        assert_eq!(of("\"a\""), Part::Some(5..10));
        assert_eq!(of("\"b\""), Part::Whole);
        assert_eq!(of("W/\"a\""), Part::Whole);
        assert_eq!(of("Sun, 18 Sep 2011 16:00:00 GMT"), Part::Whole);
        let known = |tags| part(None, None, Some(tags), "\"a\"", 10);
        assert_eq!(known("\"b\", \"a\""), Part::Nothing);
        assert_eq!(known("\"b\""), Part::Whole);
    }
}
