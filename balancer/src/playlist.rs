//! Playlists that players keep: they hold the balancer's own link, never a relay's. Pure.
//!
//! The link stands there several times: mpv, mpg123 and MPlayer go to the next entry when
//! the sound ends, so a listener whose relay went away comes back for another one.

use std::fmt::Write;

use stream::mount::MountPath;

/// How often the link is repeated.
const N_ENTRIES: usize = 5;

/// A playlist format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One link a line.
    M3u,
    /// An ini file.
    Pls,
}

impl Format {
    /// The format that a path asks for by its end, and the path without it.
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        if let Some(rest) = path.strip_suffix(".m3u") {
            return Some((Self::M3u, rest));
        }
        path.strip_suffix(".pls").map(|rest| (Self::Pls, rest))
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::M3u => "audio/x-mpegurl",
            Self::Pls => "audio/x-scpls",
        }
    }

    /// The playlist for one link.
    pub fn write(self, link: &str) -> String {
        let mut text = String::new();
        match self {
            Self::M3u => {
                for _ in 0..N_ENTRIES {
                    let _ = writeln!(text, "{link}");
                }
            }
            Self::Pls => {
                let _ = writeln!(text, "[playlist]\nNumberOfEntries={N_ENTRIES}");
                for n in 1..=N_ENTRIES {
                    let _ = writeln!(text, "File{n}={link}\nLength{n}=-1");
                }
                let _ = writeln!(text, "Version=2");
            }
        }
        text
    }
}

/// The mount that `name` (a playlist's path without its ending) means: the mount of that
/// very path, else the first in the alphabet that has it as its path without extension.
pub fn meant<'a>(
    name: &str,
    mounts: impl Iterator<Item = &'a MountPath> + Clone,
) -> Option<&'a MountPath> {
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
        assert_eq!(Format::of_path("/live.ogg"), None);
        assert_eq!(Format::of_path("/live.m3u8"), None);
    }

    #[test]
    fn the_link_is_there_five_times() {
        let m3u = Format::M3u.write("http://radio.example/live.ogg");
        assert_eq!(m3u.lines().count(), 5);
        assert!(
            m3u.lines()
                .all(|line| line == "http://radio.example/live.ogg")
        );
        let pls = Format::Pls.write("http://radio.example/live.ogg");
        assert!(
            pls.starts_with("[playlist]\nNumberOfEntries=5\nFile1=http://radio.example/live.ogg\n")
        );
        assert!(pls.ends_with("Length5=-1\nVersion=2\n"), "{pls}");
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
