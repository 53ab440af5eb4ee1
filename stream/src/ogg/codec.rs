//! Which codec a logical stream carries, from its first packet. Pure.

use super::tags;
use super::theora::Frames;
use super::vorbis::{Comments, Identification, u32_le};
use crate::mpeg::{Frame, Sound};
use crate::webm::Track;

/// The codecs that Plenum knows by name. Others pass through all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Vorbis I §A.
    Vorbis(Identification),
    /// RFC 7845 §5.1.
    Opus {
        /// Channels, 1 to 255.
        n_channels: u8,
        /// Streams of Opus in each packet, one or two channels each.
        n_streams: u8,
    },
    /// The FLAC-to-Ogg mapping 1.0.
    Flac,
    /// Speex in Ogg.
    Speex {
        /// Samples a second, if it says so.
        rate_hertz: Option<u32>,
        /// Channels, if it says so.
        n_channels: Option<u8>,
    },
    /// Theora I §A.
    Theora(Frames),
    /// Ogg Skeleton: describes the other streams, carries no sound itself.
    Skeleton,
    /// Frames of MP3 or AAC, outside of Ogg.
    Frames(Frame),
    /// A track of WebM.
    Track(Track),
    /// Anything else.
    Other,
}

/// What a packet without sound is made of.
const ZEROS: &[u8; 254] = &[0; 254];

impl Codec {
    /// Tells the codec by the first packet of a logical stream.
    pub fn of(packet: &[u8]) -> Self {
        if let Some(identification) = Identification::parse(packet) {
            return Self::Vorbis(identification);
        }
        if let Some(rest) = packet.strip_prefix(b"OpusHead") {
            return Self::Opus {
                n_channels: rest.get(1).copied().unwrap_or(1),
                n_streams: opus_streams(rest),
            };
        }
        if let Some(frames) = Frames::parse(packet) {
            return Self::Theora(frames);
        }
        if packet.starts_with(b"Speex   ") {
            return Self::speex(packet);
        }
        let known: [(&[u8], Self); 2] = [(b"\x7fFLAC", Self::Flac), (b"fishead\0", Self::Skeleton)];
        known
            .iter()
            .find(|(signature, _)| packet.starts_with(signature))
            .map_or(Self::Other, |(_, codec)| *codec)
    }

    /// The header of Speex (The Speex Codec Manual, "Ogg file format"): numbers of four bytes, the
    /// lowest first; the rate is the first behind 36 bytes, the channels are that behind 48.
    fn speex(packet: &[u8]) -> Self {
        let number = |at: usize| u32_le(&mut packet.get(at..)?).filter(|number| *number > 0);
        Self::Speex {
            rate_hertz: number(36),
            n_channels: number(48).and_then(|number| number.try_into().ok()),
        }
    }

    /// How many packets are headers, if the codec fixes it. Where it does not, header pages
    /// are those with granule position 0 (the FLAC mapping and Skeleton say so).
    pub fn n_header_packets(self) -> Option<usize> {
        match self {
            Self::Vorbis(_) | Self::Theora(_) => Some(3),
            Self::Opus { .. } | Self::Speex { .. } => Some(2),
            Self::Flac | Self::Skeleton | Self::Frames(_) | Self::Track(_) | Self::Other => None,
        }
    }

    /// Granule positions a second, where they count samples.
    pub fn rate_hertz(self) -> Option<u32> {
        match self {
            Self::Vorbis(identification) => Some(identification.rate_hertz),
            // RFC 7845 §4: always 48 kHz, whatever the input was.
            Self::Opus { .. } => Some(48_000),
            Self::Frames(_) | Self::Track(_) => None,
            Self::Flac | Self::Speex { .. } | Self::Theora(_) | Self::Skeleton => None,
            Self::Other => None,
        }
    }

    /// What it is, if it is frames outside of Ogg.
    pub fn frames(self) -> Option<Sound> {
        match self {
            Self::Frames(frame) => Some(frame.sound),
            _ => None,
        }
    }

    /// Samples a second, where the beginning of the stream says so in a way we read.
    pub fn sample_rate_hertz(self) -> Option<u32> {
        match self {
            Self::Frames(frame) => Some(frame.rate_hertz),
            Self::Track(track) => track.rate_hertz,
            Self::Speex { rate_hertz, .. } => rate_hertz,
            _ => self.rate_hertz(),
        }
    }

