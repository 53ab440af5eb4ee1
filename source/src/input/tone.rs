//! A sine tone, to try a chain without a sound card or files.

use std::time::{Duration, Instant};

use super::pace::Pace;
use super::{Block, Input, Read};
use crate::encoder::RATE;

/// How much sound a block has.
const BLOCK_FRAMES: u32 = RATE / 50;

/// Peak of the tone: −18 dBFS, the usual level of a test tone.
const HEIGHT: f64 = 0.125_892_541;

/// A tone without end, one channel.
#[derive(Debug)]
pub struct Tone {
    /// How far the wave gets in a sample, in turns.
    step: f64,
    /// Where the wave is, in turns (0 to 1).
    phase: f64,
    pace: Pace,
    is_waiting: bool,
}

impl Tone {
    /// A tone of so many hertz.
    pub fn new(hertz: f64) -> Self {
        Self {
            step: hertz / f64::from(RATE),
            phase: 0.0,
            pace: Pace::new(),
            is_waiting: false,
        }
    }

    fn next_sample(&mut self) -> f32 {
        let angle = self.phase * std::f64::consts::TAU;
        self.phase = (self.phase + self.step).fract();
        #[expect(clippy::cast_possible_truncation, reason = "f32 is what a sample is")]
        let sample = (angle.sin() * HEIGHT) as f32;
        sample
    }
}

impl Input for Tone {
    fn n_channels(&self) -> usize {
        1
    }

    fn read(&mut self, block: &mut Block) -> anyhow::Result<Read> {
        if !self.is_waiting {
            let length = Duration::from_secs(1) * BLOCK_FRAMES / RATE;
            self.pace.add(length, Instant::now());
            self.is_waiting = true;
        }
        if !self.pace.wait() {
            return Ok(Read::Nothing);
        }
        self.is_waiting = false;
        block.rate = RATE;
        block.n_channels = 1;
        block.samples.clear();
        for _ in 0..BLOCK_FRAMES {
            let sample = self.next_sample();
            block.samples.push(sample);
        }
        Ok(Read::Sound)
    }
}
