//! What the header of WebM says of picture and sound (RFC 9559 §5.1.4). Pure.

use super::ebml::{self, CRC_32, VOID};

const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_UID: u32 = 0x73c5;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const AUDIO: u32 = 0xe1;
const SAMPLING_FREQUENCY: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;

/// More tracks than this are not looked at.
pub const TRACKS_MAX: usize = 16;

/// The codecs that have a name here, by what Matroska calls them.
const NAMES: [(&[u8], &str); 14] = [
    (b"V_VP8", "VP8"),
    (b"V_VP9", "VP9"),
    (b"V_AV1", "AV1"),
    (b"V_MPEG4/ISO/AVC", "H.264"),
    (b"V_MPEGH/ISO/HEVC", "H.265"),
    (b"V_THEORA", "Theora"),
    (b"A_VORBIS", "Vorbis"),
    (b"A_OPUS", "Opus"),
    (b"A_FLAC", "FLAC"),
    (b"A_AAC", "AAC"),
    (b"A_MPEG/L3", "MP3"),
    (b"A_PCM/INT/LIT", "PCM"),
    (b"S_TEXT/UTF8", "SubRip"),
    (b"D_WEBVTT/SUBTITLES", "WebVTT"),
];

/// What a track is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Picture.
    Video,
    /// Sound.
    Audio,
    /// Anything else, such as subtitles.
    Other,
}

/// One track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// By this number blocks say that they belong to it.
    pub number: u64,
    /// What it is for.
    pub kind: Kind,
    /// Its codec, as status pages show it.
    pub codec: &'static str,
    /// Samples a second, of sound.
    pub rate_hertz: Option<u32>,
    /// Channels, of sound.
    pub n_channels: Option<u8>,
}

/// The tracks in the content of a Tracks element. `None`: there are none.
pub(super) fn tracks(content: &[u8]) -> Option<Vec<Track>> {
    let entries = ebml::elements(content).filter(|(id, ..)| *id == TRACK_ENTRY);
    let tracks: Vec<Track> = entries
        .filter_map(|(_, _, entry)| track(entry))
        .take(TRACKS_MAX)
        .collect();
    (!tracks.is_empty()).then_some(tracks)
}

fn track(entry: &[u8]) -> Option<Track> {
    let number = |id| ebml::number(ebml::find(entry, id)?);
    let kind = match number(TRACK_TYPE)? {
        1 => Kind::Video,
        2 => Kind::Audio,
        _ => Kind::Other,
    };
    let audio = ebml::find(entry, AUDIO).filter(|_| kind == Kind::Audio);
    Some(Track {
        number: number(TRACK_NUMBER)?,
        kind,
        codec: codec(ebml::find(entry, CODEC_ID).unwrap_or_default()),
        rate_hertz: audio.and_then(rate_hertz),
        n_channels: audio.map(|audio| {
            let n_channels = ebml::find(audio, CHANNELS).and_then(ebml::number);
            n_channels.map_or(1, |n| u8::try_from(n).unwrap_or(u8::MAX))
        }),
    })
}

/// A whole number of hertz; 8000 is what stands for nothing.
fn rate_hertz(audio: &[u8]) -> Option<u32> {
    let rate = ebml::find(audio, SAMPLING_FREQUENCY).and_then(ebml::float);
    let rate = rate.unwrap_or(8_000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "looked at in this line"
    )]
    ((1.0..=4e9).contains(&rate)).then_some(rate as u32)
}

fn codec(id: &[u8]) -> &'static str {
    // Some write zeros behind it; `A_AAC/MPEG4/LC` is AAC as well.
    let name = NAMES.iter().find(|(known, _)| id.starts_with(known));
    name.map_or("unknown", |(_, name)| name)
}

/// Whether a decoder that has the one goes on with the other: all is the same but the numbers by
/// which files tell their tracks apart, which are drawn anew for each run of an encoder.
pub(super) fn are_alike(one: &[u8], other: &[u8]) -> bool {
    fn entries(content: &[u8]) -> impl Iterator<Item = &[u8]> {
        let is_said = |id: u32| !matches!(id, CRC_32 | VOID);
        let tracks = ebml::elements(content).filter(move |(id, ..)| is_said(*id));
        tracks.flat_map(move |(id, whole, entry)| {
            let is_entry = id == TRACK_ENTRY;
            let other = (!is_entry).then_some(whole);
            let entry = if is_entry { entry } else { &[] };
            let said = ebml::elements(entry);
            let said = said.filter(move |(id, ..)| is_said(*id) && *id != TRACK_UID);
            other.into_iter().chain(said.map(|(_, whole, _)| whole))
        })
    }
    entries(one).eq(entries(other))
}
