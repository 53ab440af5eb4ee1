//! The name of a mount: a short absolute path in plain characters. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters between two slashes.
const PART_CHARS_MAX: usize = 64;
/// The most parts.
const PARTS_MAX: usize = 4;
/// Endings that belong to playlists and status pages.
const RESERVED_ENDINGS: [&str; 6] = [".m3u", ".pls", ".xspf", ".vclt", ".xsl", ".json"];
/// First parts that belong to the program itself.
const RESERVED_FIRST_PARTS: [&str; 3] = ["admin", "api", "health"];

/// A checked mount path such as `/live.ogg`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPath(String);

impl MountPath {
    /// Takes a path made of one to four parts of `A-Z a-z 0-9 . _ ~ -`, without `.` and `..`,
    /// that no page of the program uses.
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
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.len() > PARTS_MAX {
            return complaint("it has more than 4 parts");
        }
        for part in &parts {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
            if !part.bytes().all(is_plain) {
                return complaint("it may hold letters, digits and . _ ~ - only");
            }
            if part.is_empty() || part.len() > PART_CHARS_MAX || matches!(*part, "." | "..") {
                return complaint("each part has 1 to 64 characters and is not . or ..");
            }
        }
        if RESERVED_FIRST_PARTS.contains(&parts[0]) {
            return complaint("it belongs to the program's own pages");
        }
        if RESERVED_ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            return complaint("its ending belongs to playlists and status pages");
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers this path: the path itself, or `/part/*` for all below.
    pub fn is_covered_by(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => self.0.starts_with(start),
            None => self.0 == pattern,
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
    use super::MountPath;

    #[test]
    fn plain_paths_are_taken_and_all_else_is_refused_in_words() {
        for good in ["/live.ogg", "/a/b/c/d", "/~x-_.1"] {
            assert_eq!(MountPath::parse(good).unwrap().as_str(), good);
        }
        let long = format!("/{}", "a".repeat(65));
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
            "/a b",
            "/a%2f",
            "/é",
            "/a\r\nb",
            "/a/b/c/d/e",
            "/admin/x",
            "/api",
            "/x.m3u",
            "/status-json.xsl",
            "/\\evil",
            "/a\0",
            long.as_str(),
        ] {
            let complaint = MountPath::parse(bad).unwrap_err();
            assert!(complaint.contains("/live.ogg"), "{bad}: {complaint}");
            assert!(!complaint.contains('\n'), "{complaint}");
        }
    }

    #[test]
    fn patterns_cover_a_path_or_all_below() {
        let path = MountPath::parse("/hall/live.ogg").unwrap();
        assert!(path.is_covered_by("/*") && path.is_covered_by("/hall/*"));
        assert!(path.is_covered_by("/hall/live.ogg"));
        assert!(!path.is_covered_by("/hall") && !path.is_covered_by("/other/*"));
    }
}
