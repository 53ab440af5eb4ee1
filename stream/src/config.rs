//! Settings: a TOML file, overridden by environment variables, into a role's own struct.
//!
//! The only place that reads files and environment. An error names file, line and key,
//! and what to do about it.
//!
//! `PLENUM_MASTER__RELAY__PASSWORD=…` sets `password` in `[relay]` of the master:
//! prefix, then the path of the key in upper case, joined by two underscores. A number
//! is the place in a list (`PLENUM_MASTER__SOURCE__0__USER`).

mod keys;

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use self::keys::{Differences, Keys};

use crate::handover::Launch;

/// A configuration file is not read beyond this many bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A list is not made longer than this by the environment.
const LIST_ITEMS_MAX: usize = 1024;

/// The exit code for "the configuration is wrong".
pub const EXIT_CONFIG: u8 = 2;

/// A complaint about the configuration, ready to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// A complaint in words: what is wrong, where, and the remedy.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Reads `file` (or nothing, where there is none) and lays the environment variables that
/// begin with `prefix` (such as `PLENUM_MASTER`) over it.
///
/// # Errors
/// When the file cannot be read, is not TOML, or holds a key or value that `T` refuses.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    load_with_keys(file, prefix, environment).map(|(settings, _)| settings)
}

/// As [`load`], with the keys as they were read.
///
/// # Errors
/// As [`load`].
pub fn load_with_keys<T: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(T, Keys), ConfigError> {
    let text = match file {
        Some(path) => read(path)?,
        None => String::new(),
    };
    let name = file.map_or_else(|| "settings".to_owned(), |path| path.display().to_string());
    let environment: Vec<_> = environment.collect();
    let settings = parse(&text, &name, prefix, environment.iter().cloned())?;
    let keys = parse(&text, &name, prefix, environment.into_iter())?;
    Ok((settings, Keys::new(keys)))
}

/// The environment of this process, without variables that are not UTF-8.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

