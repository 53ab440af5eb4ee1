//! Any sample rate to 48 kHz, of exactly the right length: neither delay at the start nor
//! a missing tail. Pure.

use anyhow::Context;
use audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::slices;
use crate::encoder::RATE;

/// How much is resampled at a time, in frames of the input (23 ms at 44.1 kHz).
const CHUNK_FRAMES: usize = 1024;

/// Resamples one stretch of sound of one rate.
pub struct Resampler {
    rate: u32,
    fft: Fft<f32>,
    /// Input that does not fill a chunk yet.
    waiting: Vec<Vec<f32>>,
    made: Vec<Vec<f32>>,
    /// Frames at the start that are only the resampler's delay.
    n_skip: usize,
    n_in: u64,
    n_out: u64,
}

impl Resampler {
    /// From `rate` to 48 kHz.
    ///
    /// # Errors
    /// When `rate` is 0 or there are no channels.
    pub fn new(rate: u32, n_channels: usize) -> anyhow::Result<Self> {
        let (from, to) = (usize::try_from(rate)?, usize::try_from(RATE)?);
        let fft = Fft::new(from, to, CHUNK_FRAMES, n_channels, FixedSync::Input)
            .with_context(|| format!("cannot resample from {rate} Hz to {RATE} Hz"))?;
        Ok(Self {
            rate,
            n_skip: fft.output_delay(),
            made: vec![vec![0.0; fft.output_frames_max()]; n_channels],
            waiting: vec![Vec::new(); n_channels],
            fft,
            n_in: 0,
            n_out: 0,
        })
    }

    /// The rate of the input.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes sound, one vector a channel; `give` gets what comes of it.
    ///
    /// # Errors
    /// What `give` says.
    pub fn process(
        &mut self,
        channels: &[Vec<f32>],
        mut give: impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for (waiting, channel) in self.waiting.iter_mut().zip(channels) {
            waiting.extend_from_slice(channel);
        }
        self.n_in += channels.first().map_or(0, Vec::len) as u64;
        while self.n_waiting() >= self.fft.input_frames_next() {
            let n_frames = self.chunk(None)?;
            self.give(n_frames, &mut give)?;
        }
        Ok(())
    }

    /// Gives what is still inside, so that the whole has the right length.
    ///
    /// # Errors
    /// What `give` says.
    pub fn finish(
        mut self,
        mut give: impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let expected = (self.n_in * u64::from(RATE)).div_ceil(u64::from(self.rate));
        while self.n_out < expected {
            let n_frames = self.chunk(Some(self.n_waiting()))?;
            let missing = usize::try_from(expected - self.n_out).unwrap_or(usize::MAX);
            self.give(n_frames.min(self.n_skip.saturating_add(missing)), &mut give)?;
        }
        Ok(())
    }

    fn n_waiting(&self) -> usize {
        self.waiting.first().map_or(0, Vec::len)
    }

    /// Resamples one chunk into `made`; `partial`: only so many frames are left.
    fn chunk(&mut self, partial: Option<usize>) -> anyhow::Result<usize> {
        let n_channels = self.made.len();
        let n_room = self.made.first().map_or(0, Vec::len);
        let n_waiting = self.n_waiting();
        let input = SequentialSliceOfVecs::new(&self.waiting, n_channels, n_waiting)?;
        let mut output = SequentialSliceOfVecs::new_mut(&mut self.made, n_channels, n_room)?;
        let indexing = partial.map(|n_frames| Indexing::new().partial_len(n_frames));
        let (n_taken, n_made) =
            self.fft
                .process_into_buffer(&input, &mut output, indexing.as_ref())?;
        for waiting in &mut self.waiting {
            waiting.drain(..n_taken.min(n_waiting));
        }
        Ok(n_made)
    }

    fn give(
        &mut self,
        n_frames: usize,
        give: &mut impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let n_skipped = self.n_skip.min(n_frames);
        self.n_skip -= n_skipped;
        if n_skipped == n_frames {
            return Ok(());
        }
        self.n_out += (n_frames - n_skipped) as u64;
        let heard: Vec<_> = slices(&self.made)
            .into_iter()
            .map(|channel| &channel[n_skipped..n_frames])
            .collect();
        give(&heard)
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} Hz to {RATE} Hz)", self.rate)
    }
}
