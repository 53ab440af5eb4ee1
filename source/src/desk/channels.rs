//! Which of the input's channels are heard. Pure.

use serde::Deserialize;

use crate::input::Block;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// One channel. Speech needs no more.
    Mono,
    /// Two channels.
    Stereo,
}

/// What of the input is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The first channel only.
    Left,
    /// The second channel only.
    Right,
    /// The average of all channels.
    Mix,
    /// The channel that is louder at the moment.
    Loudest,
}

/// What the desk gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Mono or stereo.
    pub channels: Channels,
    /// What of the input; `None`: left to left, right to right, and their mix for mono.
    pub pick: Option<Pick>,
}

/// A channel must be this many times louder (6 dB) than the one on air to take over.
const TAKE_OVER: f32 = 2.0;

/// How fast the loudness of a channel is forgotten: a third of it in this time.
const MEMORY_SECONDS: f32 = 1.0;

/// Makes mono or stereo of blocks with any number of channels.
#[derive(Debug)]
pub struct Chooser {
    layout: Layout,
    /// Of each input channel, smoothed (root of mean of squares).
    loudness: Vec<f32>,
    on_air: usize,
}

impl Channels {
    /// 1 or 2.
    pub fn n_channels(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

impl Layout {
    /// 1 or 2.
    pub fn n_channels(self) -> usize {
        self.channels.n_channels()
    }
}

impl Chooser {
    /// A chooser with this output.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            loudness: Vec::new(),
            on_air: 0,
        }
    }

    /// Fills `chosen` (one vector a channel of the layout) from an interleaved block.
    pub fn choose(&mut self, block: &Block, chosen: &mut [Vec<f32>]) {
        let n_channels = block.n_channels.max(1);
        let frames = block.samples.chunks_exact(n_channels);
        for channel in chosen.iter_mut() {
            channel.clear();
        }
        match (self.layout.pick, self.layout.channels) {
            (Some(Pick::Loudest), _) => {
                let before = self.on_air;
                self.listen(block);
                fade(frames, before, self.on_air, &mut chosen[0]);
            }
            (Some(Pick::Left), _) => chosen[0].extend(frames.map(|frame| frame[0])),
            (Some(Pick::Right), _) => {
                let right = 1.min(n_channels - 1);
                chosen[0].extend(frames.map(|frame| frame[right]));
            }
            (Some(Pick::Mix), _) | (None, Channels::Mono) => {
                chosen[0].extend(frames.map(mean));
            }
            (None, Channels::Stereo) => {
                let right = 1.min(n_channels - 1);
                chosen[0].extend(frames.clone().map(|frame| frame[0]));
                chosen[1].extend(frames.map(|frame| frame[right]));
                return;
            }
        }
        if let [first, second] = chosen {
            second.extend_from_slice(first);
        }
    }

    /// Measures every channel and decides which one is on air.
    fn listen(&mut self, block: &Block) {
        self.loudness.resize(block.n_channels, 0.0);
        self.on_air = self.on_air.min(block.n_channels.saturating_sub(1));
        let n_frames = block.n_frames();
        if n_frames == 0 {
            return;
        }
        let length = count(n_frames);
        let keep = (-length / (count_u32(block.rate) * MEMORY_SECONDS)).exp();
        for (at, loudness) in self.loudness.iter_mut().enumerate() {
            let samples = block.samples.iter().skip(at).step_by(block.n_channels);
            let power = samples.map(|sample| sample * sample).sum::<f32>() / length;
            *loudness = (*loudness * *loudness * keep + power * (1.0 - keep)).sqrt();
        }
        let loudest = (0..block.n_channels)
            .max_by(|a, b| self.loudness[*a].total_cmp(&self.loudness[*b]))
            .unwrap_or(0);
        if self.loudness[loudest] > self.loudness[self.on_air] * TAKE_OVER {
            self.on_air = loudest;
        }
    }
}

/// From one channel to another over the length of the block, so that nothing clicks.
fn fade(frames: std::slice::ChunksExact<'_, f32>, from: usize, to: usize, chosen: &mut Vec<f32>) {
    let n_frames = count(frames.len().max(1));
    chosen.extend(frames.enumerate().map(|(at, frame)| {
        let new = frame[to];
        match frame.get(from) {
            Some(old) if from != to => old + (new - old) * (count(at) / n_frames),
            _ => new,
        }
    }));
}

fn mean(frame: &[f32]) -> f32 {
    frame.iter().sum::<f32>() / count(frame.len())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a block are small")]
fn count(n: usize) -> f32 {
    n as f32
}

#[expect(clippy::cast_precision_loss, reason = "sample rates are small")]
fn count_u32(n: u32) -> f32 {
    n as f32
}
