//! Every tag becomes a key or a remark, and the result is right.

use super::*;
use crate::config::Config;
use proptest::prelude::*;
use stream::text::Charset;

struct Made;

impl World for Made {
    fn new_password(&mut self) -> Result<String, String> {
        Ok("made-for-this-test".to_owned())
    }

    fn is_file(&self, _: &str) -> bool {
        false
    }

    fn text_of(&self, path: &str) -> Option<String> {
        let text = match path {
            "/allowed" => "# ours\n192.0.2.0/24\n2001:db8::7\n",
            "/banned" => "198.51.100.9\n203.0.113.*\nbad.example\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn check(&self, toml: &str) -> Result<(), String> {
        super::super::check(toml)
    }
}

pub(in crate::import) fn made(inner: &str) -> Translated {
    translate(&format!("<icecast>{inner}</icecast>"), &mut Made).unwrap()
}

pub(in crate::import) fn checked(toml: &str) -> Config {
    stream::config::parse::<Config>(toml, "master.toml", "X", std::iter::empty())
        .and_then(Config::checked)
        .unwrap_or_else(|complaint| panic!("{complaint}\n{toml}"))
}

/// Tags of 2.4, 2.5 and KH: where they stand, what they are called.
const TAGS: &str = "
    : location admin hostname server-id fileserve master-server master-server-port
      master-update-interval master-username master-password relays-on-demand shoutcast-mount icelogin
      prng-seed kartoffelsalat include master-redirect max-redirect-slaves
    limits: clients sources queue-size threadpool client-timeout header-timeout source-timeout
      burst-on-connect burst-size body-timeout bodysize server-idle-timeout workers max-listeners
      max-bandwidth min-queue-size inactivity-timeout queue-len
    authentication: source-password relay-user relay-password admin-user admin-password
    listen-socket: port bind-address shoutcast-mount shoutcast-compat ssl so-sndbuf tls listen-backlog
      so-mss
    relay: server port mount local-mount on-demand relay-shoutcast-metadata username password bind
    master: server port username password interval
    mount: mount-name username password max-listeners max-listener-duration dump-file intro
      fallback-mount fallback-override fallback-when-full charset public stream-name
      stream-description stream-url genre bitrate type subtype hidden no-mount no-yp burst-size
      queue-size source-timeout mp3-metadata-interval cluster-password on-connect on-disconnect
      authentication icy-metadata-interval allow-direct-access dump-file-size-limit
      dump-file-time-limit max-history hijack linger-for redirect redirect-to max-bandwidth limit-rate
      ban-client wait-time intro-skip-replay filter-theora skip-accesslog max-send-size
      max-stream-duration priority
    mount/authentication: option role
    authentication: role
    mount/http-headers: header
    http-headers: header
    directory: yp-url yp-url-timeout touch-interval
    yp-directory: option
    paths: basedir logdir webroot adminroot pidfile deny-ip allow-ip alias ssl-certificate
      ssl-allowed-ciphers mime-types reportxmldb geoipdb nulldevice ban-file deny-agents
      ssl-private-key ssl-cafile preroll-log x-forwarded-for
    tls-context: tls-certificate tls-key tls-allowed-ciphers
    logging: accesslog errorlog playlistlog loglevel logsize logarchive memorybacklog
    security: chroot
    security/changeowner: user group
    roles: role
    event-bindings: event";

fn tags() -> Vec<(Vec<&'static str>, &'static str)> {
    let mut above = Vec::new();
    let mut found = Vec::new();
    for word in TAGS.split_whitespace() {
        match word.strip_suffix(':') {
            Some(path) => above = path.split('/').filter(|part| !part.is_empty()).collect(),
            None => found.push((above.clone(), word)),
        }
    }
    found
}

fn wrapped(above: &[&str], inner: &str) -> String {
    above.iter().rev().fold(inner.to_owned(), |inner, outer| {
        let name = match *outer {
            "mount" => "<mount-name>/m</mount-name>",
            _ => "",
        };
        format!("<{outer}>{name}{inner}</{outer}>")
    })
}

#[test]
fn every_tag_becomes_a_key_or_a_remark() {
    assert!(tags().len() > 150, "{}", tags().len());
    for (above, tag) in tags() {
        let toml = &made(&wrapped(
            &above,
            &format!("<{tag} name=\"n\">/word</{tag}>"),
        ))
        .toml;
        assert!(
            !toml.contains("neither Icecast"),
            "{above:?} {tag}:\n{toml}"
        );
        checked(toml);
    }
}

#[test]
fn a_tag_that_nobody_knows_is_named() {
    let toml = made("<limits><speed>9</speed></limits>").toml;
    assert!(toml.contains("# <limits/speed> (9): neither"), "{toml}");
}

#[test]
fn a_station_keeps_its_settings() {
    let translated = made(
        "<hostname>radio.example.org</hostname>
         <limits><clients>250</clients><source-timeout>20</source-timeout>
         <burst-size>160000</burst-size></limits>
         <authentication><source-password>a long password</source-password>
         <relay-password>hackme</relay-password><admin-user>boss</admin-user>
         <admin-password>another long one</admin-password></authentication>
         <listen-socket><port>8010</port><bind-address>127.0.0.1</bind-address></listen-socket>
         <listen-socket><port>8443</port><ssl>1</ssl></listen-socket>
         <paths><alias source=\"/radio\" destination=\"/live.ogg\"/>
         <alias source=\"/\" destination=\"/status.xsl\"/></paths>
         <mount type=\"normal\"><mount-name>/live.ogg</mount-name><username>desk</username>
         <password>only for this</password><max-listeners>30</max-listeners><hidden>1</hidden>
         <no-mount>1</no-mount><fallback-mount>/music.ogg</fallback-mount><burst-size>32000</burst-size>
         <max-listener-duration>3600</max-listener-duration><intro>/hello.ogg</intro>
         <authentication type=\"url\"><option name=\"listener_add\" value=\"http://auth.example.org/\"/>
         <option name=\"auth_header\" value=\"secret\"/></authentication></mount>",
    );
    let toml = &translated.toml;
    let config = checked(toml);
    assert_eq!(
        config.public_url.as_deref(),
        Some("http://radio.example.org:8010")
    );
    assert_eq!(config.listen.to_string(), "127.0.0.1:8010, 0.0.0.0:8443");
    assert_eq!(
        (config.slots.listeners, config.source_timeout_seconds),
        (250, 20)
    );
    assert_eq!(config.burst_seconds, 10.0);
    let users: Vec<_> = config
        .source
        .iter()
        .map(|source| source.user.as_str())
        .collect();
    assert_eq!(users, ["source", "desk"]);
    assert!(config.source[1].password.matches("only for this"));
    assert_eq!(config.source[1].mounts, ["/live.ogg"]);
    let (relay, admin) = (config.relay.unwrap(), config.admin.unwrap());
    assert!(relay.password.matches("made-for-this-test"));
    assert_eq!(admin.login.user, "boss");
    let mount = &config.mount[0];
    assert_eq!(
        (mount.max_listeners, mount.max_listener_seconds),
        (Some(30), Some(3600))
    );
    assert_eq!((mount.hidden, mount.burst_seconds), (true, Some(2.0)));
    assert!(mount.only_as_fallback && !toml.contains("by its name"));
    assert_eq!(mount.fallback.as_ref().unwrap().as_str(), "/music.ogg");
    assert_eq!(
        mount.listener_auth_url.as_deref(),
        Some("http://auth.example.org/")
    );
    assert_eq!(config.alias.len(), 1);
    for remark in ["<mount/intro>", "<paths/alias>", "auth_header"] {
        assert!(toml.contains(remark), "{remark} is missing in\n{toml}");
    }
    assert!(
        !toml.contains("hackme") && !toml.contains("value=\"secret"),
        "{toml}"
    );
}

#[test]
fn a_mount_keeps_its_interval_and_its_character_set() {
    let east = "<mount><mount-name>/e</mount-name><charset>ISO8859-2</charset>\
                <mp3-metadata-interval>8192</mp3-metadata-interval></mount>\
                <mount><mount-name>/f</mount-name><charset>cp850</charset>\
                <icy-metadata-interval>10</icy-metadata-interval></mount>";
    let east = made(east).toml;
    let mounts = checked(&east).mount;
    assert_eq!(mounts[0].charset, Charset::named("iso-8859-2"));
    assert_eq!(
        (mounts[0].icy_interval_bytes, mounts.len()),
        (Some(8192), 1)
    );
    for remark in [
        "<mount/charset> (cp850)",
        "<mount/icy-metadata-interval> (10)",
    ] {
        assert!(east.contains(remark), "{remark} is missing in\n{east}");
    }
}

#[test]
fn a_station_is_listed_as_before_and_the_same_addresses_may_come() {
    let directory = "<directory><yp-url-timeout>15</yp-url-timeout>\
                     <yp-url>http://dir.example.org/cgi-bin/yp-cgi</yp-url></directory>\
                     <yp-directory url=\"http://other.example.org/\"/>\
                     <paths><deny-ip>/banned</deny-ip><allow-ip>/allowed</allow-ip></paths>\
                     <mount><mount-name>/m</mount-name>\
                     <cluster-password>one cluster</cluster-password></mount>";
    let toml = made(&format!(
        "<hostname>radio.example.org</hostname>{directory}"
    ))
    .toml;
    let config = checked(&toml);
    let listed = config.directory.unwrap();
    assert_eq!(listed.url.host(), "dir.example.org");
    assert!(listed.cluster_password.unwrap().matches("one cluster"));
    let names =
        |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        names(&config.access.allow),
        ["192.0.2.0/24", "2001:db8::7/128"]
    );
    assert_eq!(
        names(&config.access.deny),
        ["198.51.100.9/32", "203.0.113.0/24"]
    );
    assert!(toml.contains("<paths/deny-ip> (bad.example)"), "{toml}");
    assert!(toml.contains("<yp-directory> (http://other"), "{toml}");
    // Without a name of its own nobody can be listed.
    let toml = made(directory).toml;
    assert!(checked(&toml).directory.is_none(), "{toml}");
    assert!(toml.contains("<mount/cluster-password>"), "{toml}");
    assert!(
        toml.contains("# url = ") && toml.contains("It needs `public_url`"),
        "{toml}"
    );
}

