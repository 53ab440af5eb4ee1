//! The head of one frame: what it carries, and how long it is. Pure.
//!
//! MPEG audio: ISO 11172-3 §2.4.1.3 and ISO 13818-3 §2.4.2.3; MPEG-2.5 is its extension by
//! Fraunhofer. ADTS: ISO 14496-3 §1.A.2.2.

/// So many bytes tell all that is read of a frame's head.
pub const HEAD_BYTES: usize = 7;
/// No frame is longer: 13 bits of an ADTS head say how long it is.
pub const FRAME_BYTES_MAX: usize = 8191;

/// What frames carry: those of one log all carry the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// MPEG audio of this layer, 1 to 3.
    Mpeg {
        /// The layer; 3 is MP3.
        layer: u8,
    },
    /// AAC in ADTS.
    Aac,
}

/// What the head of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub sound: Sound,
    /// Samples a second.
    pub rate_hertz: u32,
    /// Channels; 0: the frame does not say it here.
    pub n_channels: u8,
    /// How many samples of each channel.
    pub n_samples: u32,
    /// How many bytes, its head included.
    pub n_bytes: usize,
}

/// Kilobits a second by the index in the head: MPEG-1 layers I to III, then MPEG-2 layer I and
/// layers II and III.
const KILOBITS: [[u32; 14]; 5] = [
    [
        32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [
        32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Of MPEG-1.
const MPEG_RATES: [u32; 3] = [44_100, 48_000, 32_000];
const AAC_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

impl Frame {
    /// Reads the head of the frame that begins here. `None`: none does, it is of free format (its
    /// length is not said), or there are less than [`HEAD_BYTES`].
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        if head[0] != 0xff || head[1] & 0xe0 != 0xe0 {
            return None;
        }
        match (head[1] >> 1) & 3 {
            0 => Self::adts(head),
            layer => Self::mpeg(head, 4 - layer),
        }
    }

    fn mpeg(head: &[u8; HEAD_BYTES], layer: u8) -> Option<Self> {
        // 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5.
        let version = (head[1] >> 3) & 3;
        let is_first = version == 3;
        let divisor = match version {
            3 => 1,
            2 => 2,
            0 => 4,
            _ => return None,
        };
        let table = match (is_first, layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let index = usize::from(head[2] >> 4).checked_sub(1)?;
        let bits = KILOBITS.get(table)?.get(index)? * 1000;
        let rate = MPEG_RATES.get(usize::from((head[2] >> 2) & 3))?;
        // The value 2 of the emphasis is not used.
        if head[3] & 3 == 2 {
            return None;
        }
        let rate_hertz = rate / divisor;
        let padding = u32::from((head[2] >> 1) & 1);
        let (n_samples, n_bytes) = match layer {
            1 => (384, (12 * bits / rate_hertz + padding) * 4),
            3 if !is_first => (576, 72 * bits / rate_hertz + padding),
            _ => (1152, 144 * bits / rate_hertz + padding),
        };
        Some(Self {
            sound: Sound::Mpeg { layer },
            rate_hertz,
            n_channels: if head[3] >> 6 == 3 { 1 } else { 2 },
            n_samples,
            n_bytes: usize::try_from(n_bytes).ok()?,
        })
    }

    fn adts(head: &[u8; HEAD_BYTES]) -> Option<Self> {
        if head[1] & 0xf0 != 0xf0 {
            return None;
        }
        let rate_hertz = *AAC_RATES.get(usize::from((head[2] >> 2) & 0xf))?;
        let n_bytes =
            usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        let has_checksum = head[1] & 1 == 0;
        let n_head = HEAD_BYTES + if has_checksum { 2 } else { 0 };
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        (n_bytes > n_head).then_some(Self {
            sound: Sound::Aac,
            rate_hertz,
            n_channels: if channels == 7 { 8 } else { channels },
            n_samples: 1024 * (u32::from(head[6] & 3) + 1),
            n_bytes,
        })
    }

    /// How long it lasts, in microseconds.
    pub fn micros(&self) -> u64 {
        u64::from(self.n_samples) * 1_000_000 / u64::from(self.rate_hertz)
    }

    /// Whether `other` may follow in one and the same stream, as far as it shows.
    pub fn is_like(&self, other: &Self) -> bool {
        self.sound == other.sound && self.rate_hertz == other.rate_hertz
    }
}

/// How long the side information of a frame of layer III is (ISO 11172-3 §2.4.1.7).
pub(super) fn n_side(frame: &Frame) -> usize {
    match (frame.n_samples, frame.n_channels) {
        (1152, 1) => 17,
        (1152, _) => 32,
        (_, 1) => 9,
        _ => 17,
    }
}

/// Puts the checksum of a frame of layer III right, if it has one: over what follows the first two
/// bytes of its head, and the side information (ISO 11172-3 §2.4.3.1).
pub(super) fn checksum(bytes: &mut [u8], frame: &Frame) {
    let covered = 6..6 + n_side(frame);
    if bytes.len() < covered.end || bytes[1] & 1 == 1 {
        return;
    }
    let mut crc = 0xffff_u16;
    for byte in bytes[2..4].iter().chain(&bytes[covered]) {
        for place in (0..8).rev() {
            let is_set = (crc >> 15 & 1 == 1) != (byte >> place & 1 == 1);
            crc = crc << 1 ^ if is_set { 0x8005 } else { 0 };
        }
    }
    bytes[4..6].copy_from_slice(&crc.to_be_bytes());
}

/// Whether the frame that is all of `bytes` tells of the file that it begins, and holds no sound: how
/// long the file is, and where in it what is. Encoders and the writers of files put it there (Xing,
/// Info, VBRI).
pub fn is_about_file(bytes: &[u8]) -> bool {
    let Some(frame) = Frame::parse(bytes).filter(|f| f.sound == Sound::Mpeg { layer: 3 }) else {
        return false;
    };
    let stands_at = |at: usize, words: &[&[u8]]| {
        let there = bytes.get(at..at + 4);
        there.is_some_and(|there| words.contains(&there))
    };
    // Behind the side information of a frame without sound; VBRI always where it ends in MPEG-1 stereo. A
    // checksum comes before it, where there is one.
    let n_side = n_side(&frame);
    let xing = [b"Xing".as_slice(), b"Info"];
    [4, 6]
        .iter()
        .any(|n_head| stands_at(n_head + n_side, &xing))
        || stands_at(36, &[b"VBRI"])
}

/// The first of the frames that these bytes are, from their first byte to their last. `None`: they
/// are something else, or frames of different kinds.
pub fn whole(bytes: &[u8]) -> Option<Frame> {
    let first = Frame::parse(bytes)?;
    let mut at = 0;
    while at < bytes.len() {
        let frame = Frame::parse(bytes.get(at..)?)?;
        if frame.sound != first.sound {
            return None;
        }
        at = at.checked_add(frame.n_bytes)?;
    }
    (at == bytes.len()).then_some(first)
}

impl Sound {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mpeg { .. } => "audio/mpeg",
            Self::Aac => "audio/aac",
        }
    }

    /// Its name as status pages show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mpeg { layer: 1 } => "MP1",
            Self::Mpeg { layer: 2 } => "MP2",
            Self::Mpeg { .. } => "MP3",
            Self::Aac => "AAC",
        }
    }
}
