//! User and password in an `Authorization` header (RFC 7617). Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::text::guessed;

/// What a caller says of himself. Not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name; may be empty.
    pub user: String,
    /// The password as given.
    pub password: String,
}

/// Longer header values are not looked into.
const VALUE_BYTES_MAX: usize = 1024;

impl Credentials {
    /// Reads the value of an `Authorization: Basic …` header. `None`: not that.
    pub fn parse(value: &str) -> Option<Self> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let (scheme, rest) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        // Old clients write what was typed as their system does.
        let bytes = STANDARD.decode(rest.trim()).ok()?;
        let text = guessed(&bytes);
        let (user, password) = text.split_once(':')?;
        Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// The value of the header that says this.
    pub fn header(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?}, …)", self.user)
    }
}

/// The token in an `Authorization: Bearer …` header (RFC 6750 §2.1). `None`: not that.
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    (value.len() <= VALUE_BYTES_MAX && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let header = Credentials::header("source", "a:b c");
        let read = Credentials::parse(&header).unwrap();
        assert_eq!(
            (read.user.as_str(), read.password.as_str()),
            ("source", "a:b c")
        );
    }

    #[test]
    fn a_password_in_latin_1_is_the_password_in_utf_8() {
        let header = format!("Basic {}", STANDARD.encode(b"source:stra\xdfe-m\xfcll"));
        let read = Credentials::parse(&header).unwrap();
        assert_eq!(read.password, "straße-müll");
        let same = Credentials::parse(&Credentials::header("source", "straße-müll"));
        assert_eq!(same, Some(read));
    }

    #[test]
    fn nonsense_is_no_credentials() {
        let long = format!("Basic {}", "A".repeat(10_000));
        for value in [
            "",
            "Basic",
            "Basic !!",
            "Basic bm9jb2xvbg==",
            "Bearer x",
            long.as_str(),
        ] {
            assert_eq!(Credentials::parse(value), None, "{value:.20}");
        }
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
    }
}
