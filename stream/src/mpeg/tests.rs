//! Properties of frames and the framer: any cut, any damage.

use proptest::prelude::*;

use super::*;
use crate::ogg::{Found, Page};

/// A frame of MP3, 128 kbit/s at 44.1 kHz, filled with one byte.
pub(crate) fn mp3(fill: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xfb, 0x90, 0x00];
    bytes.resize(417, fill);
    bytes
}

/// A frame of AAC, 44.1 kHz, stereo, so many bytes long.
fn aac(n_bytes: usize) -> Vec<u8> {
    let high = (n_bytes >> 11) as u8;
    let low = ((n_bytes & 7) << 5) as u8 | 0x1f;
    let mut bytes = vec![
        0xff,
        0xf1,
        0x50,
        0x80 | high,
        (n_bytes >> 3) as u8,
        low,
        0xfc,
    ];
    bytes.resize(n_bytes, 0x5a);
    bytes
}

/// What a framer finds, and how much it drops.
fn frame(mut framer: Framer, bytes: &[u8], cuts: &[usize]) -> (Vec<Page>, usize) {
    let (mut pages, mut n_junk, mut start) = (Vec::new(), 0, 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let end = end.clamp(start, bytes.len());
        let mut input = &bytes[start..end];
        start = end;
        while let Some(found) = framer.next(&mut input) {
            match found {
                Found::Page(page) => pages.push(page),
                Found::Junk { n_bytes, .. } => n_junk += n_bytes,
            }
        }
        assert!(input.is_empty(), "the framer takes all it is given");
        assert!(framer.held().len() < 64 * 1024);
    }
    pages.extend(framer.finish());
    (pages, n_junk + framer.held().len())
}

fn sound(pages: &[Page]) -> Vec<u8> {
    pages
        .iter()
        .flat_map(|page| page.bytes().to_vec())
        .collect()
}

#[test]
fn heads_of_all_layers_and_versions_are_read() {
    let read = |head: [u8; 4]| Frame::parse(&[&head[..], &[0; 3]].concat());
    let told = |head| read(head).map(|frame| (frame.n_bytes, frame.n_samples, frame.rate_hertz));
    assert_eq!(told([0xff, 0xfb, 0x90, 0x00]), Some((417, 1152, 44_100)));
    assert_eq!(told([0xff, 0xfb, 0x92, 0x00]), Some((418, 1152, 44_100)));
    assert_eq!(told([0xff, 0xf3, 0x80, 0xc0]), Some((208, 576, 22_050)));
    assert_eq!(told([0xff, 0xe3, 0x80, 0xc0]), Some((417, 576, 11_025)));
    assert_eq!(told([0xff, 0xfd, 0xa4, 0x00]), Some((576, 1152, 48_000)));
    assert_eq!(told([0xff, 0xff, 0xc4, 0x00]), Some((384, 384, 48_000)));
    assert_eq!(read([0xff, 0xfb, 0x00, 0x00]), None, "free format");
    assert_eq!(read([0xff, 0xfb, 0xf0, 0x00]), None, "no such bitrate");
    assert_eq!(read([0xff, 0xfb, 0x9c, 0x00]), None, "no such rate");
    assert_eq!(read([0xff, 0xeb, 0x90, 0x00]), None, "no such version");
    let frame = Frame::parse(&aac(371)).unwrap();
    assert_eq!(
        (frame.sound, frame.n_bytes, frame.n_channels),
        (Sound::Aac, 371, 2)
    );
    assert_eq!((frame.n_samples, frame.rate_hertz), (1024, 44_100));
}

#[test]
fn frames_cut_at_every_position_come_out_whole_in_portions_that_begin_with_one() {
    for frames in [
        (0..20).flat_map(mp3).collect::<Vec<u8>>(),
        (0..20).flat_map(|n| aac(300 + n * 7)).collect(),
    ] {
        for cut in 0..=frames.len() {
            let (pages, n_junk) = frame(Framer::new(), &frames, &[cut]);
            assert_eq!((n_junk, sound(&pages) == frames), (0, true), "cut at {cut}");
            assert!(pages.len() >= 3, "about 150 ms each");
        }
        let every_byte: Vec<usize> = (0..frames.len()).collect();
        let (pages, n_junk) = frame(Framer::trusting(), &frames, &every_byte);
        assert_eq!((n_junk, sound(&pages) == frames), (0, true));
        assert_eq!(pages.len(), 20, "whole frames do not wait");
    }
}

