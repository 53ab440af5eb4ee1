//! Titles between the frames, for players that asked for them with `Icy-MetaData: 1`: after every
//! so many bytes of sound comes a block, of one byte when nothing is new. Pure.

use bytes::Bytes;

use crate::mount::Playing;

/// So many bytes of sound come before each block, unless the mount has another interval: what
/// Icecast sends, and old players expect.
pub const INTERVAL_BYTES: usize = 16_000;
/// A block is so many times this long as its first byte says.
const UNIT_BYTES: usize = 16;

/// How far one listener is.
#[derive(Debug)]
pub struct Icy {
    /// He was told so when he came, and counts.
    interval: usize,
    /// Since the last block.
    n_sent: usize,
    /// What he was told; `None`: nothing yet.
    told: Option<Playing>,
}

impl Default for Icy {
    fn default() -> Self {
        Self::at(INTERVAL_BYTES, 0)
    }
}

impl Icy {
    /// Somebody who gets a block after every `interval` bytes of sound, and was served so many
    /// since the last one.
    pub fn at(interval: usize, n_sent: usize) -> Self {
        let interval = interval.max(1);
        Self {
            interval,
            n_sent: n_sent.min(interval),
            told: None,
        }
    }

    /// So much sound comes before each block.
    pub fn interval(&self) -> usize {
        self.interval
    }

    /// How much sound goes out before the next block, which is never 0.
    pub fn n_left(&self) -> usize {
        self.interval.saturating_sub(self.n_sent).max(1)
    }

    /// How much has gone out since the last block.
    pub fn n_sent(&self) -> usize {
        self.n_sent
    }

    /// So much sound is on its way. `Some`: this block comes next.
    pub fn pass(&mut self, n_bytes: u64, playing: impl FnOnce() -> Playing) -> Option<Bytes> {
        let n_bytes = usize::try_from(n_bytes).unwrap_or(usize::MAX);
        self.n_sent = self.n_sent.saturating_add(n_bytes);
        if self.n_sent < self.interval {
            return None;
        }
        self.n_sent = 0;
        let playing = playing();
        if self.told.as_ref() == Some(&playing) {
            return Some(Bytes::from_static(&[0]));
        }
        let block = block(&playing);
        self.told = Some(playing);
        Some(block)
    }
}

/// A block that says what plays: as Icecast writes it, and with an address as Icecast-KH does.
fn block(playing: &Playing) -> Bytes {
    let title = playing.title.as_deref().unwrap_or_default();
    // Players look for the end by these two characters and know of no escape.
    let title = title.replace("';", "’;");
    // The opening mark would be the first of the two.
    let gap = if title.starts_with(';') { " " } else { "" };
    let mut words = format!("StreamTitle='{gap}{title}';");
    if let Some(url) = &playing.url {
        let url = url.replace("';", "%27;");
        let url = match url.strip_prefix(';') {
            Some(rest) => format!("%3B{rest}"),
            None => url,
        };
        words += &format!("StreamUrl='{url}';");
    }
    let n_units = words.len().div_ceil(UNIT_BYTES).min(255);
    let mut bytes = vec![u8::try_from(n_units).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(words.as_bytes());
    bytes.resize(1 + n_units * UNIT_BYTES, 0);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::TITLE_BYTES_MAX;

    #[test]
    fn the_title_is_said_first_and_when_it_changes() {
        let mut icy = Icy::default();
        let no_title = Playing::default;
        assert_eq!(icy.pass(15_999, no_title), None);
        assert_eq!(icy.n_left(), 1);
        assert_eq!(
            icy.pass(1, no_title).unwrap().as_ref(),
            b"\x01StreamTitle='';\0"
        );
        assert_eq!(icy.pass(16_000, no_title).unwrap().as_ref(), b"\0");
        let said = icy.pass(16_000, || playing("it';s a ü", "")).unwrap();
        assert_eq!(said[0], 2);
        assert_eq!(said.len(), 33);
        let words = "StreamTitle='it’;s a ü';";
        assert_eq!(&said[1..=words.len()], words.as_bytes());
        let again = icy.pass(16_000, || playing("it';s a ü", "")).unwrap();
        assert_eq!(again[..], [0]);
        let said = icy.pass(16_000, || playing("it", "http://x/a.png"));
        let words = b"\x03StreamTitle='it';StreamUrl='http://x/a.png';\0\0\0\0";
        assert_eq!(said.unwrap()[..], words[..]);
    }

    #[test]
    fn who_was_told_an_interval_keeps_it() {
        let mut icy = Icy::at(4_096, 96);
        assert_eq!((icy.interval(), icy.n_left()), (4_096, 4_000));
        assert_eq!(icy.pass(3_999, Playing::default), None);
        assert!(icy.pass(1, Playing::default).is_some());
        assert_eq!(icy.n_left(), 4_096);
        assert_eq!(Icy::at(0, 7).n_left(), 1, "it never stands still");
    }

    #[test]
    fn no_title_and_no_address_ends_before_its_end() {
        for words in [";", ";';", "';';", "'", "", "a';b", "';StreamUrl='x"] {
            let said = block(&playing(words, ""));
            let n_ends = said.windows(2).filter(|two| *two == b"';").count();
            assert_eq!(n_ends, 1, "{words}");
            let said = block(&playing(words, &format!("{words}x")));
            let n_ends = said.windows(2).filter(|two| *two == b"';").count();
            assert_eq!(n_ends, 2, "{words}");
        }
    }

    #[test]
    fn the_longest_title_and_address_fit_into_a_block() {
        let words = "';".repeat(TITLE_BYTES_MAX / 2);
        let said = block(&playing(&words, &words));
        assert_eq!(said.len(), 1 + usize::from(said[0]) * 16);
        let end = said.iter().rposition(|byte| *byte != 0).unwrap();
        assert!(said[..=end].ends_with(b"%27;';"));
    }

    fn playing(title: &str, url: &str) -> Playing {
        let mut playing = Playing::default();
        playing.set_title(Some(title));
        playing.set_url(Some(url));
        playing
    }
}