/// As [`load`], from text. `name` is what errors call the file.
///
/// # Errors
/// As [`load`].
pub fn parse<T: DeserializeOwned>(
    text: &str,
    name: &str,
    prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let overrides = overrides(prefix, environment)?;
    let table: Table = toml::from_str(text).map_err(|error| at_line(&error, text, name))?;
    if overrides.is_empty() {
        return toml::from_str(text).map_err(|error| at_line(&error, text, name));
    }
    let mut whole = Value::Table(table);
    for (variable, path, value) in &overrides {
        set(&mut whole, path, value.clone(), variable)?;
    }
    // The merged table has no lines any more. When the file alone is at fault, say where.
    whole.try_into().map_err(|error: toml::de::Error| {
        let alone = toml::from_str::<T>(text)
            .err()
            .filter(|e| e.message() == error.message());
        match alone {
            Some(error) => at_line(&error, text, name),
            None => {
                let variables: Vec<_> = overrides.iter().map(|(v, ..)| v.as_str()).collect();
                ConfigError(format!(
                    "{name} with {} from the environment: {}",
                    variables.join(", "),
                    with_remedy(one_line(error.message()))
                ))
            }
        }
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let because = |what: &str, remedy: &str| {
        let path = path.display();
        ConfigError(format!(
            "cannot read configuration {path}: {what}; {remedy}"
        ))
    };
    let complain = |what: String| because(&what, "check the path given with --config");
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => because(
            &error.to_string(),
            "let the user or group that the program runs as read it, and no other",
        ),
        _ => complain(error.to_string()),
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(complain(format!(
            "it has {size} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// The line (from 1) that the error points at, and the key on it.
fn at_line(error: &toml::de::Error, text: &str, name: &str) -> ConfigError {
    let message = with_remedy(one_line(error.message()));
    let Some(span) = error.span() else {
        return ConfigError(format!("{name}: {message}"));
    };
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let content = text.lines().nth(line - 1).unwrap_or("");
    let key = content
        .split_once('=')
        .map(|(key, _)| key.trim())
        .filter(|key| !key.is_empty());
    match key {
        Some(key) if !message.contains(&format!("`{key}`")) => {
            ConfigError(format!("{name} line {line}: `{key}` {message}"))
        }
        _ => ConfigError(format!("{name} line {line}: {message}")),
    }
}

/// What the library only complains of, and what to write instead. The first that fits counts.
const REMEDIES: [(&str, &str); 9] = [
    (
        "missing field",
        "add it, as the file that ships with the program shows it",
    ),
    (
        "socket address",
        "write address and port, such as \"0.0.0.0:8000\"",
    ),
    (
        "map, expected a sequence",
        "write its name in two brackets, such as [[mount]]",
    ),
    (
        "expected a sequence",
        "write a list, such as [\"a\", \"b\"]",
    ),
    ("expected f64", "write a number, such as 2.5"),
    ("expected u", "write a whole number, such as 10"),
    ("expected i", "write a whole number, such as 10"),
    ("expected a boolean", "write true or false"),
    ("expected a string", "write it in quotes, such as \"a\""),
];

fn with_remedy(message: String) -> String {
    let mut remedies = REMEDIES.iter();
    match remedies.find(|(words, _)| message.contains(words)) {
        Some((_, remedy)) => format!("{message}; {remedy}"),
        None => message,
    }
}

fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    lines
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Keys whose values are text whatever they look like: a password may be all digits.
const SECRET_KEYS: [&str; 3] = ["password", "token", "auth_password"];

/// Variable, path of the key, value.
type Override = (String, Vec<String>, Value);

fn overrides(
    prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Vec<Override>, ConfigError> {
    let start = format!("{prefix}__");
    let mut found = Vec::new();
    for (variable, text) in environment {
        let Some(rest) = variable.strip_prefix(&start) else {
            continue;
        };
        let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        if path.iter().any(String::is_empty) {
            return Err(ConfigError(format!(
                "environment variable {variable}: empty part in the key's path"
            )));
        }
        let is_secret = path
            .last()
            .is_some_and(|key| SECRET_KEYS.contains(&key.as_str()));
        let value = if is_secret {
            Value::String(text)
        } else {
            value_of(&text)
        };
        found.push((variable, path, value));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// `8`, `true`, `[1, 2]` are what they look like; anything else is a string.
fn value_of(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(
    whole: &mut Value,
    path: &[String],
    value: Value,
    variable: &str,
) -> Result<(), ConfigError> {
    let mut place = whole;
    for (n, key) in path.iter().enumerate() {
        let is_list = path
            .get(n + 1)
            .is_some_and(|next| next.bytes().all(|b| b.is_ascii_digit()));
        let empty = || {
            if is_list {
                Value::Array(Vec::new())
            } else {
                Value::Table(Table::new())
            }
        };
        place = match place {
            Value::Table(table) => table.entry(key.clone()).or_insert_with(empty),
            Value::Array(list) => {
                let n_items = list.len();
                // The place behind the last is a new one.
                if key.parse() == Ok(n_items) && n_items < LIST_ITEMS_MAX {
                    list.push(empty());
                }
                key.parse().ok().and_then(|at: usize| list.get_mut(at)).ok_or_else(|| {
                    ConfigError(format!(
                        "environment variable {variable}: `{key}` is not a place in a list of {n_items}"
                    ))
                })?
            }
            _ => {
                return Err(ConfigError(format!(
                    "environment variable {variable}: `{key}` lies below a plain value"
                )));
            }
        };
    }
    *place = value;
    Ok(())
}

/// How this program was started. Its own file is found where it lies now, so that a new one that
/// is put there is found, too.
pub fn command_line() -> Launch {
    let mut words = std::env::args_os();
    let named = words.next().map(PathBuf::from);
    // A bare name was looked up in the `PATH`.
    let named = named.filter(|path| path.components().count() > 1);
    let program = named.and_then(|path| std::path::absolute(path).ok());
    Launch {
        program: program
            .or_else(|| std::env::current_exe().ok())
            .unwrap_or_default(),
        arguments: words.collect(),
    }
}

/// Where a program looks for its configuration when `--config` is not given, if the file
/// is there: `/etc/plenum/<role>.toml`.
pub fn default_file(role: &str) -> Option<PathBuf> {
    let path = PathBuf::from(format!("/etc/plenum/{role}.toml"));
    path.is_file().then_some(path)
}

/// The first of the directories that `StateDirectory=` in a unit gives.
pub fn state_directory(mut environment: impl Iterator<Item = (String, String)>) -> Option<PathBuf> {
    let (_, paths) = environment.find(|(name, _)| name == "STATE_DIRECTORY")?;
    let first = paths.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

/// Takes an address such as `http://host:8000`: with scheme and host, without path, query or
/// password.
///
/// # Errors
/// Names `key` and says what the address should look like.
pub fn check_base_url(key: &str, url: &str) -> Result<(), ConfigError> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let is_plain = rest.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    });
    if is_plain {
        return Ok(());
    }
    Err(ConfigError(format!(
        "`{key}` must look like http://host:8000, without path, password or / at its end"
    )))
}

/// Host and port of a base address, as [`check_base_url`] takes it.
pub fn host_and_port(url: &str) -> Option<(String, String)> {
    let url = reqwest::Url::parse(url).ok()?;
    let port = url.port_or_known_default()?;
    Some((url.host_str()?.to_owned(), port.to_string()))
}

/// Checks the address that listeners use: it has to lead here from where they are.
///
/// # Errors
/// Names the key and says what such an address looks like.
pub fn check_public_url(url: &str) -> Result<(), ConfigError> {
    check_base_url("public_url", url)?;
    if number_of(url).is_some_and(|host| host.is_unspecified()) {
        return Err(ConfigError(format!(
            "`public_url` = {url:?} is where a program listens and no address that anybody can \
             go to: name the one by which listeners reach this machine"
        )));
    }
    Ok(())
}

/// Whether an address leads to the very machine of whoever uses it.
pub fn is_loopback(url: &str) -> bool {
    let is_named = host_and_port(url).is_some_and(|(host, _)| host == "localhost");
    is_named || number_of(url).is_some_and(|host| host.is_loopback())
}

/// The host of an address, if it is a number.
fn number_of(url: &str) -> Option<IpAddr> {
    let (host, _) = host_and_port(url)?;
    host.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests;
