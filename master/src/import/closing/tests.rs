//! Nothing that was protected is open afterwards.

use stream::mount::MountPath;

use super::super::translate::{Translated, World, translate};
use crate::config::Config;

/// A machine on which files are what their names say.
struct Made;

impl World for Made {
    fn new_password(&mut self) -> Result<String, String> {
        Ok("made-for-this-test".to_owned())
    }

    fn is_file(&self, path: &str) -> bool {
        !path.starts_with("/missing")
    }

    fn text_of(&self, path: &str) -> Option<String> {
        match path {
            "/allowed" => Some("192.0.2.0/24\n".to_owned()),
            "/odd" => Some("# friends\nfriend.example\n".to_owned()),
            _ => None,
        }
    }

    fn check(&self, toml: &str) -> Result<(), String> {
        super::super::check(toml)
    }
}

fn made(inner: &str) -> (Config, Translated) {
    let translated = translate(&format!("<icecast>{inner}</icecast>"), &mut Made).unwrap();
    let toml = &translated.toml;
    let config = stream::config::parse::<Config>(toml, "", "X", std::iter::empty())
        .and_then(Config::checked)
        .unwrap_or_else(|complaint| panic!("{complaint}\n{toml}"));
    (config, translated)
}

fn mount(authentication: &str) -> String {
    format!("<mount><mount-name>/m</mount-name>{authentication}</mount>")
}

#[test]
fn a_mount_that_asked_for_a_password_lets_nobody_in_where_its_key_is_lost() {
    let url = |name: &str, to: &str| {
        format!(
            "<authentication type=\"url\"><option name=\"{name}\" value=\"{to}\"/></authentication>"
        )
    };
    let kind = |kind: &str, file: &str| {
        format!(
            "<authentication type=\"{kind}\"><option name=\"filename\" value=\"{file}\"/></authentication>"
        )
    };
    let role = |attributes: &str| format!("<authentication><role {attributes}/></authentication>");
    let bad_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bad_file.path(), "anna:$apr1$x$y\n").unwrap();
    let bad_file = bad_file.path().to_str().unwrap().to_owned();
    for (authentication, word) in [
        (
            kind("htpasswd", "/missing/listeners"),
            "/missing/listeners is not there",
        ),
        (kind("htpasswd", &bad_file), "htpasswd -B"),
        (kind("command", "/bin/true"), "(command)"),
        ("<authentication type=\"htpasswd\"/>".to_owned(), "htpasswd"),
        (
            url("listener_add", "http://u:p@auth.example.org/"),
            "# listener_auth_url",
        ),
        (url("client_add", "nowhere"), "# listener_auth_url"),
        (
            role("type=\"static\" method=\"get\""),
            "could not be taken over",
        ),
        (
            role("type=\"anonymous\" deny-all=\"*\""),
            "could not be taken over",
        ),
    ] {
        let (config, translated) = made(&mount(&authentication));
        let toml = &translated.toml;
        let [of_it] = config.mount.as_slice() else {
            panic!("{toml}");
        };
        let nobody = of_it
            .htpasswd
            .as_ref()
            .is_some_and(|file| file.as_os_str() == super::NOBODY);
        assert!(nobody && of_it.needs_password(), "{authentication}\n{toml}");
        assert!(toml.contains(word), "{word} is missing in\n{toml}");
        assert_eq!(translated.warnings.len(), 1, "{:?}", translated.warnings);
        assert!(translated.warnings[0].starts_with("nobody may listen to /m: "));
        assert!(toml.contains("# LOOK AT THIS FIRST:\n# nobody may listen to /m"));
        assert_eq!(config.source[0].mounts, ["/*"], "{toml}");
    }
}

#[test]
fn a_mount_that_was_open_stays_open() {
    for authentication in [
        "",
        "<authentication/>",
        "<authentication type=\"url\"><option name=\"stream_auth\" value=\"http://a.example/\"/>\
         </authentication>",
        "<authentication type=\"url\"><option name=\"listener_add\" value=\"\"/></authentication>",
        "<authentication><role type=\"static\" method=\"get\"/><role type=\"anonymous\" \
         deny-admin=\"*\" deny-method=\"put\"/></authentication>",
        "<authentication><role type=\"static\" method=\"source,put\"/></authentication>",
    ] {
        let (config, translated) = made(&mount(authentication));
        let is_locked = config
            .mount
            .iter()
            .any(stream::http::serving::MountSettings::needs_password);
        assert!(!is_locked, "{}", translated.toml);
        assert!(translated.warnings.is_empty(), "{:?}", translated.warnings);
    }
}