#[test]
fn tags_before_between_and_behind_frames_are_left_out() {
    let frames: Vec<u8> = (0..9).flat_map(mp3).collect();
    let mut id3 = b"ID3\x04\0\0\0\0\x02\x01".to_vec();
    // It holds what looks like sound.
    id3.extend_from_slice(&mp3(1)[..257]);
    let ape = [&b"APETAGEX\xd0\x07\0\0\x10\0\0\0"[..], &[0; 32]].concat();
    let old = [&b"TAG"[..], &[b'x'; 125]].concat();
    let all = [&id3, &frames, &ape, &old, &id3, &frames, &old]
        .map(Vec::as_slice)
        .concat();
    for cut in (0..all.len()).step_by(3) {
        let (pages, n_junk) = frame(Framer::new(), &all, &[cut]);
        assert_eq!(n_junk, 0, "cut at {cut}");
        assert_eq!(sound(&pages), [frames.as_slice(), &frames].concat());
    }
}

#[test]
fn another_framer_goes_on_in_the_middle_of_a_tag() {
    let frames: Vec<u8> = (0..9).flat_map(mp3).collect();
    let inside: Vec<u8> = (50..99).flat_map(mp3).collect();
    let n_bytes = [14, 7, 0].map(|shift| (inside.len() >> shift & 0x7f) as u8);
    let id3 = [&b"ID3\x04\0\0\0"[..], &n_bytes, &inside].concat();
    let ape = [&b"APETAGEX\xd0\x07\0\0\x10\x27\0\0"[..], &inside[..10_016]].concat();
    let all = [&frames, &id3, &frames, &ape, &frames].map(Vec::as_slice);
    let all = all.concat();
    for cut in (0..all.len()).step_by(97) {
        let mut first = Framer::new();
        let mut input = &all[..cut];
        let mut pages = Vec::new();
        while let Some(found) = first.next(&mut input) {
            pages.extend(match found {
                Found::Page(page) => Some(page),
                Found::Junk { .. } => panic!("cut at {cut}"),
            });
        }
        let (more, n_junk) = frame(Framer::new(), &[&first.held(), &all[cut..]].concat(), &[]);
        pages.extend(more);
        assert_eq!(n_junk, 0, "cut at {cut}");
        assert!(sound(&pages) == frames.repeat(3), "cut at {cut}");
    }
}

#[test]
fn what_is_neither_is_told_at_once_and_ogg_is_ogg() {
    let why = |bytes: &[u8]| match Sniffer::new().next(&mut &*bytes) {
        Some(Found::Junk { n_bytes, why }) => sniff::is_foreign(0, n_bytes, why),
        _ => false,
    };
    assert!(why(b"RIFF and so on"));
    assert!(why(b"fLaC"));
    assert!(!why(b"OggS"));
    assert!(!why(b"ID3"));
    let mut sniffer = Sniffer::new();
    let page = crate::ogg::tests::page(1, 0, b"first");
    let bytes = page.bytes().to_vec();
    let found: Vec<Found> = bytes
        .iter()
        .filter_map(|byte| sniffer.next(&mut &[*byte][..]))
        .collect();
    assert_eq!(found, [Found::Page(page)]);
}

/// Damage in which frames of the other kind follow: they are left out, and what comes of it is read
/// again, as a relay reads it, to the last byte.
#[test]
fn frames_of_another_kind_behind_damage_are_no_part_of_the_log() {
    let mp3: Vec<u8> = (0..40).flat_map(mp3).collect();
    let aac: Vec<u8> = (0..40).flat_map(|n| aac(300 + n)).collect();
    for (first, other, n_last) in [(&aac, &mp3, 339), (&mp3, &aac, 417)] {
        for junk in [&b""[..], b"\0", &[0x55; 900]] {
            let all = [first, junk, other, first].concat();
            for n_bytes in [1, 7, 500, all.len()] {
                let cuts: Vec<usize> = (0..all.len()).step_by(n_bytes).collect();
                let (pages, n_dropped) = frame(Framer::new(), &all, &cuts);
                let log = sound(&pages);
                assert_eq!(log.len() + n_dropped, all.len());
                // But for the frame that nothing of its kind follows.
                let kept = &first[..first.len() - n_last];
                assert!(log == [kept, first].concat(), "{} bytes", log.len());
                let (again, n_dropped) = frame(Framer::trusting(), &log, &cuts[..1]);
                assert_eq!((sound(&again) == log, n_dropped), (true, 0));
            }
        }
    }
}

