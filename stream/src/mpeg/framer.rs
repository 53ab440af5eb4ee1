//! Cuts a stream of MP3 or AAC into portions of whole frames, however the network sliced it. Pure.
//!
//! Two bytes say that a frame begins, and sound has such bytes by chance: a frame is believed only
//! when the next one follows it. Tags between frames (ID3, APE) are left out. After damage it looks
//! for the next frame that is believed.

use bytes::Bytes;

use super::frame::{FRAME_BYTES_MAX, Frame, HEAD_BYTES, Sound};
use crate::ogg::{Damage, Found, Page};

/// A portion is complete when it lasts so long, in microseconds.
pub(super) const PORTION_MICROS: u64 = 150_000;
/// Or when it has so many bytes. With one frame more it is still no longer than a page.
pub(super) const PORTION_BYTES_MAX: usize = 16 * 1024;
/// So much of what follows a frame is looked at: the head of a frame, or of a tag.
const LOOK_BYTES: usize = 10;
/// A longer tag is not believed; it is nowhere held.
const TAG_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Finds frames in bytes that arrive in any portions.
#[derive(Debug, Default)]
pub struct Framer {
    /// Whole frames, and behind them the beginning of what is still arriving.
    held: Vec<u8>,
    /// How many bytes of it are whole frames that are believed.
    n_whole: usize,
    /// How long they last.
    micros: u64,
    /// The newest frame that was believed; none after damage.
    last: Option<Frame>,
    /// So much of a tag is still to come.
    n_tag_left: usize,
    /// What it has given out: frames of another kind are no part of the same log.
    kind: Option<Sound>,
    /// Another framer has seen these bytes: every frame is believed, and whole ones do not wait
    /// for others.
    is_trusting: bool,
}

/// What comes next.
enum Look {
    /// It takes more bytes to tell.
    More,
    /// A frame, believed.
    Frame(Frame),
    /// A tag of so many bytes.
    Tag(usize),
    /// Neither.
    Damaged,
}

impl Framer {
    /// A framer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One for bytes that a framer has seen before: the frames of a log.
    pub fn trusting() -> Self {
        Self {
            is_trusting: true,
            ..Self::default()
        }
    }

