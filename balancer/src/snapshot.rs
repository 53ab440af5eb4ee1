//! What survives a restart: JSON files in the state directory, each with one owner.
//!
//! Each file is a `format` and a `content`. A file that matters is read with its
//! predecessor (`precious`); one that only saves time is put aside when it is damaged
//! (`handy`). Where files lie and how they are replaced: `folder`.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

pub mod folder;

use folder::{Folder, read_at_most};

/// The format of all files. A file of a later one is not read, and not touched.
pub const FORMAT: u32 = 1;

#[derive(Deserialize)]
struct Found<T> {
    content: T,
}

#[derive(Deserialize)]
struct Envelope {
    format: u32,
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    content: &'a T,
}

/// Why a file cannot be used.
#[derive(Debug)]
enum Fault {
    /// It may be whole, but cannot be read or is of a later program: hands off.
    Unreadable(String),
    /// It is not what it should be.
    Damaged(String),
}

/// Reads a file that only saves time. What is damaged is put aside, with a warning.
pub fn handy<T: DeserializeOwned>(folder: &Folder, name: &str, bytes_max: u64) -> Option<T> {
    match read(&folder.file(name), bytes_max) {
        Ok(found) => found,
        Err(Fault::Unreadable(what)) => {
            warn!("{what}; going on without it");
            None
        }
        Err(Fault::Damaged(what)) => {
            match folder.put_aside(name) {
                Ok(aside) => warn!(
                    "{what}; going on without it, it lies in {}",
                    aside.display()
                ),
                Err(error) => warn!("{what}; going on without it ({error})"),
            }
            None
        }
    }
}

/// Reads a file that matters. If it is damaged, its predecessor counts, and the damaged one is
/// put aside. `check` says what is wrong with a content that can be read.
///
/// # Errors
/// When neither can be used. Names the file and the remedy.
pub fn precious<T: DeserializeOwned>(
    folder: &Folder,
    name: &str,
    bytes_max: u64,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<Option<T>, String> {
    let what = match read_checked(&folder.file(name), bytes_max, &check) {
        Ok(found) => return Ok(found),
        Err(Fault::Unreadable(what)) => return Err(what),
        Err(Fault::Damaged(what)) => what,
    };
    let before = before(name);
    match read_checked(&folder.file(&before), bytes_max, &check) {
        Ok(Some(found)) => {
            let aside = folder
                .put_aside(name)
                .map_err(|error| format!("{what}, and it cannot be moved away: {error}"))?;
            error!(
                "{what}; going on with {before}, which lacks the last change; the damaged file \
                 lies in {}",
                aside.display()
            );
            Ok(Some(found))
        }
        _ => Err(format!(
            "{what}; mend it, or move it away to begin afresh from balancer.toml alone"
        )),
    }
}

/// Whether a file that matters could be used, without touching anything.
///
/// # Errors
/// As [`precious`].
pub fn check_precious<T: DeserializeOwned>(
    directory: &Path,
    name: &str,
    bytes_max: u64,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<(), String> {
    match read_checked(&directory.join(name), bytes_max, &check) {
        Ok(_) => Ok(()),
        Err(Fault::Unreadable(what)) => Err(what),
        Err(Fault::Damaged(what)) => {
            match read_checked(&directory.join(before(name)), bytes_max, &check) {
                Ok(Some(_)) => Err(format!("{what}; {} would be used instead", before(name))),
                _ => Err(format!(
                    "{what}; mend it, or move it away to begin afresh from balancer.toml alone"
                )),
            }
        }
    }
}

/// Writes a file that is no longer than what is read again. Blocks until it is on the disk.
///
/// # Errors
/// Names the file. What was there is still there.
pub fn write<T: Serialize>(
    folder: &Folder,
    name: &str,
    bytes_max: u64,
    content: &T,
) -> Result<(), String> {
    put(folder, name, &in_bytes(folder, name, bytes_max, content)?)
}

fn put(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), String> {
    folder
        .write(name, bytes)
        .map_err(|error| format!("{}: {error}", folder.file(name).display()))
}

fn in_bytes<T: Serialize>(
    folder: &Folder,
    name: &str,
    bytes_max: u64,
    content: &T,
) -> Result<Vec<u8>, String> {
    let complain = |what: String| format!("{}: {what}", folder.file(name).display());
    let written = Written {
        format: FORMAT,
        content,
    };
    let bytes = serde_json::to_vec(&written).map_err(|error| complain(error.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        let what =
            format!("it would have more than {bytes_max} bytes, and could not be read again");
        return Err(complain(what));
    }
    Ok(bytes)
}

/// As [`write`], and what was there stays as the predecessor.
///
/// # Errors
/// As [`write`].
pub fn write_precious<T: Serialize>(
    folder: &Folder,
    name: &str,
    bytes_max: u64,
    content: &T,
) -> Result<(), String> {
    let bytes = in_bytes(folder, name, bytes_max, content)?;
    folder
        .keep_before(name, &before(name))
        .map_err(|error| format!("{}: {error}", folder.file(&before(name)).display()))?;
    put(folder, name, &bytes)
}

fn before(name: &str) -> String {
    format!("{name}.before")
}

fn read_checked<T: DeserializeOwned>(
    path: &Path,
    bytes_max: u64,
    check: &impl Fn(&T) -> Result<(), String>,
) -> Result<Option<T>, Fault> {
    let found = read(path, bytes_max)?;
    if let Some(content) = &found {
        check(content).map_err(|what| Fault::Damaged(format!("{}: {what}", path.display())))?;
    }
    Ok(found)
}

fn read<T: DeserializeOwned>(path: &Path, bytes_max: u64) -> Result<Option<T>, Fault> {
    let name = path.display();
    let unreadable = |what: String| Fault::Unreadable(format!("{name} cannot be read: {what}"));
    let bytes = read_at_most(path, bytes_max).map_err(|error| unreadable(error.to_string()))?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let damaged = |error: serde_json::Error| Fault::Damaged(format!("{name} is damaged: {error}"));
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(damaged)?;
    if envelope.format != FORMAT {
        return Err(unreadable(format!(
            "it has format {}, this program knows {FORMAT}; it is of another version of Plenum",
            envelope.format
        )));
    }
    let found: Found<T> = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok(Some(found.content))
}

#[cfg(test)]
mod tests;
