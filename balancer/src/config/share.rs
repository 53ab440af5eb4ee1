//! Settings of what several balancers share: where it lies, and who may go there.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use stream::secret::{Secret, deserialize_given};
use url::Url;

use super::icecast::password_in;
use super::{NAME_BYTES_MAX, check_name};

/// Where Redis listens if nobody says otherwise.
const PORT: u16 = 6379;
/// More databases than this no Redis has.
const DATABASE_MAX: u32 = 65_535;
const UNIX: &str = "unix:";

/// Where balancers share what they know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareConfig {
    /// The Redis or Valkey.
    pub url: ShareUrl,
    /// What all balancers that belong together say here.
    #[serde(default = "usual_name")]
    pub name: String,
    /// As whom.
    pub user: Option<String>,
    /// With which password.
    #[serde(default, deserialize_with = "deserialize_given")]
    pub password: Option<Secret>,
    /// Or the file in which the password stands.
    pub password_file: Option<PathBuf>,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ShareUrl {
    /// On the network.
    Network {
        /// Its name or address, as it is looked up.
        host: String,
        /// Its port.
        port: u16,
        /// Which of its databases.
        database: u32,
        /// Through TLS.
        is_encrypted: bool,
    },
    /// On this machine.
    Socket(PathBuf),
}

fn usual_name() -> String {
    "plenum".to_owned()
}

impl ShareConfig {
    /// What no single value can show to be wrong.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        check_name(&self.name).map_err(|_| {
            format!(
                "`name` of [share] must be 1 to {NAME_BYTES_MAX} letters, digits and . _ -, \
                 the same at all balancers that belong together"
            )
        })?;
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.password.is_some() && self.password_file.is_some() {
            return Err(
                "`password` and `password_file` of [share] are both there, write one".to_owned(),
            );
        }
        if self.user.is_some() && !has_password {
            return Err(
                "`user` of [share] is there without a password, write `password_file`".to_owned(),
            );
        }
        Ok(())
    }

    /// Reads the password from its file.
    ///
    /// # Errors
    /// When that does not work.
    pub(super) fn read_password(&mut self) -> Result<(), String> {
        if let Some(file) = self.password_file.take() {
            let complain = |complaint: String| format!("[share]: {complaint}");
            self.password = Some(password_in(&file).map_err(complain)?);
        }
        Ok(())
    }
}

/// Never with what was written: a password may stand in it.
impl TryFrom<String> for ShareUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let complain = |what: &str| Err(format!("`url` of [share] {what}"));
        if let Some(path) = text.strip_prefix(UNIX) {
            return match path.trim_start_matches("//") {
                path if path.starts_with('/') => Ok(Self::Socket(PathBuf::from(path))),
                _ => complain("needs a whole path, such as unix:/run/redis/redis.sock"),
            };
        }
        let Ok(url) = Url::parse(&text) else {
            return complain("is no address, write such as redis://127.0.0.1:6379/0");
        };
        let is_encrypted = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return complain("must begin with redis://, rediss:// or unix:"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return complain(
                "has a user or password in it: write them as `user` and `password_file`",
            );
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return complain("names no host");
        };
        if url.query().is_some() || url.fragment().is_some() {
            return complain("has something behind the number of the database");
        }
        let database = match url.path().trim_start_matches('/') {
            "" => Some(0),
            digits => digits.parse().ok().filter(|number| *number <= DATABASE_MAX),
        };
        let Some(database) = database else {
            return complain("has behind the host what is not the number of a database, such as 0");
        };
        Ok(Self::Network {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(PORT),
            database,
            is_encrypted,
        })
    }
}

/// For the log.
impl fmt::Display for ShareUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ShareUrl, String> {
        ShareUrl::try_from(text.to_owned())
    }

    fn config(rest: &str) -> ShareConfig {
        toml::from_str(&format!("url = \"redis://a\"\n{rest}")).unwrap()
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_password_never_repeated() {
        for (text, complaint) in [
            ("", "no address"),
            ("http://a", "must begin"),
            ("redisss://a", "must begin"),
            ("rediss://s3cret@a", "password_file"),
            ("redis:///0", "no host"),
            ("redis://:s3cret@a/0", "password_file"),
            ("redis://s3cret@a/0", "password_file"),
            ("redis://s3cret:s3cret", "no address"),
            ("redis://a/s3cret", "number of a database"),
            ("redis://a/-1", "number of a database"),
            ("redis://a/99999999999", "number of a database"),
            ("redis://a/0?s3cret", "something behind"),
            ("unix:run/redis.sock", "whole path"),
            ("unix:", "whole path"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(complaint), "{text}: {refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_redis_is_on_the_network_or_on_this_machine() {
        for (text, shown) in [
            ("redis://a", "a:6379"),
            ("redis://a/", "a:6379"),
            ("valkey://10.0.0.1:7000/3", "10.0.0.1:7000"),
            ("redis://[::1]:7000", "[::1]:7000"),
            ("rediss://a:7000", "a:7000"),
            ("unix:/run/redis.sock", "/run/redis.sock"),
            ("unix:///run/redis.sock", "/run/redis.sock"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown, "{text}");
        }
        for (text, expected) in [("redis://[::1]/3", false), ("rediss://[::1]/3", true)] {
            let parsed = parse(text).unwrap();
            let expected = ShareUrl::Network {
                host: "::1".to_owned(),
                port: 6379,
                database: 3,
                is_encrypted: expected,
            };
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_there_once_and_never_shown() {
        assert_eq!(config("").name, "plenum");
        for (rest, complaint) in [
            ("name = \"a b\"", "`name` of [share]"),
            ("user = \"a\"", "without a password"),
            ("password = \"a\"\npassword_file = \"b\"", "write one"),
        ] {
            let refused = config(rest).check().unwrap_err();
            assert!(refused.contains(complaint), "{rest}: {refused}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hackme\n").unwrap();
        let mut share = config(&format!("user = \"plenum\"\npassword_file = {file:?}"));
        share.check().unwrap();
        share.read_password().unwrap();
        assert!(share.password.as_ref().unwrap().matches("hackme"));
        assert!(!format!("{share:?}").contains("ackme"));
        let mut share = config("password_file = \"/nowhere/at/all\"");
        assert!(share.read_password().unwrap_err().contains("/nowhere"));
    }
}
