//! Where sound comes from: a sound card, files, or a tone.

pub mod card;
pub mod decode;
pub mod file;
pub mod pace;
mod pipe;
pub mod tone;

/// Interleaved sound of any rate and number of channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Samples a second of each channel.
    pub rate: u32,
    /// How many channels.
    pub n_channels: usize,
    /// First frame's channels, second frame's channels, and so on.
    pub samples: Vec<f32>,
}

/// What came of asking an input for sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The block is filled.
    Sound,
    /// Nothing yet: ask again.
    Nothing,
    /// There will be no more.
    End,
}

/// Something that delivers sound at its own pace.
pub trait Input: Send {
    /// How many channels it has, as far as known before the first block.
    fn n_channels(&self) -> usize;

    /// Fills `block` with the next sound. Waits for it, but never longer than
    /// [`WAIT_MAX`], so that whoever asks can also be told to stop.
    ///
    /// # Errors
    /// When there will be no more sound although there should be.
    fn read(&mut self, block: &mut Block) -> anyhow::Result<Read>;
}

/// The longest an input keeps its caller waiting.
pub const WAIT_MAX: std::time::Duration = std::time::Duration::from_millis(100);

impl Block {
    /// How many samples each channel has.
    pub fn n_frames(&self) -> usize {
        self.samples.len() / self.n_channels.max(1)
    }

    /// Makes it `n_frames` of silence, keeping the format.
    pub fn silence(&mut self, n_frames: usize) {
        self.samples.clear();
        self.samples.resize(n_frames * self.n_channels, 0.0);
    }
}