#[test]
fn what_holds_for_all_mounts_there_is_said_of_each_or_at_the_top() {
    let toml = made(
        "<limits><burst-size>32000</burst-size></limits>\
         <mount type=\"default\"><username>dj</username><password>for all of them</password>\
         <burst-size>160000</burst-size><source-timeout>30</source-timeout><hidden>1</hidden>\
         <max-listeners>5</max-listeners><authentication type=\"htpasswd\">\
         <option name=\"filename\" value=\"/x\"/></authentication></mount>",
    )
    .toml;
    let config = checked(&toml);
    assert_eq!(
        (config.burst_seconds, config.source_timeout_seconds),
        (10.0, 30)
    );
    assert_eq!(config.source[0].user, "dj");
    assert!(
        config.source[0].mounts.is_empty(),
        "nobody knows who may listen"
    );
    assert!(config.mount.is_empty(), "{toml}");
    for key in ["hidden", "max_listeners", "htpasswd` or `listener_auth_url"] {
        let remark = format!("no key for all mounts: `{key}` of each [[mount]]");
        assert!(toml.contains(&remark), "{remark} is missing in\n{toml}");
    }
    assert!(
        !toml.contains("not hidden") && !toml.contains("no limit"),
        "{toml}"
    );
}

#[test]
fn the_roles_of_2_5_and_every_callback_are_translated() {
    let toml = made(
        "<authentication><role type=\"anonymous\" deny-admin=\"*\"/></authentication>\
         <mount><mount-name>/m</mount-name><authentication>\
         <role type=\"static\" method=\"source,put\"><option name=\"x\" value=\"y\"/></role>\
         <role type=\"url\" match-method=\"get,head\">\
         <option name=\"client_add\" value=\"http://auth.example.org/add\"/>\
         <option name=\"client_remove\" value=\"http://auth.example.org/gone\"/></role>\
         <role type=\"anonymous\"/></authentication></mount>\
         <mount><mount-name>/n</mount-name><authentication type=\"url\">\
         <option name=\"stream_auth\" value=\"http://auth.example.org/source\"/>\
         <option name=\"mount_add\" value=\"http://auth.example.org/began\"/>\
         <option name=\"mount_remove\" value=\"http://u:secret@auth.example.org/\"/>\
         <option name=\"listener_remove\" value=\"http://auth.example.org/gone\"/>\
         </authentication></mount>",
    )
    .toml;
    let config = checked(&toml);
    assert_eq!(
        config.mount[0].listener_auth_url.as_deref(),
        Some("http://auth.example.org/add")
    );
    assert!(config.mount[0].listener_remove_url.is_some());
    let other = &config.mount[1];
    assert!(other.source_auth_url.is_some() && other.mount_add_url.is_some());
    assert!(other.mount_remove_url.is_none() && !other.needs_password());
    for word in [
        "# mount_remove_url",
        "<authentication/role>",
        "<mount/authentication/role> (static",
        "# listener_remove_url",
    ] {
        assert!(toml.contains(word), "{word} is missing in\n{toml}");
    }
    assert!(!toml.contains("neither Icecast"), "{toml}");
}

