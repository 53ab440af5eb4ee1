//! Tells by its first bytes what comes, Ogg, frames or WebM, and cuts it into pages. Pure.
//!
//! What a source calls its stream is not believed: ffmpeg calls Ogg `audio/mpeg`. It is listened to
//! only where the bytes do not tell: MP3 that begins inside a frame looks like nothing.

use super::framer::Framer;
use crate::ogg::{self, Damage, Format, Found, Link, Page};
use crate::webm;

/// So many bytes tell.
const TELLING_BYTES: usize = 4;
/// What MP3 and AAC are called, and something like that.
const FRAMES: [&str; 9] = [
    "audio/mpeg",
    "audio/mp3",
    "audio/x-mp3",
    "audio/x-mpeg",
    "audio/mpg",
    "audio/aac",
    "audio/aacp",
    "audio/x-aac",
    "audio/x-hx-aac-adts",
];
/// Those that begin with these words are neither, whatever they are called.
const OTHERS: [&[u8]; 3] = [b"OggS", b"RIFF", b"fLaC"];

/// Finds pages of a log in bytes that arrive in any portions.
#[derive(Debug)]
pub struct Sniffer {
    state: State,
    is_trusting: bool,
    /// What looks like nothing may be the rest of a frame.
    may_be_cut: bool,
}

#[derive(Debug)]
enum State {
    /// Not enough has come.
    Open(Vec<u8>),
    Ogg(ogg::Framer),
    Frames(Framer),
    Webm(Box<webm::Framer>),
    /// WebM as it stands in a log.
    Clusters(webm::Cutter),
}

impl Default for Sniffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Sniffer {
    /// For what a source sends.
    pub fn new() -> Self {
        Self {
            state: State::Open(Vec::new()),
            is_trusting: false,
            may_be_cut: false,
        }
    }

    /// For what a source calls so. MP3 and AAC, and what has no name at all, may begin inside a frame.
    pub fn called(self, kind: Option<&str>) -> Self {
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let is_frames = |kind: &str| FRAMES.iter().any(|name| name.eq_ignore_ascii_case(kind));
        Self {
            may_be_cut: kind.is_none_or(|kind| kind.is_empty() || is_frames(kind)),
            ..self
        }
    }

    /// For MP3 or AAC from any place on.
    pub fn of_frames() -> Self {
        Self {
            state: State::Frames(Framer::new()),
            is_trusting: false,
            may_be_cut: true,
        }
    }

    /// For a source in the middle of its stream, whose mount is in this link.
    pub fn within(link: Option<&Link>) -> Self {
        let mut sniffer = Self::new();
        if let Some(link) = link {
            match link.format() {
                Format::Ogg => {}
                Format::Frames(_) => sniffer.state = State::Frames(Framer::new()),
                Format::Webm => sniffer.state = State::Webm(webm::Framer::within(link).into()),
            }
        }
        sniffer
    }

    /// For the bytes of a log, from the beginning of a page on.
    pub fn trusting() -> Self {
        Self {
            is_trusting: true,
            ..Self::new()
        }
    }

    /// Takes bytes from the front of `input` until something is found. `None`: all of `input` was
    /// taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        if let State::Open(held) = &mut self.state {
            let n_missing = TELLING_BYTES.saturating_sub(held.len());
            let (taken, rest) = input.split_at(n_missing.min(input.len()));
            held.extend_from_slice(taken);
            *input = rest;
            if held.len() < TELLING_BYTES {
                return None;
            }
            let held = std::mem::take(held);
            self.tell(&held);
            let mut first: &[u8] = &held;
            // Four bytes are never a page.
            if let Some(found) = self.next(&mut first) {
                return Some(found);
            }
        }
        match &mut self.state {
            State::Open(_) => None,
            State::Ogg(framer) => framer.next(input),
            State::Frames(framer) => framer.next(input),
            State::Webm(framer) => framer.next(input),
            State::Clusters(cutter) => cutter.next(input),
        }
    }

    /// The stream has ended: what is left of it, if that is whole.
    pub fn finish(&mut self) -> Option<Page> {
        match &mut self.state {
            State::Frames(framer) => framer.finish(),
            State::Webm(framer) => framer.finish(),
            State::Open(_) | State::Ogg(_) | State::Clusters(_) => None,
        }
    }

    /// The bytes of what is not given out yet, for another one to go on with.
    pub fn held(&self) -> Vec<u8> {
        match &self.state {
            State::Open(held) => held.clone(),
            State::Ogg(framer) => framer.held().to_vec(),
            State::Frames(framer) => framer.held(),
            State::Webm(framer) => framer.held(),
            State::Clusters(cutter) => cutter.held().to_vec(),
        }
    }

    fn tell(&mut self, first: &[u8]) {
        let may_be_frames = matches!(first, [0xff, second, ..] if second & 0xe0 == 0xe0)
            || first.starts_with(b"ID3")
            || first.starts_with(b"TAG");
        let is_webm = webm::page::begins(first);
        let is_other = OTHERS.iter().any(|other| first.starts_with(other));
        let may_be_frames = may_be_frames || (self.may_be_cut && !is_webm && !is_other);
        self.state = match (may_be_frames, is_webm) {
            (true, _) if self.is_trusting => State::Frames(Framer::trusting()),
            (true, _) => State::Frames(Framer::new()),
            (_, true) if self.is_trusting => State::Clusters(webm::Cutter::new()),
            (_, true) => State::Webm(Box::default()),
            (false, false) => State::Ogg(ogg::Framer::new()),
        };
    }
}

/// So many bytes without a page are no damage on the way any more: their source sends something else.
/// Each `OggS` in them costs a checksum.
pub const JUNK_BYTES_MAX: usize = 256 * 1024;
/// Where there are frames it may be a picture in a tag that cannot be read as one.
pub const FRAMES_JUNK_BYTES_MAX: usize = 1024 * 1024;

/// Whether this is too much junk since the newest page.
pub fn is_lost(n_junk: usize, why: Damage) -> bool {
    let n_bytes_max = match why {
        Damage::NoFrame => FRAMES_JUNK_BYTES_MAX,
        _ => JUNK_BYTES_MAX,
    };
    n_junk > n_bytes_max
}

/// Whether junk so far means that what comes is neither Ogg nor frames.
pub fn is_foreign(n_pages: u64, n_junk: usize, why: Damage) -> bool {
    // Damage on the way costs a page; what does not begin as Ogg is something else. Frames are
    // looked for a little longer.
    n_pages == 0 && (why != Damage::NoFrame || n_junk > super::FRAME_BYTES_MAX)
}
