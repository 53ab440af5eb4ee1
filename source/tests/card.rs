//! The source recording from an ALSA device that needs no hardware: a named pipe that the
//! test fills in real time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::*;

const RATE: usize = 48_000;

/// What the source reads at once. ALSA's file device makes up the rest when a pipe holds
/// less, so it is fed in the same portions.
const PERIOD_FRAMES: usize = 2048;

/// A desk whose cable can be pulled. It takes every format; what is fed is what the source
/// prefers: 48 kHz, mono, float.
struct Desk {
    settings: PathBuf,
    is_plugged: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    n_frames: Arc<AtomicUsize>,
    feeder: Option<JoinHandle<()>>,
}

impl Desk {
    fn new(folder: &Path) -> Self {
        let pipe = folder.join("desk.fifo");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let settings = folder.join("asound.conf");
        let text = format!(
            "</usr/share/alsa/alsa.conf>\n\
             pcm.desk {{ type file slave.pcm null file /dev/null infile {} format raw\n\
             hint {{ show on description \"Desk of the town hall\" }} }}\n",
            pipe.display()
        );
        fs::write(&settings, text).unwrap();
        let mut desk = Self {
            settings,
            is_plugged: Arc::new(AtomicBool::new(true)),
            is_over: Arc::new(AtomicBool::new(false)),
            n_frames: Arc::new(AtomicUsize::new(0)),
            feeder: None,
        };
        let (is_plugged, is_over) = (desk.is_plugged.clone(), desk.is_over.clone());
        let n_frames = desk.n_frames.clone();
        desk.feeder = Some(std::thread::spawn(move || {
            // Open for reading, too: then opening waits for nobody, and a reader that goes
            // away breaks nothing.
            let mut pipe = OpenOptions::new()
                .read(true)
                .write(true)
                .open(pipe)
                .unwrap();
            let mut due = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                due += Duration::from_secs(1).mul_f64(PERIOD_FRAMES as f64 / RATE as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if is_plugged.load(Ordering::Relaxed) {
                    let at = n_frames.fetch_add(PERIOD_FRAMES, Ordering::Relaxed);
                    let wave = (at..at + PERIOD_FRAMES)
                        .map(|n| if n / 50 % 2 == 0 { 0.25 } else { -0.25_f32 });
                    let bytes: Vec<u8> = wave.flat_map(f32::to_le_bytes).collect();
                    pipe.write_all(&bytes).unwrap();
                }
            }
        }));
        desk
    }

    fn source(&self, arguments: &[&str], log: &Path) -> Program {
        let mut command = source(free_port());
        command
            .env("ALSA_CONFIG_PATH", &self.settings)
            .args(arguments);
        Program::start(&mut command, log)
    }
}

/// Ends the feeding, without waiting for it: nobody may be left to empty the pipe.
impl Drop for Desk {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.feeder.take();
    }
}

/// For each tenth of a second, whether there is sound.
fn shape(samples: &[i16]) -> Vec<bool> {
    let is_loud = |part: &[i16]| part.iter().any(|sample| sample.unsigned_abs() > 2000);
    samples.chunks(RATE / 10).map(is_loud).collect()
}

#[test]
fn a_card_that_stalls_becomes_silence_of_the_same_length_until_it_is_back() {
    let folder = folder();
    let desk = Desk::new(folder.path());
    let record = folder.path().join("record.ogg");
    let arguments = [
        "--channels",
        "mono",
        "card",
        "--device",
        "town hall",
        "--record",
        record.to_str().unwrap(),
    ];
    let mut source = desk.source(&arguments, &folder.path().join("source.log"));
    source.wait_for(
        "sound card `town hall` is open: 48000 Hz, 1 channels, f32",
        1,
    );
    let started = Instant::now();
    let fed = |n_seconds: usize| {
        let until = desk.n_frames.load(Ordering::Relaxed) + n_seconds * RATE;
        eventually("the feeder", || {
            desk.n_frames.load(Ordering::Relaxed) >= until
        });
    };
    fed(3);
    desk.is_plugged.store(false, Ordering::Relaxed);
    source.wait_for("has delivered nothing for 3 s", 1);
    source.wait_for("is open", 2);
    desk.is_plugged.store(true, Ordering::Relaxed);
    fed(3);
    source.terminate();
    let length = started.elapsed();
    let ended = source.wait();
    // There is no server.
    assert_eq!(ended.code, Some(1), "{}", ended.log);

    let shape = shape(&decode(&record));
    let expected = usize::try_from(length.as_millis() / 100).unwrap();
    assert!(
        shape.len().abs_diff(expected) <= 6,
        "{} and not {expected}: {shape:?}",
        shape.len()
    );
    let pauses: Vec<_> = shape
        .split(|is_loud| *is_loud)
        .map(<[bool]>::len)
        .filter(|n| *n > 4)
        .collect();
    assert!(
        matches!(pauses[..], [25..=50]),
        "one pause of 3 to 4 s: {pauses:?} in {shape:?}"
    );
    assert!(
        shape.iter().rev().take(15).all(|is_loud| *is_loud),
        "{shape:?}"
    );
}

#[test]
fn a_program_that_stood_still_sends_no_silence_for_what_a_master_has_filled() {
    const STOPPED: Duration = Duration::from_secs(5);
    let folder = folder();
    let desk = Desk::new(folder.path());
    let record = folder.path().join("record.ogg");
    let arguments = ["--channels", "mono", "card", "--device", "town hall"];
    let record_to = ["--record", record.to_str().unwrap()];
    let log = folder.path().join("source.log");
    let mut source = desk.source(&[&arguments[..], &record_to].concat(), &log);
    source.wait_for("is open", 1);
    let fed = |n_seconds: usize| {
        let until = desk.n_frames.load(Ordering::Relaxed) + n_seconds * RATE;
        eventually("the feeder", || {
            desk.n_frames.load(Ordering::Relaxed) >= until
        });
    };
    fed(2);
    // What a card has meanwhile is lost.
    desk.is_plugged.store(false, Ordering::Relaxed);
    source.signal("STOP");
    std::thread::sleep(STOPPED);
    source.signal("CONT");
    desk.is_plugged.store(true, Ordering::Relaxed);
    source.wait_for("this program stood still", 1);
    fed(2);
    source.terminate();
    let ended = source.wait();
    let shape = shape(&decode(&record));
    let pauses = shape.split(|is_loud| *is_loud).map(<[bool]>::len);
    let pauses: Vec<_> = pauses.filter(|n| *n > 4).collect();
    assert!(
        matches!(pauses[..], [17..=27]),
        "one pause of two seconds: {pauses:?} in {shape:?}\n{}",
        ended.log
    );
    let n_opened = ended.log.matches("is open:").count();
    assert_eq!(n_opened, 1, "{}", ended.log);
}

#[test]
fn a_card_that_is_not_there_is_answered_with_those_that_are() {
    let folder = folder();
    let desk = Desk::new(folder.path());
    let log = folder.path().join("source.log");
    let ended = desk.source(&["card", "--device", "Scarlett"], &log).wait();
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert!(
        ended.log.contains("no sound card called `Scarlett`"),
        "{}",
        ended.log
    );
    assert!(ended.log.contains("desk  ") && ended.log.contains("Desk of the town hall"));
    assert_eq!(ended.log.matches("Desk of").count(), 1, "{}", ended.log);
}