#[test]
fn of_two_mounts_with_one_path_the_protected_one_counts() {
    let open = "<mount><mount-name>/m</mount-name><hidden>1</hidden></mount>";
    let closed = "<authentication type=\"url\"><option name=\"listener_add\" \
                  value=\"http://a.example/\"/></authentication>";
    let (config, translated) = made(&(open.to_owned() + &mount(closed)));
    assert!(config.mount.len() == 1 && config.mount[0].needs_password());
    assert!(translated.warnings[0].contains("/m"), "{}", translated.toml);
}

#[test]
fn what_was_protected_for_all_mounts_cannot_be_published_unprotected() {
    let password = "<authentication><source-password>for all of them</source-password>";
    let own = mount("<hidden>1</hidden>");
    let for_all = "<mount type=\"default\"><password>for all of them</password>\
                   <authentication type=\"command\"/></mount>";
    let (config, translated) = made(&format!("{password}</authentication>{own}{for_all}"));
    assert_eq!(config.source.len(), 2);
    for login in &config.source {
        assert_eq!(login.mounts, ["/m"], "{}", translated.toml);
    }
    assert!(!config.mount[0].needs_password());
    assert!(translated.warnings[0].contains("type=\"default\""));
    // Roles of 2.5 that hold for the mounts of the file, too.
    let role = "<role type=\"anonymous\" deny-all=\"*\"/></authentication>";
    let (config, translated) = made(&format!("{password}{role}{own}{}", mount("")));
    assert!(config.mount[0].needs_password(), "{}", translated.toml);
    assert_eq!(config.source[0].mounts, ["/m"]);
    assert_eq!(translated.warnings.len(), 2);
}

#[test]
fn lines_that_keep_nobody_out_any_more_are_named_first() {
    let (config, translated) = made("<paths><deny-ip>/odd</deny-ip></paths>");
    assert!(config.access.admits([192, 0, 2, 1].into()));
    let [warned] = translated.warnings.as_slice() else {
        panic!("{:?}", translated.warnings);
    };
    assert!(
        warned.starts_with("1 lines of /odd are no networks"),
        "{warned}"
    );
}

#[test]
fn while_it_is_not_known_who_may_not_connect_nobody_may() {
    for (paths, was) in [
        ("<deny-ip>/missing</deny-ip>", None),
        ("<allow-ip>/missing</allow-ip>", None),
        ("<allow-ip>/odd</allow-ip>", None),
        (
            "<deny-ip>/missing</deny-ip><allow-ip>/allowed</allow-ip>",
            Some("allow = [\"192.0.2.0/24\"]"),
        ),
    ] {
        let (config, translated) = made(&format!("<paths>{paths}</paths>"));
        let admits = |from: &str| config.access.admits(from.parse().unwrap());
        assert!(admits("127.0.0.1") && admits("::1"));
        assert!(!admits("192.0.2.1") && !admits("2001:db8::1"));
        let warned = &translated.warnings[0];
        assert!(
            warned.contains("/missing cannot be read") || warned.contains("/odd names no network"),
            "{warned}"
        );
        let toml = &translated.toml;
        assert!(
            was.is_none_or(|was| toml.contains(&format!("# {was}"))),
            "{toml}"
        );
    }
}

#[test]
fn a_name_with_a_star_becomes_no_mount_of_that_name_and_opens_nothing() {
    let star = |more: &str| {
        made(&format!(
            "<authentication><source-password>password of all</source-password></authentication>\
             <mount><mount-name>/live*</mount-name><username>ann</username>\
             <password>password of ann</password><genre>Talk</genre>{more}</mount>"
        ))
    };
    let (config, translated) = star("");
    assert!(config.mount.is_empty(), "{}", translated.toml);
    assert!(translated.toml.contains("# genre"), "{}", translated.toml);
    assert!(translated.toml.contains("without the star"));
    let mut logins = config.source.iter();
    let ann = logins.find(|login| login.user == "ann").unwrap();
    assert_eq!(ann.mounts, ["/live*"]);

    let (config, translated) = star("<authentication type=\"htpasswd\"/>");
    let live = MountPath::parse("/live1").unwrap();
    let mut patterns = config.source.iter().flat_map(|login| &login.mounts);
    assert!(
        patterns.all(|pattern| !live.is_covered_by(pattern)),
        "{}",
        translated.toml
    );
    assert!(!translated.warnings.is_empty());
}
