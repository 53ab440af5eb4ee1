//! Files one after another, in real time or as fast as the rest of the program takes them.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tracing::{info, warn};

use super::decode::{Decoding, Tags};
use super::pace::Pace;
use super::pipe::{Pipe, is_pipe};
use super::{Block, Input, Read};

/// How much sound a block has: a decoder's packet can be longer than a second.
const BLOCK: Duration = Duration::from_millis(20);

/// What `-` means in a list of files.
pub const STANDARD_INPUT: &str = "/dev/stdin";

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

enum Playing {
    File(Decoding),
    Pipe(Pipe),
}

impl Playing {
    fn read(&mut self, block: &mut Block) -> anyhow::Result<Read> {
        match self {
            Self::File(decoding) => Ok(if decoding.read(block)? {
                Read::Sound
            } else {
                Read::End
            }),
            Self::Pipe(pipe) => pipe.read(block),
        }
    }
}

impl Playlist {
    /// Opens every file once, but those that can be read only once.
    ///
    /// # Errors
    /// Names the file that is missing or not decodable, or cannot be played as it is wanted.
    pub fn check(&self) -> anyhow::Result<()> {
        for (n, path) in self.files.iter().enumerate() {
            if !is_pipe(path) {
                check(path)?;
            } else if self.is_looped {
                bail!("{} can be read only once: leave --loop out", path.display());
            } else if self.files[..n].contains(path) {
                bail!("{} can be read only once: name it once", path.display());
            } else if path == Path::new(STANDARD_INPUT) && std::io::stdin().is_terminal() {
                bail!("`-` is a terminal: write sound into it, `… | plenum-source file -`");
            }
        }
        if self.files.is_empty() {
            bail!("no files given; name at least one");
        }
        Ok(())
    }
}

/// A playlist that is being played.
pub struct FileInput {
    playlist: Playlist,
    /// The place of the next file in the list.
    next: usize,
    playing: Option<Playing>,
    /// Those of the list that can be read only once, in its order.
    pipes: VecDeque<Pipe>,
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
        playlist.check()?;
        let pipes = playlist.files.iter().filter(|path| is_pipe(path));
        let pipes: VecDeque<_> = pipes
            .map(|path| Pipe::open(path))
            .collect::<Result<_, _>>()?;
        let first = &playlist.files[0];
        let (n_channels, tags) = match pipes.front() {
            Some(pipe) if is_pipe(first) => (pipe.n_channels, pipe.tags.clone()),
            _ => check(first)?,
        };
        Ok(Self {
            playlist,
            next: 0,
            playing: None,
            pipes,
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

    /// Decodes until there is something to hand out.
    fn decode(&mut self) -> anyhow::Result<Read> {
        self.decoded.samples.clear();
        self.at = 0;
        loop {
            let Some(playing) = &mut self.playing else {
                if !self.open_next()? {
                    return Ok(Read::End);
                }
                continue;
            };
            match playing.read(&mut self.decoded) {
                Ok(Read::Sound) => {
                    self.is_heard = true;
                    return Ok(Read::Sound);
                }
                Ok(Read::Nothing) => return Ok(Read::Nothing),
                Ok(Read::End) => self.playing = None,
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
            if !self.is_heard {
                bail!("none of the files can be played any more");
            }
            if !self.playlist.is_looped {
                return Ok(false);
            }
            self.next = 0;
            self.is_heard = false;
        }
        let path = &self.playlist.files[self.next];
        self.next += 1;
        let playing = if is_pipe(path) {
            let pipe = self.pipes.pop_front().map(Playing::Pipe);
            pipe.with_context(|| format!("{} was a file before", path.display()))
        } else {
            Decoding::open(path).map(Playing::File)
        };
        match playing {
            Ok(playing) => {
                info!("playing {}", path.display());
                self.playing = Some(playing);
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
        if self.at == self.decoded.samples.len() {
            let decoded = self.decode()?;
            if decoded != Read::Sound {
                return Ok(decoded);
            }
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
