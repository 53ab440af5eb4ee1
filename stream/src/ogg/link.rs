//! Which pages are headers, and what a listener needs who joins in the middle. Pure.
//!
//! An Ogg stream is a chain of links (RFC 3533 §4): each begins with one `bos` page for every
//! logical stream in it, then their other header pages, then data.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::codec::Codec;
use super::format::Format;
use super::page::Page;
use super::tags;
use super::theora;
use super::vorbis::{self, Comments};
use crate::mpeg::{Frame, Sound};
use crate::webm::{self, Track};

/// The most logical streams in one link.
pub const STREAMS_MAX: usize = 10;
/// The most bytes of header pages in one link.
pub const HEADERS_BYTES_MAX: usize = 512 * 1024;

/// One link whose headers are complete.
#[derive(Debug)]
pub struct Link {
    /// All header pages, `bos` pages first: what a decoder needs before any data page.
    pub prefix: Bytes,
    /// What the headers say, in the order of the `bos` pages.
    pub streams: Vec<StreamFacts>,
}

/// What the headers of one logical stream say.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Its serial number.
    pub serial: u32,
    /// What it carries.
    pub codec: Codec,
    /// Its tags, if it has any that we read.
    pub comments: Option<Comments>,
}

/// What a page is to the link it belongs to.
#[derive(Debug, Clone)]
pub enum Role {
    /// The first page of a new link.
    Start,
    /// Another header page of the link.
    Header,
    /// The link's headers end with this page.
    HeadersComplete(Arc<Link>),
    /// Sound, of this link.
    Data(Arc<Link>),
}

/// Why a page cannot belong to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// Its serial number was not announced by a `bos` page of this link.
    UnknownSerial,
    /// Data before all headers of the link were there.
    TooEarly,
    /// More than [`STREAMS_MAX`] logical streams.
    TooManyStreams,
    /// More than [`HEADERS_BYTES_MAX`] of headers.
    TooManyHeaderBytes,
    /// Two `bos` pages with one serial number in one link.
    SerialTwice,
    /// Ogg where frames are, the other way round, or other frames.
    OtherFormat,
    /// A Vorbis stream whose header packets are not the three that must be there.
    BadHeaders,
}

/// Follows a chain page by page and keeps the headers of the current link.
#[derive(Clone, Debug, Default)]
pub struct Links {
    logicals: Vec<Logical>,
    first_pages: Vec<Page>,
    other_pages: Vec<Page>,
    n_header_bytes: usize,
    current: Option<Arc<Link>>,
}

#[derive(Clone, Debug)]
struct Logical {
    facts: StreamFacts,
    n_packets: usize,
    partial: Vec<u8>,
    has_all_headers: bool,
    has_ended: bool,
}

impl Links {
    /// A chain that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// The current link, once its headers are complete.
    pub fn current(&self) -> Option<&Arc<Link>> {
        self.current.as_ref()
    }

    /// The header pages of a link that are there before all of them are.
    pub fn half(&self) -> Bytes {
        let pages = self.first_pages.iter().chain(&self.other_pages);
        pages.flat_map(|page| page.bytes().to_vec()).collect()
    }

    /// Takes the next page of the chain and says what it is.
    ///
    /// # Errors
    /// Says why the page belongs to no link; the chain goes on as if it had not come.
    pub fn take(&mut self, page: &Page) -> Result<Role, Stray> {
        let current = self.current.as_ref();
        if current.is_some_and(|link| link.format() != page.format()) {
            return Err(Stray::OtherFormat);
        }
        if let Some(frame) = page.frame() {
            return Ok(self.take_frames(frame));
        }
        if page.is_webm() {
            return self.take_webm(page);
        }
        if page.stamp().is_first {
            return self.take_first(page);
        }
        let serial = page.serial();
        let logical = self
            .logicals
            .iter_mut()
            .find(|logical| logical.facts.serial == serial)
            .ok_or(Stray::UnknownSerial)?;
        if let Some(link) = &self.current {
            return Ok(Role::Data(Arc::clone(link)));
        }
        logical.has_ended |= page.stamp().is_last;
        if logical.has_all_headers || logical.headers_end_before(page) {
            logical.has_all_headers = true;
            // All headers come before any sound (RFC 3533 §4).
            for other in &mut self.logicals {
                other.has_all_headers |= other.facts.codec.n_header_packets().is_none();
            }
            return self
                .complete_if_all_there()
                .map_or(Err(Stray::TooEarly), |link| {
                    // Only streams of unknown length end their headers by their first data.
                    Ok(Role::Data(link))
                });
        }
        self.n_header_bytes += page.len();
        if self.n_header_bytes > HEADERS_BYTES_MAX {
            return Err(Stray::TooManyHeaderBytes);
        }
        logical.take_header(page)?;
        // Of Skeleton nothing comes but headers.
        let is_all = page.stamp().is_last && logical.facts.codec.n_header_packets().is_none();
        logical.has_all_headers |= is_all;
        self.other_pages.push(page.clone());
        Ok(self
            .complete_if_all_there()
            .map_or(Role::Header, Role::HeadersComplete))
    }

