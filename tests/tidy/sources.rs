//! Rules for Rust files.

use anyhow::{Result, ensure};

use crate::text::{File, code, files, functions, is_test};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
/// Between commits a file may hold what is only just being written.
const FIRST_LINE: &str = "//! ";

/// All files in which `wrong` finds something.
fn none(rule: &str, wrong: impl Fn(&File) -> Vec<String>) -> Result<()> {
    let complaints: Vec<_> = files(".rs")?.iter().flat_map(wrong).collect();
    ensure!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
    Ok(())
}

/// The lines of `file` outside tests that hold one of `words`.
fn lines_with(file: &File, words: &[&str]) -> Vec<String> {
    if is_test(&file.name) {
        return Vec::new();
    }
    code(&file.text)
        .into_iter()
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(n, line)| format!("{}:{n}: {}", file.name, line.trim()))
        .collect()
}

#[test]
fn every_file_begins_with_what_it_is_for() -> Result<()> {
    none("the first line is `//! What this is for.`", |file| {
        let first = file.text.lines().next().unwrap_or_default();
        let is_sentence = first.starts_with(FIRST_LINE) && first.len() > 15;
        let complaint = (!is_sentence).then(|| format!("{}: {first}", file.name));
        complaint.into_iter().collect()
    })
}

#[test]
fn no_file_is_longer_than_400_lines() -> Result<()> {
    none("there are two things in a file that long", |file| {
        let n = file.text.lines().count();
        let complaint = (n > FILE_LINES_MAX).then(|| format!("{}: {n} lines", file.name));
        complaint.into_iter().collect()
    })
}

#[test]
fn no_function_is_longer_than_70_lines() -> Result<()> {
    none("a function does one thing", |file| {
        let long = functions(&file.text)
            .into_iter()
            .filter(|(_, _, length)| *length > FUNCTION_LINES_MAX);
        long.map(|(n, name, length)| format!("{}:{n}: {name} has {length} lines", file.name))
            .collect()
    })
}

#[test]
fn pure_files_know_no_clock_socket_chance_or_environment() -> Result<()> {
    let words = [
        "tokio",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "fastrand",
        "std::env",
        "std::fs",
        "std::thread",
    ];
    none("what is pure gets these as arguments", |file| {
        let head = file.text.lines().take_while(|line| line.starts_with("//!"));
        let is_pure = head.into_iter().any(|line| line.contains("Pure."));
        if is_pure {
            lines_with(file, &words)
        } else {
            Vec::new()
        }
    })
}

#[test]
fn only_the_settings_read_the_environment() -> Result<()> {
    none(
        "settings come from stream/src/config.rs, handed on by main.rs",
        |file| {
            let may = file.name == "stream/src/config.rs" || file.name.ends_with("/main.rs");
            if may {
                Vec::new()
            } else {
                lines_with(file, &["std::env::", "env::var"])
            }
        },
    )
}

#[test]
fn only_shutdown_starts_tasks() -> Result<()> {
    none("a task nobody waits for outlives the drain", |file| {
        let words = [
            "tokio::spawn",
            "task::spawn(",
            "JoinSet::new",
            "unbounded_channel",
        ];
        if file.name == "stream/src/shutdown.rs" {
            Vec::new()
        } else {
            lines_with(file, &words)
        }
    })
}

#[test]
fn nothing_outside_tests_can_panic_by_unwrap() -> Result<()> {
    none(
        "name what can fail, or say with expect why it cannot",
        |file| {
            lines_with(
                file,
                &[".unwrap()", ".unwrap_err()", "panic!(", "unreachable!("],
            )
        },
    )
}

#[test]
fn nothing_is_left_for_later_in_the_code() -> Result<()> {
    // In two halves, for this file is looked at, too.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("#[ig", "nore"),
        concat!("should_", "panic"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    none("an issue is the place for it", |file| {
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            .map(|(n, line)| format!("{}:{}: {}", file.name, n + 1, line.trim()))
            .collect()
    })
}
