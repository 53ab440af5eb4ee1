//! A title that goes into the stream as well.

use std::time::Instant;

use super::{Desk, MountPath, lock};
use crate::mount::title;
use crate::ogg::Tags;

impl Desk {
    /// Lets a link with this title begin soon, where somebody writes a mount of Ogg Vorbis, Opus or
    /// FLAC: see [`Writer::retitle`](crate::log::writer::Writer::retitle). Titles are cut as they
    /// are beside the stream.
    pub fn retitle(&self, path: &MountPath, title: &str, artist: Option<&str>, now: Instant) {
        let clean = |text: &str| title::clean(text).map(|text| text.to_string());
        let tags = Tags {
            title: clean(title),
            artist: artist.and_then(clean),
        };
        let seats = self.seats();
        if let Some(seat) = seats.get(path) {
            lock(&seat.writer).retitle(tags, now);
        }
    }
}
