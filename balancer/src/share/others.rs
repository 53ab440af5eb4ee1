//! Which other balancers live, and what they hold against relays. Pure.
//!
//! Whether one lives is seen by its word: it changes twice a second. So no two clocks need to agree,
//! and what nobody renews ends by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::word::{COMPLAINT_BYTES_MAX, Word, plain};

/// More balancers than this are not heard.
pub const BALANCERS_MAX: usize = 32;
/// The word of a balancer that does not change for so long does not count any more.
pub const WORD_LIFE: Duration = Duration::from_secs(10);
/// After this long it is taken away.
pub const WORD_GONE: Duration = Duration::from_secs(60);
/// How long the name of a run is, in hexadecimal digits.
const ID_CHARS: usize = 16;

/// All of them.
#[derive(Debug, Default)]
pub struct Others {
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    word: Word,
    changed: Instant,
}

impl Others {
    /// Takes the words of all balancers, by their runs, among them our own, `own`. Says what of them
    /// could not be used.
    pub fn hear(&mut self, own: &str, said: &[(Vec<u8>, Vec<u8>)], now: Instant) -> Option<String> {
        let mut complaint = None;
        let mut heard = BTreeMap::new();
        for (id, bytes) in said {
            let Some(id) = name_of_run(id) else {
                complaint = Some("it has a word of what is no balancer".to_owned());
                continue;
            };
            if id == own {
                continue;
            }
            if heard.len() == BALANCERS_MAX {
                complaint = Some(format!("more than {BALANCERS_MAX} balancers share it"));
                break;
            }
            match Word::parse(bytes) {
                Ok(word) => {
                    let changed = match self.known.get(id) {
                        Some(known) if known.word.beat == word.beat => known.changed,
                        _ => now,
                    };
                    heard.insert(id.to_owned(), Known { word, changed });
                }
                Err(what) => {
                    let what = plain(&what, COMPLAINT_BYTES_MAX);
                    complaint = Some(format!("the word of another balancer is none: {what}"));
                }
            }
        }
        self.known = heard;
        complaint
    }

    /// How many live.
    pub fn n_alive(&self, now: Instant) -> usize {
        self.alive(now).count()
    }

    /// How many of them come before `own`, and how many there are: all that were heard lately, so that
    /// one whose connection is away is still counted.
    pub fn place(&self, own: &str) -> (usize, usize) {
        let before = self.known.keys().filter(|id| id.as_str() < own);
        (before.count(), self.known.len())
    }

    /// What they hold against relays, by the relay's name.
    pub fn accusations(&self, now: Instant) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for word in self.alive(now) {
            for accused in &word.accused {
                let what = || format!("the balancer at {} says: {}", word.label, accused.what);
                all.entry(accused.relay.clone()).or_insert_with(what);
            }
        }
        all
    }

    /// Those that have been silent for so long that their words are to be taken away.
    pub fn gone(&self, now: Instant) -> Vec<String> {
        let is_gone = |known: &Known| now.saturating_duration_since(known.changed) >= WORD_GONE;
        let gone = self.known.iter().filter(|(_, known)| is_gone(known));
        gone.map(|(id, _)| id.clone()).collect()
    }

    fn alive(&self, now: Instant) -> impl Iterator<Item = &Word> {
        let is_alive =
            move |known: &&Known| now.saturating_duration_since(known.changed) < WORD_LIFE;
        self.known
            .values()
            .filter(is_alive)
            .map(|known| &known.word)
    }
}

/// What tells runs of balancers apart, if it is that.
fn name_of_run(id: &[u8]) -> Option<&str> {
    let id = std::str::from_utf8(id).ok()?;
    let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (id.len() == ID_CHARS && is_hex).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "00000000000000aa";

    /// Run, beat, and whom it accuses of what.
    type Says<'a> = (u64, u64, &'a [(&'a str, &'a str)]);

    fn said(words: &[Says<'_>]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let word = |(id, beat, accused): &Says<'_>| {
            let accused = accused
                .iter()
                .map(|(relay, what)| ((*relay).to_owned(), (*what).to_owned()));
            let word = Word::new(&format!("http://{id}"), *beat, accused.collect());
            (format!("{id:016x}").into_bytes(), word.text().into_bytes())
        };
        words.iter().map(word).collect()
    }

    #[test]
    fn who_is_silent_holds_nobody_in_quarantine_for_ever() {
        let (mut others, start) = (Others::default(), Instant::now());
        let old = said(&[(1, 5, &[("a", "old sound")]), (0xaa, 5, &[("b", "ours")])]);
        assert_eq!(others.hear(OWN, &old, start), None);
        let what = "the balancer at http://1 says: old sound".to_owned();
        assert_eq!(others.accusations(start), [("a".to_owned(), what)].into());
        let later = start + WORD_LIFE;
        others.hear(OWN, &old, later);
        assert!(others.accusations(later).is_empty() && others.n_alive(later) == 0);
        assert!(others.gone(later).is_empty());
        assert_eq!(others.gone(start + WORD_GONE), ["0000000000000001"]);
        others.hear(OWN, &said(&[(1, 4, &[("a", "old sound")])]), later);
        assert_eq!(others.n_alive(later), 1, "it lives again");
        others.hear(OWN, &said(&[(1, 3, &[])]), later);
        assert!(others.accusations(later).is_empty(), "it takes it back");
        others.hear(OWN, &[], later);
        assert_eq!(others.n_alive(later), 0, "it has left");
    }

    #[test]
    fn without_a_connection_words_grow_old() {
        let (mut others, start) = (Others::default(), Instant::now());
        others.hear(OWN, &said(&[(1, 5, &[("a", "late")])]), start);
        assert_eq!(others.place(OWN), (1, 1));
        assert_eq!(others.place("0000000000000000"), (0, 1));
        assert_eq!(others.accusations(start + WORD_LIFE / 2).len(), 1);
        assert!(others.accusations(start + WORD_LIFE).is_empty());
    }

    #[test]
    fn what_is_no_word_is_left_out_and_told() {
        let (mut others, now) = (Others::default(), Instant::now());
        let mut all = said(&[(1, 5, &[("a", "late")])]);
        all.push((b"../../etc".to_vec(), b"{}".to_vec()));
        assert!(others.hear(OWN, &all, now).unwrap().contains("no balancer"));
        assert_eq!(others.n_alive(now), 1);
        all[1] = (b"0000000000000002".to_vec(), b"\xff\n".to_vec());
        let complaint = others.hear(OWN, &all, now).unwrap();
        assert!(complaint.contains("another balancer"), "{complaint}");
        assert_eq!(others.n_alive(now), 1);
        let many: Vec<_> = (0..40).map(|id| (id, 1, [].as_slice())).collect();
        let complaint = others.hear(OWN, &said(&many), now).unwrap();
        assert!(complaint.contains("more than 32"), "{complaint}");
        assert_eq!(others.n_alive(now), BALANCERS_MAX);
    }
}
