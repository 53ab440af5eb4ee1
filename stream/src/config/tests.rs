//! What an operator sees when his settings are wrong, and what the environment overrides.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    burst_seconds: u32,
    relay: Relay,
    source: Vec<Source>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            burst_seconds: 3,
            relay: Relay::default(),
            source: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Relay {
    password: Option<crate::secret::Secret>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    user: String,
}

fn check(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    parse(text, "master.toml", "PLENUM_MASTER", environment).map_err(|e| e.to_string())
}

#[test]
fn nothing_is_the_defaults() {
    assert_eq!(check("", &[]).unwrap().burst_seconds, 3);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let text = check("\n# x\nburst = 4\n", &[]).unwrap_err();
    assert!(
        text.starts_with("master.toml line 3: unknown field `burst`, expected"),
        "{text}"
    );
    assert!(text.contains("`burst_seconds`"), "{text}");
}

#[test]
fn a_wrong_value_is_named_with_its_line_and_key() {
    let text = check("burst_seconds = \"long\"", &[]).unwrap_err();
    assert!(
        text.starts_with("master.toml line 1: `burst_seconds` invalid type"),
        "{text}"
    );
}

#[test]
fn what_the_library_only_complains_of_is_told_with_a_remedy() {
    #[derive(Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Program {
        listen: std::net::SocketAddr,
        words: Vec<String>,
        seconds: f64,
        count: u16,
        mount: Vec<Source>,
    }
    impl Default for Program {
        fn default() -> Self {
            let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
            let (words, mount) = (Vec::new(), Vec::new());
            Self {
                listen,
                words,
                seconds: 0.5,
                count: 1,
                mount,
            }
        }
    }
    for (text, place, remedy) in [
        (
            "listen = \"8000\"",
            "line 1: `listen`",
            "such as \"0.0.0.0:8000\"",
        ),
        (
            "listen = \":8000\"",
            "line 1: `listen`",
            "such as \"0.0.0.0:8000\"",
        ),
        (
            "words = \"/bin/x\"",
            "line 1: `words`",
            "a list, such as [\"a\"",
        ),
        (
            "\n[mount]\nuser = \"a\"",
            "line 2: ",
            "two brackets, such as [[mount]]",
        ),
        ("seconds = \"2\"", "line 1: `seconds`", "such as 2.5"),
        ("count = \"2\"", "line 1: `count`", "such as 10"),
        ("words = [1]", "line 1: `words`", "in quotes"),
        ("\n[[mount]]", "line 2: missing field `user`", "add it"),
    ] {
        let parsed = parse::<Program>(text, "a.toml", "X", std::iter::empty());
        let why = parsed.unwrap_err().to_string();
        assert!(why.contains(place) && why.contains(remedy), "{text}: {why}");
    }
}

#[test]
fn a_poor_password_is_refused_without_repeating_it() {
    let text = check("[relay]\npassword = \"abc123\"", &[]).unwrap_err();
    assert!(
        text.starts_with("master.toml line 2: `password` must have"),
        "{text}"
    );
    assert!(!text.contains("abc123"), "{text}");
}

#[test]
fn the_environment_wins_also_inside_tables_and_lists() {
    let settings = check(
        "burst_seconds = 4\n[[source]]\nuser = \"a\"\n",
        &[
            ("PLENUM_MASTER__BURST_SECONDS", "9"),
            ("PLENUM_MASTER__RELAY__PASSWORD", "from the environment"),
            ("PLENUM_MASTER__SOURCE__0__USER", "b"),
            ("PLENUM_RELAY__BURST_SECONDS", "1"),
        ],
    )
    .unwrap();
    assert_eq!(settings.burst_seconds, 9);
    assert!(
        settings
            .relay
            .password
            .unwrap()
            .matches("from the environment")
    );
    assert_eq!(settings.source[0].user, "b");
}

