//! The modes of a Vorbis stream: which of its packets are long blocks, and what a block of
//! silence is. Pure.
//!
//! The mode table stands at the end of the setup header, behind four others of which none says
//! how long it is, so all of them are passed over in order (Vorbis I §4.2.4). Does not decode
//! sound.

use super::bits::{BitReader, BitWriter};
use super::vorbis::{Identification, is_setup};

/// Every codebook begins with these three bytes (Vorbis I §3.2.1).
const CODEBOOK_SYNC: u32 = 0x56_43_42;

/// What the headers say about the blocks of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Samples of a short and of a long block.
    sizes: [u16; 2],
    /// For each mode, whether its blocks are long. 1 to 64.
    is_long: Vec<bool>,
    n_channels: u8,
}

/// One block, as the first bits of its packet describe it (Vorbis I §4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// How many samples its window spans. A quarter of it and a quarter of its predecessor's
    /// is what a decoder puts out (Vorbis I §1.3.2).
    pub n_samples: u16,
    /// Long or short.
    pub length: Length,
    /// What its predecessor has to be.
    pub before: Length,
    /// What its successor has to be.
    pub after: Length,
}

/// A stream has blocks of two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The smaller one.
    Short,
    /// The larger one.
    Long,
}

impl Modes {
    /// Reads the third packet of a Vorbis stream. `None`: something in it is not as it must
    /// be, or of a kind that no encoder has made for twenty years (floor 0).
    pub fn parse(identification: &Identification, setup: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(setup.get(7..).filter(|_| is_setup(setup))?);
        let n_channels = identification.n_channels;
        for _ in 0..=bits.take(8)? {
            pass_codebook(&mut bits)?;
        }
        for _ in 0..=bits.take(6)? {
            zero(&mut bits, 16)?;
        }
        for _ in 0..=bits.take(6)? {
            pass_floor(&mut bits)?;
        }
        for _ in 0..=bits.take(6)? {
            pass_residue(&mut bits)?;
        }
        for _ in 0..=bits.take(6)? {
            pass_mapping(&mut bits, n_channels)?;
        }
        let mut is_long = Vec::new();
        for _ in 0..=bits.take(6)? {
            is_long.push(bits.flag()?);
            // Window and transform: there is one of each.
            zero(&mut bits, 32)?;
            bits.skip(8)?;
        }
        let is_framed = bits.flag()?;
        is_framed.then_some(Self {
            sizes: identification.block_sizes,
            is_long,
            n_channels,
        })
    }

    /// The block in a packet that begins with these bytes; two are enough. `None`: no decoder
    /// would take it.
    pub fn block(&self, packet: &[u8]) -> Option<Block> {
        let mut bits = BitReader::new(packet);
        if bits.flag()? {
            return None;
        }
        let mode = usize::try_from(bits.take(self.n_mode_bits())?).ok()?;
        if !*self.is_long.get(mode)? {
            return Some(self.short_block());
        }
        let (before, after) = (length(bits.flag()?), length(bits.flag()?));
        Some(self.long_block(before, after))
    }

    /// A packet that decodes to the given block of digital silence, one byte in a usual
    /// stream: every channel's floor is "unused" (Vorbis I §7.2.3). `None`: the stream has no
    /// mode of that length.
    pub fn silence(&self, block: &Block) -> Option<Vec<u8>> {
        let wanted = block.length == Length::Long;
        let mode = self.is_long.iter().position(|is_long| *is_long == wanted)?;
        let mut bits = BitWriter::default();
        bits.put(0, 1);
        bits.put(u32::try_from(mode).ok()?, self.n_mode_bits());
        if wanted {
            bits.put(u32::from(block.before == Length::Long), 1);
            bits.put(u32::from(block.after == Length::Long), 1);
        }
        for _ in 0..self.n_channels {
            bits.put(0, 1);
        }
        Some(bits.into_bytes())
    }

    /// Whether any mode is of this length.
    pub fn has(&self, length: Length) -> bool {
        self.is_long.contains(&(length == Length::Long))
    }

    /// A short block: its neighbours overlap with it as short ones, whatever they are.
    pub fn short_block(&self) -> Block {
        Block {
            n_samples: self.sizes[0],
            length: Length::Short,
            before: Length::Short,
            after: Length::Short,
        }
    }

    /// A long block between such neighbours.
    pub fn long_block(&self, before: Length, after: Length) -> Block {
        Block {
            n_samples: self.sizes[1],
            length: Length::Long,
            before,
            after,
        }
    }

