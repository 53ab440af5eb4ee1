//! Who can reach what: by IPv4, by IPv6, by names that have both or only one.

use std::net::ToSocketAddrs;

use serde_json::json;

use crate::desk::{Answer, Desk, report};
use crate::probes::music;

/// Who asked the balancer at this address, so that is what he can reach.
async fn at(desk: &Desk, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Answer::parse(&desk.raw(request.as_bytes()).await)
}

/// Why the first relay is out of the question for him.
async fn why(desk: &Desk, host: &str) -> String {
    let explained = at(desk, host, "/api/v1/explain?mount=/live.mp3").await;
    explained.json()["relays"][0]["excluded"].to_string()
}

/// The relay answers at 127.0.0.1 only. Whether this machine's name for itself has an address of
/// IPv6, too, differs: either it is looked up that there is none, or probes find nobody there.
#[tokio::test(flavor = "multi_thread")]
async fn who_needs_ipv6_is_not_sent_to_a_name_behind_which_it_leads_nowhere() {
    let relay = music(std::time::Instant::now(), false).await;
    let name = format!("localhost:{}", relay.port());
    let mut addresses = name.to_socket_addrs().unwrap();
    let expected = match addresses.any(|address| address.is_ipv6()) {
        true => "[\"family_down\"]",
        false => "[\"wrong_family\"]",
    };
    let desk = Desk::start("probe_seconds = 1.0").await;
    let mut good = report("a", 1, 0, 10);
    good["url"] = json!(format!("http://{name}"));
    good["mounts"][0]["path"] = json!("/live.mp3");
    desk.hear("a", &good).await;
    let deadline = std::time::Instant::now() + crate::desk::DEADLINE;
    while why(&desk, "[::1]:8000").await != expected {
        assert!(
            std::time::Instant::now() < deadline,
            "{} is not {expected}",
            why(&desk, "[::1]:8000").await
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let answer = at(&desk, "[::1]:8000", "/live.mp3").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("kind of address"), "{answer:?}");
    for host in ["127.0.0.1:8000", "radio.example:8000"] {
        let answer = at(&desk, host, "/live.mp3").await;
        assert_eq!(answer.target(), format!("http://{name}/live.mp3"));
    }
}
