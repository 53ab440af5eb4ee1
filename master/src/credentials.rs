//! Who may publish what, by the user and password he shows.

use stream::http::basic::Credentials;
use stream::mount::MountPath;

use crate::config::Config;

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
}
