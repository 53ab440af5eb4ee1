//! Playlists with one entry, which is a mount: `/live.ogg.m3u` and its like. Pure.

use super::element::Element;
use crate::status::MountStatus;

/// What a playlist looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Kind {
    M3u,
    Pls,
    Xspf,
    Vclt,
}

const ENDINGS: [(&str, Kind); 4] = [
    (".m3u", Kind::M3u),
    (".pls", Kind::Pls),
    (".xspf", Kind::Xspf),
    (".vclt", Kind::Vclt),
];

impl Kind {
    /// The mount that a path is about, and what is wanted of it.
    pub(in crate::http) fn of(path: &str) -> Option<(&str, Self)> {
        let mut endings = ENDINGS.iter();
        endings.find_map(|(ending, kind)| Some((path.strip_suffix(ending)?, *kind)))
    }

    pub(in crate::http) fn media_type(self) -> &'static str {
        match self {
            Self::M3u => "audio/x-mpegurl",
            Self::Pls => "audio/x-scpls",
            Self::Xspf => "application/xspf+xml; charset=UTF-8",
            Self::Vclt => "audio/x-vclt; charset=UTF-8",
        }
    }

    /// The playlist of a mount that is to be reached at `link`.
    pub(in crate::http) fn write(self, link: &str, mount: &MountStatus) -> String {
        match self {
            Self::M3u => format!("{link}\r\n"),
            Self::Pls => pls(link, mount),
            Self::Xspf => xspf(link, mount),
            Self::Vclt => vclt(link, mount),
        }
    }
}

fn name(mount: &MountStatus) -> &str {
    mount.name.as_deref().unwrap_or("Unspecified name")
}

fn description(mount: &MountStatus) -> &str {
    mount
        .description
        .as_deref()
        .unwrap_or("Unspecified description")
}

fn genre(mount: &MountStatus) -> &str {
    mount.genre.as_deref().unwrap_or("various")
}

fn pls(link: &str, mount: &MountStatus) -> String {
    let name = line(name(mount));
    format!(
        "[playlist]\r\nNumberOfEntries=1\r\nFile1={link}\r\nTitle1={name}\r\nLength1=-1\r\n\
         Version=2\r\n"
    )
}

fn xspf(link: &str, mount: &MountStatus) -> String {
    let annotation = format!(
        "Stream Title: {}\nStream Description: {}\nContent Type:{}\nCurrent Listeners: {}\n\
         Peak Listeners: {}\nStream Genre: {}",
        name(mount),
        description(mount),
        mount.content_type,
        mount.listeners,
        mount.peak_listeners,
        genre(mount),
    );
    let track = Element::new("track")
        .text("location", link)
        .maybe("creator", mount.artist.as_deref())
        .text("title", mount.title.as_deref().unwrap_or_default())
        .text("annotation", &annotation)
        .maybe("info", mount.website.as_deref());
    Element::new("playlist")
        .attribute("xmlns", "http://xspf.org/ns/0/")
        .attribute("version", "1")
        .text("title", "")
        .text("creator", "")
        .with(Element::new("trackList").with(track))
        .xml_in_lines()
}

fn vclt(link: &str, mount: &MountStatus) -> String {
    let mut lines = vec![format!("STREAMURL={link}")];
    let mut say = |key: &str, value: &str| lines.push(format!("{key}={}", line(value)));
    if let Some(artist) = &mount.artist {
        say("ARTIST", artist);
    }
    if let Some(title) = &mount.title {
        say("TITLE", title);
    }
    say("SERVER_NAME", name(mount));
    say("DESCRIPTION", description(mount));
    let codec = mount.codec.as_deref();
    let codec = codec.filter(|_| mount.content_type.contains("ogg"));
    let codec = codec.map(|codec| codec.to_ascii_lowercase().replace('/', "_"));
    let codec = codec.map(|codec| format!("codec:ogg_{codec}"));
    say("SIGNALINFO", &codec.unwrap_or_default());
    say("GENRE", genre(mount));
    lines.push("==\n".to_owned());
    lines.join("\n")
}

/// On one line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