#[test]
fn a_password_of_digits_is_text_and_is_never_repeated() {
    let digits = &[("PLENUM_MASTER__RELAY__PASSWORD", "9081726354")];
    assert!(
        check("", digits)
            .unwrap()
            .relay
            .password
            .unwrap()
            .matches("9081726354")
    );
    let text = check("[relay]\npassword = 9081726354", &[]).unwrap_err();
    assert!(
        text.contains("in quotes") && !text.contains("9081"),
        "{text}"
    );
}

#[test]
fn the_environment_can_begin_a_list() {
    let settings = check("", &[("PLENUM_MASTER__SOURCE__0__USER", "b")]).unwrap();
    assert_eq!(settings.source[0].user, "b");
}

#[test]
fn a_wrong_environment_variable_is_named() {
    let text = check("", &[("PLENUM_MASTER__BURST", "9")]).unwrap_err();
    assert!(
        text.contains("PLENUM_MASTER__BURST") && text.contains("unknown field"),
        "{text}"
    );
    let text = check("", &[("PLENUM_MASTER__SOURCE__4__USER", "x")]).unwrap_err();
    assert!(text.contains("PLENUM_MASTER__SOURCE__4__USER"), "{text}");
}

#[test]
fn an_error_in_the_file_keeps_its_line_when_the_environment_overrides_another_key() {
    let text = check("\nburst = 4\n", &[("PLENUM_MASTER__BURST_SECONDS", "9")]).unwrap_err();
    assert!(text.starts_with("master.toml line 2:"), "{text}");
}

#[test]
fn a_missing_file_is_named_with_a_remedy() {
    let path = Path::new("/nonexistent/master.toml");
    let text = load::<Settings>(Some(path), "PLENUM_MASTER", std::iter::empty()).unwrap_err();
    assert!(
        text.to_string().contains("/nonexistent/master.toml"),
        "{text}"
    );
    assert!(text.to_string().contains("--config"), "{text}");
}

#[test]
fn systemd_may_say_where_the_state_is() {
    for (value, expected) in [
        (
            "/var/lib/plenum-master:/var/lib/more",
            Some("/var/lib/plenum-master"),
        ),
        ("", None),
    ] {
        let environment = [("STATE_DIRECTORY".to_owned(), value.to_owned())];
        let found = state_directory(environment.into_iter());
        assert_eq!(found, expected.map(PathBuf::from), "{value}");
    }
    assert_eq!(state_directory(std::iter::empty()), None);
}

#[test]
fn an_address_without_its_half_says_how_one_is_written() {
    #[derive(Debug, Deserialize)]
    struct Listening {
        listen: std::net::SocketAddr,
    }
    let read = |text: &str| {
        let settings = parse::<Listening>(text, "x.toml", "PLENUM_X", std::iter::empty());
        settings.map(|settings| settings.listen.port())
    };
    assert_eq!(read("listen = \"[::]:8000\""), Ok(8000));
    let complaint = read("listen = \"8000\"").unwrap_err().to_string();
    assert!(complaint.contains("0.0.0.0:8000"), "{complaint}");
}

#[test]
fn an_address_for_listeners_leads_somewhere() {
    for url in [
        "http://0.0.0.0:8000",
        "https://0.0.0.0",
        "http://[::]:8000",
        "http://[::]",
    ] {
        let complaint = check_public_url(url).unwrap_err().to_string();
        assert!(complaint.contains("public_url"), "{complaint}");
    }
    for url in [
        "http://radio.example:8000",
        "http://[2001:db8::1]:8000",
        "http://10.0.0.1",
    ] {
        assert_eq!(check_public_url(url), Ok(()), "{url}");
        assert!(!is_loopback(url), "{url}");
    }
    for url in [
        "http://localhost:8000",
        "http://127.0.0.1",
        "https://[::1]:8000",
    ] {
        assert_eq!(check_public_url(url), Ok(()), "{url}");
        assert!(is_loopback(url), "{url}");
    }
}
