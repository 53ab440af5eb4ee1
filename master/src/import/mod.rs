//! `plenum-master import`: makes a master.toml out of an icecast.xml.

mod around;
mod closing;
mod draft;
mod headers;
mod mount;
mod remarks;
mod sockets;
mod station;
pub mod translate;
mod trial;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use stream::config::{EXIT_CONFIG, parse};
use stream::text::Charset;
use tracing::{error, info, warn};

use crate::config::Config;
use translate::{Translated, World, translate};

/// A longer file is refused; Icecast's own with all its comments has 10 KB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Done, and something that was protected is closed until somebody looks at it.
const EXIT_CLOSED: u8 = 3;
/// As long as what `openssl rand -base64 24` makes.
const PASSWORD_BYTES: usize = 24;

/// Which settings.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    plenum-master import /etc/icecast2/icecast.xml > master.toml\n  \
    plenum-master --config master.toml --check\n\n\
    Every tag becomes a key, or a comment that says what to do instead; no tag is passed over in\n\
    silence. Passwords that are well known (hackme) or too short are replaced by new ones.\n\
    What was protected and cannot be taken over lets nobody in, and is named first.\n\
    Exit codes: 0 done, 3 done and something is closed until you look at it, 2 the file cannot be read or is no icecast.xml.")]
pub struct Import {
    /// Icecast's settings, of 2.4, 2.5 or KH; - is the standard input
    #[arg(value_name = "ICECAST.XML")]
    file: PathBuf,
}

impl Import {
    /// Writes the settings to the standard output, and to the log how much there was.
    pub fn run(&self) -> ExitCode {
        match self.translated() {
            Ok(translated) => {
                info!(
                    "{} tags became keys, {} became comments: read those at the end of the file",
                    translated.n_keys, translated.n_remarks
                );
                let written = std::io::stdout().write_all(translated.toml.as_bytes());
                for warning in &translated.warnings {
                    warn!("{warning}");
                }
                match written {
                    Ok(()) if translated.warnings.is_empty() => ExitCode::SUCCESS,
                    Ok(()) => EXIT_CLOSED.into(),
                    Err(complaint) => {
                        error!("cannot write the settings: {complaint}");
                        ExitCode::FAILURE
                    }
                }
            }
            Err(complaint) => {
                error!("{}: {complaint}", self.file.display());
                EXIT_CONFIG.into()
            }
        }
    }

    fn translated(&self) -> Result<Translated, String> {
        translate(&read(&self.file)?, &mut ThisMachine)
    }
}

fn read(file: &Path) -> Result<String, String> {
    let open = || -> std::io::Result<Box<dyn Read>> {
        match file == Path::new("-") {
            true => Ok(Box::new(std::io::stdin())),
            false => Ok(Box::new(std::fs::File::open(file)?)),
        }
    };
    let mut bytes = Vec::new();
    let input = open().map_err(|error| error.to_string())?;
    let n_bytes = input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    if n_bytes.map_err(|error| error.to_string())? as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    text_of(&bytes)
}

/// The text, in the characters that the file says it has; where it says nothing, in UTF-8 or else in
/// Latin-1: names of stations in it are common in old files.
fn text_of(bytes: &[u8]) -> Result<String, String> {
    let said = encoding_said(bytes).unwrap_or("utf-8");
    if ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|known| said.eq_ignore_ascii_case(known))
    {
        let latin_1 = |_| bytes.iter().copied().map(char::from).collect();
        return Ok(std::str::from_utf8(bytes).map_or_else(latin_1, str::to_owned));
    }
    let charset = Charset::named(said).ok_or_else(|| {
        format!(
            "it says that its characters are {said:.40?}, which is not known here: make it UTF-8"
        )
    })?;
    Ok(charset.read(bytes).into_owned())
}

/// What stands as `encoding` in the XML declaration (XML 1.0 §2.8).
fn encoding_said(bytes: &[u8]) -> Option<&str> {
    let head = bytes.strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|two| two == b"?>")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let (_, said) = head.split_once("encoding")?;
    let said = said.trim_start().strip_prefix('=')?.trim_start();
    let quote = said
        .chars()
        .next()
        .filter(|quote| ['"', '\''].contains(quote))?;
    said[1..].split(quote).next()
}

/// Whether this text is settings of a master that work. Reads the files that it names.
///
/// # Errors
/// Says why not.
pub fn check(toml: &str) -> Result<(), String> {
    parse::<Config>(toml, "master.toml", "PLENUM_MASTER", std::iter::empty())
        .and_then(Config::checked)
        .map(|_| ())
        .map_err(|complaint| complaint.to_string())
}

struct ThisMachine;

impl World for ThisMachine {
    fn new_password(&mut self) -> Result<String, String> {
        let mut bytes = [0; PASSWORD_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| format!("no new password can be made: {error}"))?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    fn is_file(&self, path: &str) -> bool {
        Path::new(path).is_file()
    }

    fn text_of(&self, path: &str) -> Option<String> {
        read(Path::new(path)).ok()
    }

    fn check(&self, toml: &str) -> Result<(), String> {
        check(toml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_the_characters_that_it_names() {
        let file = |encoding: &str, name: &[u8]| {
            [
                b"<?xml version='1.0' encoding=",
                encoding.as_bytes(),
                b"?>",
                name,
            ]
            .concat()
        };
        for (encoding, name, read) in [
            ("\"windows-1251\"", &b"\xd0\xe0\xe4\xe8\xee"[..], "Радио"),
            ("'koi8-r'", b"\xf2\xc1\xc4\xc9\xcf", "Радио"),
            ("\"UTF-8\"", "Радио".as_bytes(), "Радио"),
            ("\"UTF-8\"", b"K\xf6ln", "Köln"),
        ] {
            let text = text_of(&file(encoding, name)).unwrap();
            assert!(text.ends_with(read), "{encoding}: {text}");
        }
        assert_eq!(text_of(b"<icecast>K\xf6ln").unwrap(), "<icecast>Köln");
        let complaint = text_of(&file("\"klingon\"", b"x")).unwrap_err();
        assert!(complaint.contains("klingon") && complaint.contains("make it UTF-8"));
    }
}
