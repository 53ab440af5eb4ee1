//! The table of differences in docs/from-icecast.md.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::said::{Difference, plain};

const HEADING: &str = "## Where it answers otherwise";
/// Stands for anything.
const ANYTHING: char = '…';

/// A line of the table. In each cell stands what is there, between backticks, with `…` for anything.
#[derive(Debug)]
pub(super) struct Row {
    text: String,
    requests: Vec<String>,
    what: String,
    theirs: String,
    ours: String,
    used: RefCell<BTreeSet<usize>>,
}

/// All lines of the table.
pub(super) fn rows(document: &str) -> Result<Vec<Row>> {
    let section = document.split(HEADING).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = lines.map(Row::of).collect::<Result<_>>()?;
    ensure!(!rows.is_empty(), "no table below {HEADING}");
    Ok(rows)
}

impl Row {
    fn of(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [requests, what, theirs, ours, why] = cells[..] else {
            anyhow::bail!("not five cells: {line}");
        };
        ensure!(!why.is_empty(), "no reason: {line}");
        let quoted = |cell: &str| -> Vec<String> {
            let spans = cell.split('`').skip(1).step_by(2);
            spans.map(str::to_owned).collect()
        };
        let value = |cell: &str| quoted(cell).concat();
        Ok(Self {
            text: line.to_owned(),
            requests: quoted(requests),
            what: value(what),
            theirs: value(theirs),
            ours: value(ours),
            used: RefCell::default(),
        })
    }

    /// Whether it names this difference of this request. It remembers that it did.
    pub(super) fn covers(&self, request: &str, difference: &Difference) -> bool {
        let value = |pattern: &str| match difference.what.as_str() {
            "status" | "version" => pattern.to_owned(),
            _ => plain(pattern),
        };
        let is_it = fits(&self.what, &difference.what)
            && fits(&value(&self.theirs), &difference.theirs)
            && fits(&value(&self.ours), &difference.ours);
        let named = self.requests.iter().enumerate();
        let named: Vec<usize> = named
            .filter(|(_, pattern)| is_it && fits(pattern, request))
            .map(|(at, _)| at)
            .collect();
        self.used.borrow_mut().extend(&named);
        !named.is_empty()
    }

    /// What of it did not occur.
    pub(super) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let unused = self.requests.iter().enumerate();
        unused
            .filter(|(at, _)| !used.contains(at))
            .map(|(_, request)| format!("`{request}` in {}", self.text))
            .collect()
    }
}

/// Whether a text is what a pattern says.
fn fits(pattern: &str, text: &str) -> bool {
    let parts: Vec<&str> = pattern.split(ANYTHING).collect();
    let [first, middle @ .., last] = &parts[..] else {
        return pattern == text;
    };
    let Some(mut rest) = text
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last))
    else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn patterns_stand_for_what_they_say_and_nothing_more() {
    assert!(fits("a", "a") && !fits("a", "ab") && fits("", "") && !fits("", "a"));
    assert!(fits("…", "") && fits("a…", "ab") && !fits("a…", "ba"));
    assert!(fits("a…c…e", "abcde") && !fits("a…c…e", "abde") && !fits("ab…ba", "aba"));
}
