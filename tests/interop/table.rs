//! What is tried: which program sends and plays which format, and why not, where it does not; and
//! the document that says so.

use std::fmt::Write as _;

/// Whether a program is tried with a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// It is.
    Tried,
    /// It is not, for this reason.
    Not(&'static str),
}

use Cell::{Not, Tried};

/// A format, and how other people's programs call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// In the table.
    pub(super) name: &'static str,
    /// Of its mounts.
    pub(super) ending: &'static str,
    /// As sources announce it.
    pub(super) media_type: &'static str,
    /// How ffmpeg makes it, at little more than nothing.
    pub(super) coding: &'static str,
}

impl Format {
    /// Whether there is something to see.
    pub(super) fn has_picture(self) -> bool {
        self.media_type.starts_with("video")
    }
}

const fn format(
    name: &'static str,
    ending: &'static str,
    media_type: &'static str,
    coding: &'static str,
) -> Format {
    Format {
        name,
        ending,
        media_type,
        coding,
    }
}

/// The columns. Who adds a format adds a cell to each line below.
pub(super) const FORMATS: [Format; 7] = [
    format(
        "Vorbis",
        "ogg",
        "application/ogg",
        "-c:a libvorbis -b:a 48k -page_duration 200000 -f ogg",
    ),
    format(
        "Opus",
        "opus",
        "audio/ogg",
        "-c:a libopus -b:a 48k -page_duration 200000 -f ogg",
    ),
    format(
        "FLAC",
        "oga",
        "audio/ogg",
        "-c:a flac -page_duration 200000 -f ogg",
    ),
    format(
        "MP3",
        "mp3",
        "audio/mpeg",
        "-c:a libmp3lame -b:a 48k -f mp3",
    ),
    format("AAC", "aac", "audio/aac", "-c:a aac -b:a 48k -f adts"),
    format(
        "Theora",
        "ogv",
        "video/ogg",
        "-map 1:v -c:v libtheora -b:v 100k -g 10 -c:a libvorbis -b:a 48k -page_duration 200000 -f ogg",
    ),
    format(
        "WebM",
        "webm",
        "video/webm",
        "-map 1:v -c:v libvpx -deadline realtime -cpu-used 8 -b:v 100k -g 10 -c:a libvorbis -b:a 48k \
         -cluster_time_limit 1000 -f webm",
    ),
];

/// A program, and what is tried with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// What it is called.
    pub(super) name: &'static str,
    /// How its mounts begin.
    pub(super) slug: &'static str,
    /// By format.
    pub(super) cells: [Cell; FORMATS.len()],
}

impl Line {
    /// The formats it is tried with.
    pub(super) fn formats(&self) -> impl Iterator<Item = Format> {
        let pairs = FORMATS.into_iter().zip(self.cells);
        pairs
            .filter(|(_, cell)| *cell == Tried)
            .map(|(format, _)| format)
    }

    /// Whether it is tried with a format.
    pub(super) fn is_tried_with(&self, format: Format) -> bool {
        self.formats().any(|tried| tried == format)
    }

    /// Whether it sends without an end, and is the one to which those listen who do not always go
    /// on where one file follows another.
    pub(super) fn is_endless(&self) -> bool {
        self.slug == "put"
    }

    /// Whether it is tried with this format of this source.
    pub(super) fn hears(&self, source: &Self, format: Format) -> bool {
        let is_choosy = self.is_browser() || self.slug == "gstreamer";
        self.is_tried_with(format) && (source.is_endless() || !is_choosy)
    }

    /// Whether it plays in a page.
    pub(super) fn is_browser(&self) -> bool {
        self.cells.contains(&NO_THEORA)
    }

    /// Where it sends a format.
    pub(super) fn mount(&self, format: Format) -> String {
        format!("/{}.{}", self.slug, format.ending)
    }
}

const ALL: [Cell; FORMATS.len()] = [Tried; FORMATS.len()];
const LIBSHOUT: Cell = Not("libshout has no AAC");
const LIBSHOUT_REFUSES: Cell =
    Not("ezstream asks libshout for WebM in a way that libshout refuses");
const LIBSHOUT_RUSHES: Cell = Not("libshout cannot time FLAC: it sends a file at once");
const ONLY_VORBIS: Cell = Not("ices2 sends Vorbis only");
const NO_FLAC: Cell = Not("DarkIce has no FLAC");
const NO_AAC_IN_DEBIAN: Cell = Not("Debian builds DarkIce without an encoder of AAC");
const NO_PICTURE: Cell = Not("DarkIce sends sound only");
const NEITHER_IN_SHOUTCAST: Cell = Not("SHOUTcast's first protocol is for MP3 and AAC");
const ONLY_MPEG: Cell = Not("mpg123 plays MPEG audio only");
const ONLY_VORBIS_LIVE: Cell = Not("ogg123 takes every live stream for Vorbis");
/// The test looks whether it is so.
const NO_THEORA: Cell =
    Not("Browsers of today have no Theora: the sound is heard, and there is no picture");

