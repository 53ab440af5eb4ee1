//! What the public page says, in each of its languages. Pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::language::Language;

type Words = BTreeMap<String, String>;

/// A broken file shows in every test; then the page has no words.
static WORDS: LazyLock<BTreeMap<String, Words>> =
    LazyLock::new(|| serde_json::from_str(include_str!("words.json")).unwrap_or_default());

impl Language {
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
