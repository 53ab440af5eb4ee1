//! What an operator sees when his settings are wrong, and that the shipped file tells the truth.

use super::*;

const SHIPPED: &str = include_str!("../../balancer.toml");

fn check(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config: Config =
        stream::config::parse(text, "balancer.toml", ENVIRONMENT_PREFIX, environment)
            .map_err(|error| error.to_string())?;
    config.check().map(|()| config)
}

fn relay(name: &str, rest: &str) -> String {
    format!("[[relay]]\nname = \"{name}\"\ntoken = \"token of {name}, long\"\n{rest}\n")
}

#[test]
fn the_shipped_file_says_what_holds_without_it() {
    let shipped = check(SHIPPED, &[]).unwrap();
    assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_shipped_file_names_every_key_also_those_that_have_no_default() {
    let all: String = SHIPPED
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").filter(|rest| {
                rest.starts_with('[')
                    || rest
                        .split_once(" = ")
                        .is_some_and(|(k, _)| !k.contains(' '))
            });
            key.unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    let config = check(&all, &[]).unwrap();
    assert!(config.public_url.is_some() && config.master.is_some());
    let relay = config.relay.first().unwrap();
    assert!(relay.url.is_some() && relay.latitude.is_some() && relay.country.is_some());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = check("listen = \"127.0.0.1:1\"\n\nburst = 4\n", &[]).unwrap_err();
    assert!(
        text.starts_with("balancer.toml line 3: unknown field `burst`"),
        "{text}"
    );
    let text = check(&relay("a", "slots = 4"), &[]).unwrap_err();
    assert!(
        text.contains("line 4") && text.contains("`slots`"),
        "{text}"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_key() {
    for (text, key, complaint) in [
        ("listen = \"8000\"", "listen", "line 1"),
        (
            "public_url = \"http://a/b\"",
            "public_url",
            "behind host and port",
        ),
        (
            "report_stale_seconds = 0.5",
            "report_stale_seconds",
            "from 2 to 300",
        ),
        (
            "report_stale_seconds = nan",
            "report_stale_seconds",
            "from 2 to 300",
        ),
        (
            "wait_for_relays_seconds = -1",
            "wait_for_relays_seconds",
            "from 0 to 8",
        ),
        (
            "trusted_proxies = [\"10.0.0.0/33\"]",
            "trusted_proxies",
            "10.0.0.0/33",
        ),
        ("[master]\nurl = \"ftp://x\"", "url", "http:// and https://"),
        ("[master]", "url", "missing field"),
        ("[share]", "url", "missing field"),
        ("[share]\nurl = \"redis://a/x\"", "url", "number"),
    ] {
        let refused = check(text, &[]).unwrap_err();
        assert!(
            refused.contains(key) && refused.contains(complaint),
            "{text}: {refused}"
        );
    }
}

#[test]
fn a_wrong_relay_is_named() {
    for (rest, complaint) in [
        ("url = \"relay.example\"", "`url`"),
        ("latitude = 52.5", "only one of latitude and longitude"),
        ("latitude = 100\nlongitude = 0", "latitude is not between"),
        ("country = \"Germany\"", "two letters"),
        ("location = \"here\"", "`any`"),
        (
            "location = \"any\"\nlatitude = 1\nlongitude = 1",
            "or the other",
        ),
    ] {
        let refused = check(&relay("a", rest), &[]).unwrap_err();
        assert!(refused.contains(complaint), "{rest}: {refused}");
    }
    let refused = check(&relay("a b", ""), &[]).unwrap_err();
    assert!(refused.contains("letters, digits"), "{refused}");
    let refused = check("[[relay]]\nname = \"a\"", &[]).unwrap_err();
    assert!(refused.contains("token"), "{refused}");
}

#[test]
fn a_relay_is_where_the_settings_say_be_it_everywhere() {
    let relays = relay("a", "location = \"any\"") + &relay("b", "latitude = 1\nlongitude = 2");
    let registrations = check(&relays, &[]).unwrap().registrations();
    let spots = registrations.iter().map(|one| one.spot);
    let spots: Vec<_> = spots.map(|spot| (spot.is_everywhere, spot.place)).collect();
    let place = Place {
        latitude: 1.0,
        longitude: 2.0,
    };
    assert_eq!(spots, [(true, None), (false, Some(place))]);
}

#[test]
fn two_relays_share_neither_name_nor_token() {
    let twice = relay("a", "") + &relay("a", "");
    assert!(
        check(&twice, &[])
            .unwrap_err()
            .contains("two relays are named `a`")
    );
    let refused = check(&twice.replacen("\"a\"", "\"b\"", 1), &[]).unwrap_err();
    assert!(refused.contains("token of another relay"), "{refused}");
    assert!(
        !refused.contains("token of a,"),
        "the token is not shown: {refused}"
    );
}

#[test]
fn a_short_token_is_refused_and_never_shown() {
    let refused = check("[[relay]]\nname = \"a\"\ntoken = \"s3cret\"", &[]).unwrap_err();
    assert!(refused.contains("`token` must have at least"), "{refused}");
    assert!(!refused.contains("s3cret"), "{refused}");
    let config = check(&relay("a", ""), &[]).unwrap();
    assert!(!format!("{config:?}").contains("token of a"));
}

#[test]
fn the_environment_overrides_the_file() {
    let config = check(
        &relay("a", ""),
        &[
            ("PLENUM_BALANCER__LISTEN", "127.0.0.1:9000"),
            ("PLENUM_BALANCER__RELAY__0__TOKEN", "from the environment"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 9000);
    let token = config.relay[0].token.as_ref().unwrap();
    assert!(token.matches("from the environment"));
}

#[test]
fn a_trusted_proxy_is_a_network_or_one_address() {
    let config = check("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]", &[]).unwrap();
    assert!(config.trusted_proxies[0].contains(&IpAddr::from([10, 9, 9, 9])));
    assert_eq!(config.trusted_proxies[1].prefix_len(), 128);
}
