//! Who may publish what, by the user and password he shows.

use stream::config::ConfigError;
use stream::http::basic::Credentials;
use stream::http::conditions::Alias;
use stream::http::head::Head;
use stream::mount::MountPath;
use stream::secret::Secret;

use crate::config::{Config, SourceLogin};

/// Somebody whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// His name.
    pub(crate) user: String,
    /// Tells his login from others with the same name.
    pub(crate) login: u64,
}

/// What somebody may do who wants to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MayPublish {
    /// This user, on this mount.
    Yes(Known),
    /// User and password are right, but not for this mount.
    NotHere(String),
    /// User or password are wrong or missing.
    Unknown,
}

/// Refuses logins that can be of no use.
///
/// # Errors
/// Names the login and says why.
pub(crate) fn check_logins(config: &Config) -> Result<(), ConfigError> {
    let logins = config.relay.iter().chain(config.operator());
    let users = logins.map(|login| &login.user);
    let mut users = users.chain(config.source.iter().map(|login| &login.user));
    if let Some(user) = users.find(|user| user.contains(':')) {
        return Err(ConfigError::new(format!(
            "user {user:?} can never log in, since HTTP ends a user's name at its first colon: \
             take it out"
        )));
    }
    for login in &config.source {
        let is_named = |alias: &&Alias| {
            let mut paths = login.mounts.iter().filter(|path| !path.ends_with('*'));
            paths.any(|path| alias.path.is_covered_by(path))
        };
        if let Some(alias) = config.alias.iter().find(is_named) {
            return Err(ConfigError::new(format!(
                "`mounts` of source {:?} names `{}`, which is an [[alias]]: listeners who ask for \
                 it are led to `{}`; name that",
                login.user, alias.path, alias.to
            )));
        }
    }
    Ok(())
}

/// Whether a caller may publish `path`. Every login is looked at, whichever fits.
pub(crate) fn may_publish(config: &Config, head: &Head, path: &MountPath) -> MayPublish {
    let Some(header) = head.header("authorization") else {
        // Clients of the first Icecast show nothing else.
        let password = head.header("ice-password");
        return password.map_or(MayPublish::Unknown, |password| {
            by_password(config, password, path)
        });
    };
    by_header(config, header, path)
}

/// As [`may_publish`], by what `Authorization` says.
pub(crate) fn by_header(config: &Config, header: &str, path: &MountPath) -> MayPublish {
    let given = Credentials::parse(header);
    look_up(config, path, |login| {
        given.as_ref().is_some_and(|given| {
            login.password.matches(&given.password) & (login.user == given.user)
        })
    })
}

/// As [`may_publish`], for old clients that name no user: the password says who it is.
pub(crate) fn by_password(config: &Config, password: &str, path: &MountPath) -> MayPublish {
    look_up(config, path, |login| login.password.matches(password))
}

/// Somebody of whom others say that he may publish.
pub(crate) fn as_shown(header: &str) -> Known {
    let shown = Credentials::parse(header);
    let (user, password) =
        shown.map_or_else(Default::default, |shown| (shown.user, shown.password));
    let login = Secret::given(password).mark(&user);
    Known { user, login }
}

fn look_up(config: &Config, path: &MountPath, fits: impl Fn(&SourceLogin) -> bool) -> MayPublish {
    let mut found = MayPublish::Unknown;
    for login in &config.source {
        if !fits(login) {
            continue;
        }
        let covers = login
            .mounts
            .iter()
            .any(|pattern| path.is_covered_by(pattern));
        if covers && !matches!(found, MayPublish::Yes(_)) {
            found = MayPublish::Yes(Known {
                user: login.user.clone(),
                login: login.password.mark(&login.user),
            });
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

    /// Who may publish, or why not.
    fn may(user: &str, password: &str, path: &str) -> String {
        let header = Credentials::header(user, password);
        ask(&format!("Authorization: {header}"), path)
    }

    fn ask(header: &str, path: &str) -> String {
        let text = format!("SOURCE {path} HTTP/1.0\r\n{header}\r\n\r\n");
        let head = Head::parse(text.as_bytes()).unwrap().unwrap();
        match may_publish(&config(), &head, &MountPath::parse(path).unwrap()) {
            MayPublish::Yes(known) => known.user,
            MayPublish::NotHere(user) => format!("not here: {user}"),
            MayPublish::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn who_names_no_user_is_known_by_his_password_and_bound_to_his_mounts() {
        assert_eq!(ask("ice-password: password of all", "/live"), "source");
        assert_eq!(ask("ice-password: password of hall", "/hall/a"), "hall");
        assert_eq!(
            ask("ice-password: password of hall", "/live"),
            "not here: hall"
        );
        for nothing in ["ice-password: ", "ice-password: wrong password", "x: y"] {
            assert_eq!(ask(nothing, "/live"), "unknown");
        }
        let both = Credentials::header("hall", "wrong password");
        let both = format!("ice-password: password of all\r\nAuthorization: {both}");
        assert_eq!(ask(&both, "/live"), "unknown");
    }

    #[test]
    fn each_user_publishes_his_own_mounts_only() {
        assert_eq!(may("hall", "password of hall", "/hall/a"), "hall");
        assert_eq!(may("hall", "password of hall", "/live"), "not here: hall");
        assert_eq!(may("source", "password of all", "/live"), "source");
        assert_eq!(may("source", "password of hall", "/hall/a"), "unknown");
        assert_eq!(may("relay", "password of relays", "/live"), "unknown");
    }

    #[test]
    fn two_logins_of_one_user_are_told_apart_however_they_are_shown() {
        let text = "[[source]]\npassword = \"password of all\"\n[[source]]\n\
                    password = \"password of one\"\nmounts = [\"/one\"]";
        let config: Config = stream::config::parse(text, "", "X", std::iter::empty()).unwrap();
        let one = MountPath::parse("/one").unwrap();
        let known = |may: MayPublish| match may {
            MayPublish::Yes(known) => known,
            may => panic!("{may:?}"),
        };
        let by = |password| known(by_password(&config, password, &one));
        let (all, single) = (by("password of all"), by("password of one"));
        assert_eq!(
            (all.user.as_str(), single.user.as_str()),
            ("source", "source")
        );
        assert_ne!(all.login, single.login);
        let header = Credentials::header("source", "password of one");
        assert_eq!(known(by_header(&config, &header, &one)), single);
    }
}
