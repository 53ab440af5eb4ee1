//! What an operator sees when his settings are wrong.

use super::*;

const PASSWORD: &str = "password = \"correct horse\"\n";

fn load(text: &str) -> Result<Config, String> {
    stream::config::parse(text, "source.toml", PREFIX, std::iter::empty())
        .map_err(|error| error.to_string())
}

fn check(text: &str) -> Result<Settings, String> {
    load(text)?.check().map_err(|error| error.to_string())
}

/// The complaint about settings that are right but for this line.
fn complaint(line: &str) -> String {
    check(&format!("{PASSWORD}{line}\n")).unwrap_err()
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let shipped = load(include_str!("../../source.toml")).unwrap();
    assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_shipped_file_mentions_every_key() {
    let text = include_str!("../../source.toml");
    let all = complaint("nonsense = 1");
    let keys: Vec<_> = all.split('`').skip(3).step_by(2).collect();
    assert!(keys.len() > 10, "{all}");
    for key in keys {
        let is_there = text.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.starts_with(&format!("{key} =")) || line == format!("[[{key}]]")
        });
        assert!(is_there, "source.toml does not mention `{key}`");
    }
}

#[test]
fn without_a_password_it_says_how_to_give_one() {
    let text = check("").unwrap_err();
    assert!(text.contains("PLENUM_SOURCE__PASSWORD"), "{text}");
    assert!(text.contains("password_file"), "{text}");
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    let text = complaint("url = \"http://source:geheimnis@radio.example/live.ogg\"");
    assert!(
        text.contains("`url`") && text.contains("password"),
        "{text}"
    );
    assert!(!text.contains("geheimnis"), "{text}");
}

#[test]
fn https_asks_for_tls_at_every_address_and_never_mixes() {
    const SECURE: &str = "url = \"https://radio.example/live.ogg\"\n";
    let settings = check(&format!("{PASSWORD}{SECURE}")).unwrap();
    assert!(settings.target.tls.is_some());
    assert_eq!(
        settings.target.to_string(),
        "https://radio.example:443/live.ogg"
    );
    assert!(check(PASSWORD).unwrap().target.tls.is_none());
    for other in [
        "spare_urls = [\"http://spare.example/live.ogg\"]",
        "[[uplink]]\nurl = \"http://spare.example/live.ogg\"",
    ] {
        let text = complaint(&format!("{SECURE}{other}"));
        assert!(text.contains("spare.example"), "{text}");
        assert!(text.contains("write https everywhere"), "{text}");
        let secure = other.replace("http:", "https:");
        let settings = check(&format!("{PASSWORD}{SECURE}{secure}")).unwrap();
        let mut targets = settings.ways.iter().flat_map(|way| &way.targets);
        assert!(targets.all(|target| target.tls.is_some()), "{secure}");
    }
}

#[test]
fn a_ca_file_vouches_for_somebody_or_is_refused() {
    const SECURE: &str = "url = \"https://radio.example/live.ogg\"";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let line = format!("ca_file = \"{}\"", file.display());
    let text = complaint(&format!("{SECURE}\n{line}"));
    assert!(
        text.contains("`ca_file`: cannot read") && text.contains("ca.pem"),
        "{text}"
    );
    std::fs::write(&file, "nothing").unwrap();
    let text = complaint(&format!("{SECURE}\n{line}"));
    assert!(text.contains("no certificate"), "{text}");
    let text = complaint(&line);
    assert!(text.contains("write https there"), "{text}");
    assert!(check(&format!("{PASSWORD}ca_file = \"\"")).is_ok());
}

#[test]
fn a_url_that_leads_nowhere_is_refused() {
    for url in [
        "radio.example",
        "ftp://radio.example/x",
        "http://radio.example:8000",
        "http://",
    ] {
        let text = complaint(&format!("url = \"{url}\""));
        assert!(
            text.contains("`url`") && text.contains("/live.ogg"),
            "{text}"
        );
    }
    let text = complaint("url = \"http://radio.example/live.ogg?x=1\"");
    assert!(text.contains('?'), "{text}");
}

#[test]
fn a_line_break_cannot_get_into_a_header() {
    let text = complaint("name = \"a\\r\\nAuthorization: x\"");
    assert!(
        text.contains("`name`") && text.contains("line break"),
        "{text}"
    );
}

#[test]
fn a_wrong_word_is_answered_with_the_right_ones() {
    let text = complaint("pick = \"centre\"");
    assert!(
        text.contains("line 2") && text.contains("`loudest`"),
        "{text}"
    );
    let text = complaint("bitrate = 9000");
    assert!(text.contains("`bitrate` = 9000"), "{text}");
}

