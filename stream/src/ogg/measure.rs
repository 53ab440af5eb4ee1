//! How long the packets of a logical stream last, and packets of silence that go on from any of
//! them. Pure.
//!
//! Sees every page of the stream from its first on, in order. Vorbis (by its `modes`) and Opus
//! (RFC 6716 §3.1); of other codecs it knows nothing and says so. Does not decode sound.

use super::codec::Codec;
use super::link::HEADERS_BYTES_MAX;
use super::modes::{Block, Length, Modes};
use super::page::Page;

/// What is needed of a packet to know how long it lasts.
const HEAD_BYTES: usize = 2;
/// The longest Opus packet: 120 ms (RFC 6716 §3.2.5, R5).
const OPUS_SAMPLES_MAX: u32 = 5_760;
/// One channel or two of a 20 ms CELT frame (RFC 6716 §3.1) …
const OPUS_MONO: u8 = 0xf8;
const OPUS_STEREO: u8 = 0xfc;
/// … whose first bit, of probability 1/32768, says that it is silence (RFC 6716 §4.3).
const OPUS_SILENCE: [u8; 2] = [0xff, 0xfe];

/// Follows one logical stream packet by packet.
#[derive(Debug)]
pub struct Measure {
    codec: Codec,
    tempo: Tempo,
    n_packets: usize,
    /// A header packet as far as it has come.
    header: Vec<u8>,
    /// The beginning of the packet that is to be continued on the next page.
    begun: Option<Head>,
}

type Head = ([u8; HEAD_BYTES], usize);

#[derive(Debug)]
enum Tempo {
    /// Not known: the headers are not complete, or not of a kind that is understood.
    Unknown,
    Vorbis {
        modes: Modes,
        newest: Option<Block>,
    },
    Opus {
        silence: Vec<u8>,
        has_sound: bool,
    },
}

/// One packet of silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// At most 254 bytes.
    pub packet: Vec<u8>,
    /// What it makes a decoder put out.
    pub n_samples: u32,
}

impl Measure {
    /// Follows the stream whose first packet this is.
    pub fn new(first_packet: &[u8]) -> Self {
        Self {
            codec: Codec::of(first_packet),
            tempo: match Codec::of(first_packet) {
                Codec::Opus { .. } => opus(first_packet).unwrap_or(Tempo::Unknown),
                _ => Tempo::Unknown,
            },
            n_packets: 0,
            header: Vec::new(),
            begun: None,
        }
    }

    /// Takes the next page and gives how many samples a decoder puts out for the packets that
    /// end on it; 0 for headers and where it is not known.
    pub fn take(&mut self, page: &Page) -> u64 {
        let is_continued = page.stamp().is_continued;
        let mut begun = self.begun.take().filter(|_| is_continued);
        let is_lost = is_continued && begun.is_none();
        let mut n_samples = 0;
        for (part, ends) in page.packets().skip(usize::from(is_lost)) {
            let head = begun.take().unwrap_or_else(|| head(part));
            self.keep_header(part);
            if ends {
                n_samples += u64::from(self.packet(head));
            } else {
                begun = Some(head);
            }
        }
        self.begun = begun;
        n_samples
    }

    /// Samples a second, where silence can be made: the stream is understood and has sound.
    pub fn rate_hertz(&self) -> Option<u32> {
        let has_sound = match &self.tempo {
            Tempo::Unknown => false,
            Tempo::Vorbis { newest, .. } => newest.is_some(),
            Tempo::Opus { has_sound, .. } => *has_sound,
        };
        self.codec.rate_hertz().filter(|_| has_sound)
    }

    /// Ends the packet whose rest will not come, and gives how many samples a decoder puts out
    /// for what there is of it. `None`: the newest page ended with a whole packet.
    pub fn cut(&mut self) -> Option<u32> {
        let head = self.begun.take()?;
        Some(self.packet(head))
    }

    /// A packet of silence that may follow the newest one. `None`: see [`Self::rate_hertz`].
    pub fn silence(&mut self) -> Option<Silence> {
        let packet = match &self.tempo {
            Tempo::Unknown => return None,
            Tempo::Opus {
                has_sound: false, ..
            } => return None,
            Tempo::Opus { silence, .. } => silence.clone(),
            Tempo::Vorbis { modes, newest } => modes.silence(&silent(modes, (*newest)?))?,
        };
        self.silence_of(packet)
    }

    /// The packets of silence that have to stand between the newest one, which is silence or was
    /// cut off, and the page of sound that follows: a long Vorbis block says whether its neighbours are
    /// long (Vorbis I §4.3.1), and some decoders believe it.
    pub fn bridge(&mut self, page: &Page) -> Vec<Silence> {
        let Tempo::Vorbis { modes, newest } = &self.tempo else {
            return Vec::new();
        };
        let next = page.packets().next();
        let next = next.and_then(|(packet, _)| modes.block(packet));
        let (Some(newest), Some(next)) = (newest.as_ref(), next) else {
            return Vec::new();
        };
        let blocks = bridge(modes, *newest, next);
        let packets: Vec<_> = blocks.iter().filter_map(|b| modes.silence(b)).collect();
        let made = packets.into_iter();
        made.filter_map(|packet| self.silence_of(packet)).collect()
    }

    fn silence_of(&mut self, packet: Vec<u8>) -> Option<Silence> {
        let n_samples = self.packet(head(&packet));
        (n_samples > 0).then_some(Silence { packet, n_samples })
    }