#[test]
fn what_is_no_icecast_xml_is_refused_in_words() {
    for (xml, word) in [
        ("", "not XML"),
        ("<icecast>", "not XML"),
        ("<rss/>", "<rss>"),
        (
            "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><icecast>&b;</icecast>",
            "",
        ),
    ] {
        match translate(xml, &mut Made) {
            Err(complaint) => assert!(complaint.contains(word), "{complaint}"),
            Ok(translated) => assert!(word.is_empty(), "{}", translated.toml),
        }
    }
}

#[test]
fn what_does_not_work_together_is_commented_out_with_the_reason() {
    let mount = |name: &str, rest: &str| {
        format!("<mount><mount-name>{name}</mount-name><hidden>1</hidden>{rest}</mount>")
    };
    let url = |to: &str| {
        format!(
            "<authentication type=\"url\"><option name=\"listener_add\" value=\"{to}\"/>\
             </authentication>"
        )
    };
    let to = |name: &str| format!("<fallback-mount>{name}</fallback-mount>");
    for (mounts, n_hidden, words) in [
        (
            mount("/a", &url("http:/)a")),
            1,
            ["must begin with http", "# listener_auth_url"],
        ),
        (
            mount("/a", &to("/b")) + &mount("/b", &to("/a")),
            2,
            ["leads back", "# fallback"],
        ),
        (
            mount("/a", "") + &mount("/a", ""),
            1,
            ["make one", "# [[mount]]"],
        ),
    ] {
        let toml = made(&mounts).toml;
        let config = checked(&toml);
        let n_found = config.mount.iter().filter(|mount| mount.hidden).count();
        assert_eq!(n_found, n_hidden, "{toml}");
        for word in words {
            assert!(toml.contains(word), "{word} is missing in\n{toml}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_a_tag_says_the_result_is_settings(
        at in 0..150_usize,
        said in "[ -~\u{e4}\n\"\\\\#\\[\\]=]{0,40}",
    ) {
        let (above, tag) = tags().swap_remove(at);
        let said = said.replace('&', "&amp;").replace('<', "&lt;");
        checked(&made(&wrapped(&above, &format!("<{tag}>{said}</{tag}>"))).toml);
    }

    #[test]
    fn no_text_makes_it_panic(xml in ".{0,200}") {
        let _ = translate(&xml, &mut Made);
    }
}