    fn n_mode_bits(&self) -> u32 {
        n_bits(u32::try_from(self.is_long.len() - 1).unwrap_or_default())
    }
}

fn length(is_long: bool) -> Length {
    if is_long { Length::Long } else { Length::Short }
}

/// How many bits a number has (`ilog` in Vorbis I §9.2.1).
fn n_bits(number: u32) -> u32 {
    u32::BITS - number.leading_zeros()
}

fn zero(bits: &mut BitReader<'_>, n: u32) -> Option<()> {
    (bits.take(n)? == 0).then_some(())
}

/// Vorbis I §3.2.1.
fn pass_codebook(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.take(24)? != CODEBOOK_SYNC {
        return None;
    }
    let (n_dimensions, n_entries) = (bits.take(16)?, bits.take(24)?);
    if bits.flag()? {
        bits.skip(5)?;
        let mut n_seen: u32 = 0;
        while n_seen < n_entries {
            n_seen += bits.take(n_bits(n_entries - n_seen))?;
        }
        if n_seen > n_entries {
            return None;
        }
    } else if bits.flag()? {
        for _ in 0..n_entries {
            if bits.flag()? {
                bits.skip(5)?;
            }
        }
    } else {
        bits.skip(u64::from(n_entries) * 5)?;
    }
    let n_values = match bits.take(4)? {
        0 => return Some(()),
        1 => u64::from(lattice_side(n_entries, n_dimensions)?),
        2 => u64::from(n_entries) * u64::from(n_dimensions),
        _ => return None,
    };
    bits.skip(64)?;
    let n_value_bits = bits.take(4)? + 1;
    bits.skip(1)?;
    bits.skip(n_values.checked_mul(u64::from(n_value_bits))?)
}

/// The greatest number whose power of `n_dimensions` is not above `n_entries` (Vorbis I
/// §9.2.3).
fn lattice_side(n_entries: u32, n_dimensions: u32) -> Option<u32> {
    if n_dimensions == 0 {
        return None;
    }
    let fits = |side: u32| {
        side.checked_pow(n_dimensions)
            .is_some_and(|power| power <= n_entries)
    };
    let (mut fitting, mut above) = (0, n_entries.checked_add(1)?);
    while above - fitting > 1 {
        let middle = fitting.midpoint(above);
        if fits(middle) {
            fitting = middle;
        } else {
            above = middle;
        }
    }
    Some(fitting)
}

/// Vorbis I §7.2.2.
fn pass_floor(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.take(16)? != 1 {
        return None;
    }
    let n_partitions = bits.take(5)?;
    let mut classes = Vec::new();
    for _ in 0..n_partitions {
        classes.push(usize::try_from(bits.take(4)?).ok()?);
    }
    let n_classes = classes.iter().max().map_or(0, |most| most + 1);
    let mut dimensions = Vec::new();
    for _ in 0..n_classes {
        dimensions.push(bits.take(3)? + 1);
        let n_subclass_bits = bits.take(2)?;
        if n_subclass_bits > 0 {
            bits.skip(8)?;
        }
        bits.skip(8 << n_subclass_bits)?;
    }
    bits.skip(2)?;
    let n_range_bits = bits.take(4)?;
    for class in classes {
        let n = dimensions.get(class)?;
        bits.skip(u64::from(n * n_range_bits))?;
    }
    Some(())
}

/// Vorbis I §8.6.1.
fn pass_residue(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.take(16)? > 2 {
        return None;
    }
    bits.skip(3 * 24)?;
    let n_classes = bits.take(6)? + 1;
    bits.skip(8)?;
    let mut n_books: u64 = 0;
    for _ in 0..n_classes {
        let low = bits.take(3)?;
        let high = if bits.flag()? { bits.take(5)? } else { 0 };
        n_books += u64::from(low.count_ones() + high.count_ones());
    }
    bits.skip(8 * n_books)
}

/// Vorbis I §4.2.4.
fn pass_mapping(bits: &mut BitReader<'_>, n_channels: u8) -> Option<()> {
    zero(bits, 16)?;
    let n_submaps = if bits.flag()? { bits.take(4)? + 1 } else { 1 };
    if bits.flag()? {
        let n_steps = bits.take(8)? + 1;
        let n_channel_bits = n_bits(u32::from(n_channels).saturating_sub(1));
        bits.skip(2 * u64::from(n_steps * n_channel_bits))?;
    }
    zero(bits, 2)?;
    if n_submaps > 1 {
        bits.skip(4 * u64::from(n_channels))?;
    }
    bits.skip(24 * u64::from(n_submaps))
}

#[cfg(test)]
pub(crate) mod tests;
