//! Elements of EBML (RFC 8794): an identifier, a length, and content. Pure.

/// The head of the whole stream.
pub(super) const EBML: u32 = 0x1a45_dfa3;
pub(super) const DOC_TYPE: u32 = 0x4282;
pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const INFO: u32 = 0x1549_a966;
pub(super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
pub(super) const DURATION: u32 = 0x4489;
pub(super) const TRACKS: u32 = 0x1654_ae6b;
pub(super) const CLUSTER: u32 = 0x1f43_b675;
pub(super) const TIMESTAMP: u32 = 0xe7;
pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
pub(super) const BLOCK_GROUP: u32 = 0xa0;
pub(super) const BLOCK: u32 = 0xa1;
pub(super) const REFERENCE_BLOCK: u32 = 0xfb;
pub(super) const VOID: u32 = 0xec;
pub(super) const CRC_32: u32 = 0xbf;

/// What else may stand in a segment or a cluster, and is of no use in a stream: lists of places in
/// a file, names, attachments.
pub(super) const LEFT_OUT: [u32; 10] = [
    VOID,
    CRC_32,
    0x114d_9b74, // SeekHead
    0x1c53_bb6b, // Cues
    0x1254_c367, // Tags
    0x1043_a770, // Chapters
    0x1941_a469, // Attachments
    0xab,        // PrevSize
    0xa7,        // Position
    0x5854,      // SilentTracks
];

/// An identifier and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) id: u32,
    /// How many bytes both take.
    pub(super) n_bytes: usize,
    /// How many bytes of content follow. `None`: it goes on until something begins that cannot be
    /// in it.
    pub(super) n_content: Option<u64>,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// More bytes are needed to tell.
    More,
    /// No element begins so.
    Damaged,
    Opening(Opening),
}

/// Reads the opening of the element that begins here.
pub(super) fn opening(bytes: &[u8]) -> Look {
    let Some(first) = bytes.first() else {
        return Look::More;
    };
    // RFC 8794 §5: the zeros at the beginning say how long it is; they stay part of it.
    let n_id = first.leading_zeros() as usize + 1;
    if n_id > 4 {
        return Look::Damaged;
    }
    let Some(id) = bytes.get(..n_id) else {
        return Look::More;
    };
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    match varint(&bytes[n_id..]) {
        Varint::More => Look::More,
        Varint::Damaged => Look::Damaged,
        Varint::Number { n_bytes, value } => Look::Opening(Opening {
            id,
            n_bytes: n_id + n_bytes,
            n_content: value,
        }),
    }
}

/// A number that says its own length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varint {
    More,
    Damaged,
    /// No value: all its bits are set, which as a length means that it is not known.
    Number {
        n_bytes: usize,
        value: Option<u64>,
    },
}

/// Reads a number of 1 to 8 bytes (RFC 8794 §4).
pub(super) fn varint(bytes: &[u8]) -> Varint {
    let Some(first) = bytes.first() else {
        return Varint::More;
    };
    let n_bytes = first.leading_zeros() as usize + 1;
    if n_bytes > 8 {
        return Varint::Damaged;
    }
    let Some(all) = bytes.get(..n_bytes) else {
        return Varint::More;
    };
    let bits = all.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let mask = (1 << (7 * n_bytes)) - 1;
    let value = bits & mask;
    Varint::Number {
        n_bytes,
        value: (value != mask).then_some(value),
    }
}

/// The elements in `content`, one after the other: identifier, all bytes, and content. Ends early
/// where none is that is whole.
pub(super) fn elements(content: &[u8]) -> impl Iterator<Item = (u32, &[u8], &[u8])> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let Look::Opening(opening) = opening(rest) else {
            return None;
        };
        let n_content = usize::try_from(opening.n_content?).ok()?;
        let whole = rest.get(..opening.n_bytes.checked_add(n_content)?)?;
        rest = &rest[whole.len()..];
        Some((opening.id, whole, &whole[opening.n_bytes..]))
    })
}

/// The content of the first element with this identifier.
pub(super) fn find(content: &[u8], id: u32) -> Option<&[u8]> {
    elements(content).find_map(|(other, _, content)| (other == id).then_some(content))
}

/// As [`find`], and where the content begins.
pub(super) fn place(content: &[u8], id: u32) -> Option<(usize, &[u8])> {
    let mut at = 0;
    elements(content).find_map(|(other, whole, content)| {
        at += whole.len();
        (other == id).then(|| (at - content.len(), content))
    })
}

/// A number as content, of 0 to 8 bytes (RFC 8794 §7.2).
pub(super) fn number(content: &[u8]) -> Option<u64> {
    let fold = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
    (content.len() <= 8).then(|| content.iter().fold(0, fold))
}

/// A fraction as content (RFC 8794 §7.3).
pub(super) fn float(content: &[u8]) -> Option<f64> {
    match content.len() {
        4 => Some(f32::from_be_bytes(content.try_into().ok()?).into()),
        8 => Some(f64::from_be_bytes(content.try_into().ok()?)),
        _ => None,
    }
}

/// Writes the opening of an element with so much content; always with a length of eight bytes.
pub(super) fn open(out: &mut Vec<u8>, id: u32, n_content: usize) {
    out.extend_from_slice(&id.to_be_bytes()[id.leading_zeros() as usize / 8..]);
    out.extend_from_slice(&(n_content as u64 | 1 << 56).to_be_bytes());
}
