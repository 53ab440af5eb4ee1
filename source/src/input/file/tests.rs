//! Files of every kind that is promised, made by ffmpeg, decoded here.

use std::process::Command;

use super::*;

/// A second and a half of a 1 kHz tone at 44.1 kHz, encoded by ffmpeg.
fn make(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg("sine=frequency=1000:sample_rate=44100:duration=1.5")
        .args([
            "-ac",
            "2",
            "-metadata",
            "title=Über alles",
            "-metadata",
            "artist=Wir",
        ])
        .args(arguments)
        .arg(&path)
        .output()
        .expect("ffmpeg runs: make setup installs it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    path
}

fn playlist(files: &[&Path]) -> Playlist {
    Playlist {
        files: files.iter().map(|path| path.to_path_buf()).collect(),
        is_looped: false,
        is_fast: true,
    }
}

fn complaint(path: &Path) -> String {
    match FileInput::open(playlist(&[path])) {
        Ok(_) => panic!("{} was taken", path.display()),
        Err(error) => format!("{error:#}"),
    }
}

/// All samples of the left channel; the rate must be 44.1 kHz.
fn play(input: &mut FileInput, n_frames_max: usize) -> Vec<f32> {
    let mut left = Vec::new();
    let mut block = Block::default();
    while left.len() < n_frames_max && input.read(&mut block).unwrap() == Read::Sound {
        assert_eq!((block.rate, block.n_channels), (44_100, 2));
        assert!(block.n_frames() <= 882, "no more than 20 ms at once");
        left.extend(block.samples.iter().step_by(2));
    }
    left
}

fn check(name: &str, arguments: &[&str], n_frames_too_many: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), name, arguments);
    let mut input = FileInput::open(playlist(&[&path])).unwrap();
    assert_eq!(input.n_channels(), 2);
    let samples = play(&mut input, usize::MAX);
    let excess = samples.len().checked_sub(66_150);
    assert!(
        excess.is_some_and(|n| n <= n_frames_too_many),
        "{name}: {} frames",
        samples.len()
    );
    let middle = &samples[22_050..44_100];
    let n_turns = middle
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
        .count();
    assert!(
        n_turns.abs_diff(500) <= 1,
        "{name}: {n_turns} turns in half a second"
    );
}

#[test]
fn wav_is_decoded_to_the_frame() {
    check("tone.wav", &["-c:a", "pcm_s16le"], 0);
    check("tone24.wav", &["-c:a", "pcm_s24le"], 0);
    check("float.wav", &["-c:a", "pcm_f32le"], 0);
}

#[test]
fn flac_is_decoded_to_the_frame() {
    check("tone.flac", &[], 0);
}

#[test]
fn mp3_is_decoded_without_a_gap() {
    check("tone.mp3", &["-c:a", "libmp3lame"], 0);
}

#[test]
fn ogg_vorbis_is_decoded_to_the_frame() {
    check("tone.ogg", &["-c:a", "libvorbis"], 0);
}

#[test]
fn m4a_and_aac_are_decoded() {
    // AAC has up to two frames of 1024 before the sound and an incomplete one after it.
    check("tone.m4a", &["-c:a", "aac"], 3072);
    check("tone.aac", &["-c:a", "aac"], 3072);
}

#[test]
fn title_and_artist_are_those_of_the_first_file() {
    for name in ["a.flac", "a.mp3", "a.ogg", "a.m4a"] {
        let folder = tempfile::tempdir().unwrap();
        let path = make(folder.path(), name, &[]);
        let input = FileInput::open(playlist(&[&path])).unwrap();
        let expected = Tags {
            title: Some("Über alles".to_owned()),
            artist: Some("Wir".to_owned()),
        };
        assert_eq!(input.tags(), &expected, "{name}");
    }
}

#[test]
fn chained_ogg_files_and_playlists_are_played_to_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let one = make(
        folder.path(),
        "one.ogg",
        &["-c:a", "libvorbis", "-serial_offset", "1"],
    );
    let two = make(
        folder.path(),
        "two.ogg",
        &["-c:a", "libvorbis", "-serial_offset", "2"],
    );
    let chain = folder.path().join("chain.ogg");
    let bytes = [std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()].concat();
    std::fs::write(&chain, bytes).unwrap();
    let mut input = FileInput::open(playlist(&[&chain, &one])).unwrap();
    assert_eq!(play(&mut input, usize::MAX).len(), 3 * 66_150);
}

#[test]
fn a_loop_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "tone.flac", &[]);
    let mut input = FileInput::open(Playlist {
        is_looped: true,
        ..playlist(&[&path])
    })
    .unwrap();
    assert!(play(&mut input, 200_000).len() >= 200_000);
    std::fs::remove_file(&path).unwrap();
    let mut block = Block::default();
    let error = loop {
        if let Err(error) = input.read(&mut block) {
            break format!("{error:#}");
        }
    };
    assert!(error.contains("none of the files"), "{error}");
}

