//! Between input and encoder: guard, meter, choice of channels, 48 kHz. No clock, no I/O.
//!
//! Order: samples that are not numbers become silence, the meter looks at what came in,
//! `channels` makes mono or stereo of it, `resample` makes 48 kHz of it.

pub mod channels;
pub mod meter;
pub mod resample;

use tracing::warn;

use crate::input::Block;
use channels::{Chooser, Layout};
use meter::Meter;
use resample::Resampler;

/// Louder than any honest float sample; beyond it a driver or file is broken.
const SAMPLE_MAX: f32 = 16.0;

/// Makes blocks of any format into what the encoder takes.
#[derive(Debug)]
pub struct Desk {
    chooser: Chooser,
    meter: Meter,
    /// For blocks of this rate; `None`: 48 kHz already.
    resampler: Option<Resampler>,
    chosen: Vec<Vec<f32>>,
}

impl Desk {
    /// A desk with this output.
    pub fn new(layout: Layout) -> Self {
        Self {
            chooser: Chooser::new(layout),
            meter: Meter::new(),
            resampler: None,
            chosen: vec![Vec::new(); layout.n_channels()],
        }
    }

    /// Takes one block; `give` gets what it becomes, one slice a channel, perhaps nothing.
    ///
    /// # Errors
    /// What `give` says, or when a rate cannot be resampled.
    pub fn process(
        &mut self,
        block: &mut Block,
        mut give: impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        guard(&mut block.samples);
        self.meter.take(block.n_channels, &block.samples);
        self.follow_rate(block.rate, &mut give)?;
        self.chooser.choose(block, &mut self.chosen);
        match &mut self.resampler {
            None => give(&slices(&self.chosen)),
            Some(resampler) => resampler.process(&self.chosen, give),
        }
    }

    /// Gives what the resampler still holds.
    ///
    /// # Errors
    /// What `give` says.
    pub fn finish(
        &mut self,
        give: impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.resampler.take() {
            None => Ok(()),
            Some(resampler) => resampler.finish(give),
        }
    }

    /// The level of what came in since the last call.
    pub fn read_meter(&mut self) -> meter::Reading {
        self.meter.read()
    }

    /// The next file, or the card after a restart, may have another rate.
    fn follow_rate(
        &mut self,
        rate: u32,
        give: impl FnMut(&[&[f32]]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let now = self
            .resampler
            .as_ref()
            .map_or(crate::encoder::RATE, Resampler::rate);
        if now == rate {
            return Ok(());
        }
        self.finish(give)?;
        if rate != crate::encoder::RATE {
            self.resampler = Some(Resampler::new(rate, self.chosen.len())?);
        }
        Ok(())
    }
}

/// The encoder takes what is not a number without complaint, listeners' ears do not.
fn guard(samples: &mut [f32]) {
    let mut n_bad = 0_usize;
    for sample in samples {
        if !sample.is_finite() || sample.abs() > SAMPLE_MAX {
            *sample = 0.0;
            n_bad += 1;
        }
    }
    if n_bad > 0 {
        warn!(n_bad, "{n_bad} samples were not numbers and became silence");
    }
}

pub(crate) fn slices(channels: &[Vec<f32>]) -> Vec<&[f32]> {
    channels.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests;
