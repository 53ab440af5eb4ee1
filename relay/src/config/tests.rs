//! What relay.toml may say, and what is refused.

use super::*;

fn check(text: &str) -> Result<Config, String> {
    stream::config::parse::<Config>(text, "relay.toml", "PLENUM_RELAY", std::iter::empty())
        .and_then(Config::checked)
        .map_err(|error| error.to_string())
}

const PUBLIC: &str = "public_url = \"http://r:8000\"\n";
const BALANCER: &str = "[balancer]\nurl = \"https://b\"\ntoken = \"long enough\"\n";
const MASTER: &str = "[master]\nurl = \"http://m:8000\"\npassword = \"long enough\"\n";

#[test]
fn the_shipped_file_is_the_defaults() {
    let shipped: Config = stream::config::parse(
        include_str!("../../relay.toml"),
        "",
        "X",
        std::iter::empty(),
    )
    .unwrap();
    assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
}

#[test]
fn one_upstream_is_enough_and_the_others_stand_by() {
    let sibling = MASTER.replace("[master]", "[[upstream]]");
    let config = check(&sibling).unwrap();
    assert!(config.upstream[0].standby && config.upstreams().len() == 1);
    assert!(!config.upstream[0].may_rule, "a sibling may not take over");
    let both = check(&format!("{MASTER}{sibling}standby = false\n")).unwrap();
    assert!(!both.upstream[0].standby && both.upstreams().len() == 2);
    let icecast = "[icecast]\nurl = \"http://i:8000\"\nmounts = [\"/live.ogg\"]";
    assert_eq!(check(icecast).unwrap().icecast.unwrap().user, "relay");
    let below = check(&format!("{MASTER}[relay]\npassword = \"long enough\"")).unwrap();
    assert_eq!(below.relay.unwrap().user, "relay");
}

#[test]
fn an_address_that_leads_listeners_to_themselves_is_doubted() {
    let remarks = |own: &str, balancer: &str| {
        let text = format!(
            "public_url = \"http://{own}:8000\"\n{MASTER}[balancer]\nurl = \"http://{balancer}\"\n\
             token = \"long enough\""
        );
        check(&text).unwrap().remarks()
    };
    let said = remarks("localhost", "b.example");
    assert!(said[0].contains("public_url"), "{said:?}");
    assert!(remarks("r.example", "b.example").is_empty());
    // All of it on one machine, for a try.
    assert!(remarks("127.0.0.1", "localhost:8010").is_empty());
    let alone = format!("public_url = \"http://localhost\"\n{MASTER}");
    assert!(check(&alone).unwrap().remarks().is_empty());
}

#[test]
fn whoever_is_called_may_be_called_through_tls() {
    let secure = MASTER.replace("http://", "https://");
    assert_eq!(check(&secure).unwrap().upstreams().len(), 1);
    let upstream = secure.replace("[master]", "[[upstream]]");
    assert_eq!(check(&upstream).unwrap().upstreams().len(), 1);
    let icecast = "[icecast]\nurl = \"https://i:8443\"\nmounts = [\"/live.ogg\"]";
    assert!(check(icecast).is_ok());
    let listener_url = "listener_url = \"http://b\"\n";
    let config = check(&format!("{PUBLIC}{secure}{BALANCER}{listener_url}")).unwrap();
    assert_eq!(config.balancer[0].for_listeners(), "http://b");
    let config = check(&format!("{PUBLIC}{secure}{BALANCER}").replace("http:", "https:"));
    assert_eq!(config.unwrap().balancer[0].for_listeners(), "https://b");
}

#[test]
fn impossible_settings_are_refused_by_name() {
    assert_eq!(check(MASTER).unwrap().master.unwrap().user, "relay");
    for (text, word) in [
        (String::new(), "[master]"),
        (format!("burst_seconds = 61.0\n{MASTER}"), "burst_seconds"),
        (format!("{MASTER}port = 1"), "port"),
        (
            format!("{MASTER}[place]\nlatitude = 91.0\nlongitude = 0.0"),
            "latitude",
        ),
        (
            format!("{MASTER}[balancer]\nurl = \"http://b\"\ntoken = \"long enough\""),
            "public_url",
        ),
        (
            format!("{MASTER}ca_file = \"/etc/plenum/ca.pem\""),
            "[master] ca_file",
        ),
        (
            format!("{MASTER}ca_file = \"/nowhere.pem\"").replace("http:", "https:"),
            "/nowhere.pem",
        ),
        (
            format!("{PUBLIC}{MASTER}{BALANCER}"),
            "[balancer] listener_url",
        ),
        (
            format!("{PUBLIC}{MASTER}{BALANCER}listener_url = \"b\""),
            "[balancer] listener_url",
        ),
        (
            MASTER.replace("[master]", "[[upstream]]").repeat(5),
            "4 upstreams",
        ),
        (
            format!("{MASTER}[icecast]\nurl = \"http://i\""),
            "[icecast]",
        ),
        (
            format!("{MASTER}[tls]\ncertificate = \"/nowhere.pem\"\nkey = \"/y\""),
            "/nowhere.pem",
        ),
        (MASTER.replace("http://m:8000", "http://u:secret@m"), "url"),
        (format!("pace_seconds = 3.0\n{MASTER}"), "pace_seconds_max"),
        (
            format!("pace_seconds_min = 2.5\n{MASTER}"),
            "pace_seconds_min",
        ),
        (
            format!("public_url = \"http://0.0.0.0:8000\"\n{MASTER}"),
            "public_url",
        ),
    ] {
        let complaint = check(&text).unwrap_err();
        assert!(
            complaint.contains(word) && !complaint.contains("secret@"),
            "{complaint}"
        );
    }
}

#[test]
fn headers_of_the_operator_hold_at_a_relay_too() {
    let config = check(&format!("{MASTER}[headers]\nX-A = \"1\"")).unwrap();
    let serving = config.knobs().serving();
    let all: Vec<_> = serving.headers.all().collect();
    assert_eq!(all, [("X-A", "1")]);
}
