//! What a source says about its stream, and what listeners are told. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audio_info;
use super::terms::Terms;

/// Longer values are cut.
const VALUE_CHARS_MAX: usize = 256;
/// So many words besides those that have a place here are passed on; further ones are left out.
const OTHERS_MAX: usize = 16;
/// And so many bytes of them with their names: relays read them in one line with all mounts.
const OTHERS_BYTES_MAX: usize = 4096;
/// A word with a longer name is left out.
const NAME_BYTES_MAX: usize = 40;
/// Behind `ice-` and `icy-`: what has a place here, what is a client's own affair, and what would
/// tell players that titles stand between the bytes.
const NO_OTHERS: [&str; 13] = [
    "name",
    "description",
    "genre",
    "url",
    "bitrate",
    "br",
    "public",
    "pub",
    "audio-info",
    "password",
    "metadata",
    "metaint",
    "caps",
];

/// The words about a stream, from the source's headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The media type that listeners get.
    pub content_type: String,
    /// The station's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A sentence about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Its web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Kilobits a second, as the source writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<String>,
    /// `key=value;key=value` about the sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_info: Option<String>,
    /// What else it says, without `ice-` and `icy-`: `irc` and its like. Passed on to listeners.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, String>,
    /// The source wants to be listed in directories.
    #[serde(default)]
    pub is_public: bool,
    /// What the operator says of it; no source can.
    #[serde(default, skip_serializing_if = "Terms::are_none")]
    pub terms: Terms,
}