/// Who sends. The first needs longest to begin.
pub(super) const SOURCES: [Line; 9] = [
    line("Liquidsoap", "liquidsoap", ALL),
    line("ffmpeg (`PUT`)", "put", ALL),
    line("ffmpeg (`SOURCE`)", "legacy", ALL),
    line(
        "GStreamer (shout2send)",
        "gstreamer",
        [Tried, Tried, Tried, Tried, LIBSHOUT, Tried, Tried],
    ),
    line(
        "ezstream (libshout)",
        "ezstream",
        [
            Tried,
            Tried,
            LIBSHOUT_RUSHES,
            Tried,
            LIBSHOUT,
            Tried,
            LIBSHOUT_REFUSES,
        ],
    ),
    line("ices2 (libshout)", "ices", first_only(ONLY_VORBIS)),
    line(
        "DarkIce",
        "darkice",
        [
            Tried,
            Tried,
            NO_FLAC,
            Tried,
            NO_AAC_IN_DEBIAN,
            NO_PICTURE,
            NO_PICTURE,
        ],
    ),
    line("curl (`PUT`, chunked)", "curl", ALL),
    line(
        "SHOUTcast's first protocol",
        "shoutcast",
        [
            NEITHER_IN_SHOUTCAST,
            NEITHER_IN_SHOUTCAST,
            NEITHER_IN_SHOUTCAST,
            Tried,
            Tried,
            NEITHER_IN_SHOUTCAST,
            NEITHER_IN_SHOUTCAST,
        ],
    ),
];

/// Who plays.
pub(super) const LISTENERS: [Line; 8] = [
    line("ffmpeg", "ffmpeg", ALL),
    line("mpv", "mpv", ALL),
    line("VLC", "vlc", ALL),
    line(
        "mpg123",
        "mpg123",
        [
            ONLY_MPEG, ONLY_MPEG, ONLY_MPEG, Tried, ONLY_MPEG, ONLY_MPEG, ONLY_MPEG,
        ],
    ),
    line("ogg123", "ogg123", first_only(ONLY_VORBIS_LIVE)),
    line("GStreamer", "gstreamer", ALL),
    line("Chromium (`<audio>`, `<video>`)", "chromium", BROWSER),
    line("Firefox (`<audio>`, `<video>`)", "firefox", BROWSER),
];

const BROWSER: [Cell; FORMATS.len()] = [Tried, Tried, Tried, Tried, Tried, NO_THEORA, Tried];

/// What can the first format only.
const fn first_only(others: Cell) -> [Cell; FORMATS.len()] {
    [Tried, others, others, others, others, others, others]
}

const fn line(name: &'static str, slug: &'static str, cells: [Cell; FORMATS.len()]) -> Line {
    Line { name, slug, cells }
}

/// The document.
pub(super) fn document() -> String {
    let mut text = "# Who plays with whom\n\n\
        Which other people's programs a master was tried with, all at once.\n\
        Theora comes with Vorbis, in Ogg; WebM holds VP8 and Vorbis.\n\
        `make test` does what these tables say, with Debian's programs, and compares them with what it did: \
        they cannot be out of date.\n\n\
        ## Sources\n\n\
        Each sends each format to a mount of its own.\n\n"
        .to_owned();
    text += &table("source", &SOURCES);
    text += "\n## Listeners\n\n\
        Each comes late to every mount of all sources whose format it plays, GStreamer and the \
        browsers to those of ffmpeg (`PUT`), since they do not always go on where one file follows another: it decodes 10 s, hears the tone that was sent and sees the picture move, and has nothing to complain of.\n\n";
    text += &table("listener", &LISTENERS);
    text += "\n## How you see that it works\n\n\
        ```sh\ncargo test -p tests --test interop\n```\n";
    text
}

fn table(first: &str, lines: &[Line]) -> String {
    let names = FORMATS.map(|format| format.name).join(" | ");
    let rule = " --- |".repeat(FORMATS.len() + 1);
    let mut text = format!("| {first} | {names} |\n|{rule}\n");
    let mut reasons: Vec<&str> = Vec::new();
    for line in lines {
        let _ = write!(text, "| {} |", line.name);
        for cell in line.cells {
            let Not(reason) = cell else {
                text += " ✓ |";
                continue;
            };
            let known = reasons.iter().position(|known| *known == reason);
            let at = known.unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            let _ = write!(text, " {} |", at + 1);
        }
        text += "\n";
    }
    text += "\n";
    for (n, reason) in (1..).zip(reasons) {
        let _ = writeln!(text, "{n}. {reason}.");
    }
    text
}
