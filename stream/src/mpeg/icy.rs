//! Titles between the frames, for players that asked for them with `Icy-MetaData: 1`: after every
//! [`INTERVAL_BYTES`] of sound comes a block, of one byte when nothing is new. Pure.

use std::sync::Arc;

use bytes::Bytes;

/// So many bytes of sound come before each block: what Icecast sends, and old players expect.
pub const INTERVAL_BYTES: usize = 16_000;
/// A block is so many times this long as its first byte says.
const UNIT_BYTES: usize = 16;

/// How far one listener is.
#[derive(Debug, Default)]
pub struct Icy {
    /// Since the last block.
    n_sent: usize,
    /// What he was told; `None`: nothing yet.
    told: Option<Option<Arc<str>>>,
}

impl Icy {
    /// Somebody who is going to be served, or who was served so many bytes since the last block.
    pub fn at(n_sent: usize) -> Self {
        let n_sent = n_sent.min(INTERVAL_BYTES);
        Self { n_sent, told: None }
    }

    /// How much sound goes out before the next block, which is never 0.
    pub fn n_left(&self) -> usize {
        INTERVAL_BYTES.saturating_sub(self.n_sent).max(1)
    }

    /// How much has gone out since the last block.
    pub fn n_sent(&self) -> usize {
        self.n_sent
    }

    /// So much sound is on its way. `Some`: this block comes next.
    pub fn pass(
        &mut self,
        n_bytes: u64,
        title: impl FnOnce() -> Option<Arc<str>>,
    ) -> Option<Bytes> {
        self.n_sent += usize::try_from(n_bytes).unwrap_or(usize::MAX);
        if self.n_sent < INTERVAL_BYTES {
            return None;
        }
        self.n_sent = 0;
        let title = title();
        if self.told.as_ref() == Some(&title) {
            return Some(Bytes::from_static(&[0]));
        }
        let block = block(title.as_deref().unwrap_or_default());
        self.told = Some(title);
        Some(block)
    }
}

/// A block that says the title.
fn block(title: &str) -> Bytes {
    // Players look for the end by these two characters and know of no escape.
    let title = title.replace("';", "’;");
    // The opening mark would be the first of the two.
    let gap = if title.starts_with(';') { " " } else { "" };
    let words = format!("StreamTitle='{gap}{title}';");
    let n_units = words.len().div_ceil(UNIT_BYTES).min(255);
    let mut bytes = vec![u8::try_from(n_units).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(words.as_bytes());
    bytes.resize(1 + n_units * UNIT_BYTES, 0);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_said_first_and_when_it_changes() {
        let mut icy = Icy::default();
        let no_title = || None;
        assert_eq!(icy.pass(15_999, no_title), None);
        assert_eq!(icy.n_left(), 1);
        assert_eq!(
            icy.pass(1, no_title).unwrap().as_ref(),
            b"\x01StreamTitle='';\0"
        );
        assert_eq!(icy.pass(16_000, no_title).unwrap().as_ref(), b"\0");
        let said = icy.pass(16_000, || Some("it';s a ü".into())).unwrap();
        assert_eq!(said[0], 2);
        assert_eq!(said.len(), 33);
        let words = "StreamTitle='it’;s a ü';";
        assert_eq!(&said[1..=words.len()], words.as_bytes());
        assert_eq!(
            icy.pass(16_000, || Some("it';s a ü".into())).unwrap()[..],
            [0]
        );
    }

    #[test]
    fn no_title_ends_before_its_end() {
        for title in [";", ";';", "';';", "'", "", "a';b"] {
            let said = block(title);
            let n_ends = said.windows(2).filter(|two| *two == b"';").count();
            assert_eq!(n_ends, 1, "{title}");
        }
    }

    #[test]
    fn the_longest_title_fits_into_a_block() {
        let title = "';".repeat(crate::mount::TITLE_BYTES_MAX / 2);
        let said = block(&title);
        assert!(said.ends_with(b";\0") || said.ends_with(b"';") || said.ends_with(b"\0"));
        assert_eq!(said.len(), 1 + usize::from(said[0]) * 16);
    }
}