    /// Frames have no headers: one link without a prefix is all there is.
    fn take_frames(&mut self, frame: Frame) -> Role {
        if let Some(link) = &self.current {
            return Role::Data(Arc::clone(link));
        }
        self.begin(Bytes::new(), [(0, Codec::Frames(frame))])
    }

    /// A head is all the headers of a link, and the first page of it.
    fn take_webm(&mut self, page: &Page) -> Result<Role, Stray> {
        let Some(head) = webm::Head::parse(page.bytes()) else {
            let link = self.current.as_ref().ok_or(Stray::TooEarly)?;
            return Ok(Role::Data(Arc::clone(link)));
        };
        let number = |track: &Track| u32::try_from(track.number).unwrap_or(u32::MAX);
        let tracks = head.tracks.iter();
        let streams = tracks.map(|track| (number(track), Codec::Track(*track)));
        Ok(self.begin(page.bytes().clone(), streams))
    }

    /// Begins a link whose headers are all there.
    fn begin(&mut self, prefix: Bytes, streams: impl IntoIterator<Item = (u32, Codec)>) -> Role {
        let facts = |(serial, codec)| StreamFacts {
            serial,
            codec,
            comments: None,
        };
        *self = Self::new();
        self.current = Some(Arc::new(Link {
            prefix,
            streams: streams.into_iter().map(facts).collect(),
        }));
        Role::Start
    }

    fn take_first(&mut self, page: &Page) -> Result<Role, Stray> {
        // What ended within its headers was no link: the next begins without it.
        let starts = self.current.is_some() || self.logicals.iter().all(|one| one.has_ended);
        if starts {
            *self = Self::new();
        }
        if self.logicals.len() == STREAMS_MAX {
            return Err(Stray::TooManyStreams);
        }
        if self
            .logicals
            .iter()
            .any(|logical| logical.facts.serial == page.serial())
        {
            return Err(Stray::SerialTwice);
        }
        let packet = page.packets().next().map_or(&[][..], |(packet, _)| packet);
        let codec = Codec::of(packet);
        if codec == Codec::Other && packet.starts_with(b"\x01vorbis") {
            return Err(Stray::BadHeaders);
        }
        self.logicals.push(Logical {
            facts: StreamFacts {
                serial: page.serial(),
                codec,
                comments: None,
            },
            n_packets: 1,
            partial: Vec::new(),
            has_all_headers: false,
            has_ended: page.stamp().is_last,
        });
        self.n_header_bytes += page.len();
        self.first_pages.push(page.clone());
        Ok(if starts { Role::Start } else { Role::Header })
    }

    fn complete_if_all_there(&mut self) -> Option<Arc<Link>> {
        if !self.logicals.iter().all(|logical| logical.has_all_headers) {
            return None;
        }
        let mut prefix = BytesMut::with_capacity(self.n_header_bytes);
        for page in self.first_pages.drain(..).chain(self.other_pages.drain(..)) {
            prefix.extend_from_slice(page.bytes());
        }
        let streams = self
            .logicals
            .iter()
            .map(|logical| logical.facts.clone())
            .collect();
        let link = Arc::new(Link {
            prefix: prefix.freeze(),
            streams,
        });
        self.current = Some(Arc::clone(&link));
        Some(link)
    }
}

