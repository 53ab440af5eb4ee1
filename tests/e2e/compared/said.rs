//! An answer, taken apart into what can be compared. Numbers are all the same: they count what
//! differs by the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// How an answer begins that says nothing.
const CLOSED: &str = "closed";
/// What stands for sound.
const SOUND: &str = "sound";
/// A longer text is cut.
const TEXT_CHARS_MAX: usize = 200;

/// Parts of an answer, by name: `status`, `version`, `header …`, `body …`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said(BTreeMap<String, String>);

/// One part that differs. Empty: it is not there.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) theirs: String,
    pub(super) ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |text: &str| match text {
            "" => "—".to_owned(),
            text => format!("`{text}`"),
        };
        let (theirs, ours) = (cell(&self.theirs), cell(&self.ours));
        write!(f, "| `{}` | {theirs} | {ours}", self.what)
    }
}

/// What differs. Where the status does, all else would, too.
pub(super) fn differences(theirs: &Said, ours: &Said) -> Vec<Difference> {
    let names: BTreeSet<&String> = theirs.0.keys().chain(ours.0.keys()).collect();
    let other_status = theirs.code() != ours.code();
    let of = |said: &Said, name: &String| said.0.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| !other_status || *name == "status")
        .map(|name| Difference {
            what: name.clone(),
            theirs: of(theirs, name),
            ours: of(ours, name),
        })
        .filter(|difference| difference.theirs != difference.ours)
        .collect()
}

impl Said {
    /// What `bytes` say as the answer to a request.
    pub(super) fn of(request: &str, bytes: &[u8]) -> Self {
        let mut said = Self::default();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head = String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned();
        let body = end.map_or(&[][..], |end| &bytes[end + 4..]);
        let mut lines = head.lines();
        let first = lines.next().unwrap_or(CLOSED);
        let Some((version, status)) = first
            .split_once(' ')
            .filter(|(version, _)| version.starts_with("HTTP/"))
        else {
            said.set("status", first);
            return said;
        };
        said.set("version", version);
        said.set("status", status);
        let mut kind = String::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == "content-type" {
                value.clone_into(&mut kind);
            }
            said.set(&format!("header {name}"), &plain(value));
        }
        if !request.starts_with("HEAD") {
            said.take_body(&kind, body);
        }
        said
    }

    /// Whether there is sound in it.
    pub(super) fn is_sound(&self) -> bool {
        self.0.get("body").is_some_and(|body| body == SOUND)
    }

    /// Whether it lets a source begin.
    pub(super) fn may_begin(&self) -> bool {
        matches!(self.code(), "100" | "200")
    }

    fn code(&self) -> &str {
        let status = self.0.get("status").map_or("", String::as_str);
        status.split(' ').next().unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn take_body(&mut self, kind: &str, body: &[u8]) {
        let is_stream = ["audio/mpeg", "application/ogg"].contains(&kind);
        if is_stream && !body.is_empty() {
            return self.set("body", SOUND);
        }
        let text = String::from_utf8_lossy(body);
        let mut leaves = Leaves::default();
        if kind.contains("json")
            && let Ok(value) = serde_json::from_str::<Value>(&text)
        {
            leaves.of_json("body", &value);
        } else if kind.contains("xml")
            && let Ok(document) = roxmltree::Document::parse(&text)
        {
            leaves.of_xml("body", document.root_element());
        } else {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let words: String = words.chars().take(TEXT_CHARS_MAX).collect();
            self.set("body", &plain(&words));
        }
        for (name, values) in leaves.0 {
            let values = values.into_iter().collect::<Vec<_>>().join(", ");
            self.set(&name, &values);
        }
    }
}

/// What stands at the ends of a tree, by the names on the way there.
#[derive(Default)]
struct Leaves(BTreeMap<String, BTreeSet<String>>);

impl Leaves {
    fn add(&mut self, name: &str, value: &str) {
        let values = self.0.entry(name.to_owned()).or_default();
        values.insert(match plain(value) {
            empty if empty.is_empty() => "empty".to_owned(),
            value => value,
        });
    }

    fn of_json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    self.of_json(&format!("{name} {key}"), value);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.of_json(name, value)),
            Value::String(text) => self.add(name, text),
            other => self.add(name, &other.to_string()),
        }
    }

    fn of_xml(&mut self, name: &str, node: roxmltree::Node) {
        let name = format!("{name} {}", node.tag_name().name());
        for attribute in node.attributes() {
            self.add(&format!("{name} {}", attribute.name()), attribute.value());
        }
        let mut children = node
            .children()
            .filter(roxmltree::Node::is_element)
            .peekable();
        if children.peek().is_none() {
            self.add(&name, node.text().unwrap_or_default());
        }
        children.for_each(|child| self.of_xml(&name, child));
    }
}

/// With one nought for each number.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if plain.ends_with('0') => {}
            '0'..='9' => plain.push('0'),
            '|' | '`' => plain.push('\''),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}
