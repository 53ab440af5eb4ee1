//! Where a new connection to an Icecast goes on in MP3 or AAC: frames have no numbers, so those that
//! are here already are known by what they hold. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use stream::mpeg::Frame;
use stream::ogg::Page;

/// A burst has come by then. What fits later is no burst but the same once more: a file that is
/// played again. And in digital silence, where all frames are the same and a burst fits in many
/// places, no longer fit is looked for.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// One connection's place.
#[derive(Debug, Default)]
pub(super) enum FrameJoint {
    /// Nothing has come.
    #[default]
    New,
    /// What has come may be here already.
    Looking(Box<Look>),
    /// Everything that comes is new.
    Joined,
}

#[derive(Debug)]
pub(super) struct Look {
    began: Instant,
    /// The frames that are here, the newest last.
    known: Vec<u64>,
    /// Where in `known` the first frame of the connection may be.
    places: Vec<usize>,
    /// What has come.
    held: Vec<Page>,
    n_frames: usize,
    /// So many frames of it are here, by the longest fit that was found.
    n_doubled: Option<usize>,
}

impl FrameJoint {
    /// Looks at the next portion, and gives what is new. `tail`: the newest pages that are here; it
    /// is asked once.
    pub(super) fn look(
        &mut self,
        page: &Page,
        now: Instant,
        tail: impl FnOnce() -> Vec<Page>,
    ) -> Vec<Page> {
        if matches!(self, Self::New) {
            *self = Self::Looking(Box::new(Look::new(&tail(), now)));
        }
        let Self::Looking(look) = self else {
            return vec![page.clone()];
        };
        look.take(page);
        if !look.is_decided(now) {
            return Vec::new();
        }
        let new = look.rest();
        *self = Self::Joined;
        new
    }
}

impl Look {
    fn new(tail: &[Page], now: Instant) -> Self {
        let known: Vec<u64> = tail.iter().flat_map(frames).map(|(_, name)| name).collect();
        Self {
            began: now,
            places: (0..known.len()).collect(),
            known,
            held: Vec::new(),
            n_frames: 0,
            n_doubled: None,
        }
    }

    fn take(&mut self, page: &Page) {
        for (_, name) in frames(page) {
            let (at, known) = (self.n_frames, &self.known);
            self.places.retain(|place| known[place + at] == name);
            self.n_frames += 1;
            let n_frames = self.n_frames;
            let n_before = self.places.len();
            self.places.retain(|place| place + n_frames < known.len());
            if self.places.len() < n_before {
                self.n_doubled = Some(n_frames);
            }
            if self.places.is_empty() {
                break;
            }
        }
        self.held.push(page.clone());
    }

    fn is_decided(&self, now: Instant) -> bool {
        self.places.is_empty() || now.saturating_duration_since(self.began) >= LOOK_MAX
    }

    /// What is new of what has come. Where nothing fits, all of it is.
    fn rest(&mut self) -> Vec<Page> {
        let mut n_doubled = self.n_doubled.unwrap_or(0);
        let mut rest = Vec::new();
        for page in self.held.drain(..) {
            let ends: Vec<usize> = frames(&page).map(|(end, _)| end).collect();
            let n_here = n_doubled.min(ends.len());
            n_doubled -= n_here;
            let from = n_here.checked_sub(1).map_or(0, |last| ends[last]);
            if from < page.len() {
                rest.extend(Page::parse(page.bytes().slice(from..)));
            }
        }
        rest
    }
}

/// The frames of a portion: where each ends, and what names it.
fn frames(page: &Page) -> impl Iterator<Item = (usize, u64)> {
    let bytes: &[u8] = if page.is_frames() { page.bytes() } else { &[] };
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let frame = rest.get(..Frame::parse(rest)?.n_bytes)?;
        at += frame.len();
        let mut hasher = DefaultHasher::new();
        frame.hash(&mut hasher);
        Some((at, hasher.finish()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of MPEG-1 layer III, 32 kbit/s at 48 kHz: 96 bytes.
    fn frame(word: u8) -> Vec<u8> {
        let mut frame = vec![0xff, 0xfb, 0x14, 0xc0];
        frame.resize(96, word);
        frame
    }

    fn pages(words: &[u8], n_in_each: usize) -> Vec<Page> {
        let portions = words.chunks(n_in_each);
        let bytes = portions.map(|portion| portion.iter().flat_map(|word| frame(*word)).collect());
        bytes
            .map(|bytes: Vec<u8>| Page::parse(bytes.into()).unwrap())
            .collect()
    }

    /// What is written of what comes over connections one after another, each at once and then
    /// after a while.
    fn written(connections: &[&[u8]]) -> Vec<u8> {
        let (mut log, now) = (Vec::new(), Instant::now());
        for (n, connection) in connections.iter().enumerate() {
            let mut joint = FrameJoint::default();
            // However the portions are cut.
            for page in pages(connection, 2 + n) {
                let tail = log.clone();
                log.extend(joint.look(&page, now, || tail));
            }
        }
        let bytes = log.iter().flat_map(|page: &Page| page.bytes().to_vec());
        bytes.skip(95).step_by(96).collect()
    }

    #[test]
    fn a_burst_that_is_here_is_passed_over_wherever_portions_are_cut() {
        let (first, second) = ([1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9]);
        assert_eq!(written(&[&first, &second]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(written(&[&first, &[2, 3, 4]]), first);
    }

    #[test]
    fn what_is_not_here_is_taken_as_it_comes() {
        assert_eq!(written(&[&[1, 2, 3], &[5, 6]]), [1, 2, 3, 5, 6]);
        // It begins as something that is here, and goes on otherwise.
        assert_eq!(written(&[&[1, 2, 3], &[2, 9, 3]]), [1, 2, 3, 2, 9, 3]);
    }

    #[test]
    fn pauses_in_which_all_frames_are_the_same_hide_nothing() {
        let (first, second) = ([1, 0, 0, 2, 3, 0, 0], [0, 2, 3, 0, 0, 0, 4]);
        assert_eq!(
            written(&[&first, &second]),
            [1, 0, 0, 2, 3, 0, 0, 0, 4],
            "the longest fit counts, not the first"
        );
    }

    /// What is written of portions that come at the speed of time, and of how many frames they are.
    fn written_slowly(known: &[u8], sent: &[u8]) -> usize {
        let (tail, now) = (pages(known, 5), Instant::now());
        let (mut joint, mut n_written) = (FrameJoint::default(), 0);
        for (n, page) in (0u32..).zip(pages(sent, 4)) {
            let at = now + Duration::from_millis(100) * n;
            let new = joint.look(&page, at, || tail.clone());
            n_written += new.iter().flat_map(frames).count();
        }
        n_written
    }

    #[test]
    fn a_file_that_is_played_again_is_no_burst_and_is_heard_again() {
        let file: Vec<u8> = (0..200).collect();
        assert_eq!(written_slowly(&file, &file), 200);
    }

    #[test]
    fn in_endless_silence_it_is_not_waited_for_ever() {
        let n_written = written_slowly(&[0; 50], &[0; 200]);
        assert!(n_written >= 100, "{n_written}");
    }
}
