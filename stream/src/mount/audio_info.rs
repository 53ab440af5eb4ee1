//! What a source says about its sound in `ice-audio-info`: `bitrate=128;samplerate=44100`, with
//! values as in an address. Only the keys that programs are known to write are looked at, so that
//! none can stand for something else in a list of statistics. Pure.

use super::facts::clean;
use crate::text::percent_decode;

/// The keys, by the alphabet: libshout's and Liquidsoap's, and those of butt and older programs.
const KEYS: [&str; 7] = [
    "bitrate",
    "channels",
    "ice-bitrate",
    "ice-channels",
    "ice-samplerate",
    "quality",
    "samplerate",
];

/// The known keys and their values, by the alphabet; of two the first.
pub fn fields(info: &str) -> impl Iterator<Item = (&'static str, String)> {
    KEYS.into_iter()
        .filter_map(|key| Some((key, value(info, key)?)))
}

/// Kilobits a second.
pub(super) fn bitrate(info: &str) -> Option<String> {
    value(info, "bitrate").or_else(|| value(info, "ice-bitrate"))
}

fn value(info: &str, key: &str) -> Option<String> {
    let mut pairs = info.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == key)?;
    let decoded = percent_decode(value);
    let value = clean(decoded.as_deref().unwrap_or(value));
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn known_keys_have_values_and_nothing_else_gets_through() {
        let info = " quality=3%2e5;bitrate=112 ;channels=;title=evil;samplerate=44100;listeners=9";
        let found: Vec<_> = fields(info).collect();
        let value = |text: &str| text.to_owned();
        assert_eq!(
            found,
            [
                ("bitrate", value("112")),
                ("quality", value("3.5")),
                ("samplerate", value("44100")),
            ]
        );
        for nonsense in ["", ";;;", "=", "bitrate", "=;bitrate", "bitrate=%0a"] {
            assert_eq!(fields(nonsense).count(), 0, "{nonsense}");
        }
        assert_eq!(
            fields("bitrate=%zz").next(),
            Some(("bitrate", value("%zz")))
        );
    }
}
