//! Reads the repository's files as text, and Rust as far as tidiness needs it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file of the repository.
pub(crate) struct File {
    /// From the repository's root.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with this ending, in order, but for what is built or hidden.
pub(crate) fn files(ending: &str) -> Result<Vec<File>> {
    let mut found = Vec::new();
    collect(&root(), "", ending, &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn collect(folder: &Path, below: &str, ending: &str, found: &mut Vec<File>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let (path, name) = (entry.path(), format!("{below}{name}"));
        if path.is_dir() {
            collect(&path, &format!("{name}/"), ending, found)?;
        } else if name.ends_with(ending) {
            let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
            found.push(File { name, text });
        }
    }
    Ok(())
}

/// Whether the file is only compiled for tests.
pub(crate) fn is_test(name: &str) -> bool {
    let in_folder = name.starts_with("tests/") || name.contains("/tests/");
    in_folder || name.ends_with("/tests.rs") || name.ends_with("_tests.rs")
}

/// The lines of Rust outside `#[cfg(test)] mod …` at the file's end, numbered from 1,
/// without comments and what stands in quotes on one line.
pub(crate) fn code(text: &str) -> Vec<(usize, String)> {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end]
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, bare(line)))
        .collect()
}

/// A line without its comment, and with empty quotes.
pub(crate) fn bare(line: &str) -> String {
    let mut out = String::new();
    let mut characters = line.chars().peekable();
    let mut in_string = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_string => drop(characters.next()),
            '"' => {
                in_string = !in_string;
                out.push(c);
            }
            _ if in_string => {}
            '\'' => skip_character(&mut out, &mut characters),
            '/' if characters.peek() == Some(&'/') => break,
            _ => out.push(c),
        }
    }
    out
}

/// Behind a quote: a character such as `'{'` is dropped, a lifetime kept.
fn skip_character(out: &mut String, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut ahead = rest.clone();
    let first = ahead.next();
    let length = match first {
        // What is escaped may be a quote itself: it is not looked at.
        Some('\\') => ahead.skip(1).position(|c| c == '\'').map(|n| n + 3),
        Some(_) if ahead.next() == Some('\'') => Some(2),
        _ => None,
    };
    out.push('\'');
    for _ in 0..length.unwrap_or(0) {
        rest.next();
    }
}

/// Functions of a file: line, name, number of lines.
pub(crate) fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<_> = text.lines().map(bare).collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let mut depth = 0_i32;
        let mut has_body = false;
        for (length, line) in lines[n..].iter().enumerate() {
            for c in line.chars() {
                depth += i32::from(matches!(c, '{' | '(' | '['));
                depth -= i32::from(matches!(c, '}' | ')' | ']'));
                has_body |= c == '{';
            }
            let is_declaration = !has_body && depth == 0 && line.trim_end().ends_with(';');
            if is_declaration || (has_body && depth <= 0) {
                found.push((n + 1, name.to_owned(), length + 1));
                break;
            }
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let at = line.find("fn ")?;
    let before = &line[..at];
    let words = [
        "pub", "async", "const", "unsafe", "extern", "default", "\"\"", "",
    ];
    let is_function = before
        .split([' ', '(', ')'])
        .all(|word| words.contains(&word) || ["crate", "super", "in"].contains(&word));
    let name = line[at + 3..].split(['(', '<']).next()?.trim();
    (is_function && !name.is_empty()).then_some(name)
}

#[test]
fn a_function_is_as_long_as_its_braces_say() {
    let text = "fn a() {\n    let x = \"}\";\n    if y { '{'; }\n}\n\npub async fn b(\n) -> X;\n";
    let found = functions(text);
    assert_eq!(found, [(1, "a".to_owned(), 4), (6, "b".to_owned(), 2)]);
}

#[test]
fn comments_and_quotes_are_no_code() {
    assert_eq!(bare("let a = \"// no\"; // yes"), "let a = \"\"; ");
    assert_eq!(
        bare("fn a<'x>(c: char) { c == '\\'' }"),
        "fn a<'x>(c: char) { c == ' }"
    );
}
