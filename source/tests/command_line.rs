//! What the program answers before it sends anything.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::*;

/// How long an answer may take.
const ANSWER_SECONDS_MAX: &str = "20";

/// Exit code, stdout, stderr of plenum-source.
fn answer(arguments: &[&str], password: Option<&str>) -> (Option<i32>, String, String) {
    // A program that should refuse but starts would run for ever.
    let mut command = Command::new("timeout");
    command
        .args([ANSWER_SECONDS_MAX, env!("CARGO_BIN_EXE_plenum-source")])
        .args(arguments)
        .env_remove("PLENUM_SOURCE__PASSWORD");
    if let Some(password) = password {
        command.env("PLENUM_SOURCE__PASSWORD", password);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn check_refusal(arguments: &[&str], expected: &str) {
    let (code, stdout, stderr) = answer(arguments, Some(PASSWORD));
    assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    assert_eq!(stdout, "");
    assert!(!stderr.contains(PASSWORD), "{stderr}");
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_wrong_is_named_and_ends_with_2() {
    let folder = folder();
    let letter = write(folder.path(), "letter.wav", "Dear listeners,");
    let unknown = write(folder.path(), "unknown.toml", "\nbitrat = 64\n");
    check_refusal(&[], "say what to send");
    check_refusal(&["file"], "FILES");
    check_refusal(
        &["--uplink", "a/b", "tone"],
        "neither an address nor an interface",
    );
    check_refusal(
        &["tone", "--standby-uplink", "wwan0"],
        "one has to be without",
    );
    let url = ["--url", "http://a/live.ogg", "--url", "http://b/"];
    check_refusal(&[&url[..], &["tone"]].concat(), "`spare_urls` = http://b/");
    check_refusal(&["file", "/nowhere.wav"], "/nowhere.wav");
    check_refusal(&["file", &letter], "letter.wav is no sound file");
    check_refusal(&["--check", "file", &letter], "letter.wav is no sound file");
    check_refusal(&["--config", "/nowhere.toml", "tone"], "/nowhere.toml");
    check_refusal(
        &["--config", &unknown, "tone"],
        "unknown.toml line 2: unknown field `bitrat`",
    );
    check_refusal(
        &[
            "--ca-file",
            "/nowhere.pem",
            "--url",
            "https://x/live.ogg",
            "tone",
        ],
        "/nowhere.pem",
    );
    check_refusal(&["--bitrate", "5000", "tone"], "`bitrate` = 5000");
    check_refusal(
        &["--bitrate", "300", "tone"],
        "mono can be encoded with 28 to 240",
    );
    check_refusal(&["--rate", "44100", "tone"], "48000");
    check_refusal(&["--record", "/nowhere/x.ogg", "tone"], "/nowhere/x.ogg");
    check_refusal(
        &["--spool", "/proc/nowhere", "tone"],
        "the spool /proc/nowhere cannot be made; name another folder",
    );
}

#[test]
fn without_a_password_it_does_not_start() {
    let (code, _, stderr) = answer(&["tone"], None);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("PLENUM_SOURCE__PASSWORD"), "{stderr}");
    // An empty one is none.
    let (code, _, stderr) = answer(&["tone"], Some(""));
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn a_check_that_finds_nothing_says_nothing() {
    let nothing = (Some(0), String::new(), String::new());
    assert_eq!(answer(&["--check"], Some(PASSWORD)), nothing);
    assert_eq!(answer(&["tone", "--check"], Some(PASSWORD)), nothing);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/source.toml");
    assert_eq!(
        answer(&["--config", shipped, "--check"], Some(PASSWORD)),
        nothing
    );
}

#[test]
fn help_teaches_with_examples() {
    let (code, stdout, _) = answer(&["--help"], None);
    assert_eq!(code, Some(0));
    for text in [
        "Examples:",
        "--list-devices",
        "card --device",
        "PLENUM_SOURCE__PASSWORD",
    ] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    let (code, stdout, _) = answer(&["--version"], None);
    assert_eq!(
        (code, stdout.starts_with("plenum-source ")),
        (Some(0), true)
    );
}
