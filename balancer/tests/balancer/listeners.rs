//! Where listeners are sent, and what players get to see.

use serde_json::json;
use stream::shutdown::Drained;

use crate::desk::{DEADLINE, Desk, database, mount, report};

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_redirected_to_a_relay_that_carries_the_mount() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let answer = desk.get("/live.ogg?from=-15m&x=%20").await;
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.target(),
        "http://a.example:8000/live.ogg?from=-15m&x=%20"
    );
    for (name, value) in [
        ("cache-control", "no-store, private"),
        ("access-control-allow-origin", "*"),
        ("referrer-policy", "no-referrer"),
        ("content-length", "0"),
    ] {
        assert_eq!(answer.header(name), value, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_with_an_odd_name_is_found_by_any_spelling_and_written_in_one() {
    let desk = Desk::start("").await;
    // A new relay gets some at first, and more when it tells that they have come.
    let odd = |sequence: u32| {
        let mut odd = report("a", sequence.into(), sequence - 1, 100);
        odd["mounts"] = json!([mount("/a +&'b;.ogg"), mount("/k%c3%a4se.ogg")]);
        odd
    };
    desk.hear("a", &odd(1)).await;
    let spelt = "/a%20%2B%26%27b;.ogg";
    for (n, path) in (2..).zip([spelt, "/a%20+&'b;.ogg", "/%61%20%2b%26%27b%3b.ogg"]) {
        let answer = desk.get(path).await;
        assert_eq!(answer.status, 302, "{path}: {answer:?}");
        assert_eq!(answer.target(), format!("http://a.example:8000{spelt}"));
        desk.hear("a", &odd(n)).await;
    }
    assert_eq!(
        desk.get("/k%C3%A4se.ogg").await.target(),
        "http://a.example:8000/k%C3%A4se.ogg"
    );
    for path in ["/a%20%2B%26%27b;", "/a%20+&'b;", "/a%20+&'b;.ogg"] {
        for ending in ["m3u", "pls", "xspf"] {
            let answer = desk.get(&format!("{path}.{ending}")).await;
            assert_eq!(answer.status, 200, "{path}.{ending}: {answer:?}");
            assert!(answer.body.contains(&format!("{spelt}?r=")), "{answer:?}");
            assert!(!answer.body.contains('\''), "{answer:?}");
        }
        let ranking = desk.get(&format!("{path}.json")).await.json();
        let link = ranking.to_string();
        assert!(link.contains(spelt), "{link}");
    }
    let page = desk
        .ask("GET", "/?mount=/a%20%2B%26'b;.ogg", "Accept: text/html\r\n")
        .await;
    let player = format!("src=\"{spelt}\"");
    assert!(page.body.contains(&player), "{}", page.body);
    let other = "mount=/k%C3%A4se.ogg\"";
    assert!(page.body.contains(other), "{}", page.body);
    for path in ["/a%2f..%2fb", "/%2e%2e/a", "/a%20+%00", "/a%0d%0aX:%20y"] {
        let answer = desk.get(path).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (404, ""),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_is_answered_as_listening_but_takes_no_place() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 1)).await;
    for _ in 0..3 {
        let answer = desk.ask("HEAD", "/live.ogg", "").await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
    }
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    assert_eq!(desk.get("/live.ogg").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_ask_from_any_site() {
    let desk = Desk::start("").await;
    let answer = desk
        .ask("OPTIONS", "/live.ogg", "Origin: http://x\r\n")
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    let answer = desk.ask("PUT", "/live.ogg", "").await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, "GET, HEAD, OPTIONS")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_player_gets_an_old_answer() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let text = desk.raw(b"GET /live.ogg HTTP/1.0\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.0 302 "), "{text}");
    assert!(!text.to_ascii_lowercase().contains("chunked"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_fill_both_relays_evenly_and_then_get_503() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 2)).await;
    desk.hear("b", &report("b", 1, 2, 4)).await;
    let mut n_sent = [0, 0];
    for _ in 0..4 {
        let answer = desk.get("/live.ogg").await;
        let at = usize::from(answer.target().starts_with("http://b"));
        n_sent[at] += 1;
    }
    assert_eq!(n_sent, [2, 2]);
    let answer = desk.get("/live.ogg").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    assert!(answer.body.contains("is full"), "{answer:?}");
    let totals = desk.get("/api/v1/status").await.json()["totals"].clone();
    assert_eq!(totals["reserved"], 4);
    assert_eq!(
        (&totals["free"], &totals["unserved"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_without_sound_is_503_and_one_nobody_has_is_404() {
    let desk = Desk::start("").await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 404, "nobody has reported yet");
    assert!(answer.body.contains("none is on air"), "{answer:?}");
    let mut silent = report("a", 1, 0, 10);
    silent["mounts"][0]["is_on_air"] = json!(false);
    silent["mounts"]
        .as_array_mut()
        .unwrap()
        .push(mount("/talk.ogg"));
    desk.hear("a", &silent).await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    assert!(answer.body.contains("not on air"), "{answer:?}");
    let answer = desk.get("/other.ogg").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("on air: /talk.ogg\n"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_relay_and_a_silent_one_get_nobody() {
    let desk = Desk::start("report_stale_seconds = 2.0").await;
    let mut draining = report("a", 1, 0, 10);
    draining["draining"] = json!(true);
    desk.hear("a", &draining).await;
    desk.hear("b", &report("b", 1, 9, 10)).await;
    let answer = desk.get("/live.ogg").await;
    assert!(answer.target().starts_with("http://b"));
    desk.status_once(|status| status["relays"][1]["state"] == "silent")
        .await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("plenum-why"), "no_relay");
}

#[tokio::test(flavor = "multi_thread")]
async fn just_after_the_start_a_listener_waits_for_the_relays() {
    let desk = Desk::start("wait_for_relays_seconds = 8.0").await;
    let (answer, playlist, ()) =
        tokio::join!(desk.get("/live.ogg"), desk.get("/live.m3u"), async {
            desk.status_once(|_| true).await;
            desk.hear("a", &report("a", 1, 0, 10)).await;
        });
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(playlist.status, 200, "{playlist:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_relay_is_taken_as_the_databases_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(
        folder.path(),
        &[
            ("192.0.2.0/25", "DE", 52.5, 13.5),
            ("192.0.2.128/25", "JP", 35.75, 139.75),
            ("198.51.100.0/24", "FR", 48.75, 2.25),
        ],
    );
    let settings = format!(
        "geo_files = [{:?}]\ntrusted_proxies = [\"127.0.0.1\"]",
        file.display().to_string()
    );
    let desk = Desk::start(&settings).await;
    let mut berlin = report("a", 1, 9, 10);
    berlin["url"] = json!("http://192.0.2.1:8000");
    desk.hear("a", &berlin).await;
    let mut tokyo = report("b", 1, 0, 10);
    tokyo["place"] = json!({"latitude": 35.7, "longitude": 139.7});
    desk.hear("b", &tokyo).await;
    desk.status_once(|status| status["relays"][0]["place"]["country"] == "DE")
        .await;
    for (listener, relay) in [
        ("198.51.100.7", "http://192.0.2.1:8000/live.ogg"),
        ("192.0.2.200", "http://b.example:8000/live.ogg"),
        ("203.0.113.1", "http://b.example:8000/live.ogg"),
    ] {
        let header = format!("X-Forwarded-For: {listener}\r\n");
        let answer = desk.ask("HEAD", "/live.ogg", &header).await;
        assert_eq!(answer.target(), relay, "{listener}");
    }
    let paris = "X-Forwarded-For: 1.1.1.1, 198.51.100.7\r\n";
    let why = desk
        .ask("GET", "/api/v1/explain?mount=/live.ogg", paris)
        .await;
    let why = why.json();
    assert_eq!(
        (&why["chosen"], &why["place"]["country"]),
        (&json!("a"), &json!("FR"))
    );
    let km = why["relays"][0]["distance_km"].as_f64().unwrap();
    assert!((850.0..950.0).contains(&km), "{why:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn https_stays_https_and_only_a_trusted_proxy_can_say_so() {
    let desk = Desk::start("trusted_proxies = [\"127.0.0.1\"]").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let over_tls = "X-Forwarded-Proto: https\r\n";
    let answer = desk.ask("GET", "/live.ogg", over_tls).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("speaks https"), "{answer:?}");
    let mut safe = report("b", 1, 9, 10);
    safe["url"] = json!("https://b.example");
    desk.hear("b", &safe).await;
    let answer = desk.ask("GET", "/live.ogg", over_tls).await;
    assert_eq!(answer.target(), "https://b.example/live.ogg");
    let answer = desk.ask("GET", "/live.ogg.m3u", over_tls).await;
    assert!(
        answer.body.starts_with("https://radio.example"),
        "{answer:?}"
    );

    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let answer = desk.ask("GET", "/live.ogg", over_tls).await;
    assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_told_balancer_stops_although_connections_are_open() {
    let desk = Desk::start("").await;
    desk.status_once(|_| true).await;
    let idle = tokio::net::TcpStream::connect(desk.address).await.unwrap();
    let drained = desk.shutdown.drain(DEADLINE).await;
    assert_eq!(drained, Drained::Clean);
    drop(idle);
    assert!(tokio::net::TcpStream::connect(desk.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_may_ask_anything_one_after_another_or_at_once() {
    let desk = Desk::start("").await;
    // Each may have two at first.
    for name in ["a", "b"] {
        desk.hear(name, &report(name, 1, 0, 100)).await;
    }
    let ask = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let plain = ask("GET /live.ogg", "");
    let all = [
        plain.clone(),
        plain.clone(),
        ask("GET /nothing.ogg", ""),
        plain,
        ask("HEAD /live.ogg", ""),
        ask("GET /health", ""),
        ask("GET /live.ogg", "Connection: close\r\n"),
    ];
    let text = desk.raw(all.concat().as_bytes()).await;
    let statuses: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
        .map(|line| &line[..3])
        .collect();
    assert_eq!(
        statuses,
        ["302", "302", "404", "302", "302", "200", "302"],
        "{text}"
    );
    assert_eq!(
        text.matches("ticket=").count(),
        4,
        "who only looks has none"
    );
}
