//! A sound file that the operator has given for a mount, cut into pages, with the time at which each
//! of them begins. [`Reel::cut`] is pure; [`Reel::load`] reads the file.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::config::ConfigError;
use crate::mpeg::{Frame, Sniffer, Sound, frame};
use crate::ogg::{Found, Link, Page, crc, granule};

/// A file is not read beyond this many bytes: half an hour of 128 kbit/s.
pub const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The sound of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Reel {
    pages: Vec<(Duration, Page)>,
    length: Duration,
    kind: Kind,
    checksum: u32,
}

/// What a decoder has to know for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Frames(Sound),
    /// Ogg, by the name of what the first link carries.
    Ogg(&'static str),
}

impl Reel {
    /// Reads a file. `key` is what errors call it.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or is no sound that can be streamed.
    pub fn load(key: &str, path: &Path) -> Result<Self, ConfigError> {
        let complain = |why: String| ConfigError::new(format!("`{key}`: {} {why}", path.display()));
        let cannot = |error: std::io::Error| complain(format!("cannot be read: {error}"));
        let n_bytes = std::fs::metadata(path).map_err(cannot)?.len();
        if n_bytes > FILE_BYTES_MAX {
            let megabytes = FILE_BYTES_MAX / 1024 / 1024;
            return Err(complain(format!(
                "has {n_bytes} bytes; at most {megabytes} MiB are taken"
            )));
        }
        let bytes = std::fs::read(path).map_err(cannot)?;
        Self::cut(&bytes).map_err(|why| complain(why.to_owned()))
    }

    /// Cuts the bytes of a file.
    ///
    /// # Errors
    /// Says in words what is wrong with it.
    pub fn cut(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut cutter = Cutter::default();
        let (mut sniffer, mut input) = (Sniffer::new(), bytes);
        while let Some(found) = sniffer.next(&mut input) {
            if let Found::Page(page) = found {
                cutter.take(sound_of(page))?;
            }
        }
        if let Some(page) = sniffer.finish() {
            cutter.take(sound_of(page))?;
        }
        let length = cutter.begun + cutter.played;
        let kind = cutter.kind.filter(|_| !length.is_zero()).ok_or(
            "is no sound that can be streamed: it takes Ogg Vorbis, Ogg Opus, MP3 or AAC (ADTS)",
        )?;
        let pages = cutter.pages;
        let update = |crc, (_, page): &(_, Page)| crc::update(crc, page.bytes());
        Ok(Self {
            checksum: pages.iter().fold(0, update),
            pages,
            length,
            kind,
        })
    }

    /// Its pages, each with the time from the beginning at which it begins to be heard.
    pub fn pages(&self) -> &[(Duration, Page)] {
        &self.pages
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Tells it from other sound.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// All of its bytes, one page behind the other.
    pub fn bytes(&self) -> Bytes {
        let pages = self.pages.iter().map(|(_, page)| page.bytes().as_ref());
        pages.collect::<Vec<_>>().concat().into()
    }

    /// Whether it is frames of MP3 or AAC, and no Ogg.
    pub fn is_frames(&self) -> bool {
        matches!(self.kind, Kind::Frames(_))
    }

    /// Whether who plays this link can play it, too.
    pub fn fits(&self, link: &Link) -> bool {
        Kind::of(link).is_some_and(|kind| kind == self.kind)
    }
}

impl Kind {
    fn of(link: &Link) -> Option<Self> {
        if let Some(sound) = link.frames() {
            return Some(Self::Frames(sound));
        }
        Some(Self::Ogg(link.streams.first()?.codec.name()))
    }
}

/// Follows the time of what it is given.
#[derive(Default)]
struct Cutter {
    links: crate::ogg::Links,
    pages: Vec<(Duration, Page)>,
    kind: Option<Kind>,
    /// Where the present link begins.
    begun: Duration,
    /// How much of it has been played.
    played: Duration,
    /// The time of its own at which it begins.
    first: Option<Duration>,
}

impl Cutter {
    fn take(&mut self, page: Option<Page>) -> Result<(), &'static str> {
        let Some(page) = page else {
            return Ok(());
        };
        let at = self.begun + self.played;
        if let Some(frame) = page.frame() {
            let kind = Kind::Frames(frame.sound);
            if *self.kind.get_or_insert(kind) != kind {
                return Err("holds frames of different kinds");
            }
            self.played += duration(&page);
        } else {
            self.take_ogg(&page)?;
        }
        self.pages.push((at, page));
        Ok(())
    }

