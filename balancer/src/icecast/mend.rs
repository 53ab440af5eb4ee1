//! Makes JSON of what Icecast 2.4 takes for JSON. Pure.
//!
//! It writes a title that looks like a number without quotes: `"title":-`, `"title":1.`,
//! `"title":.5`; and control characters as they are. None of this concerns us, but all of it
//! makes the rest unreadable.

use serde::de::IgnoredAny;

/// The same text, with `null` for words that are no JSON, and spaces for control characters.
pub fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(first) = rest.chars().next() {
        let n_bytes = match first {
            '"' => string_bytes(rest),
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            space if is_space(space) => space.len_utf8(),
            _ => word_bytes(rest),
        };
        let (piece, after) = rest.split_at(n_bytes);
        rest = after;
        match first {
            '"' => mended.extend(piece.chars().map(|c| if c.is_control() { ' ' } else { c })),
            '{' | '}' | '[' | ']' | ':' | ',' => mended.push(first),
            space if is_space(space) => mended.push(' '),
            _ if serde_json::from_str::<IgnoredAny>(piece).is_ok() => mended.push_str(piece),
            _ => mended.push_str("null"),
        }
    }
    mended
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// How long the string at the front is, with both quotes; all of it when the second is missing.
fn string_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long the word at the front is.
fn word_bytes(text: &str) -> usize {
    let is_end = |c: char| is_space(c) || "{}[]:,\"".contains(c);
    text.find(is_end).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(broken: &str, expected: &str) {
        let text = mended(broken.as_bytes());
        assert_eq!(text, expected, "{broken:?}");
    }

    #[test]
    fn what_icecast_writes_for_odd_titles_becomes_json() {
        check(
            r#"{"title":-,"dummy":null}"#,
            r#"{"title":null,"dummy":null}"#,
        );
        check(r#"{"title":1.,"a":2}"#, r#"{"title":null,"a":2}"#);
        check(r#"{"title":.5}"#, r#"{"title":null}"#);
        check("{\"title\":\"a\u{1}b\"}", r#"{"title":"a b"}"#);
        check("{\"title\":12\u{9},\"a\":1}", r#"{"title":12 ,"a":1}"#);
    }

    #[test]
    fn good_json_stays_as_it_is() {
        let good = r#"{"a":[1,-2.5e3,true,null,"x\"y\\",{"b":"[{:,-"}],"é":"ü"}"#;
        check(good, good);
    }

    #[test]
    fn nothing_that_comes_makes_it_stumble() {
        for seed in 0..2_000_u32 {
            let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
            let body: Vec<u8> = (0..seed % 60)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    let pool = b"{}[]:,\"\\-.5e \x01\t\xc3\xa9\xfftruen";
                    pool[state as usize % pool.len()]
                })
                .collect();
            let once = mended(&body);
            assert_eq!(mended(once.as_bytes()), once, "{body:?}");
        }
    }
}
