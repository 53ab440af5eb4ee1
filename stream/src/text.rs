//! Text that came without its character set. Pure.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// What these bytes are in: UTF-8 if they can be, else Windows-1252, which holds ISO 8859-1: other
/// text is hardly ever UTF-8 by chance.
pub(crate) fn guess(bytes: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(bytes) {
        Ok(_) => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

/// These bytes as text, in the character set that they are most likely in.
pub fn guessed(bytes: &[u8]) -> Cow<'_, str> {
    guess(bytes).decode_without_bom_handling(bytes).0
}

#[cfg(test)]
mod tests {
    use super::guessed;

    #[test]
    fn old_text_and_new_text_are_read_as_they_were_meant() {
        assert_eq!(guessed("Käse".as_bytes()), "Käse");
        assert_eq!(guessed(b"K\xe4se \x80"), "Käse €");
        assert_eq!(guessed(b""), "");
    }
}
