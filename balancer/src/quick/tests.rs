//! Which questions are plain, and that they are answered as the router would.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use axum::extract::ConnectInfo;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base_url::BaseUrl;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn plain(text: &str) -> Option<Plain<'_>> {
    match read(PEER, text.as_bytes()) {
        Read::Plain(plain) => Some(plain),
        Read::More | Read::Unusual => None,
    }
}

fn question(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: radio.example\r\n{headers}\r\n")
}

#[test]
fn a_players_question_is_read_as_it_stands() {
    let headers = "user-agent: VLC/3\r\nX-Forwarded-For: 192.0.2.7\r\n\
                   x-forwarded-for: 192.0.2.8\r\nX-Forwarded-Proto: https\r\n";
    let text = question("/live.ogg?a=1&ticket=x", headers) + "GET /next";
    let plain = plain(&text).unwrap();
    assert_eq!(plain.mount.as_str(), "/live.ogg");
    assert_eq!(plain.query, "a=1&ticket=x");
    assert_eq!(plain.n_bytes, text.len() - "GET /next".len());
    assert!(plain.is_kept);
    let asked = plain.asked;
    assert_eq!((asked.peer, asked.agent), (PEER, "VLC/3"));
    assert_eq!(asked.forwarded_for, ["192.0.2.7", "192.0.2.8"]);
    assert_eq!(asked.forwarded_proto, Some("https"));
    assert_eq!(asked.host, Some("radio.example"));
}

#[test]
fn an_odd_name_is_plain_in_the_spelling_of_all() {
    for target in ["/stream;", "/a%2Bb", "/a%20b/c/d/e/f", "/k%C3%A4se"] {
        let text = question(target, "");
        assert_eq!(plain(&text).unwrap().mount.as_str(), target);
    }
}

#[test]
fn a_connection_goes_on_as_the_player_wants_it() {
    let is_kept = |text: &str| plain(text).unwrap().is_kept;
    assert!(is_kept(&question(
        "/live.ogg",
        "Connection: keep-alive\r\n"
    )));
    assert!(!is_kept(&question("/live.ogg", "Connection: Close\r\n")));
    assert!(!is_kept("GET /live.ogg HTTP/1.0\r\n\r\n"));
}

#[test]
fn whatever_is_unusual_is_for_the_router() {
    for target in [
        "/",
        "/health",
        "/metrics",
        "/desk",
        "/desk/enter",
        "/static/abc/player.js",
        "/api/v1/status",
        "/live.m3u",
        "/live.ogg.json",
        "/a/../b",
        "/live.ogg?a#b",
        "http://elsewhere/live.ogg",
        "*",
        "/%6cive.ogg",
        "/a+b",
        "/a%2bb",
        "/a%2fb",
        "/%2e%2e/b",
    ] {
        assert!(plain(&question(target, "")).is_none(), "{target}");
    }
    let long = format!("/live.ogg?{}", "a".repeat(QUERY_BYTES_MAX + 1));
    assert!(plain(&question(&long, "")).is_none());
    for header in [
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings",
    ] {
        let text = question("/live.ogg", &format!("{header}\r\n"));
        assert!(plain(&text).is_none(), "{header}");
    }
    for method in ["HEAD", "OPTIONS", "POST", "SOURCE"] {
        let text = question("/live.ogg", "").replace("GET", method);
        assert!(plain(&text).is_none(), "{method}");
    }
    assert!(plain("GET /live.ogg HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").is_none());
    assert!(plain(&question("/live.ogg", "")).is_some());
}

#[test]
fn more_is_waited_for_until_the_head_is_too_long() {
    let whole = question("/live.ogg", "");
    for n in 0..whole.len() {
        assert!(
            matches!(read(PEER, &whole.as_bytes()[..n]), Read::More),
            "{n}"
        );
    }
    let endless = format!(
        "GET /live.ogg HTTP/1.1\r\nA: {}",
        "a".repeat(HEAD_BYTES_MAX)
    );
    assert!(matches!(read(PEER, endless.as_bytes()), Read::Unusual));
}

#[test]
fn the_answer_is_the_one_that_the_router_gives() {
    let text = question("/live.ogg?a=1", "");
    let mut plain = plain(&text).unwrap();
    let target = Target {
        url: BaseUrl::parse("http://relay.example:8000").unwrap(),
        ticket: Some("abc".to_owned()),
    };
    let router = answer::redirect(&target, &plain.mount, "a=1");
    let mut expected: BTreeSet<String> = router
        .headers()
        .iter()
        .map(|(name, value)| format!("{}: {}", titled(name.as_str()), value.to_str().unwrap()))
        .collect();
    for (version, is_kept) in [("HTTP/1.1", true), ("HTTP/1.0", false)] {
        (plain.version, plain.is_kept) = (version, is_kept);
        let bytes = redirect(&plain, &target, "a=1");
        let head = bytes.strip_suffix("\r\n\r\n").unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        assert_eq!(line, format!("{version} {}", router.status()));
        let (dates, headers): (BTreeSet<String>, BTreeSet<String>) = headers
            .split("\r\n")
            .map(ToOwned::to_owned)
            .partition(|line| line.starts_with("Date: "));
        assert_eq!(dates.len(), 1, "hyper adds it");
        assert_eq!(headers, expected);
        expected.insert("Connection: close".to_owned());
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(target in ".{0,40}", bytes in vec(any::<u8>(), 0..200)) {
        let mut text = format!("GET /{target} HTTP/1.1\r\nA: b\r\n").into_bytes();
        text.extend_from_slice(&bytes);
        text.extend_from_slice(b"\r\n\r\n");
        if let Read::Plain(plain) = read(PEER, &text) {
            prop_assert!(plain.n_bytes <= text.len());
            prop_assert!(target.starts_with(&plain.mount.as_str()[1..]));
        }
    }

    #[test]
    fn who_asks_is_read_as_the_router_reads_it(
        values in vec(vec(any::<u8>(), 0..12), 6),
        names in vec(0_usize..6, 0..6),
    ) {
        const NAMES: [&str; 6] = [
            "Host", "user-agent", "X-Forwarded-For", "x-forwarded-proto", "X-Other", "Referer",
        ];
        let is_value = |byte: &u8| matches!(byte, b' '..=b'~' | 0x80..);
        let value = |n: usize| values[n].iter().copied().filter(is_value).collect::<Vec<u8>>();
        let mut text = b"GET /live.ogg HTTP/1.1\r\n".to_vec();
        let mut request = axum::http::Request::get("/live.ogg").extension(ConnectInfo(
            SocketAddr::new(PEER, 1),
        ));
        for (n, name) in names.iter().enumerate() {
            let value = value(n);
            let value = value.trim_ascii();
            text.extend_from_slice(NAMES[*name].as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
            request = request.header(NAMES[*name], value);
        }
        text.extend_from_slice(b"\r\n");
        let (request, ()) = request.body(()).unwrap().into_parts();
        let n_hosts = names.iter().filter(|name| **name == 0).count();
        match read(PEER, &text) {
            Read::Plain(plain) if n_hosts < 2 => {
                prop_assert_eq!(plain.asked, Asked::of(&request));
            }
            // The router refuses it.
            Read::Unusual if n_hosts > 1 => {}
            _ => panic!("{text:?}"),
        }
    }

    #[test]
    fn what_is_read_is_no_more_than_there_is(tail in "[ -~\r\n]{0,80}") {
        let text = question("/live.ogg", "") + &tail;
        prop_assert_eq!(plain(&text).unwrap().n_bytes, text.len() - tail.len());
    }
}
