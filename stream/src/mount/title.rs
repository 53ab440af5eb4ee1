//! What plays on a mount now, said beside the stream and not in it. Pure.

use std::sync::Arc;

/// A longer title is cut: so it fits into a block of ICY metadata, whatever it is made of.
pub const TITLE_BYTES_MAX: usize = 1000;
/// A longer address is left out: the beginning of one leads elsewhere. Both fit into one block.
pub const TITLE_URL_BYTES_MAX: usize = 1000;

/// What plays now, as far as somebody has said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playing {
    /// Its title.
    pub title: Option<Arc<str>>,
    /// An address that belongs to it or to the station, such as that of a picture.
    pub url: Option<Arc<str>>,
}

impl Playing {
    /// Says another title; `None` or nothing but blanks: nobody knows.
    pub fn set_title(&mut self, title: Option<&str>) {
        self.title = title.and_then(clean);
    }

    /// Says another address; `None`, nothing but blanks or too long a one: there is none.
    pub fn set_url(&mut self, url: Option<&str>) {
        let url = url.map(|url| url.trim().chars().filter(|c| !c.is_control()));
        let url = url.map(String::from_iter);
        let fits = |url: &String| (1..=TITLE_URL_BYTES_MAX).contains(&url.len());
        self.url = url.filter(fits).map(Into::into);
    }
}

/// A title as it may be shown and sent: on one line, without control characters, not too long.
/// `None`: there is nothing left of it.
pub(super) fn clean(title: &str) -> Option<Arc<str>> {
    let mut clean = String::new();
    for c in title.trim().chars() {
        // A tab or the end of a line parts words.
        let c = match c {
            c if !c.is_control() => c,
            c if c.is_whitespace() && !clean.ends_with(' ') => ' ',
            _ => continue,
        };
        if clean.len() + c.len_utf8() > TITLE_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_no_control_characters_and_is_cut_between_characters() {
        assert_eq!(clean(" a\r\nb\0 ").as_deref(), Some("a b"));
        assert_eq!(clean("Ute\t-\nTwo  x\x07").as_deref(), Some("Ute - Two  x"));
        assert_eq!(clean("\n \t"), None);
        let long = clean(&"ü".repeat(600)).unwrap();
        assert_eq!(long.len(), TITLE_BYTES_MAX);
        let odd = clean(&format!("x{}", "ü".repeat(600))).unwrap();
        assert_eq!(odd.len(), TITLE_BYTES_MAX - 1);
    }

    #[test]
    fn an_address_has_no_control_characters_and_is_whole_or_left_out() {
        let set = |url: &str| {
            let mut playing = Playing::default();
            playing.set_url(Some(url));
            playing.url
        };
        assert_eq!(
            set(" http://x\r\n/a\0.png ").as_deref(),
            Some("http://x/a.png")
        );
        assert_eq!((set(" \n"), set("")), (None, None));
        assert!(set(&"u".repeat(TITLE_URL_BYTES_MAX)).is_some());
        assert_eq!(set(&"u".repeat(TITLE_URL_BYTES_MAX + 1)), None);
    }
}
