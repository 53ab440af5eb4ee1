//! Text that came without its character set. Pure.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde::Deserialize;

/// A character set that somebody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Charset(&'static Encoding);

impl Charset {
    /// By one of its names, such as `latin1`. `None`: it is not known.
    pub fn named(name: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(name.as_bytes()).map(Self)
    }

    /// These bytes as text.
    pub fn read(self, bytes: &[u8]) -> Cow<'_, str> {
        self.0.decode_without_bom_handling(bytes).0
    }
}

impl TryFrom<String> for Charset {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| {
            format!(
                "{name:.40?} is no character set that is known here: name one that browsers know, \
                 such as utf-8, iso-8859-2, windows-1251 or koi8-r"
            )
        })
    }
}

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

/// With what stands as `%20` in its place. `None`: it is not UTF-8, or not encoded so.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (two, after) = tail.split_at_checked(2)?;
            // The library would take a sign for one.
            let digits = two.iter().all(u8::is_ascii_hexdigit).then_some(two)?;
            let digits = std::str::from_utf8(digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::{Charset, guessed, percent_decode};

    #[test]
    fn old_text_and_new_text_are_read_as_they_were_meant() {
        assert_eq!(guessed("Käse".as_bytes()), "Käse");
        assert_eq!(guessed(b"K\xe4se \x80"), "Käse €");
        assert_eq!(guessed(b""), "");
    }

    #[test]
    fn behind_a_percent_sign_stand_two_digits() {
        assert_eq!(percent_decode("a%2dB%C3%A4").as_deref(), Some("a-Bä"));
        for bad in ["%", "%2", "%+1", "%-1", "% 1", "%zz", "%e4", "%ü"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_character_set_is_known_by_icecasts_names_and_others_are_refused_with_the_remedy() {
        for (name, text) in [
            ("ISO8859-2", "Koł"),
            ("iso-8859-1", "Ko³"),
            (" windows-1251 ", "Koі"),
            ("UTF-8", "Ko\u{fffd}"),
        ] {
            assert_eq!(Charset::named(name).unwrap().read(b"Ko\xb3"), text);
        }
        for name in ["cp850", "", "iso-2022-cn"] {
            let why = Charset::try_from(name.to_owned()).unwrap_err();
            assert!(why.contains("such as utf-8"), "{why}");
        }
    }
}
