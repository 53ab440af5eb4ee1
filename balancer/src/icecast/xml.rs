//! Reads Icecast's two XML pages: `load.xsl` and `/admin/stats`. Pure.
//!
//! A parser reads them, and mounts are compared as text: no name can be a query.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use stream::mount::{MOUNTS_MAX, MountPath};

use super::seen::{Limit, Seen, media_type};

/// A page of more elements and texts than this is refused.
const NODES_MAX: u32 = 200_000;
/// So is a tag that is longer with the text behind it: the parser compares each of its attributes
/// with all others.
const TAG_BYTES_MAX: usize = 16 * 1024;
/// And one with more names of namespaces, of which Icecast has none: it compares them, too.
const NAMESPACES_MAX: usize = 8;

/// What `/admin/stats` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Its mounts.
    pub mounts: Vec<Seen>,
    /// Listeners on all mounts, also those that are no mounts to us.
    pub listeners: Option<u32>,
}

/// What `load.xsl` says of one mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// `NaN`: the mount has no limit of its own, or one that is no number.
    Unlimited,
    /// So many more listeners; below 0 when it has more than it may.
    Places(i64),
}

/// Reads `/admin/stats`.
///
/// # Errors
/// When it is no such page.
pub fn stats(body: &[u8]) -> Result<Stats, String> {
    let text = readable(body);
    let page = parse(&text)?;
    let root = root(&page, "icestats")?;
    let sources = root.children().filter(|node| node.has_tag_name("source"));
    Ok(Stats {
        mounts: sources.filter_map(seen).take(MOUNTS_MAX).collect(),
        listeners: number(root, "listeners"),
    })
}

/// Reads `load.xsl`: how many more listeners each mount takes. What is neither a number nor
/// `NaN` is left out, as if the mount were not there.
///
/// # Errors
/// When it is no such page.
pub fn load(body: &[u8]) -> Result<BTreeMap<MountPath, Free>, String> {
    let text = readable(body);
    let page = parse(&text)?;
    let mounts = root(&page, "load")?
        .children()
        .filter(|node| node.has_tag_name("mount"));
    let free = |node: Node| {
        let path = MountPath::parse(node.attribute("name")?).ok()?;
        let free = match node.text()?.trim() {
            "NaN" | "unlimited" => Free::Unlimited,
            number => Free::Places(number.parse().ok()?),
        };
        Some((path, free))
    };
    Ok(mounts.filter_map(free).take(MOUNTS_MAX).collect())
}

fn seen(source: Node) -> Option<Seen> {
    let listeners = word(source, "listeners");
    Some(Seen {
        path: MountPath::parse(source.attribute("mount")?).ok()?,
        content_type: media_type(word(source, "server_type").unwrap_or_default()),
        // A mount that is only in the configuration has no such field.
        is_on_air: listeners.is_some(),
        listeners: listeners.and_then(|text| text.parse().ok()),
        limit: match word(source, "max_listeners") {
            Some(text) => text.parse().map_or(Limit::Unlimited, Limit::Listeners),
            None => Limit::Unknown,
        },
    })
}

fn number(node: Node, name: &str) -> Option<u32> {
    word(node, name)?.parse().ok()
}

fn word<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.has_tag_name(name))?;
    Some(child.text().unwrap_or_default().trim())
}

/// Titles may hold what no XML may.
fn readable(body: &[u8]) -> String {
    let is_out = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let text = String::from_utf8_lossy(body);
    text.chars()
        .map(|c| if is_out(c) { ' ' } else { c })
        .collect()
}

fn parse(text: &str) -> Result<Document<'_>, String> {
    // No attribute has a `<` in it (XML 1.0 §3.1).
    if text.split('<').any(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(format!("it has a tag of more than {TAG_BYTES_MAX} bytes"));
    }
    if text.matches("xmlns").count() > NAMESPACES_MAX {
        return Err(format!("it has more than {NAMESPACES_MAX} namespaces"));
    }
    let options = ParsingOptions {
        // Entities of one's own are how small files become large.
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| format!("it is no XML: {error}"))
}

