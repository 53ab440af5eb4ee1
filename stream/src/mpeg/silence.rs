//! Frames of silence, made from the head of the frame before them: what stands in for a source of
//! MP3 or AAC that is away. Pure. When they are due is decided in `log/filler`.
//!
//! They are as long as what the source sent: some players, and most radios, count what they have in
//! hand in bytes.

use std::time::Duration;

use bytes::Bytes;

use super::frame::{FRAME_BYTES_MAX, Frame, HEAD_BYTES, Sound, checksum, n_side};
use super::framer::{PORTION_BYTES_MAX, PORTION_MICROS};
use crate::ogg::{Page, granule};

/// Samples of one block of AAC.
const AAC_SAMPLES: u32 = 1024;
/// A block of AAC is no longer than this for each channel (ISO 14496-3 §4.5.3.1: 6144 bits).
const AAC_BYTES_MAX: usize = 768;

/// One frame of silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    frame: Frame,
    bytes: Vec<u8>,
}

impl Silence {
    /// Silence that goes on behind this portion. `None`: its sound is AAC with other than one or two
    /// channels, or it is no portion.
    pub fn behind(page: &Page) -> Option<Self> {
        let all = page.is_frames().then(|| page.bytes())?;
        let (mut at, mut last, mut n_samples) = (0, 0, 0);
        while at < all.len() {
            let frame = Frame::parse(all.get(at..)?)?;
            (last, at) = (at, at + frame.n_bytes);
            n_samples += frame.n_samples;
        }
        let head = all.get(last..)?.first_chunk::<HEAD_BYTES>()?;
        let bytes = match Frame::parse(head)?.sound {
            Sound::Mpeg { layer } => mpeg(*head, layer)?,
            Sound::Aac => {
                let n_blocks = usize::try_from(n_samples / AAC_SAMPLES).ok()?;
                adts(*head, all.len().checked_div(n_blocks)?)?
            }
        };
        let frame = Frame::parse(&bytes)?;
        (frame.n_bytes == bytes.len()).then_some(Self { frame, bytes })
    }

    /// Portions that last at least `length`, at most one frame more. Returns how long they last.
    pub fn write(&self, length: Duration, out: &mut Vec<Page>) -> Duration {
        let Frame {
            rate_hertz,
            n_samples,
            ..
        } = self.frame;
        let n_wanted = granule::samples(length, rate_hertz).div_ceil(u64::from(n_samples));
        let n_portion = PORTION_MICROS.div_ceil(self.frame.micros().max(1));
        let n_fit = (PORTION_BYTES_MAX / self.bytes.len()).max(1);
        let mut n_left = usize::try_from(n_wanted).unwrap_or(usize::MAX);
        let n_portion = usize::try_from(n_portion).unwrap_or(1).min(n_fit);
        while n_left > 0 {
            let n = n_portion.min(n_left);
            n_left -= n;
            out.extend(Page::of_frames(Bytes::from(self.bytes.repeat(n))));
        }
        let samples = n_wanted.saturating_mul(u64::from(n_samples));
        let time = i64::try_from(samples).ok();
        let time = time.and_then(|samples| granule::time(samples, rate_hertz));
        time.unwrap_or_default()
    }
}

/// Layers I and II allocate no bits to any band; layer III has no bits in any granule, and asks for
/// none of those before it (ISO 11172-3 §2.4.1.5 to §2.4.1.7: all of it is 0).
fn mpeg(mut head: [u8; HEAD_BYTES], layer: u8) -> Option<Vec<u8>> {
    if layer < 3 {
        // How much a checksum covers depends on a table that nothing else needs: without one.
        head[1] |= 1;
    }
    // No padding, and neither way of joint stereo.
    head[2] &= !0b10;
    head[3] &= !0b11_0000;
    let frame = Frame::parse(&head)?;
    let mut bytes = vec![0; frame.n_bytes];
    bytes.get_mut(..4)?.copy_from_slice(&head[..4]);
    if layer == 3 {
        let n_before = if head[1] & 1 == 0 { 6 } else { 4 };
        // It takes that much to say nothing.
        bytes.get(..n_before + n_side(&frame))?;
        checksum(&mut bytes, &frame);
    }
    Some(bytes)
}

