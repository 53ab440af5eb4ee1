//! A pipe that somebody writes a sound file into: read once, on a thread of its own, for whoever
//! writes may be slow, and an input keeps nobody waiting.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use anyhow::{Context, bail};
use tracing::info;

use super::decode::{Decoding, Tags};
use super::{Block, Read, WAIT_MAX};

/// So many packets are decoded ahead, a second or so. Full: the thread waits, and with it whoever
/// writes.
const BLOCKS_MAX: usize = 32;

/// A pipe that is being played.
pub(super) struct Pipe {
    blocks: Receiver<anyhow::Result<Block>>,
    /// How many channels it has at first.
    pub(super) n_channels: usize,
    /// What it says of itself.
    pub(super) tags: Tags,
}

/// Whether there is something that can be read only once.
pub(super) fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

impl Pipe {
    /// Waits until somebody has written the first sound.
    ///
    /// # Errors
    /// Names the pipe when that is no sound.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        info!("waiting for sound from {}", path.display());
        let mut decoding = Decoding::open(path)?;
        let mut first = Block::default();
        if !decoding.read(&mut first)? {
            bail!("{} is empty: it has no sound", path.display());
        }
        let (n_channels, tags) = (first.n_channels, decoding.tags());
        let (give, blocks) = sync_channel(BLOCKS_MAX);
        std::thread::Builder::new()
            .name("pipe".to_owned())
            .spawn(move || decode(decoding, first, &give))
            .context("no thread for the pipe")?;
        Ok(Self {
            blocks,
            n_channels,
            tags,
        })
    }

    /// The next packet's samples, as soon as they are there.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub(super) fn read(&self, block: &mut Block) -> anyhow::Result<Read> {
        match self.blocks.recv_timeout(WAIT_MAX) {
            Ok(next) => {
                *block = next?;
                Ok(Read::Sound)
            }
            Err(RecvTimeoutError::Timeout) => Ok(Read::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Read::End),
        }
    }
}

/// Ends with the pipe, or when nobody wants it any more.
fn decode(mut decoding: Decoding, first: Block, give: &SyncSender<anyhow::Result<Block>>) {
    let mut next = Ok(first);
    while give.send(next).is_ok() {
        let mut block = Block::default();
        next = match decoding.read(&mut block) {
            Ok(true) => Ok(block),
            Ok(false) => return,
            Err(error) => Err(error),
        };
    }
}