#[test]
fn what_begins_inside_a_frame_is_found_where_it_is_called_sound() {
    let frames: Vec<u8> = (0..40).flat_map(mp3).collect();
    let aac: Vec<u8> = (0..40).flat_map(|_| aac(417)).collect();
    let found = |kind: Option<&str>, bytes: &[u8]| {
        let (mut sniffer, mut input) = (Sniffer::new().called(kind), bytes);
        let mut n_junk = 0;
        let mut pages = Vec::new();
        while let Some(found) = sniffer.next(&mut input) {
            match found {
                Found::Page(page) => pages.push(page),
                Found::Junk { n_bytes, why } => {
                    n_junk += n_bytes;
                    if sniff::is_foreign(pages.len() as u64, n_junk, why) {
                        return None;
                    }
                }
            }
        }
        pages.extend(sniffer.finish());
        Some(sound(&pages))
    };
    for cut in [1, 4, 100, 416] {
        for kind in [
            Some("audio/mpeg"),
            Some("Audio/MP3; q=1"),
            Some("audio/aacp"),
            Some(""),
            None,
        ] {
            assert_eq!(found(kind, &frames[cut..]).unwrap(), frames[417..], "{cut}");
            assert_eq!(found(kind, &aac[cut..]).unwrap(), aac[417..], "{cut}");
        }
        assert_eq!(found(Some("application/ogg"), &frames[cut..]), None);
    }
    for kind in [Some("audio/mpeg"), None] {
        for other in [&b"RIFF"[..], b"fLaC"] {
            assert_eq!(found(kind, &[other, &[0; 100]].concat()), None);
        }
        let page = crate::ogg::tests::page(1, 0, b"first");
        assert_eq!(found(kind, page.bytes()).unwrap(), page.bytes().to_vec());
        assert_eq!(
            found(kind, &[b'x'; 20_000]),
            None,
            "it is not looked for without an end"
        );
    }
}

proptest! {
    #[test]
    fn of_any_mixture_a_log_holds_one_kind_and_is_read_again_to_the_last_byte(
        mixture in proptest::collection::vec((0usize..4, 1usize..12), 1..12),
        cuts in proptest::collection::vec(0usize..40_000, 0..6),
    ) {
        let part = |(kind, n): (usize, usize)| match kind {
            0 => (0..n).flat_map(|n| mp3(n as u8)).collect(),
            1 => (0..n).flat_map(|n| aac(200 + n)).collect(),
            2 => vec![0xff; n],
            _ => mp3(7)[..30 * n].to_vec(),
        };
        let bytes: Vec<u8> = mixture.into_iter().flat_map(part).collect();
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (pages, _) = frame(Framer::new(), &bytes, &cuts);
        let log = sound(&pages);
        prop_assert!(log.is_empty() || frame::whole(&log).is_some());
        let (again, n_dropped) = frame(Framer::trusting(), &log, &[log.len() / 2]);
        prop_assert_eq!((sound(&again) == log, n_dropped), (true, 0));
    }

    #[test]
    fn damage_costs_the_frames_it_hits_and_two_beside_them(
        at in 0usize..40 * 417,
        junk in proptest::collection::vec(any::<u8>(), 1..900),
        cuts in proptest::collection::vec(0usize..17_000, 0..6),
    ) {
        // Behind the damage there is more than the longest frame that a false head may announce.
        let frames: Vec<u8> = (0..70).flat_map(|n| mp3(n & 0x7f)).collect();
        let mut bytes = frames.clone();
        let end = (at + junk.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&junk[..end - at]);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (pages, n_dropped) = frame(Framer::new(), &bytes, &cuts);
        let n_kept = sound(&pages).len();
        prop_assert_eq!(n_kept + n_dropped, bytes.len());
        prop_assert!(n_kept + junk.len() + 5 * 417 >= bytes.len());
        for page in &pages {
            prop_assert!(frame::whole(page.bytes()).is_some());
        }
    }

    #[test]
    fn random_bytes_break_nothing(
        bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(0xfb), any::<u8>()], 0..4_000),
    ) {
        for framer in [Framer::new(), Framer::trusting()] {
            let (pages, n_dropped) = frame(framer, &bytes, &[bytes.len() / 2]);
            prop_assert!(sound(&pages).len() + n_dropped <= bytes.len());
        }
    }
}
