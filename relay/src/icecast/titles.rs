//! Takes titles out from between the frames, where an Icecast puts them for those who ask. Pure.

/// A block is so many times this long as its first byte says.
const UNIT_BYTES: usize = 16;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Sound.
    Sound(&'a [u8]),
    /// What plays from here on.
    Title(Said),
}

/// What an Icecast says of what plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) title: String,
    /// The address beside it (`StreamUrl`): Icecast-KH has one.
    pub(super) url: Option<String>,
}

/// One connection's place between two blocks.
#[derive(Debug)]
pub(super) struct Titles {
    /// So much sound comes between blocks; `None`: there are no blocks.
    interval: Option<usize>,
    n_sound_left: usize,
    /// The block that is arriving, from its first byte on.
    block: Vec<u8>,
}

impl Titles {
    /// `interval`: what the answer says of it (`icy-metaint`).
    pub(super) fn new(interval: Option<usize>) -> Self {
        let interval = interval.filter(|interval| *interval > 0);
        Self {
            interval,
            n_sound_left: interval.unwrap_or(0),
            block: Vec::new(),
        }
    }

    /// Takes bytes from the front of `input`. `None`: all of it was taken.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        let Some(interval) = self.interval else {
            let sound = std::mem::take(input);
            return (!sound.is_empty()).then_some(Piece::Sound(sound));
        };
        while !input.is_empty() {
            if self.n_sound_left > 0 {
                let (sound, rest) = input.split_at(self.n_sound_left.min(input.len()));
                *input = rest;
                self.n_sound_left -= sound.len();
                return Some(Piece::Sound(sound));
            }
            let n_units = *self.block.first().or_else(|| input.first())?;
            let n_block = 1 + usize::from(n_units) * UNIT_BYTES;
            let n_missing = n_block - self.block.len();
            let (taken, rest) = input.split_at(n_missing.min(input.len()));
            *input = rest;
            self.block.extend_from_slice(taken);
            if self.block.len() < n_block {
                return None;
            }
            self.n_sound_left = interval;
            let said = said(&std::mem::take(&mut self.block));
            if let Some(said) = said {
                return Some(Piece::Title(said));
            }
        }
        None
    }
}

/// What a block says. What is no UTF-8 is ISO 8859-1, which an Icecast sends unless told otherwise.
fn said(block: &[u8]) -> Option<Said> {
    let words = block.get(1..).filter(|words| !words.is_empty())?;
    let text = match std::str::from_utf8(words) {
        Ok(text) => text.to_owned(),
        Err(_) => words.iter().map(|byte| char::from(*byte)).collect(),
    };
    let (_, rest) = text.split_once("StreamTitle='")?;
    let (title, rest) = rest.split_once("';")?;
    let url = rest.split_once("StreamUrl='");
    let url = url.and_then(|(_, url)| Some(url.split_once("';")?.0.to_owned()));
    Some(Said {
        title: title.to_owned(),
        url,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(interval: Option<usize>, pieces: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
        let (mut titles, mut sound, mut told) = (Titles::new(interval), Vec::new(), Vec::new());
        for mut input in pieces.iter().copied() {
            while let Some(piece) = titles.next(&mut input) {
                match piece {
                    Piece::Sound(bytes) => sound.extend_from_slice(bytes),
                    Piece::Title(said) => told.extend([said.title].into_iter().chain(said.url)),
                }
            }
        }
        (sound, told)
    }

    #[test]
    fn titles_are_told_and_sound_is_left_alone_wherever_the_bytes_are_cut() {
        let mut bytes = b"abcd".to_vec();
        bytes.push(2);
        bytes.extend_from_slice(b"StreamTitle='Caf\xe9 it's';\0\0\0\0\0\0\0\0");
        assert_eq!(bytes.len(), 4 + 33);
        bytes.extend_from_slice(b"efgh\0ij");
        let wanted = (b"abcdefghij".to_vec(), vec!["Café it's".to_owned()]);
        for cut in 0..bytes.len() {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(read(Some(4), &[before, after]), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn an_address_beside_the_title_is_told() {
        for (words, url) in [
            ("StreamTitle='a';StreamUrl='http://x/';", Some("http://x/")),
            ("StreamTitle='a'; StreamUrl='';", Some("")),
            ("StreamTitle='a';StreamUrl='http", None),
            ("StreamTitle='a';adw_ad='true';", None),
        ] {
            let block = format!("\x05{words}");
            let said = said(block.as_bytes()).unwrap();
            assert_eq!((said.title.as_str(), said.url.as_deref()), ("a", url));
        }
        assert_eq!(said(b"\x05StreamUrl='http://x/';"), None);
    }

    #[test]
    fn without_blocks_everything_is_sound() {
        for interval in [None, Some(0)] {
            let wanted = (b"ab\x01cd".to_vec(), Vec::new());
            assert_eq!(read(interval, &[b"ab", b"\x01cd"]), wanted);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_however_they_are_cut(
            interval in 1usize..20,
            bytes in proptest::collection::vec(
                prop_oneof![Just(0u8), Just(1), Just(2), any::<u8>()],
                0..400,
            ),
            n_bytes in 1usize..50,
        ) {
            let whole = read(Some(interval), &[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(n_bytes).collect();
            prop_assert_eq!(read(Some(interval), &pieces), whole);
        }

        #[test]
        fn what_was_put_between_is_told_and_the_rest_is_sound(
            interval in 1usize..20,
            parts in proptest::collection::vec(("[a-zA-Z' é]{0,30}", any::<bool>()), 0..6),
        ) {
            let (mut bytes, mut sound, mut told) = (Vec::new(), Vec::new(), Vec::new());
            for (n, (title, is_said)) in parts.iter().enumerate() {
                let piece = vec![u8::try_from(n).unwrap(); interval];
                sound.extend_from_slice(&piece);
                bytes.extend_from_slice(&piece);
                if !is_said {
                    bytes.push(0);
                    continue;
                }
                let words = format!("StreamTitle='{title}';");
                let n_units = words.len().div_ceil(UNIT_BYTES);
                bytes.push(u8::try_from(n_units).unwrap());
                let end = bytes.len() + n_units * UNIT_BYTES;
                bytes.extend_from_slice(words.as_bytes());
                bytes.resize(end, 0);
                told.push(title.clone());
            }
            prop_assert_eq!(read(Some(interval), &[&bytes]), (sound, told));
        }
    }
}
