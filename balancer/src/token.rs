//! Words by chance that prove who somebody is, and the digests that are kept of them.
//!
//! A word of 24 random bytes cannot be guessed, so a plain digest (SHA-256) of it can lie in
//! a file: nobody gets from there back to the word.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use stream::ticket::TicketKey;

/// As much chance as `openssl rand -base64 24` gives.
const CHANCE_BYTES: usize = 24;

/// What is kept of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// What tickets of the relay with this token are signed with.
    pub fn ticket_key(&self) -> TicketKey {
        TicketKey::of_digest(&self.0)
    }
}

/// Not shown: who has the digest of a poor token can try words against it.
impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or("is no SHA-256 digest in base64 (44 characters)")
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        STANDARD.encode(digest.0)
    }
}

/// A new token. `None`: the system has no chance to give.
pub fn fresh() -> Option<String> {
    let mut bytes = [0; CHANCE_BYTES];
    SystemRandom::new().fill(&mut bytes).ok()?;
    // Without characters that a shell, a URL or a cookie reads in its own way.
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_through_a_file_and_never_shows_itself() {
        let digest = TokenDigest::of("token of a");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<TokenDigest>(&text).unwrap(), digest);
        assert_ne!(digest, TokenDigest::of("token of b"));
        assert_eq!(format!("{digest:?}"), "TokenDigest(…)");
        for damaged in ["\"\"", "\"AAAA\"", "\"?\"", "7"] {
            assert!(
                serde_json::from_str::<TokenDigest>(damaged).is_err(),
                "{damaged}"
            );
        }
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        stream::secret::Secret::new(one).unwrap();
    }
}
