//! The name of a mount: a short absolute path, spelt in one way. Pure.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters between two slashes.
const PART_CHARS_MAX: usize = 64;
/// The most parts.
const PARTS_MAX: usize = 8;
/// The most bytes, as it is spelt.
const MOUNT_PATH_BYTES_MAX: usize = 260;
/// Endings that belong to playlists and status pages.
const RESERVED_ENDINGS: [&str; 6] = [".m3u", ".pls", ".xspf", ".vclt", ".xsl", ".json"];
/// First parts that belong to the program itself.
const RESERVED_FIRST_PARTS: [&str; 5] = ["admin", "api", "archive", "health", "metrics"];
/// First parts of paths that belong to pages of a balancer, beyond those.
pub const BALANCER_PAGES: [&str; 2] = ["desk", "static"];
/// Characters that nobody sees and that turn round the text behind them (UAX #9 §2): a name would
/// read as another one, on pages and in the log.
const DIRECTIONS: [char; 12] = [
    '\u{061c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];
/// Behind a mount's path: the hidden mount on which its fallback file is played.
const STAND_IN: &str = "~file";
/// What means something in addresses, or is made another character on the way.
const NEVER: &str = "\"#%/<>?\\";
/// These stand for themselves, beside letters and digits. Whatever else means something in a query,
/// a page, a list of patterns, the name of a folder or a line of a log is percent-encoded.
const PLAIN: &[u8] = b"._~-!$(),;=:";

/// A checked mount path such as `/live.ogg`, spelt as in an address. Of its many spellings there
/// (RFC 3986 §2) it has one, so that equal mounts are equal; and nobody who writes it down, wherever,
/// has to escape it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPath(String);

impl MountPath {
    /// Takes a path of one to eight parts in any spelling, percent-encoded or not, without `.` and
    /// `..`, that no page of the program uses.
    ///
    /// # Errors
    /// Says in words what a mount path looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let complaint = |what: &str| {
            Err(format!(
                "{text:.80?} is no mount path: {what}; it looks like /live.ogg"
            ))
        };
        let Some(rest) = text.strip_prefix('/') else {
            return complaint("it must begin with /");
        };
        let mut path = String::with_capacity(text.len());
        for (n, part) in rest.split('/').enumerate() {
            if n == PARTS_MAX {
                return complaint("it has more than 8 parts");
            }
            let Some(part) = decoded(part) else {
                return complaint("behind % stand two digits of a byte, and all is UTF-8");
            };
            if part.chars().any(|c| c.is_control() || NEVER.contains(c)) {
                return complaint("it may not hold control characters nor \" # % < > ? \\");
            }
            if part.contains(DIRECTIONS) {
                return complaint("it holds a character that turns round what stands behind it");
            }
            let n_chars = part.chars().count();
            if n_chars == 0 || n_chars > PART_CHARS_MAX || matches!(&*part, "." | "..") {
                return complaint("each part has 1 to 64 characters and is not . or ..");
            }
            path.push('/');
            spell(&part, &mut path);
        }
        if path.len() > MOUNT_PATH_BYTES_MAX {
            return complaint("it is longer than 260 bytes");
        }
        let first = path.split('/').nth(1).unwrap_or_default();
        if RESERVED_FIRST_PARTS.contains(&first) {
            return complaint(
                "/admin, /api, /archive, /health and /metrics are the program's own pages",
            );
        }
        if RESERVED_ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            return complaint("its ending belongs to playlists and status pages");
        }
        Ok(Self(path))
    }

    /// The path, as it is spelt in an address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Why it is a bad name for a mount, although it may be one.
    pub fn doubt(&self) -> Option<&'static str> {
        let first = self.0.split('/').nth(1).unwrap_or_default();
        BALANCER_PAGES.contains(&first).then_some(
            "a balancer has pages of its own there (/desk, /static) and sends no listener \
             to this mount: let its path begin with another word",
        )
    }

    /// The path as a person reads it, which has to be escaped wherever it is written.
    pub fn decoded(&self) -> Cow<'_, str> {
        decoded(&self.0).unwrap_or(Cow::Borrowed(&self.0))
    }

    /// The beginning of a path, or of a name for one, in the spelling of all paths.
    pub fn spelling_of(start: &str) -> String {
        let mut path = String::with_capacity(start.len());
        for (n, part) in start.split('/').enumerate() {
            if n > 0 {
                path.push('/');
            }
            spell(&decoded(part).unwrap_or(Cow::Borrowed(part)), &mut path);
        }
        path
    }

    /// The hidden mount on which the fallback file of this one is played; `None`: its path would be
    /// too long.
    pub fn stand_in(&self) -> Option<Self> {
        Self::parse(&format!("{}{STAND_IN}", self.0)).ok()
    }

    /// Whether it is such a hidden mount of another one. Nobody asks for it by its name.
    pub fn is_stand_in(&self) -> bool {
        self.0.ends_with(STAND_IN)
    }

    /// Whether the pattern covers this path: the path itself, or `/part/*` for all below.
    pub fn is_covered_by(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => self.0.starts_with(&Self::spelling_of(start)),
            None => self.0 == Self::spelling_of(pattern),
        }
    }
}

