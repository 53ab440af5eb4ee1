//! Reads the bytes of a recording's file from the disk, from any place on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::vec::IntoIter;

use bytes::Bytes;
use stream::ogg::{Found, Framer};

use super::layout::{Change, Layout, Piece, Run};
use super::stretch::damaged;

/// About so much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Somebody's place in a file.
#[derive(Debug)]
pub(super) struct Reader {
    pieces: IntoIter<Piece>,
    open: Option<Open>,
    /// So much comes before what is wanted.
    n_skipped: u64,
    /// So much is still to be read.
    n_left: u64,
}

/// A run that is being read.
#[derive(Debug)]
struct Open {
    run: Run,
    file: File,
    framer: Framer,
    /// Bytes of it that were not read yet.
    n_left: u64,
}

impl Reader {
    /// Reads this part of the file.
    pub(super) fn new(layout: Layout, part: Range<u64>) -> Self {
        Self {
            pieces: layout.pieces.into_iter(),
            open: None,
            n_skipped: part.start,
            n_left: part.end - part.start,
        }
    }

    /// The next bytes. `None`: that was all.
    ///
    /// # Errors
    /// When the disk does not give them.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.n_left > 0 {
            let mut bytes = match &mut self.open {
                Some(open) => match open.next()? {
                    Some(bytes) => bytes,
                    None => {
                        self.open = None;
                        continue;
                    }
                },
                None => match self.begin()? {
                    Some(bytes) => bytes,
                    None => continue,
                },
            };
            let n_skipped = self.n_skipped.min(bytes.len() as u64);
            self.n_skipped -= n_skipped;
            let _ = bytes.split_to(usize::try_from(n_skipped).unwrap_or(usize::MAX));
            bytes.truncate(usize::try_from(self.n_left).unwrap_or(usize::MAX));
            self.n_left -= bytes.len() as u64;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Goes on to the piece that follows; gives its bytes if they are known.
    fn begin(&mut self) -> io::Result<Option<Bytes>> {
        let Some(piece) = self.pieces.next() else {
            return Err(io::Error::other("the recording is shorter than it was"));
        };
        if self.n_skipped >= piece.n_bytes() {
            self.n_skipped -= piece.n_bytes();
            return Ok(None);
        }
        match piece {
            Piece::Made(bytes) => return Ok(Some(bytes)),
            Piece::Run(run) => {
                let mut open = Open::new(run)?;
                if open.run.change == Change::default() {
                    open.skip(self.n_skipped)?;
                    self.n_skipped = 0;
                }
                self.open = Some(open);
            }
        }
        Ok(None)
    }
}

impl Open {
    fn new(run: Run) -> io::Result<Self> {
        let mut file = File::open(&run.file)?;
        file.seek(SeekFrom::Start(run.from))?;
        Ok(Self {
            n_left: run.n_bytes,
            framer: Framer::new(),
            file,
            run,
        })
    }

    /// Leaves bytes out, where they need not be looked at.
    fn skip(&mut self, n_bytes: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.run.from + n_bytes))?;
        self.n_left -= n_bytes;
        Ok(())
    }

    /// About so many bytes as are read at once. `None`: that was all.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let n_bytes = usize::try_from(self.n_left)
            .unwrap_or(usize::MAX)
            .min(READ_BYTES);
        if n_bytes == 0 {
            let is_whole = self.framer.n_held() == 0;
            return if is_whole {
                Ok(None)
            } else {
                Err(damaged(&self.run.file))
            };
        }
        let mut read = vec![0; n_bytes];
        self.file.read_exact(&mut read)?;
        self.n_left -= n_bytes as u64;
        if self.run.change == Change::default() {
            return Ok(Some(read.into()));
        }
        let mut input: &[u8] = &read;
        let mut out = Vec::with_capacity(n_bytes);
        while let Some(found) = self.framer.next(&mut input) {
            let Found::Page(page) = found else {
                return Err(damaged(&self.run.file));
            };
            let stamp = self.run.change.of(page.stamp());
            out.extend_from_slice(page.restamped(stamp).bytes());
        }
        Ok(Some(out.into()))
    }
}