/// One block of one or two channels without a single band, and fill elements up to `n_bytes`.
fn adts(head: [u8; HEAD_BYTES], n_bytes: usize) -> Option<Vec<u8>> {
    let n_channels = usize::from(Frame::parse(&head)?.n_channels);
    let mut bits = Bits::default();
    match n_channels {
        1 => {
            // A single channel, its number (ISO 14496-3 §4.4.2.1).
            bits.put(0, 3 + 4);
            bits.put(0, CHANNEL_BITS + WINDOW_BITS + TOOL_BITS);
        }
        2 => {
            // A pair of channels, its number, with one window for both, and not as middle and side.
            bits.put(0b001, 3);
            bits.put(0, 4);
            bits.put(1, 1);
            bits.put(0, WINDOW_BITS + 2);
            bits.put(0, 2 * (CHANNEL_BITS + TOOL_BITS));
        }
        _ => return None,
    }
    let n_bytes = n_bytes.min(AAC_BYTES_MAX * n_channels).min(FRAME_BYTES_MAX);
    bits.fill(n_bytes.saturating_sub(HEAD_BYTES) * 8);
    bits.put(0b111, 3);
    let block = bits.bytes;
    let n_all = HEAD_BYTES + block.len();
    let byte = |value: usize| u8::try_from(value & 0xff).unwrap_or(0);
    let head = [
        0xff,
        // No checksum.
        head[1] | 1,
        head[2],
        head[3] & 0xf0 | byte(n_all >> 11 & 3),
        byte(n_all >> 3),
        byte(n_all << 5) | 0x1f,
        // It says nothing of its buffer, and has one block.
        0xfc,
    ];
    Some([&head[..], &block].concat())
}

/// Its gain.
const CHANNEL_BITS: u32 = 8;
/// Reserved, the sequence of windows, their shape, how many bands, no prediction (§4.4.2.1 `ics_info`).
const WINDOW_BITS: u32 = 1 + 2 + 1 + 6 + 1;
/// No pulses, no shaping of noise, no control of gain.
const TOOL_BITS: u32 = 3;
/// What a fill element has in front of its bytes: what it is, and 4 bits of how many, then 8 more.
const FILL_BITS: usize = 3 + 4 + 8;

/// Bits in the order of MPEG: the highest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    n_bits: usize,
}

impl Bits {
    fn put(&mut self, value: u32, n_bits: u32) {
        for place in (0..n_bits).rev() {
            if self.n_bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> place & 1 == 1) << (7 - self.n_bits % 8);
            }
            self.n_bits += 1;
        }
    }

    /// Fill elements, until no more of them fit into `n_bits` with what ends the block (§4.4.2.7).
    fn fill(&mut self, n_bits: usize) {
        loop {
            let n_left = n_bits.saturating_sub(self.n_bits + 3);
            // From 15 bytes on, 4 bits are not enough to say how many.
            let n_bytes = n_left.saturating_sub(FILL_BITS) / 8;
            if n_bytes < 15 {
                let n_bytes = n_left.saturating_sub(FILL_BITS - 8) / 8;
                if n_left >= FILL_BITS - 8 {
                    self.put(0b110, 3);
                    self.put_bytes(n_bytes.min(14), 4);
                }
                return;
            }
            let n_bytes = n_bytes.min(14 + 255);
            self.put(0b110, 3);
            self.put(15, 4);
            self.put(u32::try_from(n_bytes - 14).unwrap_or(1), 8);
            self.put_zeros(n_bytes);
        }
    }

    /// So many, in so many bits, and then the bytes.
    fn put_bytes(&mut self, n_bytes: usize, n_bits: u32) {
        self.put(u32::try_from(n_bytes).unwrap_or(0), n_bits);
        self.put_zeros(n_bytes);
    }

    fn put_zeros(&mut self, n_bytes: usize) {
        for _ in 0..n_bytes {
            self.put(0, 8);
        }
    }
}

#[cfg(test)]
mod tests;
