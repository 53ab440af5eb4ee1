//! Silence is whole frames of the same kind, of the length that was asked for.

use super::*;
use crate::mpeg::{Bridge, Framer};
use crate::ogg::Found;

/// A portion of one frame with this head.
fn portion(head: &[u8], n_bytes: usize) -> Page {
    let mut bytes = head.to_vec();
    bytes.resize(n_bytes, 0x5a);
    Page::of_frames(bytes.into()).unwrap()
}

/// MPEG-1 layer III at 44.1 kHz, 128 kbit/s, its length padded, joint stereo.
fn mp3() -> Page {
    portion(&[0xff, 0xfb, 0x92, 0x64], 418)
}

/// AAC at 44.1 kHz with these channels, one frame of so many bytes.
fn aac(n_channels: u8, n_bytes: usize) -> Page {
    let high = u8::try_from(n_bytes >> 3 & 0xff).unwrap();
    let low = u8::try_from((n_bytes & 7) << 5).unwrap() | 0x1f;
    let third = n_channels << 6 | u8::try_from(n_bytes >> 11).unwrap();
    let head = [0xff, 0xf1, 0x50 | n_channels >> 2, third, high, low, 0xfc];
    portion(&head, n_bytes)
}

/// All kinds of which silence can be made.
fn kinds() -> Vec<Page> {
    let mut all = vec![
        mp3(),
        // With a checksum; MPEG-2, mono; MPEG-2.5 with one; the shortest; layers II and I.
        portion(&[0xff, 0xfa, 0xe0, 0x04], 1044),
        portion(&[0xff, 0xf3, 0x80, 0xc0], 208),
        portion(&[0xff, 0xe2, 0x80, 0x00], 417),
        portion(&[0xff, 0xf3, 0x14, 0x00], 24),
        portion(&[0xff, 0xfc, 0xa4, 0x00], 576),
        portion(&[0xff, 0xff, 0xc4, 0x00], 384),
    ];
    all.extend([8, 13, 14, 20, 21, 22, 40, 289, 290, 371, 8_000].map(|n| aac(1, n)));
    all.extend([9, 14, 15, 23, 24, 300, 743, 2_000].map(|n| aac(2, n)));
    all
}

#[test]
fn silence_of_every_kind_is_cut_by_a_framer_as_it_was_written() {
    for page in kinds() {
        let silence = Silence::behind(&page).unwrap();
        let mut pages = Vec::new();
        let length = silence.write(Duration::from_secs(3), &mut pages);
        let frame = page.frame().unwrap();
        assert!(length >= Duration::from_secs(3), "{frame:?}");
        let over = length - Duration::from_secs(3);
        assert!(over <= Duration::from_micros(frame.micros()), "{frame:?}");
        let all: Vec<u8> = pages
            .iter()
            .flat_map(|page| page.bytes().to_vec())
            .collect();
        let (mut framer, mut input) = (Framer::new(), &all[..]);
        let mut cut = Vec::new();
        while let Some(found) = framer.next(&mut input) {
            let Found::Page(page) = found else {
                panic!("{found:?} in silence of {frame:?}");
            };
            cut.push(page);
        }
        cut.extend(framer.finish());
        assert_eq!(cut, pages, "{frame:?}");
        for page in &pages {
            let of = page.frame().unwrap();
            assert_eq!((of.sound, of.rate_hertz), (frame.sound, frame.rate_hertz));
            assert_eq!(of.n_channels, frame.n_channels);
            assert_eq!(Silence::behind(page), Some(silence.clone()), "it goes on");
        }
    }
}

#[test]
fn an_hour_of_silence_in_steps_is_an_hour_and_no_more_bytes_than_an_hour_of_sound() {
    for page in kinds() {
        let silence = Silence::behind(&page).unwrap();
        let frame = page.frame().unwrap();
        let (mut written, mut n_frames) = (Duration::ZERO, 0);
        for n in 1..=7_200_u32 {
            let mut pages = Vec::new();
            let due = Duration::from_millis(500) * n - written.min(Duration::from_millis(500) * n);
            written += silence.write(due, &mut pages);
            n_frames += pages.iter().map(Page::len).sum::<usize>() / silence.bytes.len();
        }
        let samples = n_frames as u64 * u64::from(frame.n_samples);
        let exact = 3_600 * u64::from(frame.rate_hertz);
        assert!(
            (exact..exact + 2 * u64::from(frame.n_samples)).contains(&samples),
            "{frame:?}"
        );
        assert!(written.abs_diff(Duration::from_secs(3_600)) < Duration::from_millis(150));
        assert!(
            silence.bytes.len() <= page.len().max(HEAD_BYTES + 6),
            "{frame:?}"
        );
    }
}

#[test]
fn frames_of_other_channels_and_other_pages_have_no_silence() {
    for n_channels in [0, 3, 6, 7] {
        assert_eq!(Silence::behind(&aac(n_channels, 100)), None);
    }
    assert_eq!(Silence::behind(&crate::ogg::tests::opus(1, 3)[1]), None);
}

/// A frame of MP3 whose main data begins so many bytes before it.
fn reaching(n_back: usize) -> Vec<u8> {
    let mut bytes = mp3().bytes().to_vec();
    bytes[4] = u8::try_from(n_back >> 1).unwrap();
    bytes[5] = u8::try_from((n_back & 1) << 7).unwrap() | 0x33;
    bytes
}

#[test]
fn frames_behind_silence_that_lie_in_what_is_not_there_are_silent_and_keep_their_bytes() {
    let n_main = 418 - 4 - 32;
    let backs = [200, n_main + 1, 511, 511, 200, 511];
    let silent = [true, true, false, false, false, false];
    let begins = |heard: &[u8]| usize::from(heard[4]) << 1 | usize::from(heard[5] >> 7);
    for n_portion in [1, 2, 6] {
        let mut bridge = Bridge::default();
        let frames = backs.map(reaching);
        let whole = Page::of_frames(frames.concat().into()).unwrap();
        assert_eq!(bridge.cross(&whole), whole, "there was no silence");
        bridge.begin();
        let mut heard = Vec::new();
        for portion in frames.chunks(n_portion) {
            let page = Page::of_frames(portion.concat().into()).unwrap();
            heard.extend_from_slice(bridge.cross(&page).bytes());
        }
        for (n, (heard, own)) in heard.chunks(418).zip(&frames).enumerate() {
            assert_eq!(heard[..4], own[..4]);
            assert_eq!(heard[36..], own[36..]);
            assert_eq!(heard[6..36] == [0; 30], silent[n], "frame {n}");
            assert!(silent[n] || heard == own);
            // The second begins where the first does, so that decoders keep both.
            assert_eq!(begins(heard), [0, n_main, 511, 511, 200, 511][n]);
        }
    }
    let mut bridge = Bridge::default();
    bridge.begin();
    assert_eq!(bridge.cross(&aac(2, 300)), aac(2, 300));
    assert_eq!(bridge, Bridge::default());
}
