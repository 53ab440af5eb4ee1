//! Settings for the operator's page and for what survives a restart. Pure.

use std::path::{Path, PathBuf};

use stream::http::login::Login;

use super::Config;
use crate::registry::Orders;

/// The name of the operator who has not given himself one.
const OPERATOR: &str = "operator";

impl Config {
    /// Where what must survive a restart is kept, if anywhere.
    pub fn state_directory(&self) -> Option<&Path> {
        let path = self.state_directory.as_deref();
        path.filter(|path| !path.as_os_str().is_empty())
    }

    /// Who may sign in at `/desk`, with the name that he has.
    pub fn operator(&self) -> Option<Login> {
        let mut login = self.operator.clone()?;
        if login.user.is_empty() {
            OPERATOR.clone_into(&mut login.user);
        }
        Some(login)
    }

    /// What the file wants of a relay; `None`: it does not name it.
    pub fn orders_in_file(&self, name: &str) -> Option<Orders> {
        let relay = self.relay.iter().find(|relay| relay.name == name)?;
        Some(relay.orders())
    }
}

/// The first of the directories that `StateDirectory=` in a unit gives.
pub(super) fn from_systemd(
    mut environment: impl Iterator<Item = (String, String)>,
) -> Option<PathBuf> {
    let (_, paths) = environment.find(|(name, _)| name == "STATE_DIRECTORY")?;
    let first = paths.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_says_where_the_state_is_and_the_operator_can_say_nowhere() {
        let environment = |value: &str| {
            let pair = ("STATE_DIRECTORY".to_owned(), value.to_owned());
            from_systemd([pair].into_iter())
        };
        assert_eq!(environment("/a:/b"), Some(PathBuf::from("/a")));
        assert_eq!(environment(""), None);
        assert_eq!(from_systemd(std::iter::empty()), None);
        let nowhere = Config {
            state_directory: Some(PathBuf::new()),
            ..Config::default()
        };
        assert_eq!(nowhere.state_directory(), None);
    }
}
