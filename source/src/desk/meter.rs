//! How loud the input is: peak, average and clipping of each channel. Pure.

/// Channels beyond these are not measured.
pub const CHANNELS_MAX: usize = 2;

/// From here on a sample is at the end of the scale (−0.009 dBFS).
const FULL_SCALE: f32 = 0.999;

/// So many samples in a row at the end of the scale are clipping, fewer are a loud peak.
const N_CLIPPED_IN_A_ROW: u32 = 3;

/// The level that stands for "nothing at all", in dBFS.
pub const FLOOR_DBFS: f32 = -100.0;

/// Adds up samples until somebody reads it.
#[derive(Debug, Default)]
pub struct Meter {
    channels: [Sum; CHANNELS_MAX],
    n_channels: usize,
}

#[derive(Debug, Default)]
struct Sum {
    peak: f32,
    squares: f64,
    n_samples: u64,
    n_in_a_row: u32,
    n_clips: u32,
}

/// What the meter shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    channels: [Level; CHANNELS_MAX],
    n_channels: usize,
}

/// The level of one channel over the time between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The highest sample, in dBFS.
    pub peak_dbfs: f32,
    /// The average (root of mean of squares), in dBFS.
    pub average_dbfs: f32,
    /// How often three or more samples in a row were at the end of the scale.
    pub n_clips: u32,
    /// Of what the average is.
    squares: f64,
    n_samples: u64,
}

impl Meter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds interleaved samples.
    pub fn take(&mut self, n_channels: usize, samples: &[f32]) {
        self.n_channels = n_channels.min(CHANNELS_MAX);
        for frame in samples.chunks_exact(n_channels.max(1)) {
            for (channel, sample) in self.channels.iter_mut().zip(frame) {
                channel.add(*sample);
            }
        }
    }

    /// The levels since the last reading.
    pub fn read(&mut self) -> Reading {
        let channels = self.channels.each_mut().map(Sum::read);
        Reading {
            channels,
            n_channels: self.n_channels,
        }
    }
}

impl Sum {
    fn add(&mut self, sample: f32) {
        let height = sample.abs();
        self.peak = self.peak.max(height);
        self.squares += f64::from(sample) * f64::from(sample);
        self.n_samples = self.n_samples.saturating_add(1);
        if height < FULL_SCALE {
            self.n_in_a_row = 0;
            return;
        }
        self.n_in_a_row = self.n_in_a_row.saturating_add(1);
        if self.n_in_a_row == N_CLIPPED_IN_A_ROW {
            self.n_clips = self.n_clips.saturating_add(1);
        }
    }

    fn read(&mut self) -> Level {
        let sum = std::mem::take(self);
        self.n_in_a_row = sum.n_in_a_row;
        Level {
            peak_dbfs: dbfs(sum.peak),
            average_dbfs: average_dbfs(sum.squares, sum.n_samples),
            n_clips: sum.n_clips,
            squares: sum.squares,
            n_samples: sum.n_samples,
        }
    }
}

impl Reading {
    /// One level a channel.
    pub fn levels(&self) -> &[Level] {
        &self.channels[..self.n_channels]
    }

    /// Two readings, one after the other, as one: the higher peak, the average of all.
    #[must_use]
    pub fn and_then(self, later: Self) -> Self {
        let mut both = later;
        for (level, earlier) in both.channels.iter_mut().zip(self.channels) {
            level.peak_dbfs = level.peak_dbfs.max(earlier.peak_dbfs);
            level.n_clips = level.n_clips.saturating_add(earlier.n_clips);
            level.squares += earlier.squares;
            level.n_samples = level.n_samples.saturating_add(earlier.n_samples);
            level.average_dbfs = average_dbfs(level.squares, level.n_samples);
        }
        both
    }
}

impl Default for Level {
    fn default() -> Self {
        Self {
            peak_dbfs: FLOOR_DBFS,
            average_dbfs: FLOOR_DBFS,
            n_clips: 0,
            squares: 0.0,
            n_samples: 0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "an f32 is precise enough to show"
)]
fn average_dbfs(squares: f64, n_samples: u64) -> f32 {
    let mean = squares / n_samples.max(1) as f64;
    dbfs(mean.sqrt() as f32)
}

fn dbfs(height: f32) -> f32 {
    (20.0 * height.log10()).max(FLOOR_DBFS)
}
