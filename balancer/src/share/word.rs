//! What one balancer tells the others: that it lives, and what it holds against relays. Pure.
//!
//! It is read as if an enemy had written it.

use serde::{Deserialize, Serialize};

use crate::config::check_name;

/// So many relays are accused by one balancer; the rest is not said.
pub const ACCUSED_MAX: usize = 100;
/// Evidence is cut to this.
pub const EVIDENCE_BYTES_MAX: usize = 512;
/// What a balancer is called is cut to this.
pub const LABEL_BYTES_MAX: usize = 128;
/// What is said of what could not be used is no longer.
pub const COMPLAINT_BYTES_MAX: usize = 200;
/// A longer word is not read: with everything at its limit, it has half of this.
pub const WORD_BYTES_MAX: usize = 256 * 1024;

/// The word of one balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What it is called, for people.
    pub label: String,
    /// Another number each time: as long as it changes, the balancer lives.
    pub beat: u64,
    /// Relays that it has in quarantine.
    pub accused: Vec<Accused>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accused {
    /// Its name.
    pub relay: String,
    /// What was seen.
    pub what: String,
}

impl Word {
    /// What is said, cut to what others read.
    pub fn new(label: &str, beat: u64, accusations: Vec<(String, String)>) -> Self {
        let accused = accusations.into_iter().take(ACCUSED_MAX);
        Self {
            label: plain(label, LABEL_BYTES_MAX),
            beat,
            accused: accused
                .map(|(relay, what)| Accused {
                    relay,
                    what: plain(&what, EVIDENCE_BYTES_MAX),
                })
                .collect(),
        }
    }

    /// As it is written.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what somebody wrote. What can go into a log or onto a page goes there as it is.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > WORD_BYTES_MAX {
            return Err(format!("it has more than {WORD_BYTES_MAX} bytes"));
        }
        let mut word: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if word.accused.len() > ACCUSED_MAX {
            return Err(format!("it accuses more than {ACCUSED_MAX} relays"));
        }
        word.label = plain(&word.label, LABEL_BYTES_MAX);
        for accused in &mut word.accused {
            check_name(&accused.relay).map_err(|_| "it accuses what is no relay".to_owned())?;
            accused.what = plain(&accused.what, EVIDENCE_BYTES_MAX);
        }
        Ok(word)
    }
}

/// Somebody else's text on one line, and no longer than this.
pub fn plain(text: &str, bytes_max: usize) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if plain.len() + letter.len_utf8() > bytes_max {
            break;
        }
        plain.push(letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_is_not_read() {
        let accused = |n: usize| {
            let one = "{\"relay\": \"a\", \"what\": \"\"},".repeat(n);
            let list = one.trim_end_matches(',');
            format!("{{\"label\": \"\", \"beat\": 1, \"accused\": [{list}]}}")
        };
        assert_eq!(
            Word::parse(accused(ACCUSED_MAX).as_bytes()).unwrap().beat,
            1
        );
        let long = " ".repeat(WORD_BYTES_MAX + 1);
        let deep = "{\"x\":".repeat(WORD_BYTES_MAX / 5);
        for (text, complaint) in [
            ("", "EOF"),
            (long.as_str(), "more than"),
            (deep.as_str(), ""),
            (&accused(ACCUSED_MAX + 1), "accuses more"),
            (&accused(1).replace("\"a\"", "\"a b\""), "no relay"),
            (&accused(1).replace("\"beat\": 1", "\"beat\": -1"), "-1"),
        ] {
            let refused = Word::parse(text.as_bytes()).unwrap_err();
            assert!(refused.contains(complaint), "{refused}");
        }
    }

    #[test]
    fn whatever_is_said_is_one_line_and_short_enough_to_be_read() {
        let evil = "a\nrelay b is open\u{1b}[2J ü".repeat(100);
        let name = "r".repeat(64);
        let all = vec![(name, evil.clone()); 1_000];
        let word = Word::new(&evil, u64::MAX, all);
        let text = word.text();
        assert!(text.len() < WORD_BYTES_MAX / 2, "{}", text.len());
        let read = Word::parse(text.as_bytes()).unwrap();
        assert_eq!(read, word);
        let what = &read.accused[0].what;
        assert!(what.len() <= EVIDENCE_BYTES_MAX && !what.contains(char::is_control));
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..120_usize,
        ) {
            let _ = Word::parse(&bytes);
            let good = Word::new("http://a", 7, vec![("a".to_owned(), "ü".to_owned()); 3]).text();
            let _ = Word::parse(&good.as_bytes()[..cut.min(good.len())]);
        }
    }
}
