//! What a source sends, cut into pages: Ogg, MP3, AAC or WebM, whatever it calls it.

use std::time::Instant;

use http::StatusCode;
use stream::mpeg::sniff;
use stream::ogg::{Damage, Format, Found, Page, Stray};

use super::Upload;

/// What is said to a source that sends what cannot be streamed.
const FOREIGN: &str = "this is not Ogg, nor MP3, nor AAC, nor WebM: send Ogg Vorbis (ffmpeg: -c:a \
                       libvorbis -f ogg), MP3 (-f mp3), AAC (-f adts) or WebM (-f webm)";
/// What is said to a source that sends another format than the mount has.
const OTHER_FORMAT: &str = "this mount has carried another format until now, and its listeners \
                            cannot play both: use another mount, or wait until this one is gone \
                            (hold_seconds)";
/// What is said to a source that goes on without pages.
const LOST: &str = "for too long nothing came that can be played: it sends something else than it \
                    began with (of MP3 and AAC: another sample rate, or another number of channels); \
                    restart the encoder";

/// Bytes of a source that belong to no page.
#[derive(Debug, Default)]
pub(super) struct Junk {
    pub(super) n_bytes: usize,
    /// Of them those since the newest page.
    n_in_a_row: usize,
}

impl Junk {
    /// So many had come until now.
    pub(super) fn of(n_bytes: usize) -> Self {
        Self {
            n_bytes,
            n_in_a_row: 0,
        }
    }
}

impl Upload {
    pub(super) fn take_bytes(&mut self, mut input: &[u8]) -> Result<(), (StatusCode, String)> {
        while let Some(found) = self.framer.next(&mut input) {
            match found {
                Found::Page(page) => self.take_page(&page)?,
                Found::Junk { n_bytes, why } => {
                    self.junk.n_bytes += n_bytes;
                    self.junk.n_in_a_row += n_bytes;
                    if matches!(why, Damage::TooLong | Damage::NoTracks) {
                        let why = format!("broken WebM: {why}");
                        return Err((StatusCode::BAD_REQUEST, why));
                    }
                    if sniff::is_foreign(self.n_pages, self.junk.n_bytes, why) {
                        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, FOREIGN.to_owned()));
                    }
                    if sniff::is_lost(self.junk.n_in_a_row, why) {
                        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, LOST.to_owned()));
                    }
                }
            }
        }
        Ok(())
    }

    fn take_page(&mut self, page: &Page) -> Result<(), (StatusCode, String)> {
        self.n_pages += 1;
        self.junk.n_in_a_row = 0;
        self.last = Some(page.clone());
        let taken = self
            .publisher
            .take(page, Instant::now(), || fastrand::u32(..));
        taken.map_err(|stray| match stray {
            Stray::OtherFormat => (StatusCode::CONFLICT, OTHER_FORMAT.to_owned()),
            stray => {
                let name = match page.is_webm() {
                    true => Format::Webm.name(),
                    false => Format::Ogg.name(),
                };
                (StatusCode::BAD_REQUEST, format!("broken {name}: {stray}"))
            }
        })
    }

    /// It has said that this is all. Frames have no mark for their end: nobody else knows.
    pub(super) fn end_frames(&mut self) {
        if self.last.as_ref().is_some_and(Page::is_frames) {
            self.publisher.end_link(Instant::now());
        }
    }

    /// It sends no more: what is left of frames or clusters is whole.
    pub(super) fn finish(&mut self) {
        if let Some(page) = self.framer.finish() {
            let _ = self.take_page(&page);
        }
    }
}
