//! The fields of a query or a form, whose bytes may be in an older character set. Pure.

use crate::text::{Charset, guessed};

/// Further fields are not looked at.
const FIELDS_MAX: usize = 32;

/// Fields, percent-decoded once.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    /// Reads `a=b&c=d`. A plus sign is a space, as forms write it.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = text.split(|b| *b == b'&').take(FIELDS_MAX);
        let fields = pairs.map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let name = decode(halves.next().unwrap_or_default());
            (name, decode(halves.next().unwrap_or_default()))
        });
        Self(fields.collect())
    }

    /// The same, and what stands in `other` besides.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A field's text. What is no UTF-8 is Windows-1252, which holds ISO 8859-1.
    pub fn text(&self, name: &str) -> Option<String> {
        self.text_in(name, None)
    }

    /// A field's text in a character set, if one is known.
    pub fn text_in(&self, name: &str, charset: Option<Charset>) -> Option<String> {
        let fields = &mut self.0.iter();
        let (_, value) = fields.find(|(other, _)| other == name.as_bytes())?;
        let text = charset.map_or_else(|| guessed(value), |charset| charset.read(value));
        Some(text.into_owned())
    }
}

/// A percent sign that no two digits follow stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        let byte = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_in_the_character_set_that_they_are_written_in() {
        let text = b"mount=%2flive.ogg&song=Caf%e9+%26+Bar&charset=iso-8859-1&utf=Caf%C3%A9";
        let fields = Fields::parse(text);
        let plain = |name| fields.text(name).unwrap();
        assert_eq!(plain("mount"), "/live.ogg");
        assert_eq!(
            (plain("song"), plain("utf")),
            ("Café & Bar".into(), "Café".into())
        );
        let latin_1 = Charset::named("latin1");
        assert_eq!(fields.text_in("utf", latin_1).unwrap(), "CafÃ©");
        assert_eq!(fields.text_in("utf", None).unwrap(), "Café");
        assert_eq!(fields.text("none"), None);
        assert_eq!(Fields::parse(b"a=100%&b=%4").text("a").unwrap(), "100%");
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::parse(&bytes).text_in("a", Charset::named("utf-16"));
        }
    }
}