#[test]
fn a_password_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "correct horse\n").unwrap();
    let line = format!("password_file = \"{}\"", path.display());
    let settings = check(&line).unwrap();
    assert!(settings.target.password.matches("correct horse"));
    let text = check(&format!("{PASSWORD}{line}")).unwrap_err();
    assert!(text.contains("keep one"), "{text}");
    // Somebody else's server may have chosen it: any password goes.
    std::fs::write(&path, "short\n").unwrap();
    assert!(check(&line).unwrap().target.password.matches("short"));
    std::fs::write(&path, "\n").unwrap();
    let text = check(&line).unwrap_err();
    assert!(
        text.contains("`password_file`") && text.contains("empty"),
        "{text}"
    );
}

#[test]
fn the_url_says_where_and_the_default_port_is_80() {
    let target = check(&format!("{PASSWORD}url = \"http://[::1]/a%20b.ogg\""))
        .unwrap()
        .target;
    assert_eq!(target.authority(), "[::1]:80");
    assert_eq!(target.to_string(), "http://[::1]:80/a%20b.ogg");
}

#[test]
fn a_layout_that_is_not_given_follows_the_input() {
    let settings = check(PASSWORD).unwrap();
    assert_eq!(settings.layout(1).channels, Channels::Mono);
    assert_eq!(settings.layout(2).channels, Channels::Stereo);
    let settings = check(&format!("{PASSWORD}pick = \"left\"")).unwrap();
    assert_eq!(settings.layout(2).channels, Channels::Mono);
}

#[test]
fn each_mount_has_a_spool_where_programs_keep_their_state() {
    let spool = |text: &str, variables: &[(&str, &str)]| {
        let mut settings = check(&format!("{PASSWORD}{text}")).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        settings.find_spool(variables);
        settings.spool
    };
    let home = ("HOME", "/home/anna");
    let usual = |folder: &str| SpoolAt::Usual(folder.into());
    assert_eq!(
        spool("", &[home]),
        usual("/home/anna/.local/state/plenum/spool/localhost_8000_live.ogg")
    );
    let state = ("XDG_STATE_HOME", "/state");
    assert_eq!(
        spool("", &[state, home]),
        usual("/state/plenum/spool/localhost_8000_live.ogg")
    );
    let service = ("STATE_DIRECTORY", "/var/lib/plenum:/var/lib/other");
    assert_eq!(
        spool(
            "url = \"http://[::1]:8010/a/b.ogg\"\n",
            &[home, service, state]
        ),
        usual("/var/lib/plenum/spool/___1__8010_a_b.ogg")
    );
    assert_eq!(spool("", &[("HOME", "")]), SpoolAt::Nowhere);
    assert_eq!(spool("spool = \"\"\n", &[home]), SpoolAt::Nowhere);
    assert_eq!(
        spool("spool = \"/x\"\n", &[home]),
        SpoolAt::Named("/x".into())
    );
}

#[test]
fn limits_of_the_spool_that_make_no_sense_are_refused() {
    for (line, expected) in [
        ("spool_minutes = 1", "`spool_minutes` = 1: it goes from 2"),
        (
            "spool_megabytes = 0",
            "`spool_megabytes` = 0: it goes from 10",
        ),
        ("catch_up_seconds = 90000", "`catch_up_seconds` = 90000"),
        ("fill_speed = 101", "`fill_speed` = 101"),
    ] {
        let text = complaint(line);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn each_uplink_leads_to_the_master_and_those_that_stand_in_for_it() {
    let ways = check(&format!(
        "{PASSWORD}url = \"http://a/live.ogg\"\nspare_urls = [\"http://b/live.ogg\"]\n\
         [[uplink]]\nbind = \"eth0\"\n[[uplink]]\nbind = \"192.0.2.7\"\n\
         url = \"http://c/live.ogg\"\nstandby = true\n"
    ))
    .unwrap()
    .ways;
    let targets = |way: &Way| -> Vec<String> {
        way.targets
            .iter()
            .map(|target| target.host.clone())
            .collect()
    };
    assert_eq!(targets(&ways[0]), ["a", "b"]);
    assert_eq!(targets(&ways[1]), ["c", "b"]);
    assert_eq!(ways[0].bind, Some(Bind::Interface("eth0".to_owned())));
    assert_eq!(
        (ways[1].name().as_str(), ways[1].is_standby),
        ("192.0.2.7", true)
    );
    assert_eq!(check(PASSWORD).unwrap().ways.len(), 1);
}

#[test]
fn uplinks_that_make_no_sense_are_refused() {
    let uplink = |lines: &str| complaint(&format!("[[uplink]]\n{lines}"));
    for (lines, expected) in [
        ("bind = \"a b\"", "neither an address nor an interface"),
        ("standby = true", "has `standby`; one has to be without"),
        ("[[uplink]]", "go the same way"),
        ("url = \"ftp://x/y\"", "`url` = ftp://x/y"),
    ] {
        let text = uplink(lines);
        assert!(text.contains(expected), "{text}");
    }
    assert!(complaint("spare_urls = [\"x\"]").contains("`spare_urls` is no URL"));
}
