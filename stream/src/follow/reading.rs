//! What comes over one connection, as pages: plain, as a listener gets them, or each with what its
//! master knows of it. Pure: bytes in, pages out.

use crate::log::account::Step;
use crate::log::recorded::Reader;
use crate::mpeg::Sniffer;
use crate::ogg::{Found, Page};

/// What makes pages of bytes.
#[derive(Debug)]
pub(super) enum Reading {
    Plain(Sniffer),
    Recorded(Reader),
}

impl Reading {
    pub(super) fn new(is_recorded: bool) -> Self {
        if is_recorded {
            Self::Recorded(Reader::default())
        } else {
            Self::Plain(Sniffer::trusting())
        }
    }

    /// The next whole page; of `input` all that is used is taken.
    ///
    /// # Errors
    /// When bytes were damaged on the way.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<(Page, Step)>, String> {
        let damaged = || "bytes were damaged on the way".to_owned();
        match self {
            Self::Plain(sniffer) => match sniffer.next(input) {
                None => Ok(None),
                Some(Found::Page(page)) => Ok(Some((page, Step::default()))),
                Some(Found::Junk { .. }) => Err(damaged()),
            },
            Self::Recorded(reader) => {
                reader.push(std::mem::take(input));
                let found = reader.take().map_err(|_| damaged())?;
                Ok(found.map(|(record, page)| (page, Step::from(&record))))
            }
        }
    }
}