    fn take_ogg(&mut self, page: &Page) -> Result<(), &'static str> {
        use crate::ogg::Role;
        let role = self.links.take(page);
        let link = match role.map_err(|_| "is Ogg in which pages are missing or wrong")? {
            Role::Start => {
                self.begun += std::mem::take(&mut self.played);
                self.first = None;
                return Ok(());
            }
            Role::Header => return Ok(()),
            Role::HeadersComplete(link) | Role::Data(link) => link,
        };
        let kind = Kind::of(&link).ok_or("is Ogg without sound")?;
        if *self.kind.get_or_insert(kind) != kind {
            return Err("holds streams of different codecs");
        }
        let Some((serial, rate_hertz)) = link.clock() else {
            return Err("holds sound whose length is not known: it takes Vorbis or Opus in Ogg");
        };
        let stamp = page.stamp();
        let time = (stamp.serial == serial)
            .then(|| granule::time(stamp.granule, rate_hertz))
            .flatten()
            .filter(|time| !time.is_zero());
        if let Some(time) = time {
            // A file that was cut out of a stream begins with any time.
            let first = *self.first.get_or_insert(time);
            let base = if first > FIRST_PAGE_MAX {
                first
            } else {
                Duration::ZERO
            };
            self.played = self.played.max(time.saturating_sub(base));
        }
        Ok(())
    }
}

/// The first page of sound in a file is not longer.
const FIRST_PAGE_MAX: Duration = Duration::from_secs(10);

/// The page without the frames that only tell of the file, which is no file any more: players would
/// take its length for that of the stream. `None`: nothing else is in it.
fn sound_of(page: Page) -> Option<Page> {
    let is_about_file = |(frame, _): &(&[u8], Frame)| frame::is_about_file(frame);
    if !frames(&page).any(|frame| is_about_file(&frame)) {
        return Some(page);
    }
    let sound = frames(&page).filter(|frame| !is_about_file(frame));
    let sound: Vec<u8> = sound.flat_map(|(frame, _)| frame.to_vec()).collect();
    Page::of_frames(sound.into())
}

/// How long the frames of a portion last.
fn duration(page: &Page) -> Duration {
    Duration::from_micros(frames(page).map(|(_, frame)| frame.micros()).sum())
}

/// The frames of a portion; of Ogg there are none.
fn frames(page: &Page) -> impl Iterator<Item = (&[u8], Frame)> {
    let mut rest: &[u8] = page.bytes();
    std::iter::from_fn(move || {
        let frame = Frame::parse(rest)?;
        let (own, behind) = rest.split_at_checked(frame.n_bytes)?;
        rest = behind;
        Some((own, frame))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ogg::tests::opus;

    #[test]
    fn what_only_tells_of_an_mp3_file_is_not_played() {
        // 128 kbit/s, 44,100 Hz: MPEG-1 of two channels, of one, and one with a checksum; MPEG-2.
        let cases: [([u8; 4], usize, usize, &[u8]); 7] = [
            ([0xff, 0xfb, 0x90, 0x00], 417, 36, b"Xing"),
            ([0xff, 0xfb, 0x90, 0x00], 417, 36, b"Info"),
            ([0xff, 0xfb, 0x90, 0x00], 417, 36, b"VBRI"),
            ([0xff, 0xfb, 0x90, 0xc0], 417, 21, b"Info"),
            ([0xff, 0xfa, 0x90, 0x00], 417, 38, b"Xing"),
            ([0xff, 0xf3, 0x80, 0xc0], 208, 13, b"Info"),
            ([0xff, 0xf3, 0x80, 0x00], 208, 21, b"Xing"),
        ];
        for (head, n_bytes, at, word) in cases {
            let mut sound = head.to_vec();
            sound.resize(n_bytes, 0x55);
            let mut about = sound.clone();
            about[at..at + 4].copy_from_slice(word);
            let sounds = sound.repeat(20);
            let id3 = b"ID3\x04\0\0\0\0\0\x05hello";
            // Two files, one behind the other.
            let file = [&id3[..], &about, &sounds, &about, &sounds].concat();
            let reel = Reel::cut(&file).unwrap();
            assert_eq!(reel.bytes(), sound.repeat(40), "{head:x?} {word:?}");
            assert_eq!(
                reel.length(),
                Reel::cut(&sound.repeat(40)).unwrap().length()
            );
            // Elsewhere in a frame it is sound.
            let mut other = sound.clone();
            other[at + 9..at + 13].copy_from_slice(word);
            let others = [other, sounds].concat();
            assert_eq!(Reel::cut(&others).unwrap().bytes(), others);
        }
    }

    #[test]
    fn each_page_of_a_file_knows_when_it_begins_and_what_is_no_sound_is_refused() {
        let pages = opus(7, 5);
        let bytes: Vec<u8> = pages
            .iter()
            .flat_map(|page| page.bytes().to_vec())
            .collect();
        let reel = Reel::cut(&bytes).unwrap();
        assert_eq!(reel.pages().len(), pages.len());
        assert_eq!(reel.bytes(), bytes);
        assert!(reel.length() > Duration::ZERO && !reel.is_frames());
        let times: Vec<_> = reel.pages().iter().map(|(at, _)| *at).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(times.last() < Some(&reel.length()));
        // The same once more behind it: another link, which begins where the first has ended.
        let twice = Reel::cut(&[&bytes[..], &bytes[..]].concat());
        assert_eq!(twice.map(|twice| twice.length()), Ok(reel.length() * 2));
        for bad in [&b""[..], b"RIFF....WAVE", &bytes[..bytes.len() / 9]] {
            assert!(Reel::cut(bad).is_err());
        }
    }
}
