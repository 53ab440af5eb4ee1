//! Filler in a log of MP3: what the source does decides how much, and another program goes on with it.

use std::time::{Duration, Instant};

use super::copied::moved;
use super::stage::{Stage, keep, read};
use crate::mpeg::frame;
use crate::ogg::Page;
use crate::ogg::tests::opus;

const AFTER: Duration = Duration::from_secs(2);
/// Of six frames of 1152 samples at 44.1 kHz.
const PORTION: Duration = Duration::from_micros(156_734);

/// Portions of frames whose main data begins as far back as it can.
fn portions(n: usize) -> Vec<Page> {
    let frame = crate::mpeg::tests::mp3(0xff);
    let portion = || Page::of_frames(frame.repeat(6).into());
    (0..n).filter_map(|_| portion()).collect()
}

/// Looks every half second at what is due; gives how much filler there is then in all.
fn wait(stage: &mut Stage, from: Instant, to: Instant) -> Duration {
    let mut now = from;
    while now <= to {
        stage.writer.fill(AFTER, now);
        now += Duration::from_millis(500);
    }
    stage.writer.filler()
}

fn take(stage: &mut Stage, page: &Page, now: Instant) {
    stage.writer.take(page, now, || 7).unwrap();
}

#[test]
fn a_log_of_frames_is_silent_while_nothing_comes_and_all_of_it_is_frames() {
    let mut stage = Stage::new(1 << 20);
    let start = Instant::now();
    let seconds = |n: u32| start + Duration::from_secs(n.into());
    assert_eq!(wait(&mut stage, start, seconds(9)), Duration::ZERO);
    for page in portions(3) {
        take(&mut stage, &page, seconds(10));
    }
    assert_eq!(wait(&mut stage, seconds(10), seconds(12)), Duration::ZERO);
    let filled = wait(&mut stage, seconds(12), seconds(20));
    let due = Duration::from_secs(8) - 2 * PORTION;
    assert!(
        filled >= due - PORTION && filled <= due + PORTION,
        "{filled:?}"
    );
    assert!(stage.writer.is_filled());
    let bytes = stage.bytes();
    assert!(frame::whole(&bytes).is_some());
    assert!(bytes[3 * 6 * 417 + 4..][..413] == [0; 413], "it is silence");
    // What goes on is no new source: it has what is missing.
    take(&mut stage, &portions(1)[0], seconds(21));
    assert_eq!(stage.writer.filler(), filled);
    assert!(!stage.writer.is_filled());
    let sound = stage.bytes().split_off(bytes.len());
    let is_silent = |n: usize| sound[n * 417 + 6..n * 417 + 36] == [0; 30];
    assert!(
        [0, 1].map(is_silent) == [true; 2],
        "their sound is not there"
    );
    assert!((2..6).all(|n| !is_silent(n)));
}

#[test]
fn another_source_has_nothing_of_what_is_missing() {
    let mut stage = Stage::new(1 << 20);
    let start = Instant::now();
    take(&mut stage, &portions(1)[0], start);
    let late = start + Duration::from_secs(10);
    let filled = wait(&mut stage, start, late);
    stage.writer.greet(late);
    take(&mut stage, &portions(1)[0], late);
    let more = stage.writer.filler() - filled;
    assert!(
        more > Duration::from_millis(1_500) && more < AFTER,
        "{more:?}"
    );
}

#[test]
fn who_says_that_this_is_all_is_not_waited_for() {
    let mut stage = Stage::new(1 << 20);
    let start = Instant::now();
    take(&mut stage, &portions(1)[0], start);
    stage.writer.end_link(start);
    let late = start + Duration::from_secs(60);
    assert_eq!(wait(&mut stage, start, late), Duration::ZERO);
    take(&mut stage, &portions(1)[0], late);
    assert!(wait(&mut stage, late, late + Duration::from_secs(9)) > Duration::from_secs(6));
}

#[test]
fn silence_and_the_way_back_from_it_go_on_in_another_program() {
    let all = portions(9);
    for n_after in [0, 1] {
        let (mut stage, mut other) = (Stage::new(1 << 20), Stage::new(1 << 20));
        // One frame at a time: the first two behind silence have no sound.
        let frame = |_| Page::of_frames(crate::mpeg::tests::mp3(0xff).into()).unwrap();
        let frames: Vec<Page> = (0..4).map(frame).collect();
        for stage in [&mut stage, &mut other] {
            stage.play(&all);
            stage.fill();
            stage.play(&frames[..n_after]);
        }
        let now = Instant::now();
        let mut restored = moved(&stage, keep(), now);
        assert_eq!(restored.writer.is_filled(), n_after == 0);
        std::mem::swap(&mut stage.writer, &mut restored.writer);
        for stage in [&mut stage, &mut other] {
            if n_after == 0 {
                stage.fill();
            }
            stage.play(&frames[n_after..]);
        }
        assert_eq!(read(stage.writer.log()), read(other.writer.log()));
        assert_eq!(stage.writer.filler(), other.writer.filler());
    }
}

#[test]
fn a_log_of_ogg_is_never_filled_with_frames() {
    let mut stage = Stage::new(1 << 20);
    stage.play(&opus(1, 9));
    stage.fill();
    assert!(stage.bytes().starts_with(b"OggS"));
    assert!(
        stage
            .writer
            .log()
            .newest()
            .is_some_and(|page| page.is_ogg())
    );
}
