//! What the desk does to sound: which channels, how long, how loud.

use super::channels::{Channels, Pick};
use super::*;

fn block(rate: u32, channels: &[&[f32]]) -> Block {
    let n_frames = channels[0].len();
    let mut samples = Vec::new();
    for at in 0..n_frames {
        samples.extend(channels.iter().map(|channel| channel[at]));
    }
    Block {
        rate,
        n_channels: channels.len(),
        samples,
    }
}

fn run(layout: Layout, blocks: Vec<Block>) -> Vec<Vec<f32>> {
    let mut desk = Desk::new(layout);
    let mut out = vec![Vec::new(); layout.n_channels()];
    let mut give = |channels: &[&[f32]]| {
        for (out, channel) in out.iter_mut().zip(channels) {
            out.extend_from_slice(channel);
        }
        Ok(())
    };
    for mut block in blocks {
        desk.process(&mut block, &mut give).unwrap();
    }
    desk.finish(&mut give).unwrap();
    out
}

fn check(channels: Channels, pick: Option<Pick>, input: &[&[f32]], expected: &[&[f32]]) {
    let out = run(Layout { channels, pick }, vec![block(48_000, input)]);
    assert_eq!(out, expected, "{channels:?} {pick:?}");
}

#[test]
fn channels_are_picked_as_asked() {
    use Channels::{Mono, Stereo};
    use Pick::{Left, Mix, Right};
    let (left, right): (&[f32], &[f32]) = (&[0.5, 0.25], &[-0.25, 0.75]);
    let both = &[left, right][..];
    check(Stereo, None, both, both);
    check(Mono, None, both, &[&[0.125, 0.5]]);
    check(Mono, Some(Left), both, &[left]);
    check(Mono, Some(Right), both, &[right]);
    check(Stereo, Some(Right), both, &[right, right]);
    check(Stereo, Some(Mix), both, &[&[0.125, 0.5], &[0.125, 0.5]]);
    check(Stereo, None, &[left], &[left, left]);
    check(Mono, Some(Right), &[left], &[left]);
    check(Stereo, None, &[left, right, left], both);
}

#[test]
fn the_loudest_channel_takes_over_without_a_click() {
    let (loud, quiet) = ([0.5; 960], [0.01; 960]);
    let mut blocks = vec![block(48_000, &[&loud, &quiet]); 100];
    blocks.extend(vec![block(48_000, &[&quiet, &loud]); 100]);
    let layout = Layout {
        channels: Channels::Mono,
        pick: Some(Pick::Loudest),
    };
    let out = run(layout, blocks).remove(0);
    assert_eq!(out[1000], 0.5);
    assert_eq!(out[out.len() - 1], 0.5);
    let n_quiet = out.iter().filter(|sample| **sample < 0.02).count();
    assert!(n_quiet < 100_000, "took over after {n_quiet} samples");
    let jumps = out
        .windows(2)
        .filter(|pair| (pair[0] - pair[1]).abs() > 0.1);
    // From loud to quiet within the channel on air: that step is the input's own.
    assert!(jumps.count() <= 1);
}

#[test]
fn sound_of_any_rate_becomes_as_long_at_48_khz() {
    let layout = Layout {
        channels: Channels::Stereo,
        pick: None,
    };
    for rate in [
        8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000,
    ] {
        for n_frames in [1_u32, 441, 44_100, 100_000] {
            let samples = vec![0.1; usize::try_from(n_frames).unwrap()];
            let blocks: Vec<_> = samples
                .chunks(777)
                .map(|chunk| block(rate, &[chunk, chunk]))
                .collect();
            let out = run(layout, blocks);
            let exact = f64::from(n_frames) * 48_000.0 / f64::from(rate);
            let n_out = f64::from(u32::try_from(out[0].len()).unwrap());
            assert!(
                (0.0..1.0).contains(&(n_out - exact)),
                "{rate} Hz: {n_out}, not {exact}"
            );
            assert_eq!(out[0].len(), out[1].len());
        }
    }
}

#[test]
fn a_tone_keeps_its_pitch_height_and_start_through_resampling() {
    let tone = |rate: f64, n: u32| {
        let angle = f64::from(n) / rate * 1000.0 * std::f64::consts::TAU;
        #[expect(clippy::cast_possible_truncation, reason = "a sample is an f32")]
        let sample = (angle.sin() * 0.5) as f32;
        sample
    };
    let samples: Vec<_> = (0..44_100).map(|n| tone(44_100.0, n)).collect();
    let layout = Layout {
        channels: Channels::Mono,
        pick: None,
    };
    let out = run(layout, vec![block(44_100, &[&samples])]).remove(0);
    assert_eq!(out.len(), 48_000);
    // Away from the ends, where the tone begins and ends abruptly.
    let worst = (1_000..47_000_u32)
        .map(|n| (out[usize::try_from(n).unwrap()] - tone(48_000.0, n)).abs())
        .fold(0.0, f32::max);
    assert!(worst < 0.001, "off by {worst}");
}

#[test]
fn a_change_of_rate_loses_nothing() {
    let second = |rate: u32| vec![0.1; usize::try_from(rate).unwrap()];
    let blocks = [44_100, 48_000, 22_050, 44_100].map(|rate| block(rate, &[&second(rate)]));
    let layout = Layout {
        channels: Channels::Mono,
        pick: None,
    };
    assert_eq!(run(layout, blocks.to_vec())[0].len(), 4 * 48_000);
}

#[test]
fn what_is_not_a_number_becomes_silence() {
    let bad = [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e9, 0.5];
    check(Channels::Mono, None, &[&bad], &[&[0.0, 0.0, 0.0, 0.0, 0.5]]);
}

#[test]
fn the_meter_shows_peak_average_and_clipping() {
    let mut desk = Desk::new(Layout {
        channels: Channels::Stereo,
        pick: None,
    });
    let square: Vec<f32> = (0..100)
        .map(|n| if n % 2 == 0 { 0.1 } else { -0.1 })
        .collect();
    let clipped = [vec![0.0; 90], vec![1.0; 10]].concat();
    let mut input = block(48_000, &[&square, &clipped]);
    desk.process(&mut input, |_| Ok(())).unwrap();
    let reading = desk.read_meter();
    let [left, right] = reading.levels() else {
        panic!("two channels: {reading:?}");
    };
    assert!((left.peak_dbfs + 20.0).abs() < 0.01 && (left.average_dbfs + 20.0).abs() < 0.01);
    assert_eq!((left.n_clips, right.n_clips), (0, 1));
    assert!((right.average_dbfs + 10.0).abs() < 0.01);
    let silent = desk.read_meter();
    assert_eq!(silent.levels()[0].peak_dbfs, meter::FLOOR_DBFS);
}

#[test]
fn readings_one_after_the_other_have_the_average_of_the_whole_time() {
    let mut meter = Meter::new();
    let mut all = meter::Reading::default();
    for n in 0..200 {
        let height = if n < 190 { 0.1 } else { 0.0 };
        meter.take(1, &[height; 2_400]);
        all = all.and_then(meter.read());
    }
    // 9.5 s at -20 dB and half a second of nothing.
    let average = all.levels()[0].average_dbfs;
    assert!((average + 20.22).abs() < 0.01, "{average}");
    assert!((all.levels()[0].peak_dbfs + 20.0).abs() < 0.01);
}
