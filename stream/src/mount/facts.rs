//! What a source says about its stream, and what listeners are told. Pure.

use serde::{Deserialize, Serialize};

use super::terms::Terms;

/// Longer values are cut.
const VALUE_CHARS_MAX: usize = 256;

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
            bitrate: first(&["ice-bitrate", "icy-br", "x-audiocast-bitrate"]),
            audio_info: first(&["ice-audio-info"]),
            is_public: flag.as_deref() == Some("1"),
            terms: Terms::default(),
        }
    }

    /// The headers that listeners get, in the spelling that players look for.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let public = if self.is_public { "1" } else { "0" };
        [
            ("icy-name", self.name.as_deref()),
            ("icy-description", self.description.as_deref()),
            ("icy-genre", self.genre.as_deref()),
            ("icy-url", self.website.as_deref()),
            ("icy-br", self.bitrate.as_deref()),
            ("ice-audio-info", self.audio_info.as_deref()),
            ("icy-pub", Some(public)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
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

fn clean(value: &str) -> String {
    value
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(VALUE_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Facts;

    #[test]
    fn source_headers_become_listener_headers_without_control_characters() {
        let facts = Facts::from_headers(|name| match name {
            "icy-name" => Some("other spelling"),
            "ice-name" => Some(" Ple\x07num\r\nX-Evil: 1 "),
            "ice-public" => Some("1"),
            "content-type" => Some("audio/mpeg"),
            _ => None,
        });
        let headers: Vec<_> = facts.headers().collect();
        assert_eq!(headers, [("icy-name", "PlenumX-Evil: 1"), ("icy-pub", "1")]);
        assert_eq!(facts.content_type, "application/ogg");
    }
}
