//! What master.toml may say, and what is refused.

use super::*;

fn check(text: &str) -> Result<Config, String> {
    stream::config::parse::<Config>(text, "master.toml", "PLENUM_MASTER", std::iter::empty())
        .and_then(Config::checked)
        .map_err(|error| error.to_string())
}

const SOURCE: &str = "[[source]]\npassword = \"long enough\"\n";

#[test]
fn without_a_password_it_refuses_and_says_how_to_make_one() {
    let complaint = check("").unwrap_err();
    assert!(
        complaint.contains("[[source]]") && complaint.contains("openssl"),
        "{complaint}"
    );
}

#[test]
fn the_shipped_file_is_the_defaults() {
    let shipped: Config = stream::config::parse(
        include_str!("../../master.toml"),
        "",
        "X",
        std::iter::empty(),
    )
    .unwrap();
    assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
}

#[test]
fn an_empty_state_directory_is_none() {
    let off = check(&format!("state_directory = \"\"\n{SOURCE}")).unwrap();
    assert_eq!(off.state_directory(), None);
}

#[test]
fn recordings_without_a_place_are_remarked_upon() {
    let place = "state_directory = \"/s\"\n";
    let archive = "[archive]\nkeep_hours = 5.0\n";
    let mount = "[[mount]]\npath = \"/live.ogg\"\nkeep_megabytes = 5\n";
    let never = "[[mount]]\npath = \"/live.ogg\"\nkeep_hours = 0.0\n";
    let placed = format!("{place}{archive}");
    let nowhere = format!("state_directory = \"\"\n{archive}");
    for (text, is_wrong) in [
        ("", false),
        (archive, true),
        (mount, true),
        (never, false),
        (placed.as_str(), false),
        (nowhere.as_str(), true),
    ] {
        let remarks = check(&format!("{text}{SOURCE}")).unwrap().remarks();
        let is_named = remarks
            .iter()
            .any(|text| text.contains("`state_directory`"));
        assert_eq!(is_named, is_wrong, "{text}: {remarks:?}");
    }
}

#[test]
fn a_source_without_user_is_called_source_and_may_publish_anything() {
    let config = check(SOURCE).unwrap();
    assert_eq!(
        (config.source[0].user.as_str(), &config.source[0].mounts[..]),
        ("source", &["/*".to_owned()][..])
    );
}

#[test]
fn impossible_settings_are_refused_by_name() {
    for (line, word) in [
        ("burst_seconds = -1.0", "burst_seconds"),
        ("ring_seconds = 0", "ring_seconds"),
        ("filler_after_seconds = -1.0", "filler_after_seconds"),
        ("ring_megabytes = 100000", "ring_megabytes"),
        ("public_url = \"radio.example\"", "public_url"),
        ("listen = \"8000\"", "listen"),
        ("archive = { keep_hours = -1.0 }", "keep_hours"),
        ("directory = { url = \"http://d/\" }", "public_url"),
        ("standby = { master = \"http://m\" }", "password"),
        (
            "standby = { master = \"https://m\", password = \"long enough\", ca_file = \"/no.pem\" }",
            "[standby] ca_file",
        ),
        ("archive = { keep_days = 1 }", "keep_days"),
        ("tls = { certificate = \"/x\" }", "key"),
        (
            "tls = { certificate = \"/x\", key = \"/y\", port = 1 }",
            "port",
        ),
        (
            "tls = { certificate = \"/nowhere.pem\", key = \"/y\" }",
            "/nowhere.pem",
        ),
    ] {
        let complaint = check(&format!("{line}\n{SOURCE}")).unwrap_err();
        assert!(complaint.contains(word), "{complaint}");
    }
    let complaint = check(&format!("{SOURCE}mounts = [\"/a?b\"]")).unwrap_err();
    assert!(complaint.contains("mounts"), "{complaint}");
}

#[test]
fn logins_that_can_be_of_no_use_are_refused_by_name() {
    for (more, words) in [
        ("user = \"a:b\"", ["\"a:b\"", "colon"]),
        (
            "[admin]\nuser = \"a:b\"\npassword = \"long enough\"",
            ["\"a:b\"", "colon"],
        ),
        (
            "mounts = [\"/x\", \"/live\"]\n[[alias]]\npath = \"/live\"\nto = \"/live.ogg\"",
            ["`/live`", "`/live.ogg`"],
        ),
    ] {
        let complaint = check(&format!("{SOURCE}{more}")).unwrap_err();
        let is_named = |word: &str| complaint.contains(word);
        assert!(words.into_iter().all(is_named), "{complaint}");
    }
    let alias = "[[alias]]\npath = \"/live\"\nto = \"/live.ogg\"";
    assert!(check(&format!("{SOURCE}{alias}")).is_ok());
}

#[test]
fn filler_can_be_off_for_all_mounts_or_for_one() {
    let [live, hall] = ["/live.ogg", "/hall.ogg"].map(|p| MountPath::parse(p).unwrap());
    let mount = "[[mount]]\npath = \"/hall.ogg\"\nfiller_after_seconds = ";
    for (text, for_live, for_hall) in [
        (String::new(), Some(2), Some(2)),
        ("filler_after_seconds = 0\n".to_owned(), None, None),
        (format!("{mount}0.0\n"), Some(2), None),
        (
            format!("filler_after_seconds = 0\n{mount}3\n"),
            None,
            Some(3),
        ),
    ] {
        let config = check(&format!("{text}{SOURCE}")).unwrap();
        assert_eq!(
            config.filler_after(&live),
            for_live.map(Duration::from_secs)
        );
        assert_eq!(
            config.filler_after(&hall),
            for_hall.map(Duration::from_secs)
        );
    }
    let complaint = check(&format!("{mount}61.0\n{SOURCE}")).unwrap_err();
    assert!(complaint.contains("of mount `/hall.ogg`"), "{complaint}");
}

#[test]
fn a_mount_has_its_own_patience_with_its_source_and_its_own_titles_also_where_its_file_is_played() {
    let mounts = "[[mount]]\npath = \"/live.mp3\"\nsource_timeout_seconds = 30\n\
                  icy_interval_bytes = 8192\nfallback_file = \"/nowhere.mp3\"\n";
    // Whether the file is there is another question.
    let text = format!("source_timeout_seconds = 20\n{mounts}{SOURCE}");
    let config: Config = stream::config::parse(&text, "", "X", std::iter::empty()).unwrap();
    let path = |text: &str| MountPath::parse(text).unwrap();
    let patience = |text: &str| config.source_timeout(&path(text)).as_secs();
    assert_eq!((patience("/live.mp3"), patience("/other.mp3")), (30, 20));
    for mount in ["/live.mp3", "/live.mp3~file"] {
        assert_eq!(
            config.terms(&path(mount)).icy_interval(),
            Some(8_192),
            "{mount}"
        );
    }
}

#[test]
fn a_mount_that_no_balancer_serves_is_doubted_wherever_it_is_named() {
    for text in [
        format!("{SOURCE}[[mount]]\npath = \"/desk/live.ogg\"\n"),
        format!("{SOURCE}[[alias]]\npath = \"/desk/a\"\nto = \"/live.ogg\"\n"),
        format!("{SOURCE}mounts = [\"/static/*\"]\n"),
    ] {
        let remarks = check(&text).unwrap().remarks();
        assert!(
            remarks.len() == 1 && remarks[0].contains("a balancer"),
            "{remarks:?}"
        );
    }
    let text = format!("{SOURCE}mounts = [\"/*\", \"/live.ogg\"]\n");
    assert!(check(&text).unwrap().remarks().is_empty());
}
