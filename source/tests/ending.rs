//! How the program ends, and what its exit code says, where no server ever answers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use support::*;

/// Where the flags of an Ogg page stand, and the one of the last page (RFC 3533 §6).
const FLAGS_AT: usize = 5;
const LAST: u8 = 4;

/// Whether the last page of a file is the last of its stream.
fn has_end(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    let last = bytes.windows(4).rposition(|four| four == b"OggS");
    last.is_some_and(|at| bytes[at + FLAGS_AT] & LAST != 0)
}

fn has_sound(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.len() > 6_000)
}

#[test]
fn what_another_program_writes_is_played_whole_and_what_no_server_got_is_a_failure() {
    let folder = folder();
    let (sound, record) = (folder.path().join("a.wav"), folder.path().join("a.ogg"));
    programme(&sound, 3);
    let mut cat = Command::new("cat")
        .arg(&sound)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let written = cat.stdout.take().unwrap().into();
    let mut command = source(free_port());
    command.args(["--record", record.to_str().unwrap(), "file", "-", "--fast"]);
    let mut source = Program::start_fed(&mut command, written, &folder.path().join("log"));
    source.wait_for("the stream ends: the input has ended", 1);
    source.terminate();
    let ended = source.wait();
    cat.wait().unwrap();
    assert_eq!(decode(&record).len(), 3 * 48_000, "{}", ended.log);
    assert!(
        ended.log.contains("pages never reached the server"),
        "{}",
        ended.log
    );
    assert_eq!(ended.code, Some(1), "{}", ended.log);
}

#[test]
fn what_is_written_to_it_and_is_no_sound_is_refused() {
    let folder = folder();
    let letter = folder.path().join("letter");
    fs::write(&letter, "Dear listeners,").unwrap();
    for input in [
        File::open(&letter).unwrap(),
        File::open("/dev/null").unwrap(),
    ] {
        let mut command = source(free_port());
        let log = folder.path().join("log");
        let ended = Program::start_fed(command.args(["file", "-"]), input.into(), &log).wait();
        assert_eq!(ended.code, Some(2), "{}", ended.log);
        assert!(
            ended.log.contains("/dev/stdin is no sound file"),
            "{}",
            ended.log
        );
    }
}

#[test]
fn what_waits_in_the_spool_is_no_failure() {
    let folder = folder();
    let spool = folder.path().join("spool");
    let mut command = source(free_port());
    command.args(["--spool", spool.to_str().unwrap(), "tone"]);
    let mut source = Program::start(&mut command, &folder.path().join("log"));
    source.wait_for("pages wait", 1);
    source.terminate();
    let ended = source.wait();
    assert!(ended.log.contains("stay in the spool"), "{}", ended.log);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// The terminal is gone, so nothing can be written to it, either.
#[test]
fn a_terminal_that_is_closed_ends_the_stream_in_order() {
    let folder = folder();
    let record = folder.path().join("a.ogg");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let program = source(free_port());
    // Whoever runs the tests may ignore the signal, and children inherit that.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP")
        .arg(program.get_program())
        .args(program.get_args())
        .env_remove("PLENUM_LOG")
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .args(["--record", record.to_str().unwrap(), "tone"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full);
    let mut source = command.spawn().unwrap();
    eventually("sound", || has_sound(&record));
    let mut kill = Command::new("kill");
    assert!(
        kill.args(["-HUP", &source.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let mut code = None;
    eventually("the end of the program", || {
        code = source.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.and_then(|code| code.code()), Some(1));
    assert!(has_end(&record));
}

#[test]
fn with_nohup_it_goes_on_without_its_terminal() {
    let folder = folder();
    let record = folder.path().join("a.ogg");
    let program = source(free_port());
    let mut command = Command::new("nohup");
    command.arg(program.get_program());
    command.args(program.get_args());
    command.env_remove("PLENUM_LOG");
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.args(["--record", record.to_str().unwrap(), "tone"]);
    let source = Program::start(&mut command, &folder.path().join("log"));
    eventually("sound", || has_sound(&record));
    source.signal("HUP");
    let n_bytes = fs::metadata(&record).unwrap().len();
    eventually("more sound", || {
        fs::metadata(&record).unwrap().len() > n_bytes + 2_000
    });
    source.terminate();
    let ended = source.wait();
    assert!(ended.log.contains("SIGTERM received"), "{}", ended.log);
    assert!(!ended.log.contains("SIGHUP received"), "{}", ended.log);
}
