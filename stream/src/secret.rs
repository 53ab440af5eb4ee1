//! A password or token that cannot be printed by accident and is compared in constant time.

use ring::digest::{SHA256, digest};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use subtle::ConstantTimeEq;

/// Shorter secrets are refused: they can be guessed.
pub const SECRET_CHARS_MIN: usize = 8;

/// Known default passwords, refused however long they are.
const REFUSED: [&str; 30] = [
    "hackme",
    "hackmemore",
    "hackmenow",
    "hackme123",
    "hackmehackme",
    "changeme",
    "changeme1",
    "changeme123",
    "changeit",
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "87654321",
    "abcd1234",
    "abc12345",
    "qwertyui",
    "qwerty123",
    "letmein1",
    "icecast2",
    "icecast123",
    "adminadmin",
    "admin123",
    "administrator",
    "sourcesource",
];

/// A password or token. `Debug` and logs show only dots.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret that is long enough and not a known default.
    ///
    /// # Errors
    /// Says what is wrong with it and how to make a better one; never repeats it.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let mut letters = text.chars();
        let first = letters.next();
        let is_one_letter = first.is_some() && letters.all(|letter| Some(letter) == first);
        if is_one_letter || REFUSED.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "is a well-known default password; {HOW_TO_MAKE_ONE}"
            ));
        }
        if text.chars().count() < SECRET_CHARS_MIN {
            return Err(format!(
                "must have at least {SECRET_CHARS_MIN} characters; {HOW_TO_MAKE_ONE}"
            ));
        }
        Ok(Self(text))
    }

    /// Takes a secret that somebody else chose, however poor: a password on his server.
    pub fn given(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether `given` is this secret. Takes the same time wherever they differ.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// A number that tells the login of this user with this secret from others. Neither can be read
    /// from it.
    pub fn mark(&self, user: &str) -> u64 {
        let both = [user.as_bytes(), b"\0", self.0.as_bytes()].concat();
        let sum = digest(&SHA256, &both);
        let bytes = sum.as_ref().first_chunk().copied();
        u64::from_be_bytes(bytes.unwrap_or_default())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The remedy that every complaint about a missing or poor secret ends with.
pub const HOW_TO_MAKE_ONE: &str = "make one with: openssl rand -base64 24";

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretText { is_ours: true })
    }
}

/// For settings: as [`Secret::given`].
///
/// # Errors
/// When it is not text.
pub fn deserialize_given<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    deserializer
        .deserialize_any(SecretText { is_ours: false })
        .map(Some)
}

/// Reads text only, and never repeats what it got instead: serde's own complaint would.
struct SecretText {
    /// It protects us: then it must be a good one.
    is_ours: bool,
}

const NOT_TEXT: &str = "must be text in quotes";

impl Visitor<'_> for SecretText {
    type Value = Secret;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        if self.is_ours {
            Secret::new(text).map_err(E::custom)
        } else {
            Ok(Secret::given(text))
        }
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_and_short_ones_are_refused() {
        for text in [
            "hackme",
            "HackMe",
            "12345678",
            "Password1",
            "icecast2",
            "adminadmin",
            "00000000",
            "short",
            "",
        ] {
            let complaint = Secret::new(text).unwrap_err();
            assert!(complaint.contains("openssl rand"), "{complaint}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("correct horse battery").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert!(secret.matches("correct horse battery"));
        assert!(!secret.matches("correct horse batterz"));
    }
}
