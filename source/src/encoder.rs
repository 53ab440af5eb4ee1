//! Sound in, Ogg Vorbis pages out. Lives on one thread: the Vorbis encoder cannot move.

use std::cell::RefCell;
use std::io::Write;
use std::num::{NonZeroU8, NonZeroU32};
use std::ops::RangeInclusive;
use std::rc::Rc;

use anyhow::{Context, bail};
use stream::config::ConfigError;
use stream::ogg::{Found, Framer};
use tracing::warn;
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoder, VorbisEncoderBuilder};

use crate::pages::{Made, Merger};

/// Samples a second of everything that is sent.
pub const RATE: u32 = 48_000;

/// What the Vorbis encoder can do at 48 kHz, in kbit/s: measured, it refuses the rest.
const MONO_KBITS: RangeInclusive<u32> = 28..=240;
const STEREO_KBITS: RangeInclusive<u32> = 32..=500;

/// The scale that `oggenc -q` uses.
const QUALITY: RangeInclusive<f32> = -1.0..=10.0;

/// How well to encode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// About so many kbit/s on average; silence takes less.
    Bitrate(u32),
    /// Vorbis quality, −1 to 10, whatever bitrate it takes.
    Quality(f32),
}

/// How to encode.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// 1 or 2.
    pub n_channels: u8,
    /// How well.
    pub effort: Effort,
    /// What listeners' players show, as Vorbis comments: name and value.
    pub tags: Vec<(String, String)>,
}

/// One logical Ogg Vorbis stream in the making.
pub struct Encoder {
    vorbis: VorbisEncoder<Sink>,
    sink: Sink,
    framer: Framer,
    merger: Merger,
}

/// Where the Vorbis encoder writes and we read.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Effort {
    /// Whether the encoder can do this.
    ///
    /// # Errors
    /// Names the key, what is possible, and what was asked.
    pub fn check(self, n_channels: u8) -> Result<(), ConfigError> {
        let (kbits, channels) = if n_channels == 1 {
            (MONO_KBITS, "mono")
        } else {
            (STEREO_KBITS, "stereo")
        };
        match self {
            Self::Bitrate(asked) if !kbits.contains(&asked) => Err(ConfigError::new(format!(
                "`bitrate` = {asked}: {channels} can be encoded with {} to {} kbit/s",
                kbits.start(),
                kbits.end()
            ))),
            Self::Quality(asked) if !QUALITY.contains(&asked) => Err(ConfigError::new(format!(
                "`quality` = {asked}: it goes from {} (smallest) to {} (best)",
                QUALITY.start(),
                QUALITY.end()
            ))),
            _ => Ok(()),
        }
    }
}

impl Encoder {
    /// Begins a logical stream. Its header pages come out with the first sound.
    ///
    /// # Errors
    /// When the encoder refuses what [`Effort::check`] let through.
    pub fn new(encoding: &Encoding, serial: u32) -> anyhow::Result<Self> {
        let sink = Sink::default();
        let channels = NonZeroU8::new(encoding.n_channels).context("no channels to encode")?;
        let rate = NonZeroU32::new(RATE).expect("48000 is not zero");
        let mut builder = VorbisEncoderBuilder::new_with_serial(
            rate,
            channels,
            sink.clone(),
            serial.cast_signed(),
        );
        builder
            .bitrate_management_strategy(strategy(encoding.effort)?)
            .minimum_page_data_size(Some(1));
        for (name, value) in &encoding.tags {
            builder
                .comment_tag(name.as_str(), value.as_str())
                .with_context(|| format!("tag {name} cannot be written"))?;
        }
        let vorbis = builder
            .build()
            .context("the Vorbis encoder refuses these settings")?;
        Ok(Self {
            vorbis,
            sink,
            framer: Framer::new(),
            merger: Merger::new(RATE),
        })
    }

    /// Encodes sound at 48 kHz, one slice a channel, all of the same length. `give` gets
    /// each page that is thereby finished.
    ///
    /// # Errors
    /// When the encoder fails, which no sound can make it do.
    pub fn encode(&mut self, channels: &[&[f32]], give: impl FnMut(Made)) -> anyhow::Result<()> {
        if channels.first().is_none_or(|samples| samples.is_empty()) {
            // To the Vorbis encoder an empty block means: end of the stream.
            return Ok(());
        }
        self.vorbis.encode_audio_block(channels)?;
        let written = std::mem::take(&mut *self.sink.0.borrow_mut());
        merge(&mut self.framer, &mut self.merger, &written, give);
        Ok(())
    }

    /// Ends the logical stream. `give` gets the remaining pages, the last marked as such.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn finish(self, mut give: impl FnMut(Made)) -> anyhow::Result<()> {
        let (mut framer, mut merger) = (self.framer, self.merger);
        let sink = self.vorbis.finish()?;
        let written = std::mem::take(&mut *sink.0.borrow_mut());
        merge(&mut framer, &mut merger, &written, &mut give);
        merger.flush(give);
        Ok(())
    }
}

fn merge(framer: &mut Framer, merger: &mut Merger, written: &[u8], mut give: impl FnMut(Made)) {
    let mut rest = written;
    while let Some(found) = framer.next(&mut rest) {
        match found {
            Found::Page(page) => merger.push(&page, &mut give),
            Found::Junk { n_bytes, why } => {
                warn!(
                    n_bytes,
                    "the encoder wrote {n_bytes} bytes that are no page: {why}"
                );
            }
        }
    }
}

fn strategy(effort: Effort) -> anyhow::Result<VorbisBitrateManagementStrategy> {
    Ok(match effort {
        Effort::Quality(quality) => VorbisBitrateManagementStrategy::QualityVbr {
            target_quality: quality / 10.0,
        },
        Effort::Bitrate(kbits) => {
            let bits = kbits.checked_mul(1000).and_then(NonZeroU32::new);
            let Some(target_bitrate) = bits else {
                bail!("bitrate {kbits} kbit/s is out of range");
            };
            VorbisBitrateManagementStrategy::Vbr { target_bitrate }
        }
    })
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
