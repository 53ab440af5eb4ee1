//! Frames of MP3 or AAC compared with the master's, by their place in the log. Pure.

use super::{Case, Heard, How, Judgement, unclear};
use crate::probe::finding::{Difference, Fault, hex};
use crate::probe::flow::{Flow, Match};
use crate::probe::truth::Truth;

impl Case<'_> {
    /// A relay of ours says where its bytes stand; the master's are known there.
    pub(super) fn frames(&self, heard: &Heard, truth: &Truth, flow: &Flow) -> Judgement {
        if !heard.pages.is_empty() {
            let what = "it sends pages where the master sends frames";
            return self.soft(Fault::WrongBytes, what, Some(heard));
        }
        let bytes = heard.frames_of_log();
        if bytes.is_empty() {
            return match truth.is_current(self.known.now) {
                true => self.soft(Fault::Late, "no sound came", Some(heard)),
                false => unclear("the master is silent, too".to_owned()),
            };
        }
        let Some(place) = heard.epoch.as_deref().zip(heard.offset) else {
            let what = "it does not say where in the master's log its sound stands";
            return self.hard_with(Fault::WrongBytes, what, Some(heard), None);
        };
        let how = match flow.look(place, bytes) {
            Match::Other { at, master } => {
                let what = "its bytes are not the master's";
                let difference = Difference {
                    serial: None,
                    sequence: None,
                    offset: Some(place.1),
                    byte: at,
                    relay: hex(&bytes[at..]),
                    master: hex(&master),
                };
                return self.hard_with(Fault::WrongBytes, what, Some(heard), Some(difference));
            }
            Match::Same(came) => How::Same(came),
            Match::Older => How::Older,
            Match::Newer => How::Newer,
            Match::Stranger => How::Stranger,
        };
        let difference = Difference {
            serial: None,
            sequence: None,
            offset: Some(place.1),
            byte: 0,
            relay: hex(bytes),
            master: String::new(),
        };
        self.age(heard, truth, how, difference)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use stream::mount::MountPath;
    use stream::mpeg::Sniffer;
    use stream::ogg::Found;

    use super::*;
    use crate::probe::finding::Finding;
    use crate::probe::judge::{AGE_MAX, Asked, Came, Known, judge};
    use crate::probe::truth::Place;

    const SECOND: Duration = Duration::from_secs(1);
    /// Of one frame: MPEG-1 layer III, 128 kbit/s, 44.1 kHz.
    const FRAME: usize = 417;
    const START: u64 = 5_000;

    /// Some seconds of frames, forty a second.
    fn frames(seconds: std::ops::Range<u32>) -> Vec<u8> {
        let frame = |n: u32| {
            let mut frame = vec![0xff, 0xfb, 0x90, 0x00];
            let body = (0..u32::try_from(FRAME).unwrap() - 4).map(|at| (n * 31 + at * n) % 251);
            frame.extend(body.map(|byte| u8::try_from(byte).unwrap()));
            frame
        };
        (seconds.start * 40..seconds.end * 40)
            .flat_map(frame)
            .collect()
    }

    /// A master that has sent for a minute.
    fn truth(start: Instant) -> Truth {
        let (mut truth, mut sniffer) = (Truth::default(), Sniffer::trusting());
        let place = Place {
            epoch: "e".into(),
            offset: START,
        };
        truth.begin(Some(place), 0);
        for second in 0..60 {
            let bytes = frames(second..second + 1);
            let mut input: &[u8] = &bytes;
            while let Some(Found::Page(page)) = sniffer.next(&mut input) {
                truth.take(page, start + second * SECOND);
            }
        }
        truth
    }

    fn heard(seconds: std::ops::Range<u32>) -> Heard {
        let before = frames(0..seconds.start).len() as u64;
        Heard {
            status: 200,
            content_type: "audio/mpeg".to_owned(),
            epoch: Some("e".to_owned()),
            offset: Some(START + before),
            frames: frames(seconds),
            ..Heard::default()
        }
    }

    fn judged(heard: Heard) -> Finding {
        let start = Instant::now();
        let truth = truth(start);
        let now = start + 60 * SECOND;
        let asked = Asked {
            mount: MountPath::parse("/live.mp3").unwrap(),
            address: "192.0.2.1:8000".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
        };
        let known = Known {
            truth: Some(&truth),
            is_full: false,
            before: None,
            read_at: now,
            now,
        };
        judge(&asked, &Came::Answer(heard), known).finding
    }

    #[track_caller]
    fn check_hard(heard: Heard, fault: Fault, words: &str) {
        match judged(heard) {
            Finding::Hard(evidence) => {
                assert_eq!(evidence.fault, fault);
                let sentence = evidence.sentence();
                assert!(sentence.contains(words), "{sentence}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_masters_frames_in_their_place_are_good() {
        let good = Finding::Good { is_compared: true };
        assert_eq!(judged(heard(50..58)), good);
        let mut with_intro = heard(50..58);
        let intro = frames(900..901);
        with_intro.n_prefix = intro.len() as u64;
        with_intro.frames = [intro, with_intro.frames].concat();
        assert_eq!(judged(with_intro), good);
        // A master that has just begun to be heard knows nothing of what was before.
        assert_eq!(judged(heard(20..58)), good);
    }

    #[test]
    fn other_frames_are_hard_wherever_they_differ() {
        let mut flipped = heard(50..58);
        flipped.frames[70_000] ^= 1;
        let offset = START + frames(0..50).len() as u64;
        let place = format!("(offset {offset}, byte 70000: relay ");
        check_hard(flipped, Fault::WrongBytes, &place);
        let mut moved = heard(50..58);
        moved.offset = moved.offset.map(|offset| offset + FRAME as u64);
        check_hard(moved, Fault::WrongBytes, "not the master's");
        let mut other = heard(50..58);
        other.epoch = Some("f".to_owned());
        check_hard(other, Fault::WrongBytes, "no such stream lately");
        let mut placeless = heard(50..58);
        placeless.offset = None;
        check_hard(placeless, Fault::WrongBytes, "does not say where");
    }

    #[test]
    fn old_frames_are_old_and_none_at_all_are_late() {
        match judged(heard(10..20)) {
            Finding::Soft(evidence) => assert_eq!(evidence.fault, Fault::Old),
            other => panic!("{other:?}"),
        }
        let mut older = heard(10..20);
        older.offset = Some(0);
        older.frames.truncate(4_000);
        check_hard(older, Fault::Old, &format!("{} s ago", AGE_MAX.as_secs()));
        for silent in [
            heard(50..50),
            Heard {
                n_prefix: 1 << 40,
                ..heard(50..58)
            },
        ] {
            match judged(silent) {
                Finding::Soft(evidence) => assert_eq!(evidence.fault, Fault::Late),
                other => panic!("{other:?}"),
            }
        }
    }
}
