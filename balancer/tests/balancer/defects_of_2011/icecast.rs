//! What an Icecast says of itself, and what becomes of it when it says nothing: defects 5 to 8
//! and 10. The balancer is real and asks over real sockets.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{Manner, Server};
use crate::desk::{DEADLINE, Desk};

/// As a real Icecast's load.xsl wrote it: one mount with a limit, one without, one overfull.
const LOAD: &str = "<?xml version=\"1.0\"?>\n<load><mount name=\"/a.mp3\">97</mount>\
                    <mount name=\"/b.ogg\">NaN</mount><mount name=\"/over.ogg\">-2</mount></load>";
const PASSWORD: &str = "password = \"a long password\"";
const SECOND: Duration = Duration::from_secs(1);

/// What `/admin/stats` says of mounts with so many listeners each, and room for 50.
fn stats(mounts: &[(&str, u32)]) -> Manner {
    let all: u32 = mounts.iter().map(|(_, listeners)| listeners).sum();
    let source = |(mount, listeners): &(&str, u32)| {
        format!(
            "<source mount=\"{mount}\"><listeners>{listeners}</listeners>\
             <max_listeners>50</max_listeners><server_type>application/ogg</server_type></source>"
        )
    };
    let sources: String = mounts.iter().map(source).collect();
    let page = format!("<icestats><listeners>{all}</listeners>{sources}</icestats>\n");
    Manner::Page(Duration::ZERO, page)
}

async fn relay(desk: &Desk, name: &str) -> Value {
    let status = desk.get("/api/v1/status").await.json();
    let relays = status["relays"].as_array().unwrap();
    let found = relays.iter().find(|relay| relay["name"] == name);
    found.unwrap().clone()
}

/// Looks until a relay is in this state.
async fn until(desk: &Desk, name: &str, state: &str) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let relay = relay(desk, name).await;
        if relay["state"] == state {
            return relay;
        }
        assert!(Instant::now() < deadline, "not {state}: {relay:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a server was asked so often.
async fn asked(server: &Server, n: usize) {
    let deadline = Instant::now() + DEADLINE;
    while server.n_asked() < n {
        assert!(Instant::now() < deadline, "asked {}", server.n_asked());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_05_a_mount_without_a_limit_costs_no_other_mount_its_places() {
    let server = Server::start(Manner::Page(Duration::ZERO, LOAD.to_owned())).await;
    let desk = Desk::start_plain(&server.relay("old", "")).await;
    assert_eq!(until(&desk, "old", "open").await["slots"], 97);
    let there = |path: &str| format!("http://{}{path}", server.address);
    assert_eq!(desk.get("/a.mp3").await.target(), there("/a.mp3"));
    assert_eq!(
        desk.get("/b.ogg").await.status,
        503,
        "nobody knows its limit"
    );
    assert_eq!(desk.get("/over.ogg").await.status, 503);
    // The operator knows it.
    let desk = Desk::start_plain(&server.relay("old", "slots = 40")).await;
    assert_eq!(until(&desk, "old", "open").await["slots"], 40);
    assert_eq!(desk.get("/b.ogg").await.target(), there("/b.ogg"));
    assert_eq!(desk.get("/a.mp3").await.target(), there("/a.mp3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_06_the_servers_own_limit_holds_whatever_its_mounts_say() {
    let server = Server::start(stats(&[("/a.ogg", 30), ("/b.ogg", 25)])).await;
    // Each mount has 20 places and more, the server has one.
    let limited = server.relay("small", &format!("{PASSWORD}\nslots = 56"));
    let desk = Desk::start_plain(&limited).await;
    let small = until(&desk, "small", "open").await;
    assert_eq!(
        (&small["slots"], &small["listeners"]),
        (&56.into(), &55.into())
    );
    assert_eq!(desk.get("/a.ogg").await.status, 302);
    assert_eq!(
        desk.get("/b.ogg").await.status,
        503,
        "its last place is promised"
    );
    assert_eq!(relay(&desk, "small").await["state"], "full");
    // Without the operator's word, the mount with the fewest places decides for all.
    let desk = Desk::start_plain(&server.relay("large", PASSWORD)).await;
    assert_eq!(until(&desk, "large", "open").await["slots"], 55 + 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_07_one_that_hangs_is_given_up_and_asked_again_and_never_twice_at_once() {
    let hung = Server::start(Manner::Hang).await;
    let good = Server::start(stats(&[("/live.ogg", 1)])).await;
    let relays = hung.relay("hung", PASSWORD) + &good.relay("good", PASSWORD);
    let begun = Instant::now();
    let desk = Desk::start_plain(&format!("poll_seconds = 1.0\n{relays}")).await;
    asked(&hung, 1).await;
    let n_before = good.n_asked();
    until(&desk, "good", "open").await;
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    asked(&hung, 2).await;
    assert!(begun.elapsed() >= 5 * SECOND, "it has 5 s to answer");
    assert_eq!(hung.n_open_most(), 1, "the first question was over");
    let n_meanwhile = good.n_asked() - n_before;
    assert!(
        n_meanwhile >= 3,
        "the other one was asked {n_meanwhile} times"
    );
    assert_eq!(relay(&desk, "hung").await["state"], "never heard of");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_08_all_are_asked_at_once() {
    let Manner::Page(_, page) = stats(&[("/live.ogg", 1)]) else {
        panic!("a page")
    };
    let (mut servers, mut settings) = (Vec::new(), String::new());
    for n in 0..20 {
        let server = Server::start(Manner::Page(SECOND, page.clone())).await;
        settings += &server.relay(&format!("slow-{n}"), PASSWORD);
        servers.push(server);
    }
    let begun = Instant::now();
    let desk = Desk::start_plain(&settings).await;
    let is_open = |status: &Value| {
        let relays = status["relays"].as_array().unwrap();
        relays.iter().all(|relay| relay["state"] == "open")
    };
    desk.status_once(is_open).await;
    // One after another it would take 20 s.
    let took = begun.elapsed();
    assert!(took >= SECOND && took < 8 * SECOND, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_10_one_lost_answer_changes_nothing_and_who_was_silent_is_not_back_at_once() {
    let server = Server::start(stats(&[("/live.ogg", 1)])).await;
    let settings = format!("poll_seconds = 1.0\n{}", server.relay("a", PASSWORD));
    let desk = Desk::start_plain(&settings).await;
    until(&desk, "a", "open").await;
    server.set(Manner::Fail);
    let failed = async {
        while desk.n_failed_polls().await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, failed).await.unwrap();
    let seen = relay(&desk, "a").await;
    assert_eq!(
        (&seen["state"], &seen["slots"]),
        (&"open".into(), &50.into())
    );
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    until(&desk, "a", "silent").await;
    assert_eq!(desk.get("/live.ogg").await.status, 503);
    // One answer may be luck.
    server.set(stats(&[("/live.ogg", 1)]));
    let n_before = server.n_pages();
    until(&desk, "a", "open").await;
    let n_pages = server.n_pages() - n_before;
    assert!(n_pages >= 2, "back after {n_pages} answers");
}