#[test]
fn damage_inside_a_file_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tone.mp3", "tone.flac", "tone.ogg"] {
        for part in [0.75, 0.9, 1.0] {
            // Short pages, so that not all of the sound is on the damaged one.
            let arguments = ["-b:a", "128k", "-page_duration", "100000"];
            let n_arguments = if name.ends_with("ogg") { 4 } else { 2 };
            let path = make(folder.path(), name, &arguments[..n_arguments]);
            let mut bytes = std::fs::read(&path).unwrap();
            let from = std::fs::metadata(&path).unwrap().len() as f64 * part;
            let from = (from as usize).min(bytes.len() - 300);
            bytes[from..from + 300].fill(0x55);
            std::fs::write(&path, &bytes).unwrap();
            let mut input = FileInput::open(playlist(&[&path])).unwrap();
            let n_frames = play(&mut input, usize::MAX).len();
            assert!(
                n_frames > 44_100,
                "{name}, damage at {part}: {n_frames} frames are left"
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_played_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.wav");
    assert!(complaint(&missing).contains("missing.wav"));
    let text = folder.path().join("letter.mp3");
    std::fs::write(&text, "Dear listeners,").unwrap();
    assert!(complaint(&text).contains("letter.mp3 is no sound file"));
    let empty = make(folder.path(), "empty.wav", &["-t", "0"]);
    assert!(
        complaint(&empty).contains("empty.wav"),
        "{}",
        complaint(&empty)
    );
    assert!(complaint(folder.path()).contains("folder"));
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

#[test]
fn what_somebody_writes_into_a_pipe_is_played_whole_and_nobody_waits_for_him() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = fifo(folder.path());
    for name in ["tone.wav", "tone.flac", "tone.mp3", "tone.ogg"] {
        let path = make(folder.path(), name, &[]);
        let bytes = std::fs::read(&path).unwrap();
        let (go_on, held_up) = std::sync::mpsc::sync_channel(1);
        let written = pipe.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = std::fs::OpenOptions::new()
                .write(true)
                .open(written)
                .unwrap();
            // So little that all but the last page of Ogg is whole.
            let (first, second) = bytes.split_at(bytes.len() - 200);
            std::io::Write::write_all(&mut pipe, first).unwrap();
            held_up.recv().unwrap();
            std::io::Write::write_all(&mut pipe, second).unwrap();
        });
        let mut input = FileInput::open(playlist(&[&pipe, &path])).unwrap();
        assert_eq!(input.n_channels(), 2, "{name}");
        let mut block = Block::default();
        let mut n_frames = 0;
        let mut n_waits = 0;
        loop {
            let asked = Instant::now();
            match input.read(&mut block).unwrap() {
                Read::Sound => n_frames += block.n_frames(),
                Read::Nothing => {
                    n_waits += 1;
                    let _ = go_on.try_send(());
                }
                Read::End => break,
            }
            // The rest of it is for a machine that is busy.
            assert!(asked.elapsed() < Duration::from_secs(5), "{name}");
        }
        assert!(n_waits > 0, "{name}");
        let once = 66_150;
        assert!(
            (2 * once..=2 * once + 3072).contains(&n_frames),
            "{name}: {n_frames} frames"
        );
        writer.join().unwrap();
    }
}

#[test]
fn a_pipe_is_not_played_twice_and_a_check_does_not_eat_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = fifo(folder.path());
    // Nobody writes: who opens it would wait for ever.
    playlist(&[&pipe]).check().unwrap();
    let twice = playlist(&[&pipe, &pipe]).check().unwrap_err();
    assert!(twice.to_string().contains("name it once"), "{twice}");
    let looped = Playlist {
        is_looped: true,
        ..playlist(&[&pipe])
    };
    let looped = looped.check().unwrap_err();
    assert!(looped.to_string().contains("leave --loop out"), "{looped}");
}

#[test]
fn a_list_of_which_nothing_can_be_played_any_more_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "tone.wav", &[]);
    let mut input = FileInput::open(playlist(&[&path])).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = input.read(&mut Block::default()).unwrap_err();
    assert!(error.to_string().contains("none of the files"), "{error}");
}

#[test]
fn real_time_takes_real_time_and_fast_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "tone.wav", &["-t", "1"]);
    let mut times = [false, true].map(|is_fast| {
        let mut input = FileInput::open(Playlist {
            is_fast,
            ..playlist(&[&path])
        })
        .unwrap();
        let started = Instant::now();
        let n_frames = play(&mut input, usize::MAX).len();
        assert_eq!(n_frames, 44_100);
        started.elapsed()
    });
    assert!(times[0] >= Duration::from_millis(990), "{:?}", times[0]);
    times.sort();
    assert!(times[0] < Duration::from_millis(990), "{:?}", times[0]);
}
