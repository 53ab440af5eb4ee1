//! Headers that the operator adds to what listeners are answered. Pure.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

/// So many are added for all mounts, and so many for one.
pub const HEADERS_ADDED_MAX: usize = 16;
/// The longest name.
const NAME_BYTES_MAX: usize = 64;
/// The longest value.
const VALUE_BYTES_MAX: usize = 1000;
/// What says where an answer ends, is said by the program itself, or tells listeners apart.
const REFUSED: [&str; 23] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "location",
    "retry-after",
    "server",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];
/// What such names begin with.
const REFUSED_STARTS: [&str; 5] = ["access-control-", "ice-", "icy-", "proxy-", "stream-"];

/// Names and values, as they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Added(Vec<(String, String)>);

impl Added {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.all()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

impl TryFrom<BTreeMap<String, String>> for Added {
    type Error = String;

    fn try_from(named: BTreeMap<String, String>) -> Result<Self, String> {
        if named.len() > HEADERS_ADDED_MAX {
            let n = named.len();
            return Err(format!(
                "`headers` are {n}, at most {HEADERS_ADDED_MAX} work"
            ));
        }
        let mut added = Self::default();
        for (name, value) in named {
            check(&name, &value)?;
            if added.has(&name) {
                return Err(format!("`headers` name {name} twice: leave one out"));
            }
            added.0.push((name, value));
        }
        Ok(added)
    }
}

fn check(name: &str, value: &str) -> Result<(), String> {
    let is_name = name.len() <= NAME_BYTES_MAX && HeaderName::from_bytes(name.as_bytes()).is_ok();
    if !is_name {
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(format!(
            "`headers`: {name:?} is no name of a header; it has letters, digits and -, at most \
             {NAME_BYTES_MAX}"
        ));
    }
    let is_plain = value.is_ascii() && HeaderValue::from_str(value).is_ok();
    if !is_plain || value.len() > VALUE_BYTES_MAX || value.trim() != value {
        return Err(format!(
            "`headers`: the value of {name} must be one line of ASCII without blanks around it, at \
             most {VALUE_BYTES_MAX} bytes"
        ));
    }
    let low = name.to_ascii_lowercase();
    let starts = || REFUSED_STARTS.iter().any(|start| low.starts_with(start));
    if REFUSED.contains(&low.as_str()) || starts() {
        return Err(format!(
            "`headers`: {name} cannot be added: it says where an answer ends, is said by this \
             program itself, or tells listeners apart"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(named: &[(&str, &str)]) -> Result<Added, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Added::try_from(named.iter().map(owned).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn headers_that_harm_nobody_are_added() {
        let named = [("X-Robots-Tag", "noindex, nofollow"), ("P3P", "")];
        let added = added(&named).unwrap();
        assert_eq!(added.all().count(), 2);
        assert!(added.has("x-robots-tag") && !added.has("x"));
    }

    #[test]
    fn what_frames_an_answer_or_cannot_be_sent_is_refused() {
        for name in [
            "Content-Length",
            "TRANSFER-ENCODING",
            "Connection",
            "Set-Cookie",
            "icy-metaint",
            "Access-Control-Allow-Origin",
            "Stream-Offset",
            "Server",
        ] {
            let complaint = added(&[(name, "1")]).unwrap_err();
            assert!(complaint.contains("cannot be added"), "{complaint}");
        }
        let long = "x".repeat(1001);
        for (name, value) in [
            ("X", "a\r\nb: c"),
            ("X", "a\nb"),
            ("X", "a\0b"),
            ("X", "ü"),
            ("X", " a"),
            ("X", &long),
            ("", "a"),
            ("X: Y", "a"),
            ("X\r\nY", "a"),
            ("ü", "a"),
            (&long, "a"),
        ] {
            let complaint = added(&[(name, value)]).unwrap_err();
            let n_chars = complaint.chars().count();
            assert!(
                complaint.contains("`headers`") && n_chars < 300,
                "{complaint}"
            );
        }
        assert!(
            added(&[("X", "a"), ("x", "b")])
                .unwrap_err()
                .contains("twice")
        );
        let many: Vec<String> = (0..17).map(|n| format!("X-{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "a")).collect();
        assert!(added(&many[1..]).is_ok());
        assert!(added(&many).unwrap_err().contains("at most 16"));
    }
}
