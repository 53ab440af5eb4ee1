//! From silence back to the sound of MP3. Pure.
//!
//! A frame of layer III may lie in part in the frames before it (its main data begins so many bytes
//! before it, ISO 11172-3 §2.4.3.4.5). Behind silence these are not there: a decoder takes the zeros
//! of the silence for sound and makes noise of them. So such a frame is made silent; its bytes stay
//! where they are, for the frames behind it, which may lie in part in them.

use std::time::Duration;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use super::frame::{Frame, Sound, checksum, n_side};
use crate::ogg::Page;

/// No frame begins further back: 9 bits say how far, in MPEG-2 it is 8.
const BACK_MAX: usize = 511;

/// What of the sound behind silence is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// So many bytes that frames may lie in. `None`: all that any can want.
    n_bytes: Option<usize>,
}

impl Bridge {
    /// Silence went in: what comes next has nothing to lie in.
    pub fn begin(&mut self) {
        self.n_bytes = Some(0);
    }

    /// The portion to write for the next one of the source, of the same length.
    pub fn cross(&mut self, page: &Page) -> Page {
        let Some(mut n_there) = self.n_bytes else {
            return page.clone();
        };
        let mut bytes = BytesMut::from(&page.bytes()[..]);
        let mut at = 0;
        while let Some(frame) = bytes.get(at..).and_then(Frame::parse) {
            let Some(frame_bytes) = bytes.get_mut(at..at + frame.n_bytes) else {
                break;
            };
            let Some(n_main) = cross(frame_bytes, &frame, n_there) else {
                // No other sound lies in what is before it.
                n_there = BACK_MAX;
                break;
            };
            n_there += n_main;
            at += frame.n_bytes;
        }
        self.n_bytes = (n_there < BACK_MAX).then_some(n_there);
        Page::of_frames(bytes.freeze()).unwrap_or_else(|| page.clone())
    }
}

/// Makes the frame silent where less than it wants is there. Returns how much sound it has itself.
/// `None`: it is not of layer III.
fn cross(bytes: &mut [u8], frame: &Frame, n_there: usize) -> Option<usize> {
    let Sound::Mpeg { layer: 3 } = frame.sound else {
        return None;
    };
    let n_before = if bytes.get(1)? & 1 == 0 { 6 } else { 4 };
    let n_side = n_side(frame);
    let side = bytes.get_mut(n_before..n_before + n_side)?;
    let n_back = match frame.n_samples {
        1152 => usize::from(side[0]) << 1 | usize::from(side[1] >> 7),
        _ => usize::from(side[0]),
    };
    if n_back > n_there {
        side.fill(0);
        // It begins as far back as it can: mpg123 keeps for the next frame what this one lies in.
        let n_back = u16::try_from(n_there).unwrap_or(0);
        match frame.n_samples {
            1152 => side[..2].copy_from_slice(&(n_back << 7).to_be_bytes()),
            _ => side[0] = u8::try_from(n_back).unwrap_or(u8::MAX),
        }
        checksum(bytes, frame);
    }
    Some(frame.n_bytes - n_before - n_side)
}

/// How long all frames of a portion last.
pub fn length(page: &Page) -> Duration {
    let (bytes, mut at) = (page.bytes(), 0);
    let mut micros = 0;
    while let Some(frame) = bytes.get(at..).and_then(Frame::parse) {
        micros += frame.micros();
        at += frame.n_bytes;
    }
    Duration::from_micros(micros)
}
