//! What the public page says, in each of its languages. Pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, for whoever wants neither.
    English,
    /// German.
    German,
}

type Words = BTreeMap<String, String>;

/// A broken file shows in every test; then the page has no words.
static WORDS: LazyLock<BTreeMap<String, Words>> =
    LazyLock::new(|| serde_json::from_str(include_str!("words.json")).unwrap_or_default());

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// Its name in a browser's headers (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language with this tag, such as `de-AT`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.trim().split('-').next().unwrap_or_default();
        let is_it = |language: &Self| language.tag().eq_ignore_ascii_case(first);
        Self::ALL.into_iter().find(is_it)
    }

    /// What a browser wants most of what there is (RFC 9110 §12.5.4).
    pub fn wanted(accept_language: &str) -> Self {
        let mut best = (Self::English, 0.0);
        for part in accept_language.split(',') {
            let (tag, quality) = part.split_once(';').unwrap_or((part, "q=1"));
            let quality = quality.trim().strip_prefix("q=").unwrap_or("0");
            let quality = quality.parse::<f32>().unwrap_or(0.0);
            match Self::of_tag(tag) {
                // Of two that are wanted alike the first counts.
                Some(language) if quality > best.1 => best = (language, quality),
                _ => {}
            }
        }
        best.0
    }

    /// A word, or the key itself where there is none.
    pub fn word(self, key: &str) -> &str {
        let words = WORDS.get(self.tag());
        words
            .and_then(|words| words.get(key))
            .map_or(key, String::as_str)
    }

    /// A number as this language writes it: 12,345 or 12.345.
    pub fn number(self, number: u64) -> String {
        let separator = match self {
            Self::English => ',',
            Self::German => '.',
        };
        let digits = number.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }

    /// The words that the script says, as JSON that can stand in a page.
    pub fn said(self) -> String {
        let words = WORDS.get(self.tag()).into_iter().flatten();
        let said: BTreeMap<_, _> = words.filter(|(key, _)| key.starts_with("say_")).collect();
        let text = serde_json::to_string(&said).unwrap_or_default();
        text.replace('<', "\\u003c")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_languages_have_the_same_words() {
        let keys = |language: Language| WORDS[language.tag()].keys().collect::<Vec<_>>();
        assert_eq!(keys(Language::German), keys(Language::English));
        assert_eq!(WORDS.len(), Language::ALL.len());
    }

    #[test]
    fn a_browser_gets_what_it_wants_most() {
        for (wanted, expected) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-GB,en;q=0.9,de;q=0.8", Language::English),
            ("fr,DE;q=0.3,en;q=0.2", Language::German),
            ("fr", Language::English),
            ("de;q=0", Language::English),
            ("de;q=x,,;;=,-", Language::English),
            ("de;q=NaN,en;q=0.1", Language::English),
        ] {
            assert_eq!(Language::wanted(wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(Language::English.number(0), "0");
        assert_eq!(Language::English.number(999), "999");
        assert_eq!(Language::English.number(1_234_567), "1,234,567");
        assert_eq!(Language::German.number(12_345), "12.345");
    }

    #[test]
    fn what_the_script_says_cannot_end_its_element() {
        let said = Language::English.said();
        assert!(said.contains("say_playing"), "{said}");
        assert!(!said.contains('<') && !said.contains("lists_why"), "{said}");
    }
}