/// A part without its percent signs. `None`: they stand for nothing.
fn decoded(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit()? * 16 + digit()?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn spell(part: &str, path: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
            path.push(char::from(byte));
        } else {
            let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
            path.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
}

impl TryFrom<String> for MountPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<MountPath> for String {
    fn from(path: MountPath) -> Self {
        path.0
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_one_mount() {
        for (spelt, others) in [
            ("/live.ogg", ["/%6cive.ogg", "/live%2eogg"]),
            (
                "/a/b/c/d/e/f/g/h",
                ["/a/b/c/d/e/f/g/%68", "/a/b/c/d/e/f/g/h"],
            ),
            ("/~x-_.1", ["/%7Ex-_.1", "/%7ex%2d_.1"]),
            ("/stream;", ["/stream%3B", "/stream%3b"]),
            ("/a%2Bb", ["/a+b", "/a%2bb"]),
            ("/a%20b", ["/a b", "/a%20b"]),
            ("/a%26b%27%40%2A", ["/a&b'@*", "/a%26b'%40*"]),
            ("/!$(),;=:", ["/!$(),;=%3a", "/%21$(),;=:"]),
            ("/k%C3%A4se", ["/käse", "/k%c3%a4se"]),
        ] {
            let path = MountPath::parse(spelt).unwrap();
            assert_eq!(path.as_str(), spelt);
            for other in others {
                assert_eq!(MountPath::parse(other).as_ref(), Ok(&path), "{other}");
            }
        }
        assert_eq!(MountPath::parse("/a%20b+").unwrap().decoded(), "/a b+");
    }

    #[test]
    fn what_leads_elsewhere_is_refused_in_words() {
        let long = format!("/{}", "a".repeat(65));
        let longer = format!("/{}/{}", "ü".repeat(40), "ü".repeat(40));
        for bad in [
            "",
            "live.ogg",
            "/",
            "//",
            "/a//b",
            "/a/",
            "/..",
            "/a/../b",
            "/.",
            "/%2e%2E/b",
            "/%2e",
            "/a%2fb",
            "/a%5Cb",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a%25",
            "/%e4",
            "/a%00",
            "/a%0d%0aX: y",
            "/a%c2%85",
            "/a?b",
            "/a#b",
            "/a\"b",
            "/<b>",
            "/a\r\nb",
            "/a/b/c/d/e/f/g/h/i",
            "/metrics",
            "/archive/x",
            "/admin/x",
            "/adm%69n/x",
            "/api",
            "/x.m3u",
            "/x.m3%75",
            "/status-json.xsl",
            "/\\evil",
            "/a\0",
            long.as_str(),
            longer.as_str(),
        ] {
            let complaint = MountPath::parse(bad).unwrap_err();
            assert!(complaint.contains("/live.ogg"), "{bad}: {complaint}");
            assert!(!complaint.contains('\n'), "{complaint}");
        }
    }

    #[test]
    fn a_name_that_reads_as_another_is_refused_and_one_that_no_balancer_serves_is_doubted() {
        for path in ["/a\u{202e}ggo.evil", "/hall/%E2%81%A6x", "/\u{200f}"] {
            let complaint = MountPath::parse(path).unwrap_err();
            assert!(complaint.contains("turns round"), "{path}: {complaint}");
        }
        let doubt = |path: &str| MountPath::parse(path).unwrap().doubt();
        for path in ["/desk", "/desk/live.ogg", "/static/a/b"] {
            assert!(doubt(path).unwrap().contains("balancer"), "{path}");
        }
        for path in ["/live.ogg", "/hall/desk", "/desks", "/שלום", "/ü"] {
            assert_eq!(doubt(path), None, "{path}");
        }
    }

    #[test]
    fn patterns_cover_a_path_or_all_below_however_they_are_spelt() {
        let path = MountPath::parse("/hall/live.ogg").unwrap();
        assert!(path.is_covered_by("/*") && path.is_covered_by("/hall/*"));
        assert!(path.is_covered_by("/hall/live.ogg") && path.is_covered_by("/h%61ll/*"));
        assert!(!path.is_covered_by("/hall") && !path.is_covered_by("/other/*"));
        let path = MountPath::parse("/my hall/a+b").unwrap();
        for pattern in [
            "/my hall/*",
            "/my%20hall/*",
            "/my hall/a+b",
            "/my%20hall/a%2bb",
        ] {
            assert!(path.is_covered_by(pattern), "{pattern}");
        }
        assert!(!path.is_covered_by("/my+hall/*"));
        // A star in a name is none of a pattern.
        let star = MountPath::parse("/a*").unwrap();
        assert!(star.is_covered_by("/a%2A") && !star.is_covered_by("/a%2Ab"));
        assert!(!MountPath::parse("/ab").unwrap().is_covered_by("/a%2A"));
    }

    proptest! {
        #[test]
        fn a_path_needs_no_escaping_anywhere_and_is_read_back_as_itself(text in "/[^/]{1,20}(/\\PC{1,9})?") {
            if let Ok(path) = MountPath::parse(&text) {
                let spelt = path.as_str();
                let is_plain = |c: char| c.is_ascii_graphic() && !"\"#&'*+<>?@[\\]^`{|}".contains(c);
                prop_assert!(spelt.chars().all(is_plain), "{spelt}");
                let again = MountPath::parse(spelt);
                prop_assert_eq!(again.as_ref(), Ok(&path));
                let read = MountPath::parse(&path.decoded());
                prop_assert_eq!(read.as_ref(), Ok(&path));
                prop_assert!(path.is_covered_by(spelt) && path.is_covered_by(&text.replace('*', "%2A")));
            }
        }

        #[test]
        fn no_text_does_harm(text in "[%/.a-f0-9*ü]{0,40}") {
            let _ = MountPath::parse(&text);
        }
    }
}
