//! Settings of an Icecast among the relays: it reports nothing, so it is asked.

use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use serde::Deserialize;
use stream::http::basic::Credentials;
use stream::secret::{Secret, deserialize_given};

use crate::base_url::BaseUrl;
use crate::checked_report::SLOTS_MAX;

/// A longer password file is refused.
const PASSWORD_BYTES_MAX: usize = 1024;

/// How an Icecast is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IcecastConfig {
    /// How many listeners it takes in all.
    pub slots: Option<u32>,
    /// Where it is asked, if not where listeners go.
    pub url: Option<BaseUrl>,
    /// Who may read its statistics.
    pub user: Option<String>,
    /// With which password.
    #[serde(deserialize_with = "deserialize_given")]
    pub password: Option<Secret>,
    /// Or the file in which the password stands.
    pub password_file: Option<PathBuf>,
}

/// A user and a password for somebody else's server.
#[derive(Clone, Debug)]
pub struct IcecastLogin {
    user: String,
    password: Secret,
}

/// With what a probe compares what a relay sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparing {
    /// With the bytes of the master.
    #[default]
    Bytes,
    /// With nothing: that sound comes is enough. For relays that write pages anew.
    Sound,
    /// It is not probed.
    Nothing,
}

impl IcecastConfig {
    /// Whether the same one is asked in the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let password = |one: &Self| one.password.as_ref().map(|it| it.expose().to_owned());
        (self.slots, &self.url, &self.user) == (other.slots, &other.url, &other.user)
            && password(self) == password(other)
    }

    /// What no single value can show to be wrong.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.slots.is_some_and(|slots| slots > SLOTS_MAX) {
            return Err(format!("`slots` is more than {SLOTS_MAX}"));
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err("`password` and `password_file` are both there, write one".to_owned());
        }
        Ok(())
    }

    /// Reads the password from its file.
    ///
    /// # Errors
    /// When that does not work.
    pub(super) fn read_password(&mut self) -> Result<(), String> {
        if let Some(file) = self.password_file.take() {
            self.password = Some(password_in(&file)?);
        }
        Ok(())
    }

    /// With whom the statistics are asked for; `None`: only what everybody may see.
    pub fn login(&self) -> Option<IcecastLogin> {
        Some(IcecastLogin {
            user: self.user.clone().unwrap_or_else(|| "admin".to_owned()),
            password: self.password.clone()?,
        })
    }
}

impl IcecastLogin {
    /// The header that shows it, marked so that nobody logs it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = Credentials::header(&self.user, self.password.expose());
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

pub(super) fn password_in(file: &Path) -> Result<Secret, String> {
    let complain = |what: &str| format!("`password_file` {}: {what}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| complain(&error.to_string()))?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(complain("its first line is empty"));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(complain("it is too long to be a password"));
    }
    Ok(Secret::given(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> IcecastConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_password_comes_from_the_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hackme\n").unwrap();
        let mut icecast = config(&format!("password_file = {file:?}"));
        assert!(icecast.login().is_none());
        icecast.read_password().unwrap();
        let login = icecast.login().unwrap();
        assert_eq!(login.header().unwrap(), "Basic YWRtaW46aGFja21l");
        assert!(!format!("{icecast:?} {login:?} {:?}", login.header()).contains("ackm"));
        std::fs::write(&file, "\n").unwrap();
        let mut icecast = config(&format!("password_file = {file:?}"));
        assert!(icecast.read_password().unwrap_err().contains("empty"));
        let mut icecast = config("password_file = \"/nowhere/at/all\"");
        assert!(icecast.read_password().unwrap_err().contains("/nowhere"));
    }

    #[test]
    fn two_passwords_or_too_many_slots_are_refused() {
        let both = config("password = \"a\"\npassword_file = \"b\"");
        assert!(both.check().unwrap_err().contains("write one"));
        assert!(
            config("slots = 2000000")
                .check()
                .unwrap_err()
                .contains("`slots`")
        );
        assert!(config("slots = 100").check().is_ok());
    }
}
