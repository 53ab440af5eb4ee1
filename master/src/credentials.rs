//! Who a caller is, by the user and password he shows.

use std::time::Duration;

use stream::http::basic::Credentials;
use stream::mount::MountPath;

use crate::config::{Config, Login};

/// The shortest answer to a wrong password takes this long, the longest twice more: guessing
/// gets slow, and how long it took says nothing.
const WRONG_PASSWORD_WAIT: Duration = Duration::from_millis(500);

/// What somebody may do who wants to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MayPublish {
    /// This user, on this mount.
    Yes(String),
    /// User and password are right, but not for this mount.
    NotHere(String),
    /// User or password are wrong or missing.
    Unknown,
}

/// Whether a caller may publish `path`. Every login is looked at, whichever fits.
pub(crate) fn may_publish(config: &Config, header: Option<&str>, path: &MountPath) -> MayPublish {
    let given = header.and_then(Credentials::parse);
    let mut found = MayPublish::Unknown;
    for login in &config.source {
        let fits = given.as_ref().is_some_and(|given| {
            login.password.matches(&given.password) & (login.user == given.user)
        });
        if !fits {
            continue;
        }
        let covers = login
            .mounts
            .iter()
            .any(|pattern| path.is_covered_by(pattern));
        if covers {
            found = MayPublish::Yes(login.user.clone());
        } else if found == MayPublish::Unknown {
            found = MayPublish::NotHere(login.user.clone());
        }
    }
    found
}

/// Whether the header shows this login.
pub(crate) fn is(login: Option<&Login>, header: Option<&str>) -> bool {
    let (Some(login), Some(given)) = (login, header.and_then(Credentials::parse)) else {
        return false;
    };
    login.password.matches(&given.password) & (login.user == given.user)
}

/// Whether the header at least claims to be this login.
pub(crate) fn claims_to_be(login: Option<&Login>, header: Option<&str>) -> bool {
    let (Some(login), Some(given)) = (login, header.and_then(Credentials::parse)) else {
        return false;
    };
    login.user == given.user
}

/// The time that passes before a wrong password is answered. `chance`: 0 to 1.
pub(crate) fn wrong_password_wait(chance: f64) -> Duration {
    WRONG_PASSWORD_WAIT.mul_f64(1.0 + 2.0 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = "[[source]]\nuser = \"hall\"\npassword = \"password of hall\"\n\
                    mounts = [\"/hall/*\"]\n[[source]]\npassword = \"password of all\"\n\
                    [relay]\nuser = \"relay\"\npassword = \"password of relays\"";
        stream::config::parse(text, "", "X", std::iter::empty()).unwrap()
    }

    fn may(user: &str, password: &str, path: &str) -> MayPublish {
        let header = Credentials::header(user, password);
        may_publish(&config(), Some(&header), &MountPath::parse(path).unwrap())
    }

    #[test]
    fn each_user_publishes_his_own_mounts_only() {
        assert_eq!(
            may("hall", "password of hall", "/hall/a"),
            MayPublish::Yes("hall".into())
        );
        assert_eq!(
            may("hall", "password of hall", "/live"),
            MayPublish::NotHere("hall".into())
        );
        assert_eq!(
            may("source", "password of all", "/live"),
            MayPublish::Yes("source".into())
        );
        assert_eq!(
            may("source", "password of hall", "/hall/a"),
            MayPublish::Unknown
        );
        assert_eq!(
            may("relay", "password of relays", "/live"),
            MayPublish::Unknown
        );
        let path = MountPath::parse("/live").unwrap();
        assert_eq!(may_publish(&config(), None, &path), MayPublish::Unknown);
    }

    #[test]
    fn a_relay_is_one_with_the_relay_password() {
        let config = config();
        let right = Credentials::header("relay", "password of relays");
        let wrong = Credentials::header("relay", "password of all");
        assert!(is(config.relay.as_ref(), Some(&right)));
        assert!(!is(config.relay.as_ref(), Some(&wrong)));
        assert!(claims_to_be(config.relay.as_ref(), Some(&wrong)));
        assert!(!is(config.admin.as_ref(), Some(&right)) && !is(config.relay.as_ref(), None));
    }
}
