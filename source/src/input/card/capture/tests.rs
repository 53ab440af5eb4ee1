//! Which of a card's formats is taken, and what the callback does with its sound.

use super::*;

fn range(
    n_channels: u16,
    rates: std::ops::RangeInclusive<u32>,
    format: SampleFormat,
) -> SupportedStreamConfigRange {
    let buffer = SupportedBufferSize::Range { min: 64, max: 1024 };
    SupportedStreamConfigRange::new(n_channels, *rates.start(), *rates.end(), buffer, format)
}

fn check(ranges: &[SupportedStreamConfigRange], is_mono: bool, expected: (u16, u32, SampleFormat)) {
    let (config, format) = choose(ranges, is_mono).unwrap();
    assert_eq!((config.channels, config.sample_rate, format), expected);
    assert_eq!(
        config.buffer_size,
        BufferSize::Fixed(1024),
        "as large as the card allows"
    );
}

#[test]
fn the_format_nearest_to_what_is_sent_is_taken() {
    use SampleFormat::{F32, I16, I32};
    let ranges = [
        range(1, 8_000..=192_000, I16),
        range(2, 8_000..=192_000, I16),
        range(2, 44_100..=44_100, F32),
        range(8, 8_000..=192_000, I32),
        range(2, 8_000..=192_000, I32),
    ];
    check(&ranges, false, (2, 48_000, I32));
    check(&ranges, true, (1, 48_000, I16));
    check(&ranges[2..3], false, (2, 44_100, F32));
    check(&ranges[3..4], true, (8, 48_000, I32));
    check(&[range(2, 16_000..=32_000, I16)], false, (2, 32_000, I16));
}

#[test]
fn a_card_without_a_usable_format_is_none() {
    assert!(choose(&[range(2, 48_000..=48_000, SampleFormat::DsdU8)], false).is_none());
    assert!(choose(&[], false).is_none());
}

#[test]
fn the_callback_keeps_whole_frames_and_says_what_it_could_not_keep() {
    let (samples, mut sound) = RingBuffer::new(5);
    let (stamps, mut stamped) = RingBuffer::new(4);
    let mut rings = Rings {
        samples,
        stamps,
        n_channels: 2,
    };
    rings.take::<i16>(&[i16::MIN, 0, 16_384, 0, 1, 1], Instant::now());
    let stamp = stamped.pop().unwrap();
    assert!(stamp.n_frames == 2 && stamp.is_cut);
    assert_eq!(sound.pop(), Ok(-1.0));
    assert_eq!(sound.pop(), Ok(0.0));
    assert_eq!(sound.pop(), Ok(0.5));
}