fn root<'a, 'b>(page: &'a Document<'b>, name: &str) -> Result<Node<'a, 'b>, String> {
    let root = page.root_element();
    if root.has_tag_name(name) {
        return Ok(root);
    }
    let found = root.tag_name().name();
    Err(format!("it is <{found:.40}> and not <{name}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's Icecast 2.4.4 wrote it, shortened.
    const REAL: &str = "<?xml version=\"1.0\"?>\n<icestats><admin>icemaster@localhost</admin>\
        <clients>3</clients><listeners>1</listeners><server_id>Icecast 2.4.4</server_id>\
        <sources>2</sources><source mount=\"/a.ogg\"><listener_peak>1</listener_peak>\
        <listeners>1</listeners><listenurl>http://localhost:18970/a.ogg</listenurl>\
        <max_listeners>50</max_listeners><server_type>application/ogg</server_type>\
        <title>He said \"x\" \\ tab\t&#xE9;</title></source><source mount=\"/b.ogg\">\
        <listeners>0</listeners><max_listeners>unlimited</max_listeners>\
        <title>a\u{1}b &lt;</title></source></icestats>\n";

    const LOAD: &str = "<?xml version=\"1.0\"?>\n<load><mount name=\"/a.mp3\">97</mount>\
        <mount name=\"/b.ogg\">NaN</mount><mount name=\"/over.ogg\">-2</mount></load>";

    #[test]
    fn what_would_keep_the_parser_busy_is_refused() {
        let attributes: String = (0..20_000).map(|n| format!(" a{n}=\">\"")).collect();
        let spaces: String = (0..3_000)
            .map(|n| format!("<a xmlns:b{n}=\"u\">"))
            .collect();
        for (page, why) in [
            (format!("<icestats{attributes}/>"), "a tag of more than"),
            (format!("<icestats>{spaces}"), "namespaces"),
        ] {
            let complaint = stats(page.as_bytes()).unwrap_err();
            assert!(complaint.contains(why), "{complaint}");
        }
    }

    fn path(text: &str) -> MountPath {
        MountPath::parse(text).unwrap()
    }

    #[test]
    fn the_real_stats_are_read() {
        let stats = stats(REAL.as_bytes()).unwrap();
        assert_eq!(stats.listeners, Some(1));
        let [a, b] = stats.mounts.as_slice() else {
            panic!("{stats:?}");
        };
        assert_eq!((a.limit, a.listeners), (Limit::Listeners(50), Some(1)));
        assert_eq!((b.limit, b.listeners), (Limit::Unlimited, Some(0)));
        assert_eq!(a.content_type, "application/ogg");
    }

    #[test]
    fn defect_5_a_mount_without_a_limit_does_not_spoil_the_others() {
        let load = load(LOAD.as_bytes()).unwrap();
        assert_eq!(load[&path("/a.mp3")], Free::Places(97));
        assert_eq!(load[&path("/b.ogg")], Free::Unlimited);
        assert_eq!(load[&path("/over.ogg")], Free::Places(-2));
    }

    #[test]
    fn what_is_no_number_is_as_if_the_mount_were_not_there() {
        for text in ["", "many", "1.5", "0x10", "99999999999999999999"] {
            let body = format!(
                "<load><mount name=\"/a\">{text}</mount><mount name=\"/b\">3</mount></load>"
            );
            let load = load(body.as_bytes()).unwrap();
            assert_eq!(load.len(), 1, "{text}: {load:?}");
        }
        let body = "<load><mount>3</mount><mount name=\"//evil\">3</mount></load>";
        assert!(load(body.as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn a_mount_that_is_only_configured_is_not_on_air() {
        let body = "<icestats><source mount=\"/a\"><fallback>/b</fallback></source></icestats>";
        let stats = stats(body.as_bytes()).unwrap();
        assert!(!stats.mounts[0].is_on_air);
        assert_eq!(stats.mounts[0].limit, Limit::Unknown);
    }

    #[test]
    fn other_pages_and_traps_are_errors() {
        for body in [
            "",
            "<html><body>login</body></html>",
            "<load>",
            "{\"icestats\":{}}",
            "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><load>&b;</load>",
        ] {
            assert!(load(body.as_bytes()).is_err(), "{body}");
            assert!(stats(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "<load>".repeat(100_000);
        assert!(load(deep.as_bytes()).is_err());
        let many = format!("<load>{}</load>", "<a/>".repeat(300_000));
        assert!(load(many.as_bytes()).is_err());
    }

    #[test]
    fn a_page_cut_anywhere_is_an_error_and_never_fewer_mounts() {
        for n in 0..REAL.trim_end().len() {
            assert!(stats(&REAL.as_bytes()[..n]).is_err(), "cut at {n}");
        }
        for n in 0..LOAD.len() {
            assert!(load(&LOAD.as_bytes()[..n]).is_err(), "cut at {n}");
        }
    }
}
