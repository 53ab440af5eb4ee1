//! What comes out is the sound that went in, page by page in time, also in silence.

use std::io::Write;
use std::path::Path;

use super::*;
use crate::input::Block;
use crate::input::decode::Decoding;

fn encoding(n_channels: u8) -> Encoding {
    Encoding {
        n_channels,
        effort: Effort::Bitrate(96),
        tags: vec![("TITLE".to_owned(), "Täst".to_owned())],
    }
}

/// Some noise-like sound that is the same every time.
fn noise(n_samples: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..n_samples).map(|_| random.f32() * 0.5 - 0.25).collect()
}

fn encode(channels: &[Vec<f32>]) -> Vec<Made> {
    let n_channels = u8::try_from(channels.len()).unwrap();
    let mut encoder = Encoder::new(&encoding(n_channels), 42).unwrap();
    let mut made = Vec::new();
    for start in (0..channels[0].len()).step_by(960) {
        let end = channels[0].len().min(start + 960);
        let block: Vec<_> = channels
            .iter()
            .map(|channel| &channel[start..end])
            .collect();
        encoder.encode(&block, |page| made.push(page)).unwrap();
        // To libvorbis an empty block is the end: it must not get one.
        let empty: Vec<&[f32]> = channels.iter().map(|_| &[][..]).collect();
        encoder.encode(&empty, |page| made.push(page)).unwrap();
    }
    encoder.finish(|page| made.push(page)).unwrap();
    made
}

fn decode(path: &Path) -> Vec<f32> {
    let mut decoding = Decoding::open(path).unwrap();
    let mut block = Block::default();
    while decoding.read(&mut block).unwrap() {}
    block.samples
}

fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
    (folder, path)
}

fn check_cadence(channels: &[Vec<f32>]) {
    let made = encode(channels);
    let mut before = 0;
    for sound in made.iter().filter(|made| matches!(made, Made::Sound(_))) {
        let granule = sound.page().stamp().granule;
        assert!(
            granule - before <= 14_400,
            "a page of {} samples",
            granule - before
        );
        before = granule;
    }
    assert_eq!(usize::try_from(before).unwrap(), channels[0].len());
}

#[test]
fn no_page_is_longer_than_300_ms_in_digital_silence() {
    check_cadence(&[vec![0.0; 480_000]]);
    check_cadence(&[vec![0.0; 480_000], vec![0.0; 480_000]]);
}

#[test]
fn no_page_is_longer_than_300_ms_in_noise() {
    check_cadence(&[noise(480_000)]);
    check_cadence(&[noise(480_000), noise(480_000)]);
}

#[test]
fn the_stream_begins_and_ends_as_ogg_vorbis_must() {
    let made = encode(&[noise(100_000)]);
    let [
        Made::Header(first),
        Made::Header(second),
        Made::Sound(third),
        ..,
    ] = &made[..]
    else {
        panic!("two header pages come first: {made:?}");
    };
    assert!(first.stamp().is_first && first.n_packets_ended() == 1);
    assert_eq!((first.serial(), second.stamp().granule), (42, 0));
    assert!(third.stamp().granule > 0);
    let last = made.last().unwrap().page().stamp();
    assert!(last.is_last);
    assert_eq!(last.granule, 100_000);
}

#[test]
fn merging_pages_does_not_change_a_single_sample() {
    let sound = noise(200_000);
    let made = encode(std::slice::from_ref(&sound));
    let merged: Vec<u8> = made
        .iter()
        .flat_map(|made| made.page().bytes().to_vec())
        .collect();

    let mut builder = VorbisEncoderBuilder::new_with_serial(
        NonZeroU32::new(RATE).unwrap(),
        NonZeroU8::new(1).unwrap(),
        Vec::new(),
        42,
    );
    builder
        .bitrate_management_strategy(strategy(Effort::Bitrate(96)).unwrap())
        .comment_tag("TITLE", "Täst")
        .unwrap();
    let mut plain = builder.build().unwrap();
    for block in sound.chunks(960) {
        plain.encode_audio_block([block]).unwrap();
    }
    let plain = plain.finish().unwrap();

    let (_folder, path) = write("plain.ogg", &plain);
    let expected = decode(&path);
    let (_folder, path) = write("merged.ogg", &merged);
    assert_eq!(expected.len(), 200_000);
    assert!(
        decode(&path) == expected,
        "the merged file sounds different"
    );
}

#[test]
fn a_bitrate_out_of_reach_is_refused_with_what_is_possible() {
    let text = Effort::Bitrate(400).check(1).unwrap_err().to_string();
    assert!(
        text.contains("`bitrate` = 400: mono") && text.contains("28 to 240"),
        "{text}"
    );
    assert!(Effort::Bitrate(400).check(2).is_ok());
    assert!(Effort::Quality(11.0).check(2).is_err());
    assert!(Effort::Quality(-1.0).check(1).is_ok());
}

#[test]
fn whatever_is_let_through_the_encoder_can_do() {
    for n_channels in [1, 2] {
        for effort in [28, 32, 96, 240, 500]
            .map(Effort::Bitrate)
            .into_iter()
            .chain([Effort::Quality(-1.0), Effort::Quality(10.0)])
        {
            if effort.check(n_channels).is_ok() {
                let encoding = Encoding {
                    n_channels,
                    effort,
                    tags: Vec::new(),
                };
                assert!(Encoder::new(&encoding, 1).is_ok(), "{encoding:?}");
            }
        }
    }
}