impl Logical {
    fn headers_end_before(&self, page: &Page) -> bool {
        self.facts.codec.n_header_packets().is_none() && page.stamp().granule > 0
    }

    fn take_header(&mut self, page: &Page) -> Result<(), Stray> {
        for (part, ends) in page.packets() {
            self.partial.extend_from_slice(part);
            if ends {
                let packet = std::mem::take(&mut self.partial);
                self.take_header_packet(&packet)?;
            }
        }
        Ok(())
    }

    fn take_header_packet(&mut self, packet: &[u8]) -> Result<(), Stray> {
        self.n_packets += 1;
        if self.n_packets == 2 {
            self.facts.comments = self.facts.codec.comments(packet);
        }
        if let Codec::Vorbis(_) = self.facts.codec {
            let fits = match self.n_packets {
                2 => self.facts.comments.is_some(),
                _ => vorbis::is_setup(packet),
            };
            if !fits {
                return Err(Stray::BadHeaders);
            }
        }
        // FLAC marks its last header; where that is wrong, its first sound shows it.
        self.has_all_headers = match self.facts.codec {
            Codec::Flac => tags::ends_flac_headers(packet),
            codec => codec.n_header_packets() == Some(self.n_packets),
        };
        Ok(())
    }
}

impl Link {
    /// What its pages are.
    pub fn format(&self) -> Format {
        match self.streams.first().map(|facts| facts.codec) {
            Some(Codec::Frames(frame)) => Format::Frames(frame.sound),
            Some(Codec::Track(_)) => Format::Webm,
            _ => Format::Ogg,
        }
    }

    /// What it is, where that shows; of Ogg only that there is a picture in it.
    pub fn media_type(&self) -> Option<&'static str> {
        match self.format() {
            Format::Ogg => self.video().map(|_| "video/ogg"),
            Format::Frames(sound) => Some(sound.media_type()),
            Format::Webm => Some(webm::Head::parse(&self.prefix)?.media_type()),
        }
    }

    /// Whether a listener may begin with this page of it.
    pub fn is_join_point(&self, page: &Page) -> bool {
        match self.video() {
            Some(serial) => page.serial() == serial && theora::begins_with_key_frame(page),
            None => !page.stamp().is_continued && page.stamp().granule >= 0,
        }
    }

    /// Whether there is a picture that has to be joined at a key frame.
    pub fn has_video(&self) -> bool {
        let is_video = |track: Track| track.kind == webm::Kind::Video;
        self.streams.iter().any(|facts| match facts.codec {
            Codec::Theora(_) => true,
            Codec::Track(track) => is_video(track),
            _ => false,
        })
    }

    /// The serial number of the first picture in Ogg, if there is one.
    fn video(&self) -> Option<u32> {
        let mut streams = self.streams.iter();
        let video = streams.find(|facts| matches!(facts.codec, Codec::Theora(_)));
        video.map(|facts| facts.serial)
    }

    /// What it carries, if it is frames of MP3 or AAC and no Ogg.
    pub fn frames(&self) -> Option<Sound> {
        self.streams.first().and_then(|facts| facts.codec.frames())
    }

    /// The first stream whose granule positions count samples: its serial number and rate.
    pub fn clock(&self) -> Option<(u32, u32)> {
        self.streams
            .iter()
            .find_map(|facts| Some((facts.serial, facts.codec.rate_hertz()?)))
    }

    /// The first value of a tag such as `TITLE` in any of the streams.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.streams
            .iter()
            .find_map(|facts| facts.comments.as_ref()?.field(name))
    }
}

impl std::fmt::Display for Stray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownSerial => "a page of a stream that was never begun",
            Self::TooEarly => "sound or picture before all headers",
            Self::TooManyStreams => "more than 10 logical streams",
            Self::TooManyHeaderBytes => {
                "more than 512 KiB of headers; leave the cover picture out of the tags, every \
                 listener would have to wait for it"
            }
            Self::SerialTwice => "two streams with one serial number",
            Self::OtherFormat => "another format than this mount has carried until now",
            Self::BadHeaders => "Vorbis headers that no decoder would take",
        })
    }
}
