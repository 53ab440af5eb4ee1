//! Playlists that players keep: they hold the balancer's own link, never a relay's. Pure.
//!
//! The link stands there several times: mpv, mpg123 and MPlayer go to the next entry when
//! the sound ends, so a listener whose relay went away comes back for another one.

use std::fmt::Write;

use stream::mount::MountPath;

use crate::base_url::BaseUrl;
use crate::pages::escaped;

/// How often the link is repeated. Each time it looks a little different, for players that
/// play no address twice.
const N_ENTRIES: usize = 5;
/// What makes it different.
const ENTRY: &str = "r";
/// In a query: the relays' own addresses are wanted, for devices that take no redirect.
const DIRECT: &str = "direct";
/// In a query: a relay that the listener has just left.
const LEFT: &str = "not";

/// A playlist format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One link a line.
    M3u,
    /// An ini file.
    Pls,
    /// XML (XSPF version 1).
    Xspf,
}

impl Format {
    /// The format that a path asks for by its end, and the path without it.
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        let (name, ending) = path.rsplit_once('.')?;
        let format = match ending {
            "m3u" => Self::M3u,
            "pls" => Self::Pls,
            "xspf" => Self::Xspf,
            _ => return None,
        };
        Some((format, name))
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::M3u => "audio/x-mpegurl",
            Self::Pls => "audio/x-scpls",
            Self::Xspf => "application/xspf+xml",
        }
    }

    /// The playlist with these links.
    pub fn write(self, links: &[String]) -> String {
        let mut text = String::new();
        match self {
            Self::M3u => {
                for link in links {
                    let _ = writeln!(text, "{link}");
                }
            }
            Self::Pls => {
                let _ = writeln!(text, "[playlist]\nNumberOfEntries={}", links.len());
                for (n, link) in (1..).zip(links) {
                    let _ = writeln!(text, "File{n}={link}\nLength{n}=-1");
                }
                let _ = writeln!(text, "Version=2");
            }
            Self::Xspf => {
                text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
                text.push_str("<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">\n");
                text.push_str("<trackList>\n");
                for link in links {
                    let link = escaped(link);
                    let _ = writeln!(text, "<track><location>{link}</location></track>");
                }
                text.push_str("</trackList>\n</playlist>\n");
            }
        }
        text
    }
}

/// Whether a playlist of the relays' own addresses is wanted.
pub fn is_direct(query: &str) -> bool {
    pairs(query).any(|pair| name_of(pair) == DIRECT)
}

/// Which entry of a playlist this is; the first one, if it says nothing.
pub fn entry(query: &str) -> u32 {
    let entries = pairs(query).filter_map(|pair| pair.strip_prefix("r="));
    entries.last().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The relay that a listener has just left, and the query without it.
pub fn split_left(query: &str) -> (Option<BaseUrl>, String) {
    let (left, kept): (Vec<_>, Vec<_>) = pairs(query).partition(|pair| name_of(pair) == LEFT);
    let mut left = url::form_urlencoded::parse(left.last().unwrap_or(&"").as_bytes());
    let left = left.next().and_then(|(_, url)| BaseUrl::parse(&url).ok());
    (left, kept.join("&"))
}

/// The balancer's link with what was asked of the playlist, so often that a player comes back
/// for another relay.
pub fn stable_links(link: &str, query: &str) -> Vec<String> {
    let kept: Vec<_> = pairs(query).filter(|pair| name_of(pair) != ENTRY).collect();
    let start = match kept.as_slice() {
        [] => format!("{link}?"),
        kept => format!("{link}?{}&", kept.join("&")),
    };
    (0..N_ENTRIES)
        .map(|n| format!("{start}{ENTRY}={n}"))
        .collect()
}

fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

/// The mount that `name` (a playlist's path without its ending) means: the mount of that
/// very path, else the first in the alphabet that has it as its path without extension.
pub fn meant<'a>(
    name: &str,
    mounts: impl Iterator<Item = &'a MountPath> + Clone,
) -> Option<&'a MountPath> {
    let name = MountPath::spelling_of(name);
    let exact = mounts.clone().find(|mount| mount.as_str() == name);
    exact.or_else(|| {
        mounts
            .filter(|mount| without_extension(mount.as_str()) == name)
            .min()
    })
}

/// `/live` of `/live.ogg`.
fn without_extension(path: &str) -> &str {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    match path[name_at..].rfind('.') {
        Some(dot) if dot > 0 => &path[..name_at + dot],
        _ => path,
    }
}

