//! Settings for the operator's page and for what survives a restart. Pure.

use std::path::Path;

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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_operator_can_say_that_the_state_is_kept_nowhere() {
        let nowhere = Config {
            state_directory: Some(PathBuf::new()),
            ..Config::default()
        };
        assert_eq!(nowhere.state_directory(), None);
    }
}
