//! What the three Vorbis header packets say (Vorbis I §4.2 and §5). Pure.
//!
//! Does not decode sound.

/// The longest list of comments that is read; the rest is ignored.
pub const COMMENTS_MAX: usize = 256;
/// The longest comment that is read, in bytes; longer ones are passed over.
pub const COMMENT_BYTES_MAX: usize = 4096;

/// The identification header (Vorbis I §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Channels, 1 to 255.
    pub n_channels: u8,
    /// Samples a second, above 0.
    pub rate_hertz: u32,
    /// Bits a second the encoder aims at; 0 when it does not say.
    pub nominal_bits_per_second: u32,
    /// Samples of a short and of a long block, 64 to 8192.
    pub block_sizes: [u16; 2],
}

/// The comment header (Vorbis I §5): who made it, and `NAME=value` pairs in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// The encoder's name of itself.
    pub vendor: String,
    /// Names are in upper case.
    pub fields: Vec<(String, String)>,
}

/// Four times what the best sound cards do. With more, a second of filler would be more packets
/// than a master can write in one.
const RATE_HERTZ_MAX: u32 = 768_000;

impl Identification {
    /// Reads the first packet of a Vorbis stream. `None`: it is not one.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let mut rest = packet.strip_prefix(b"\x01vorbis")?;
        let version = u32_le(&mut rest)?;
        let (n_channels, mut rest) = rest.split_first()?;
        let rate_hertz = u32_le(&mut rest)?;
        let _maximum = u32_le(&mut rest)?;
        let nominal = u32_le(&mut rest)?;
        let _minimum = u32_le(&mut rest)?;
        let [blocks, framing] = rest else { return None };
        let (short, long) = (blocks & 0x0f, blocks >> 4);
        let blocks_fit = (6..=13).contains(&short) && (short..=13).contains(&long);
        let is_rate = (1..=RATE_HERTZ_MAX).contains(&rate_hertz);
        let fits = version == 0 && *n_channels > 0 && is_rate && framing & 1 == 1;
        (fits && blocks_fit).then_some(Self {
            n_channels: *n_channels,
            rate_hertz,
            // The field is signed in the specification; below 0 means "not said".
            nominal_bits_per_second: if nominal > i32::MAX.unsigned_abs() {
                0
            } else {
                nominal
            },
            block_sizes: [1 << short, 1 << long],
        })
    }
}

impl Comments {
    /// Reads the second packet of a Vorbis stream. `None`: it is not one.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        Self::parse_body(packet.strip_prefix(b"\x03vorbis")?)
    }

    /// Reads a comment list without the packet's signature (Opus uses the same list,
    /// RFC 7845 §5.2).
    pub fn parse_body(mut rest: &[u8]) -> Option<Self> {
        let vendor = String::from_utf8_lossy(text(&mut rest)?).into_owned();
        let n_comments = u32_le(&mut rest)?;
        let mut fields = Vec::new();
        for _ in 0..n_comments.min(COMMENTS_MAX as u32) {
            let Some(comment) = text(&mut rest) else {
                break;
            };
            if comment.len() > COMMENT_BYTES_MAX {
                continue;
            }
            let comment = String::from_utf8_lossy(comment);
            if let Some((name, value)) = comment.split_once('=') {
                fields.push((name.to_ascii_uppercase(), value.to_owned()));
            }
        }
        Some(Self { vendor, fields })
    }

    /// The first value of a field such as `TITLE`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Whether the packet begins as a setup header does (Vorbis I §4.2.4).
pub fn is_setup(packet: &[u8]) -> bool {
    packet.starts_with(b"\x05vorbis")
}

pub(super) fn u32_le(rest: &mut &[u8]) -> Option<u32> {
    let (four, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*four))
}

pub(super) fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n_bytes = usize::try_from(u32_le(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(n_bytes)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identification() -> Vec<u8> {
        let mut packet = b"\x01vorbis\0\0\0\0\x01".to_vec();
        packet.extend_from_slice(&48_000u32.to_le_bytes());
        packet.extend_from_slice(&u32::MAX.to_le_bytes());
        packet.extend_from_slice(&64_000u32.to_le_bytes());
        packet.extend_from_slice(&u32::MAX.to_le_bytes());
        packet.extend_from_slice(&[0xb8, 1]);
        packet
    }

    #[test]
    fn identification_is_read() {
        let read = Identification::parse(&identification()).unwrap();
        assert_eq!((read.n_channels, read.rate_hertz), (1, 48_000));
        assert_eq!(read.nominal_bits_per_second, 64_000);
        assert_eq!(read.block_sizes, [256, 2048]);
    }

    #[test]
    fn impossible_identifications_are_refused() {
        let good = identification();
        for end in 0..good.len() {
            assert_eq!(Identification::parse(&good[..end]), None, "cut at {end}");
        }
        for (rate_hertz, is_rate) in [(0, false), (768_000, true), (768_001, false)] {
            let mut packet = good.clone();
            packet[12..16].copy_from_slice(&u32::to_le_bytes(rate_hertz));
            assert_eq!(Identification::parse(&packet).is_some(), is_rate);
        }
        // version 1, no channels, no rate, blocks 0/15, no framing bit
        for (at, value) in [(7, 1), (11, 0), (28, 0xf0), (29, 0)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Identification::parse(&bad), None, "byte {at} = {value}");
        }
    }

    #[test]
    fn comments_are_read_and_lies_about_lengths_end_the_list() {
        let mut packet = b"\x03vorbis\x01\0\0\0v\x02\0\0\0".to_vec();
        packet.extend_from_slice(b"\x0a\0\0\0title=Live");
        packet.extend_from_slice(b"\xff\xff\xff\xffARTIST=x");
        let comments = Comments::parse(&packet).unwrap();
        assert_eq!(comments.field("TITLE"), Some("Live"));
        assert_eq!(comments.field("ARTIST"), None);
        assert_eq!(Comments::parse(b"\x03vorbis\xff\xff\xff\xff"), None);
    }
}