    /// Channels, where the first packet says so in a way we read.
    pub fn n_channels(self) -> Option<u8> {
        match self {
            Self::Vorbis(identification) => Some(identification.n_channels),
            Self::Opus { n_channels, .. } => Some(n_channels),
            Self::Frames(frame) => Some(frame.n_channels).filter(|n| *n > 0),
            Self::Track(track) => track.n_channels,
            Self::Speex { n_channels, .. } => n_channels,
            Self::Flac | Self::Theora(_) | Self::Skeleton | Self::Other => None,
        }
    }

    /// The tags in the second header packet, where it has any.
    pub fn comments(self, packet: &[u8]) -> Option<Comments> {
        match self {
            Self::Vorbis(_) => Comments::parse(packet),
            Self::Opus { .. } => Comments::parse_body(packet.strip_prefix(b"OpusTags")?),
            Self::Theora(_) => Comments::parse_body(packet.strip_prefix(b"\x81theora")?),
            Self::Flac => Comments::parse_body(tags::flac_comments(packet)?),
            Self::Speex { .. } => Comments::parse_body(packet),
            Self::Skeleton | Self::Frames(_) | Self::Track(_) | Self::Other => None,
        }
    }

    /// A packet that every decoder takes and nobody hears, to end a stream with.
    ///
    /// For Vorbis a zero byte is a block in mode 0 whose floors are unused (Vorbis I §4.3.2: what
    /// is missing at the end of a packet reads as zero). For Opus it is a frame of no bytes,
    /// which is what a sender leaves out in silence (RFC 6716 §3.1, §3.2.1), once for each stream:
    /// all but the last bring their length, another zero (RFC 7845 §3, RFC 6716 appendix B).
    pub fn silent_packet(self) -> &'static [u8] {
        match self {
            Self::Vorbis(_) => &[0],
            Self::Opus { n_streams, .. } => {
                let n_bytes = 2 * usize::from(n_streams.max(1)) - 1;
                // A longer one would need more than one lacing value; 127 streams are enough.
                ZEROS.get(..n_bytes).unwrap_or_default()
            }
            Self::Flac | Self::Speex { .. } | Self::Theora(_) | Self::Skeleton => &[],
            Self::Frames(_) | Self::Track(_) | Self::Other => &[],
        }
    }

    /// Its name as status pages show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vorbis(_) => "Vorbis",
            Self::Opus { .. } => "Opus",
            Self::Flac => "FLAC",
            Self::Speex { .. } => "Speex",
            Self::Theora(_) => "Theora",
            Self::Skeleton => "Skeleton",
            Self::Frames(frame) => frame.sound.name(),
            Self::Track(track) => track.codec,
            Self::Other => "unknown",
        }
    }
}

/// What comes behind `OpusHead` says how many streams there are; with mapping family 0, one (RFC 7845
/// §5.1.1).
fn opus_streams(head: &[u8]) -> u8 {
    match head.get(10) {
        None | Some(0) => 1,
        Some(_) => head.get(11).copied().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_opus_is_a_packet_of_as_many_streams_as_there_are() {
        let end = |family: &[u8]| {
            let head = [b"OpusHead\x01\x06\0\0\0\0\0\0\0\0", family].concat();
            Codec::of(&head).silent_packet().to_vec()
        };
        assert_eq!(end(&[0]), [0]);
        assert_eq!(end(&[0, 9]), [0], "what follows belongs to another family");
        assert_eq!(end(&[1, 1, 1, 0, 1]), [0]);
        // 5.1: two streams of two channels and two of one; three of them with a length.
        assert_eq!(end(&[1, 4, 2, 0, 4, 1, 2, 3, 5]), [0; 7]);
        assert_eq!(end(&[255, 127, 0]), [0; 253]);
        assert!(end(&[255, 128, 0]).is_empty());
        for cut_off in [&[][..], &[1], &[1, 0]] {
            assert_eq!(end(cut_off), [0]);
        }
        assert_eq!(Codec::of(b"OpusHead").silent_packet(), [0]);
    }
}
