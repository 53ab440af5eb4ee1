//! One sound file to samples: WAV, FLAC, MP3, Ogg Vorbis, AAC and M4A.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::{MetadataOptions, MetadataRevision, StandardTag};
use tracing::warn;

use super::Block;

/// After so many damaged packets in a row without sound the rest of the file is given up.
const N_DAMAGED_MAX: u32 = 1000;

/// A file that is being decoded.
pub struct Decoding {
    name: String,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    n_damaged: u64,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The name of the piece.
    pub title: Option<String>,
    /// Who made it.
    pub artist: Option<String>,
}

impl Decoding {
    /// Opens a file and finds its sound.
    ///
    /// # Errors
    /// Names the file and says what is wrong with it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let about = std::fs::metadata(path).with_context(|| format!("cannot open {name}"))?;
        if about.is_dir() {
            bail!("{name} is a folder; name the files in it");
        }
        let format = probe(path)
            .with_context(|| format!("{name} is no sound file that can be read ({KNOWN})"))?;
        let track = sound_track(format.as_ref(), &name)?;
        let (track_id, decoder) = (track.id, decoder(track, &name)?);
        Ok(Self {
            name,
            format,
            decoder,
            track_id,
            n_damaged: 0,
        })
    }

    /// Title and artist, if the file says them.
    pub fn tags(&mut self) -> Tags {
        let mut metadata = self.format.metadata();
        metadata.skip_to_latest().map(read_tags).unwrap_or_default()
    }

    /// Appends the next packet's samples to `block`, which gets the file's format. False:
    /// the file is at its end.
    ///
    /// # Errors
    /// When the rest of the file cannot be read. Damage inside is skipped and logged.
    pub fn read(&mut self, block: &mut Block) -> anyhow::Result<bool> {
        let mut n_damaged_in_a_row = 0;
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(self.end()),
                // A file that was cut off, such as an Ogg file without its last page.
                Err(Error::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(self.end());
                }
                Err(Error::ResetRequired) => {
                    // The next logical stream of a chained Ogg file.
                    let track = sound_track(self.format.as_ref(), &self.name)?;
                    (self.track_id, self.decoder) = (track.id, decoder(track, &self.name)?);
                    continue;
                }
                Err(Error::DecodeError(_)) if n_damaged_in_a_row < N_DAMAGED_MAX => {
                    n_damaged_in_a_row += 1;
                    self.n_damaged += 1;
                    continue;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read on in {}", self.name));
                }
            };
            if packet.track_id != self.track_id {
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(sound) if sound.frames() > 0 => {
                    append(block, &sound);
                    return Ok(true);
                }
                Ok(_) => {}
                Err(Error::DecodeError(_) | Error::IoError(_))
                    if n_damaged_in_a_row < N_DAMAGED_MAX =>
                {
                    n_damaged_in_a_row += 1;
                    self.n_damaged += 1;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot decode {}", self.name));
                }
            }
        }
    }

    fn end(&mut self) -> bool {
        let n_damaged = std::mem::take(&mut self.n_damaged);
        if n_damaged > 0 {
            warn!(
                n_damaged,
                "{} had {n_damaged} damaged packets, skipped", self.name
            );
        }
        false
    }
}

fn probe(path: &Path) -> anyhow::Result<Box<dyn FormatReader>> {
    let source = Box::new(File::open(path)?);
    let source = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    Ok(symphonia::default::get_probe().probe(&hint, source, format, metadata)?)
}

const KNOWN: &str = "WAV, FLAC, MP3, Ogg Vorbis, AAC, M4A";

fn sound_track<'a>(format: &'a dyn FormatReader, name: &str) -> anyhow::Result<&'a Track> {
    format
        .default_track(TrackType::Audio)
        .with_context(|| format!("{name} has no sound in it"))
}

fn decoder(track: &Track, name: &str) -> anyhow::Result<Box<dyn AudioDecoder>> {
    let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let parameters = parameters.with_context(|| format!("{name} has no sound in it"))?;
    symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .with_context(|| format!("the sound in {name} cannot be decoded ({KNOWN})"))
}

fn append(block: &mut Block, sound: &GenericAudioBufferRef<'_>) {
    block.rate = sound.spec().rate();
    block.n_channels = sound.num_planes();
    let start = block.samples.len();
    block
        .samples
        .resize(start + sound.samples_interleaved(), 0.0);
    sound.copy_to_slice_interleaved(&mut block.samples[start..]);
}

fn read_tags(revision: &MetadataRevision) -> Tags {
    let mut tags = Tags::default();
    let tracks = revision.per_track.iter().map(|track| &track.metadata);
    for tag in std::iter::once(&revision.media)
        .chain(tracks)
        .flat_map(|m| &m.tags)
    {
        match &tag.std {
            Some(StandardTag::TrackTitle(title)) if tags.title.is_none() => {
                tags.title = Some(title.to_string());
            }
            Some(StandardTag::Artist(artist)) if tags.artist.is_none() => {
                tags.artist = Some(artist.to_string());
            }
            _ => {}
        }
    }
    tags
}