impl Facts {
    /// Reads the headers that source clients send; `header` looks one up by its lower-case
    /// name. Of several spellings the first wins: `ice-`, `icy-`, `x-audiocast-`.
    pub fn from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| header(name)).map(clean);
        let flag = first(&["ice-public", "icy-pub", "x-audiocast-public", "icy-public"]);
        let audio_info = first(&["ice-audio-info"]);
        let bitrate = first(&["ice-bitrate", "icy-br", "x-audiocast-bitrate"]);
        Self {
            content_type: content_type(header("content-type")),
            name: first(&["ice-name", "icy-name", "x-audiocast-name"]),
            description: first(&[
                "ice-description",
                "icy-description",
                "x-audiocast-description",
            ]),
            genre: first(&["ice-genre", "icy-genre", "x-audiocast-genre"]),
            website: first(&["ice-url", "icy-url", "x-audiocast-url"]),
            bitrate: bitrate.or_else(|| audio_info::bitrate(audio_info.as_deref()?)),
            audio_info,
            others: BTreeMap::new(),
            is_public: flag.as_deref() == Some("1"),
            terms: Terms::default(),
        }
    }

    /// The same, with what else these headers (lower-case names) say about the stream. Of two
    /// spellings `ice-` wins.
    #[must_use]
    pub fn with_others<'a>(mut self, headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut said: Vec<_> = headers.collect();
        // Those of `ice-` first.
        said.sort_by_key(|(name, _)| name.starts_with("icy-"));
        for (name, value) in said {
            let word = name
                .strip_prefix("ice-")
                .or_else(|| name.strip_prefix("icy-"));
            let Some(word) = word.filter(|word| is_other(word)) else {
                continue;
            };
            let value = clean(value);
            let n_bytes = |(word, value): (&String, &String)| word.len() + value.len();
            let taken: usize = self.others.iter().map(n_bytes).sum();
            let fits = self.others.len() < OTHERS_MAX
                && taken + word.len() + value.len() <= OTHERS_BYTES_MAX;
            if fits && !self.others.contains_key(word) {
                self.others.insert(word.to_owned(), value);
            }
        }
        self
    }

    /// The headers that listeners get, in the spelling that players look for.
    pub fn headers(&self) -> impl Iterator<Item = (String, &str)> {
        let public = if self.is_public { "1" } else { "0" };
        let others = self.others.iter().filter(|(word, _)| is_other(word));
        let others = others.map(|(word, value)| (format!("icy-{word}"), value.as_str()));
        let known = [
            ("icy-name", self.name.as_deref()),
            ("icy-description", self.description.as_deref()),
            ("icy-genre", self.genre.as_deref()),
            ("icy-url", self.website.as_deref()),
            ("icy-br", self.bitrate.as_deref()),
            ("ice-audio-info", self.audio_info.as_deref()),
            ("icy-pub", Some(public)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known.chain(others)
    }
}

/// Whether it is passed on though it means nothing here. Names are what a line can hold; they may
/// come from a disk or another node, too.
fn is_other(word: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    (1..=NAME_BYTES_MAX).contains(&word.len())
        && word.bytes().all(is_name)
        && !NO_OTHERS.contains(&word)
}

/// Sources send Ogg under many names, some of them wrong (ffmpeg says `audio/mpeg` unless
/// told otherwise). What passed the framer is Ogg.
fn content_type(given: Option<&str>) -> String {
    let plain = given
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match plain.as_str() {
        "audio/ogg" | "video/ogg" => plain,
        _ => "application/ogg".to_owned(),
    }
}

/// Without control characters, and not too long.
pub(crate) fn clean(value: &str) -> String {
    value
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(VALUE_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Facts, OTHERS_BYTES_MAX, OTHERS_MAX, VALUE_CHARS_MAX, is_other};

    fn headers(facts: &Facts) -> Vec<(String, &str)> {
        facts.headers().collect()
    }

    fn line<'a>(name: &str, value: &'a str) -> (String, &'a str) {
        (name.to_owned(), value)
    }

    #[test]
    fn the_bit_rate_that_libshout_and_butt_write_into_audio_info_is_told() {
        for info in [
            "quality=3%2e5;bitrate=112;samplerate=44100;channels=2",
            "ice-bitrate=112;ice-channels=2;ice-samplerate=44100",
        ] {
            let facts = Facts::from_headers(|name| (name == "ice-audio-info").then_some(info));
            let told = headers(&facts);
            assert_eq!(
                told[..2],
                [line("icy-br", "112"), line("ice-audio-info", info)]
            );
        }
        let both = Facts::from_headers(|name| match name {
            "ice-audio-info" => Some("bitrate=1"),
            "ice-bitrate" => Some("96"),
            _ => None,
        });
        assert_eq!(both.bitrate.as_deref(), Some("96"));
    }

    #[test]
    fn what_has_no_place_here_is_passed_on_but_for_what_misleads_players() {
        let many: Vec<_> = (0..30).map(|n| format!("ice-more{n:02}")).collect();
        let said = [
            ("icy-irc", "#x"),
            ("ice-irc", "#y"),
            ("icy-logo", "http://a/\r\nb.png"),
            ("icy-metaint", "8000"),
            ("icy-metadata", "1"),
            ("ice-password", "secret"),
            ("ice-name", "again"),
            ("ice-", ""),
            ("ice-no space", ""),
            ("cookie", "z"),
        ];
        let facts = Facts::default().with_others(said.into_iter());
        let expected = [
            line("icy-pub", "0"),
            line("icy-irc", "#y"),
            line("icy-logo", "http://a/b.png"),
        ];
        assert_eq!(headers(&facts), expected);
        let facts = facts.with_others(many.iter().map(|name| (name.as_str(), "")));
        assert_eq!(facts.others.len(), OTHERS_MAX);
        // What another node says goes through the same gate.
        let told = r#"{"content_type":"audio/mpeg","others":{"metaint":"1","a\r\nb":"2"}}"#;
        let told: Facts = serde_json::from_str(told).unwrap();
        assert_eq!(headers(&told), [line("icy-pub", "0")]);
        assert!(!is_other(&"a".repeat(41)));
    }

    #[test]
    fn what_is_passed_on_fits_into_the_list_that_relays_read() {
        let value = "ä".repeat(VALUE_CHARS_MAX);
        let many: Vec<_> = (0..OTHERS_MAX).map(|n| format!("ice-more{n:02}")).collect();
        let said = many.iter().map(|name| (name.as_str(), value.as_str()));
        let others = Facts::default().with_others(said).others;
        let n_bytes: usize = others
            .iter()
            .map(|(word, value)| word.len() + value.len())
            .sum();
        assert_eq!(others.len(), OTHERS_BYTES_MAX / (2 * VALUE_CHARS_MAX + 6));
        assert!(n_bytes <= OTHERS_BYTES_MAX, "{n_bytes}");
    }

    #[test]
    fn source_headers_become_listener_headers_without_control_characters() {
        let facts = Facts::from_headers(|name| match name {
            "icy-name" => Some("other spelling"),
            "ice-name" => Some(" Ple\x07num\r\nX-Evil: 1 "),
            "ice-public" => Some("1"),
            "content-type" => Some("audio/mpeg"),
            _ => None,
        });
        let expected = [line("icy-name", "PlenumX-Evil: 1"), line("icy-pub", "1")];
        assert_eq!(headers(&facts), expected);
        assert_eq!(facts.content_type, "application/ogg");
    }
}
