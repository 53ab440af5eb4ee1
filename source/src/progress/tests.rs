//! What the status line looks like.

use super::*;
use crate::desk::meter::Meter;

fn moment(samples: &[f32], waiting: Duration, n_lost: u64) -> Moment {
    let mut meter = Meter::new();
    meter.take(1, samples);
    Moment {
        target: "http://radio.example:8000/live.ogg".to_owned(),
        uplinks: vec![("eth0".to_owned(), Link::OnAir)],
        level: meter.read(),
        encoded: Duration::from_secs(3_725),
        n_bytes: 44_760_000,
        waiting,
        unacknowledged: Duration::ZERO,
        n_lost,
        spool: None,
    }
}

#[test]
fn the_line_says_state_level_time_and_bytes() {
    let line = moment(&[0.1, -0.1], Duration::ZERO, 0).line(LINE_WIDTH);
    assert_eq!(line, "on air     [#####|....]  -20 dB  1:02:05  44.7 MB");
}

#[test]
fn the_line_says_what_is_wrong() {
    let line = moment(&[1.0; 10], Duration::from_secs(7), 3).line(LINE_WIDTH);
    assert!(line.ends_with("TOO LOUD  7 s wait  3 lost"), "{line}");
}

#[test]
fn the_line_ends_before_the_terminal_does() {
    let moment = moment(&[1.0; 10], Duration::from_secs(7), 3);
    let whole = moment.line(width(None));
    for columns in [0, 1, 20, 40, 47, 80, 200] {
        let line = moment.line(width(Some(columns)));
        let n_characters = columns.saturating_sub(1).min(whole.len());
        assert_eq!(line, whole[..n_characters], "{columns} columns");
    }
}

#[test]
fn the_log_names_the_sides_of_stereo() {
    let mut stereo = moment(&[], Duration::ZERO, 0);
    let mut meter = Meter::new();
    meter.take(2, &[0.1, 0.0, -0.1, 0.0]);
    stereo.level = meter.read();
    assert_eq!(
        stereo.levels(),
        "left: peak -20 dB, average -20 dB; right: digital silence: is the cable in, the desk on?"
    );
    let mono = moment(&[0.1, -0.1], Duration::ZERO, 0);
    assert_eq!(mono.levels(), "peak -20 dB, average -20 dB");
}

#[test]
fn digital_silence_is_said_in_words() {
    let words = level_words(&moment(&[0.0; 10], Duration::ZERO, 0).level.levels()[0]);
    assert!(words.contains("digital silence"), "{words}");
}

#[test]
fn lost_pages_are_said_once_a_second() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut losses = Losses::default();
    assert_eq!(losses.add(0, at(0)), None);
    assert_eq!(losses.add(2, at(10)), Some(2));
    assert_eq!(losses.add(5, at(500)), None);
    assert_eq!(losses.add(7, at(1_100)), Some(5));
    assert_eq!(losses.add(7, at(9_000)), None);
}

#[test]
fn the_line_says_what_the_spool_keeps_and_that_it_is_full() {
    let mut moment = moment(&[0.1, -0.1], Duration::ZERO, 0);
    moment.spool = Some(Report {
        n_bytes: 1_000_000,
        n_for_archive: 17,
        n_lost: 0,
        is_writing: false,
    });
    let line = moment.line(LINE_WIDTH);
    assert!(line.contains("SPOOL FULL  17 for archive"), "{line}");
}

#[test]
fn the_line_and_the_log_say_how_each_uplink_stands() {
    let mut moment = moment(&[0.1, -0.1], Duration::ZERO, 0);
    moment.uplinks.push(("wwan0".to_owned(), Link::Waiting));
    assert!(
        moment.line(LINE_WIDTH).starts_with("on air 1-  ["),
        "{}",
        moment.line(LINE_WIDTH)
    );
    assert_eq!(
        moment.whereto(),
        "http://radio.example:8000/live.ogg; eth0: on air; wwan0: waiting"
    );
    moment.uplinks[0].1 = Link::StandingBy;
    moment.uplinks[1].1 = Link::OnAir;
    assert!(
        moment.line(LINE_WIDTH).starts_with("on air s2  ["),
        "{}",
        moment.line(LINE_WIDTH)
    );
    moment.uplinks[1].1 = Link::Waiting;
    assert!(
        moment.line(LINE_WIDTH).starts_with("waiting    ["),
        "{}",
        moment.line(LINE_WIDTH)
    );
}
