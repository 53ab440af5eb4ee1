//! Theora on the disk, made by ffmpeg: gone back to at a key frame.

use std::io::Write;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use stream::log::segment::Record;
use stream::ogg::theora::begins_with_key_frame;

use super::*;
use crate::archive::stretch::Stretch;

/// Twelve seconds with a key frame every two.
const FILM: &str = "-f lavfi -i testsrc2=size=160x90:rate=10:duration=12 \
                    -f lavfi -i sine=frequency=440:duration=12 -c:v libtheora -g 20 -b:v 200k \
                    -c:a libvorbis -page_duration 200000 -f ogg -";

/// What ffmpeg says and puts out, given this.
fn ffmpeg(arguments: &str, input: Vec<u8>) -> (String, Vec<u8>) {
    let mut command = Command::new("ffmpeg");
    command.args("-nostdin -v error -xerror".split(' '));
    command.args(arguments.split_whitespace());
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("ffmpeg runs: make setup installs it");
    let mut pipe = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, output.stdout)
}

/// Takes them so that their times of arrival are told apart.
fn take_apart(publisher: &mut Publisher, pages: &[Page]) {
    for page in pages {
        let before = Timestamp::now().as_millisecond();
        while Timestamp::now().as_millisecond() == before {
            std::thread::yield_now();
        }
        take(publisher, page);
    }
}

/// All records of a log, and whether a key frame begins on their pages.
fn records(log: &Path) -> Vec<(Record, bool)> {
    let mut offsets = folder::offsets(log).unwrap();
    offsets.reverse();
    let (mut found, mut picture) = (Vec::new(), None);
    for offset in offsets {
        let stretch = Stretch::look(log, offset).unwrap().unwrap();
        for record in stretch.records(0, 10_000).unwrap() {
            let page = stretch.page(&record).unwrap();
            if page.body().starts_with(b"\x80theora") {
                picture = Some(page.serial());
            }
            let is_picture = picture == Some(page.serial());
            found.push((record, is_picture && begins_with_key_frame(&page)));
        }
    }
    found
}

#[tokio::test]
async fn whoever_goes_back_to_a_moment_of_a_film_begins_at_the_key_frame_before_it() {
    let state = tempfile::tempdir().unwrap();
    let (said, film) = ffmpeg(FILM, Vec::new());
    assert_eq!(said, "");
    let film = pages(&film);
    // Two segments, the second of which begins between two key frames.
    let cut = film.len() * 3 / 5;
    for part in [&film[..cut], &film[cut..]] {
        live_through(state.path(), |_, publisher| take_apart(publisher, part)).await;
    }
    let log = log_folder(state.path());
    let records = records(&log);
    let is_key = |record: &&(Record, bool)| record.1;
    let first_key = records.iter().find(is_key).unwrap().0;
    let n_keys = records.iter().filter(is_key).count();
    assert!((5..9).contains(&n_keys), "{n_keys} key frames");
    for (n, (record, _)) in records.iter().enumerate() {
        let Some(start) = Start::find(&log, record.arrived_ms).unwrap() else {
            panic!("nothing from {n} on");
        };
        let before = records[..=n].iter().rfind(is_key);
        // At the very beginning the headers follow in the log itself.
        let expected = if n == 0 { records[0].0 } else { first_key };
        let expected = before.map_or(expected, |(record, _)| *record);
        assert_eq!(start.offset, expected.offset, "from page {n}");
        assert_eq!(start.prefix.is_empty(), n == 0);
        if n % 40 == 30 {
            let mut tape = start.tape;
            let heard = [start.prefix.to_vec(), play(&mut tape)].concat();
            let (said, _) = ffmpeg("-i - -fps_mode passthrough -f null -", heard);
            assert_eq!(said, "", "from page {n}");
        }
    }
    // Nobody goes back far for it.
    let newest = records.last().unwrap().0.arrived_ms;
    assert!(Start::find(&log, newest + 1_000).unwrap().is_some());
    assert!(Start::find(&log, newest + 60_000).unwrap().is_none());
}
