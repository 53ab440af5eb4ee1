//! Rules for documents and settings.

use anyhow::{Context, Result, ensure};
use stream::report::Report;

use crate::text::{File, files, root};

fn documents() -> Result<Vec<File>> {
    files(".md")
}

/// The targets of `[words](target)` and `![words](target)`, outside code blocks.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            found.push(target.to_owned());
        }
    }
    found
}

/// A heading as it stands in a link: small, without punctuation, words joined by hyphens.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn check_link(file: &File, target: &str) -> Result<()> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(());
    }
    let (path, place) = target.split_once('#').unwrap_or((target, ""));
    let own = root().join(&file.name);
    let path = if path.is_empty() {
        own
    } else {
        own.parent().unwrap_or(&own).join(path)
    };
    ensure!(path.exists(), "{}: {target} is not there", file.name);
    if !place.is_empty() && path.is_file() {
        let text = std::fs::read_to_string(&path)?;
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        ensure!(
            headings.any(|heading| anchor(heading) == place),
            "{}: {target}: no such heading",
            file.name
        );
    }
    Ok(())
}

#[test]
fn every_link_in_the_documents_leads_somewhere() -> Result<()> {
    for file in documents()? {
        for target in links(&file.text) {
            check_link(&file, &target)?;
        }
    }
    Ok(())
}

/// The blocks that are marked so.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let parts = text.split("```").skip(1).step_by(2);
    let marked = parts.filter_map(|block| block.split_once('\n'));
    marked
        .filter_map(|(of, lines)| (of == kind).then_some(lines))
        .collect()
}

#[test]
fn what_is_called_settings_or_json_is_that() -> Result<()> {
    for file in documents()? {
        for block in blocks(&file.text, "toml") {
            let table: Result<toml::Table, _> = toml::from_str(block);
            table.with_context(|| format!("{}: {block}", file.name))?;
        }
        for block in blocks(&file.text, "json") {
            let value: Result<serde_json::Value, _> = serde_json::from_str(block);
            value.with_context(|| format!("{}: {block}", file.name))?;
        }
    }
    Ok(())
}

#[test]
fn the_report_in_the_protocol_is_one_that_a_balancer_takes() -> Result<()> {
    let document = std::fs::read_to_string(root().join("docs/PROTOCOL.md"))?;
    let example = blocks(&document, "json")
        .into_iter()
        .find(|block| block.contains("\"sequence\""))
        .context("no report")?;
    let report: Report = serde_json::from_str(example)?;
    let words = [&report.run, &report.mounts[0].epoch];
    ensure!(words.iter().all(|word| word.is_ascii()), "{example}");
    Ok(())
}

#[test]
fn no_line_ends_in_a_space() -> Result<()> {
    for ending in [
        ".md",
        ".toml",
        ".rs",
        ".service",
        "Dockerfile",
        "Makefile",
        ".c",
    ] {
        for file in files(ending)? {
            let line = file
                .text
                .lines()
                .position(|line| line.ends_with([' ', '\t']));
            ensure!(
                line.is_none(),
                "{}: line {:?}",
                file.name,
                line.map(|n| n + 1)
            );
            ensure!(
                file.text.ends_with('\n'),
                "{}: no line end at the end",
                file.name
            );
        }
    }
    Ok(())
}

#[test]
fn links_are_found_outside_code_only() {
    let text = "[a](b.md) and ![c](d.svg)\n```\n[no](no.md)\n```\n";
    assert_eq!(links(text), ["b.md", "d.svg"]);
    assert_eq!(
        anchor("## What a relay does: `mirror`"),
        "what-a-relay-does-mirror"
    );
}