    /// Takes bytes from the front of `input` until something is found. `None`: all of `input` was
    /// taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        loop {
            self.skip_tag(input);
            match self.look() {
                Look::Frame(frame) => {
                    self.n_whole += frame.n_bytes;
                    self.micros += frame.micros();
                    self.last = Some(frame);
                    if self.micros >= PORTION_MICROS || self.n_whole >= PORTION_BYTES_MAX {
                        return self.portion().map(Found::Page);
                    }
                }
                Look::Tag(n_bytes) => {
                    let found = self.portion();
                    let n_here = n_bytes.min(self.held.len());
                    self.held.drain(..n_here);
                    self.n_tag_left = n_bytes - n_here;
                    if let Some(page) = found {
                        return Some(Found::Page(page));
                    }
                }
                Look::Damaged => {
                    return Some(match self.portion() {
                        Some(page) => Found::Page(page),
                        None => self.resynchronise(),
                    });
                }
                Look::More if input.is_empty() => {
                    let page = if self.is_trusting {
                        self.portion()
                    } else {
                        None
                    };
                    return page.map(Found::Page);
                }
                Look::More => {
                    let n_bytes = input.len().min(FRAME_BYTES_MAX);
                    let (taken, rest) = input.split_at(n_bytes);
                    self.held.extend_from_slice(taken);
                    *input = rest;
                }
            }
        }
    }

    /// The stream has ended: the frames that are left, the last of which nothing follows.
    pub fn finish(&mut self) -> Option<Page> {
        if let Some(frame) = Frame::parse(self.ahead())
            && self.ahead().len() == frame.n_bytes
            && self.last.is_some_and(|last| last.is_like(&frame))
        {
            self.n_whole += frame.n_bytes;
        }
        self.portion()
    }

    /// The bytes of what is not given out yet, so that another framer can go on with it. In the
    /// middle of a tag it is the head of one that has the rest.
    pub fn held(&self) -> Vec<u8> {
        if self.n_tag_left == 0 {
            return self.held.clone();
        }
        let seven = |shift: usize| u8::try_from(self.n_tag_left >> shift & 0x7f).unwrap_or(0);
        let length = [21, 14, 7, 0].map(seven);
        [&b"ID3\x04\0\0"[..], &length].concat()
    }

    /// What lies behind the whole frames.
    fn ahead(&self) -> &[u8] {
        self.held.get(self.n_whole..).unwrap_or_default()
    }

    fn skip_tag(&mut self, input: &mut &[u8]) {
        let (_, rest) = input.split_at(self.n_tag_left.min(input.len()));
        self.n_tag_left -= input.len() - rest.len();
        *input = rest;
    }

    fn look(&self) -> Look {
        let ahead = self.ahead();
        if self.n_tag_left > 0 || ahead.len() < self.n_look() {
            return Look::More;
        }
        match tag(ahead) {
            Some(Some(n_bytes)) => return Look::Tag(n_bytes),
            Some(None) => return Look::More,
            None => {}
        }
        let Some(frame) = Frame::parse(ahead) else {
            return Look::Damaged;
        };
        let known = self.last.map(|last| last.sound).or(self.kind);
        if known.is_some_and(|sound| sound != frame.sound) {
            return Look::Damaged;
        }
        let Some(behind) = ahead.get(frame.n_bytes..) else {
            return Look::More;
        };
        if self.is_trusting {
            return Look::Frame(frame);
        }
        if behind.len() < LOOK_BYTES {
            return Look::More;
        }
        let follows = match Frame::parse(behind) {
            // In the middle of a stream another rate may follow: the next file of a list.
            Some(next) => {
                next.is_like(&frame) || (self.last.is_some() && next.sound == frame.sound)
            }
            None => self.last.is_some() && tag(behind).is_some(),
        };
        if follows {
            Look::Frame(frame)
        } else {
            Look::Damaged
        }
    }

    /// So many bytes have to be there to tell anything.
    fn n_look(&self) -> usize {
        if self.is_trusting {
            HEAD_BYTES
        } else {
            LOOK_BYTES
        }
    }

    /// The whole frames, as a page.
    fn portion(&mut self) -> Option<Page> {
        if self.n_whole == 0 {
            return None;
        }
        let frames: Vec<u8> = self.held.drain(..self.n_whole).collect();
        (self.n_whole, self.micros) = (0, 0);
        let page = Page::of_frames(Bytes::from(frames))?;
        self.kind = page.frame().map(|frame| frame.sound);
        Some(page)
    }

    /// Steps past a false beginning and drops all before the next possible one.
    fn resynchronise(&mut self) -> Found {
        self.last = None;
        let may_begin = |at: &usize| {
            let tail = self.held.get(*at..).unwrap_or_default();
            match tail {
                [0xff] => true,
                [0xff, second, ..] => {
                    second & 0xe0 == 0xe0
                        && (tail.len() < HEAD_BYTES || Frame::parse(tail).is_some())
                }
                _ => b"ID3".starts_with(tail) || tail.starts_with(b"ID3"),
            }
        };
        let n_bytes = (1..self.held.len())
            .find(may_begin)
            .unwrap_or(self.held.len());
        self.held.drain(..n_bytes);
        Found::Junk {
            n_bytes,
            why: Damage::NoFrame,
        }
    }
}

/// The length of the tag that begins here. `None`: none does. `Some(None)`: it takes more to tell.
fn tag(bytes: &[u8]) -> Option<Option<usize>> {
    // ID3v2 §3.1: the length in four times seven bits; a footer adds ten bytes.
    if let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *bytes {
        if (a | b | c | d) & 0x80 != 0 {
            return None;
        }
        let n_content = [a, b, c, d]
            .iter()
            .fold(0, |n, seven| n << 7 | usize::from(*seven));
        let n_footer = if flags & 0x10 != 0 { 10 } else { 0 };
        return believed(10 + n_content + n_footer);
    }
    if bytes.starts_with(b"TAG") {
        return Some(Some(128));
    }
    if bytes.starts_with(b"APETAGEX") {
        let Some([a, b, c, d]) = bytes.get(12..16) else {
            return Some(None);
        };
        let n_bytes = u32::from_le_bytes([*a, *b, *c, *d]);
        return believed(usize::try_from(n_bytes).ok()?.checked_add(32)?);
    }
    None
}

fn believed(n_bytes: usize) -> Option<Option<usize>> {
    (n_bytes <= TAG_BYTES_MAX).then_some(Some(n_bytes))
}
