//! Which conditions settings may set, and which not.

use super::*;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    mount: Vec<MountSettings>,
    #[serde(default)]
    alias: Vec<Alias>,
}

fn check(text: &str) -> Result<(), String> {
    let file: File = toml::from_str(text).unwrap();
    check_mounts(&file.mount)
        .and_then(|()| check_aliases(&file.alias))
        .map_err(|error| error.to_string())
}

fn mount(path: &str, more: &str) -> String {
    format!("[[mount]]\npath = \"{path}\"\n{more}\n")
}

#[test]
fn fallbacks_in_a_circle_and_aliases_of_aliases_are_refused() {
    let to = |path: &str, to: &str| mount(path, &format!("fallback = \"{to}\""));
    let long: String = (0..11)
        .map(|n| to(&format!("/m{n}"), &format!("/m{}", n + 1)))
        .collect();
    for (text, word) in [
        (to("/a", "/a"), "back to it"),
        (to("/a", "/b") + &to("/b", "/a"), "back to it"),
        (to("/x", "/a") + &to("/a", "/b") + &to("/b", "/a"), "circle"),
        (long, "circle"),
        (
            to("/a", "/b") + &mount("/b", "htpasswd = \"/x\""),
            "get around",
        ),
        (mount("/a", "") + &mount("/a", ""), "two [[mount]]"),
        (mount("/a", "max_listener_seconds = 0"), "`/a`"),
        (mount("/a", "fallback_after_seconds = -1.0"), "`/a`"),
        (mount("/a", "icy_interval_bytes = 999"), "1000 to 1000000"),
        (mount("/a", "icy_interval_bytes = 1000001"), "or 0"),
        (mount("/a", "listener_auth_url = \"x\""), "http://"),
        (mount("/a~file", ""), "~file"),
        (mount("/a", "fallback_when_full = true"), "a `fallback`"),
        (mount("/a", "source_timeout_seconds = 0"), "at least 1"),
        (
            mount("/a", "fallback = \"/b\"\nfallback_file = \"/x\""),
            "choose one",
        ),
        (
            "[[alias]]\npath = \"/r\"\nto = \"/s\"\n[[alias]]\npath = \"/s\"\nto = \"/t\"\n"
                .to_owned(),
            "alias itself",
        ),
    ] {
        let complaint = check(&text).expect_err(&text);
        assert!(complaint.contains(word), "{text}: {complaint}");
    }
    check(&(to("/a", "/b") + &to("/b", "/c"))).unwrap();
    check(&(mount("/a", "icy_interval_bytes = 0") + &mount("/b", "icy_interval_bytes = 8192")))
        .unwrap();
}

#[test]
fn an_alias_is_followed_once_and_other_paths_stay() {
    let path = |text: &str| MountPath::parse(text).unwrap();
    let aliases = Aliases::new(&[Alias {
        path: path("/radio"),
        to: path("/live.ogg"),
    }]);
    assert_eq!(aliases.meant(path("/radio")), path("/live.ogg"));
    assert_eq!(aliases.meant(path("/other")), path("/other"));
}