/// A `Host` header that can stand in a link: a name or address and perhaps a port.
pub fn is_plain_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<core::net::Ipv6Addr>().is_err() {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => ("v6", Some(port)),
                None if rest.is_empty() => ("v6", None),
                None => return false,
            }
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_name = !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    is_name && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, mounts: &[&str], expected: Option<&str>) {
        let mounts: Vec<_> = mounts
            .iter()
            .map(|path| MountPath::parse(path).unwrap())
            .collect();
        assert_eq!(
            meant(name, mounts.iter()).map(MountPath::as_str),
            expected,
            "{name}"
        );
    }

    #[test]
    fn a_playlist_is_named_after_its_mount_with_or_without_extension() {
        let mounts = ["/live.opus", "/live.ogg", "/talk", "/talk.ogg"];
        check("/live.opus", &mounts, Some("/live.opus"));
        check("/live", &mounts, Some("/live.ogg"));
        check("/talk", &mounts, Some("/talk"));
        check("/liv", &mounts, None);
        check("", &mounts, None);
        check("/live", &[], None);
    }

    #[test]
    fn the_extension_is_what_follows_the_last_dot_of_the_last_part() {
        for (path, bare) in [
            ("/live.ogg", "/live"),
            ("/v1.2/live", "/v1.2/live"),
            ("/a.b.ogg", "/a.b"),
            ("/.hidden", "/.hidden"),
            ("", ""),
        ] {
            assert_eq!(without_extension(path), bare);
        }
    }

    #[test]
    fn the_ending_says_the_format() {
        assert_eq!(
            Format::of_path("/live.ogg.m3u"),
            Some((Format::M3u, "/live.ogg"))
        );
        assert_eq!(Format::of_path("/live.pls"), Some((Format::Pls, "/live")));
        assert_eq!(Format::of_path("/live.xspf"), Some((Format::Xspf, "/live")));
        assert_eq!(Format::of_path("/live.ogg"), None);
        assert_eq!(Format::of_path("/live.m3u8"), None);
    }

    #[test]
    fn the_link_is_there_five_times_with_what_was_asked() {
        let links = stable_links("http://radio.example/live.ogg", "");
        let m3u = Format::M3u.write(&links);
        assert_eq!(m3u.lines().count(), 5);
        assert!(
            m3u.starts_with("http://radio.example/live.ogg?r=0\n"),
            "{m3u}"
        );
        assert!(
            m3u.ends_with("http://radio.example/live.ogg?r=4\n"),
            "{m3u}"
        );
        let pls = Format::Pls.write(&links);
        let start = "[playlist]\nNumberOfEntries=5\nFile1=http://radio.example/live.ogg?r=0\n";
        assert!(pls.starts_with(start), "{pls}");
        assert!(pls.ends_with("Length5=-1\nVersion=2\n"), "{pls}");
        let links = stable_links("http://radio.example/live.ogg", "pace=1&r=3&&x");
        assert_eq!(links[1], "http://radio.example/live.ogg?pace=1&x&r=1");
    }

    #[test]
    fn xml_holds_any_query() {
        let xspf = Format::Xspf.write(&["http://a.example/live.ogg?x=<&r=0".to_owned()]);
        let track = "<track><location>http://a.example/live.ogg?x=&lt;&amp;r=0</location></track>";
        assert!(xspf.contains(track), "{xspf}");
        assert!(
            xspf.starts_with("<?xml") && xspf.ends_with("</playlist>\n"),
            "{xspf}"
        );
    }

    #[test]
    fn direct_links_are_asked_for_by_name() {
        for (query, expected) in [
            ("direct", true),
            ("a=b&direct", true),
            ("direct=1", true),
            ("", false),
            ("directly", false),
            ("a=direct", false),
        ] {
            assert_eq!(is_direct(query), expected, "{query}");
        }
    }

    #[test]
    fn a_query_says_which_entry_it_is_and_who_was_left() {
        for (query, expected) in [("", 0), ("r=3", 3), ("a&r=2", 2), ("r=x", 0), ("or=4", 0)] {
            assert_eq!(entry(query), expected, "{query}");
        }
        let (left, kept) = split_left("pace=1&not=http%3A%2F%2Fone.example:8000&r=1");
        assert_eq!(left, BaseUrl::parse("http://one.example:8000").ok());
        assert_eq!(kept, "pace=1&r=1");
        assert_eq!(split_left("not=nonsense"), (None, String::new()));
        assert_eq!(split_left("note=1"), (None, "note=1".to_owned()));
    }

    #[test]
    fn only_a_plain_host_goes_into_a_link() {
        for host in [
            "radio.example",
            "radio.example:8000",
            "127.0.0.1:8000",
            "[::1]:8000",
            "[2001:db8::1]",
        ] {
            assert!(is_plain_host(host), "{host}");
        }
        let long = "a".repeat(300);
        for host in [
            "",
            ":80",
            "a b",
            "radio.example/evil",
            "user@evil",
            "a\r\nb",
            "a:0",
            "a:99999",
            "a:+80",
            "a:",
            "[::1",
            "[x]:1",
            "[::1]evil",
            "<b>",
            "2001:db8::1",
            long.as_str(),
        ] {
            assert!(!is_plain_host(host), "{host}");
        }
    }
}
