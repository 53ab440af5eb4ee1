//! The formats that a log can have. Pure.

use crate::mpeg::Sound;

/// All pages of one log are of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pages of Ogg, whatever is in them.
    Ogg,
    /// Portions of frames.
    Frames(Sound),
    /// Clusters of WebM or Matroska.
    Webm,
}

impl Format {
    /// Its name, as people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ogg => "Ogg",
            Self::Frames(sound) => sound.name(),
            Self::Webm => "WebM",
        }
    }
}
