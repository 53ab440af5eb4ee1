//! What a new listener of a mount hears before the live stream. For who asks for titles it is laid
//! out with blocks between the frames, as the stream behind it is.

use std::collections::HashMap;
use std::fs::metadata;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::serving::MountSettings;
use crate::config::ConfigError;
use crate::mount::MountPath;
use crate::ogg::Link;
use crate::reel::Reel;

/// The longest file, in bytes: each new listener has it before him until he has got it.
pub const INTRO_BYTES_MAX: u64 = 1024 * 1024;

/// The intros of all mounts that have one.
#[derive(Debug, Default)]
pub struct Intros(HashMap<MountPath, Intro>);

/// The intro of a mount.
#[derive(Debug)]
pub(super) struct Intro {
    file: PathBuf,
    reel: Reel,
    plain: Bytes,
    /// With an empty block wherever a title could stand, for the interval that was asked for last:
    /// a mount has one.
    titled: Mutex<(usize, Bytes)>,
}

impl Intros {
    /// Reads the files of these mounts.
    ///
    /// # Errors
    /// When one of them is too long, or is no sound.
    pub fn load(mounts: &[MountSettings]) -> Result<Self, ConfigError> {
        let mut intros = HashMap::new();
        for mount in mounts {
            let Some(file) = &mount.intro_file else {
                continue;
            };
            let key = format!("intro_file` of mount `{}", mount.path);
            if metadata(file).is_ok_and(|about| about.len() > INTRO_BYTES_MAX) {
                let kilobytes = INTRO_BYTES_MAX / 1024;
                return Err(ConfigError::new(format!(
                    "`{key}`: {} is longer than {kilobytes} KiB: every new listener gets all of \
                     it at once",
                    file.display()
                )));
            }
            intros.insert(
                mount.path.clone(),
                Intro::new(file.clone(), Reel::load(&key, file)?),
            );
        }
        Ok(Self(intros))
    }

    /// Of these mounts the settings name the same file as in `before`, and it holds other sound.
    pub(super) fn renewed(&self, before: &Self) -> Vec<MountPath> {
        let is_renewed = |(path, own): &(&MountPath, &Intro)| {
            let old = before.0.get(*path).filter(|old| old.file == own.file);
            old.is_some_and(|old| old.reel != own.reel)
        };
        let renewed = self.0.iter().filter(is_renewed);
        renewed.map(|(path, _)| path.clone()).collect()
    }

    /// The intro of a mount, if who plays this link can play it.
    pub(super) fn find(&self, path: &MountPath, link: Option<&Link>) -> Option<&Intro> {
        let intro = self.0.get(path)?;
        link.is_some_and(|link| intro.reel.fits(link))
            .then_some(intro)
    }
}

impl Intro {
    fn new(file: PathBuf, reel: Reel) -> Self {
        Self {
            file,
            titled: Mutex::default(),
            plain: reel.bytes(),
            reel,
        }
    }

    /// How long it lasts.
    pub(super) fn length(&self) -> Duration {
        self.reel.length()
    }

    /// Its bytes for somebody who gets titles after every so many bytes, or gets none.
    pub(super) fn bytes(&self, interval: Option<usize>) -> Bytes {
        let Some(interval) = interval else {
            return self.plain.clone();
        };
        let mut titled = self.titled.lock().unwrap_or_else(PoisonError::into_inner);
        if titled.0 != interval {
            *titled = (interval, with_blocks(&self.plain, interval));
        }
        titled.1.clone()
    }

    /// How much of it comes behind the last of these blocks.
    pub(super) fn n_behind(&self, interval: usize) -> usize {
        self.plain.len() % interval.max(1)
    }
}

fn with_blocks(plain: &[u8], interval: usize) -> Bytes {
    let mut titled = Vec::with_capacity(plain.len() + plain.len() / interval.max(1));
    let mut chunks = plain.chunks_exact(interval.max(1));
    for chunk in &mut chunks {
        titled.extend_from_slice(chunk);
        titled.push(0);
    }
    titled.extend_from_slice(chunks.remainder());
    titled.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_other_sound_than_before_is_named() {
        let mut frame = [0; 104];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x10, 0xc0]);
        let path = MountPath::parse("/b.mp3").unwrap();
        let of = |file: &str, n: usize| {
            let reel = Reel::cut(&frame.repeat(n)).unwrap();
            let intro = Intro::new(PathBuf::from(file), reel);
            Intros(HashMap::from([(path.clone(), intro)]))
        };
        let before = of("/a.mp3", 40);
        assert_eq!(of("/a.mp3", 41).renewed(&before), vec![path.clone()]);
        assert!(of("/a.mp3", 40).renewed(&before).is_empty());
        // That another file is named is said elsewhere.
        assert!(of("/b.mp3", 41).renewed(&before).is_empty());
        assert!(before.renewed(&Intros::default()).is_empty());
    }

    #[test]
    fn for_who_gets_titles_there_is_a_block_wherever_one_is_looked_for() {
        // An MP3 frame of 104 bytes (MPEG 1 layer III, 32 kbit/s, 44,100 Hz), 400 times.
        let mut frame = [0; 104];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x10, 0xc0]);
        let intro = Intro::new(PathBuf::new(), Reel::cut(&frame.repeat(400)).unwrap());
        let (plain, titled) = (intro.bytes(None), intro.bytes(Some(16_000)));
        assert_eq!((plain.len(), titled.len()), (41_600, 41_602));
        assert_eq!((titled[16_000], titled[32_001]), (0, 0));
        assert_eq!(intro.n_behind(16_000), 41_600 - 2 * 16_000);
        let titled = intro.bytes(Some(20_800));
        assert_eq!(
            (titled.len(), titled[20_800], titled[41_601]),
            (41_602, 0, 0)
        );
        assert_eq!(intro.n_behind(20_800), 0);
        assert_eq!(intro.bytes(Some(16_000)).len(), 41_602);
        assert!(intro.length() > Duration::from_secs(10));
    }
}