    /// Vorbis only: the setup header may be long and lie on several pages.
    fn keep_header(&mut self, part: &[u8]) {
        let is_wanted = matches!(self.codec, Codec::Vorbis(_)) && self.n_packets == 2;
        if is_wanted && self.header.len() + part.len() <= HEADERS_BYTES_MAX {
            self.header.extend_from_slice(part);
        }
    }

    /// Takes a whole packet and gives how many samples a decoder puts out for it.
    fn packet(&mut self, (head, n_bytes): Head) -> u32 {
        self.n_packets += 1;
        if Some(self.n_packets) == self.codec.n_header_packets() {
            self.headers_end();
        }
        if Some(self.n_packets) <= self.codec.n_header_packets() {
            return 0;
        }
        let head = &head[..n_bytes];
        match &mut self.tempo {
            Tempo::Unknown => 0,
            Tempo::Opus { has_sound, .. } => {
                let n_samples = opus_samples(head);
                *has_sound |= n_samples > 0;
                n_samples
            }
            Tempo::Vorbis { modes, newest } => {
                let Some(block) = modes.block(head) else {
                    return 0;
                };
                let before = newest.replace(block);
                let sum = |before: Block| u32::from(before.n_samples) + u32::from(block.n_samples);
                before.map_or(0, |before| sum(before) / 4)
            }
        }
    }

    fn headers_end(&mut self) {
        if let Codec::Vorbis(identification) = &self.codec {
            let setup = std::mem::take(&mut self.header);
            if let Some(modes) = Modes::parse(identification, &setup) {
                self.tempo = Tempo::Vorbis {
                    modes,
                    newest: None,
                };
            }
        }
    }
}

/// The block of silence that may follow `newest`: long ones, if the stream has them and after
/// the short one that `newest` may ask for.
fn silent(modes: &Modes, newest: Block) -> Block {
    let asks_for_short = newest.length == Length::Long && newest.after == Length::Short;
    let has_both = modes.has(Length::Long) && modes.has(Length::Short);
    if !modes.has(Length::Long) || (asks_for_short && has_both) {
        modes.short_block()
    } else {
        modes.long_block(newest.after, Length::Long)
    }
}

/// The fewest blocks by which what `newest` and `next` say of their neighbours comes true.
fn bridge(modes: &Modes, newest: Block, next: Block) -> Vec<Block> {
    use Length::{Long, Short};
    let bridges: [&[Length]; 5] = [&[], &[Short], &[Long], &[Long, Short], &[Short, Long]];
    let is_true = |bridge: &&[Length]| {
        let first = bridge.first().copied().unwrap_or(next.length);
        let last = bridge.last().copied().unwrap_or(newest.length);
        (newest.length == Short || newest.after == first)
            && (next.length == Short || next.before == last)
            && bridge.iter().all(|length| modes.has(*length))
    };
    let bridge = bridges.into_iter().find(is_true).unwrap_or_default();
    let block = |(n, length): (usize, &Length)| match length {
        Short => modes.short_block(),
        Long => {
            let before = n.checked_sub(1).and_then(|n| bridge.get(n));
            let after = bridge.get(n + 1);
            modes.long_block(
                before.copied().unwrap_or(newest.length),
                after.copied().unwrap_or(next.length),
            )
        }
    };
    bridge.iter().enumerate().map(block).collect()
}

fn head(packet: &[u8]) -> Head {
    let mut head = [0; HEAD_BYTES];
    let n_bytes = packet.len().min(HEAD_BYTES);
    head[..n_bytes].copy_from_slice(&packet[..n_bytes]);
    (head, n_bytes)
}

/// RFC 6716 §3.1 and §3.2: the first byte says how long the frames are and how many, but for
/// code 3, where the second says how many.
fn opus_samples(head: &[u8]) -> u32 {
    let Some(first) = head.first() else { return 0 };
    let configuration = first >> 3;
    let n_samples = match configuration {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(configuration & 3)],
        12..=15 => [480, 960][usize::from(configuration & 1)],
        _ => 120 << (configuration & 3),
    };
    let n_frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => head.get(1).map_or(0, |second| u32::from(second & 0x3f)),
    };
    let n_samples = n_samples * n_frames;
    if n_samples > OPUS_SAMPLES_MAX {
        0
    } else {
        n_samples
    }
}

/// A packet of silence for all the streams that a packet holds (RFC 7845 §3 and §5.1.1): all
/// but the last bring their length (RFC 6716 appendix B). `None`: the head is cut off.
fn opus(first_packet: &[u8]) -> Option<Tempo> {
    let n_channels = *first_packet.get(9)?;
    let (n_streams, n_stereo) = match *first_packet.get(18)? {
        0 => (1, u8::from(n_channels > 1)),
        _ => (*first_packet.get(19)?, *first_packet.get(20)?),
    };
    let mut silence = Vec::new();
    for stream in 0..n_streams {
        let is_stereo = stream < n_stereo;
        silence.push(if is_stereo { OPUS_STEREO } else { OPUS_MONO });
        if stream + 1 < n_streams {
            silence.push(2);
        }
        silence.extend_from_slice(&OPUS_SILENCE);
    }
    // Longer ones would need more than one lacing value; 63 streams are enough.
    (!silence.is_empty() && silence.len() < 255).then_some(Tempo::Opus {
        silence,
        has_sound: false,
    })
}

#[cfg(test)]
mod tests;
