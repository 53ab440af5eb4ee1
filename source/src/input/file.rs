//! Files one after another, in real time or as fast as the rest of the program takes them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use tracing::{info, warn};

use super::decode::{Decoding, Tags};
use super::pace::Pace;
use super::{Block, Input, Read};

/// How much sound a block has: a decoder's packet can be longer than a second.
const BLOCK: Duration = Duration::from_millis(20);

/// The list of files, and what to do at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// Played in this order.
    pub files: Vec<PathBuf>,
    /// Start over at the end, for ever.
    pub is_looped: bool,
    /// Do not wait for the clock.
    pub is_fast: bool,
}

/// A playlist that is being played.
pub struct FileInput {
    playlist: Playlist,
    /// The place of the next file in the list.
    next: usize,
    playing: Option<Decoding>,
    /// Decoded and not handed out; starts at `at`.
    decoded: Block,
    at: usize,
    pace: Pace,
    is_waiting: bool,
    /// A file of this round through the list gave sound.
    is_heard: bool,
    n_channels: usize,
    tags: Tags,
}

impl FileInput {
    /// Opens every file once, so that a wrong one is named before anything is sent.
    ///
    /// # Errors
    /// Names the file that is missing or not decodable.
    pub fn open(playlist: Playlist) -> anyhow::Result<Self> {
        let mut first: Option<(usize, Tags)> = None;
        for path in &playlist.files {
            let about = check(path)?;
            first.get_or_insert(about);
        }
        let Some((n_channels, tags)) = first else {
            bail!("no files given; name at least one");
        };
        Ok(Self {
            playlist,
            next: 0,
            playing: None,
            decoded: Block::default(),
            at: 0,
            pace: Pace::new(),
            is_waiting: false,
            is_heard: false,
            n_channels,
            tags,
        })
    }

    /// Title and artist of the first file.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Decodes until there is something to hand out. False: the list is at its end.
    fn decode(&mut self) -> anyhow::Result<bool> {
        self.decoded.samples.clear();
        self.at = 0;
        loop {
            let Some(playing) = &mut self.playing else {
                if !self.open_next()? {
                    return Ok(false);
                }
                continue;
            };
            match playing.read(&mut self.decoded) {
                Ok(true) => {
                    self.is_heard = true;
                    return Ok(true);
                }
                Ok(false) => self.playing = None,
                Err(error) => {
                    warn!("{error:#}, going on with the next file");
                    self.playing = None;
                }
            }
        }
    }

    /// Opens the next file of the list that can be opened. False: there is none.
    fn open_next(&mut self) -> anyhow::Result<bool> {
        if self.next == self.playlist.files.len() {
            if !self.playlist.is_looped {
                return Ok(false);
            }
            if !self.is_heard {
                bail!("none of the files can be played any more");
            }
            self.next = 0;
            self.is_heard = false;
        }
        let path = &self.playlist.files[self.next];
        self.next += 1;
        match Decoding::open(path) {
            Ok(decoding) => {
                info!("playing {}", path.display());
                self.playing = Some(decoding);
            }
            // It was there at the start: the list goes on without it.
            Err(error) => warn!("{error:#}, going on with the next file"),
        }
        Ok(true)
    }
}

impl Input for FileInput {
    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn read(&mut self, block: &mut Block) -> anyhow::Result<Read> {
        if self.at == self.decoded.samples.len() && !self.decode()? {
            return Ok(Read::End);
        }
        let (rate, n_channels) = (self.decoded.rate, self.decoded.n_channels.max(1));
        let block_frames = u128::from(rate) * BLOCK.as_millis() / 1000;
        let n_samples = usize::try_from(block_frames).unwrap_or(1).max(1) * n_channels;
        let end = self.decoded.samples.len().min(self.at + n_samples);
        if !self.playlist.is_fast {
            if !self.is_waiting {
                let n_frames = u32::try_from((end - self.at) / n_channels).unwrap_or(u32::MAX);
                let length = Duration::from_secs(1) * n_frames / rate.max(1);
                self.pace.add(length, Instant::now());
                self.is_waiting = true;
            }
            if !self.pace.wait() {
                return Ok(Read::Nothing);
            }
            self.is_waiting = false;
        }
        block.rate = rate;
        block.n_channels = n_channels;
        block.samples.clear();
        block
            .samples
            .extend_from_slice(&self.decoded.samples[self.at..end]);
        self.at = end;
        Ok(Read::Sound)
    }
}

/// Decodes a file's first sound: how many channels it has, and what it says of itself.
fn check(path: &Path) -> anyhow::Result<(usize, Tags)> {
    let mut decoding = Decoding::open(path)?;
    let mut block = Block::default();
    if !decoding.read(&mut block)? {
        bail!("{} is empty: it has no sound", path.display());
    }
    Ok((block.n_channels, decoding.tags()))
}

#[cfg(test)]
mod tests;
