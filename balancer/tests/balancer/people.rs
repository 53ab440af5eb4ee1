//! Playlists, the page and the figures.

use serde_json::json;

use crate::desk::{Desk, mount, report};

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_holds_the_stable_link() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    for path in ["/live.m3u", "/live.ogg.m3u"] {
        let answer = desk.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "audio/x-mpegurl")
        );
        assert_eq!(
            answer.body,
            "http://radio.example:8000/live.ogg\n".repeat(5)
        );
    }
    for path in ["/live.pls", "/live.ogg.pls"] {
        let answer = desk.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "audio/x-scpls")
        );
        assert!(
            answer
                .body
                .contains("File5=http://radio.example:8000/live.ogg\n"),
            "{answer:?}"
        );
    }
    assert_eq!(desk.get("/other.m3u").await.status, 404);
    assert_eq!(desk.ask("PUT", "/live.m3u", "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_link_is_stronger_than_the_host_header() {
    let desk = Desk::start("public_url = \"https://radio.example\"").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let request = "GET /live.m3u HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let text = desk.raw(request.as_bytes()).await;
    assert!(
        text.contains("\r\n\r\nhttps://radio.example/live.ogg\n"),
        "{text}"
    );
    assert!(!text.contains("evil"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_there_for_programs() {
    let desk = Desk::start("").await;
    let mut two = report("a", 1, 3, 10);
    two["mounts"]
        .as_array_mut()
        .unwrap()
        .push(mount("/talk.ogg"));
    two["place"] = json!({"latitude": 52.5, "longitude": 13.4});
    desk.hear("a", &two).await;
    desk.hear("b", &report("b", 1, 2, 20)).await;
    let status = desk.get("/api/v1/status").await.json();
    assert!(status["version"].is_string());
    let relay = &status["relays"][0];
    assert_eq!(relay["name"], "a");
    assert_eq!(relay["url"], "http://a.example:8000");
    assert_eq!(
        (&relay["fresh"], &relay["state"]),
        (&json!(true), &json!("open"))
    );
    assert_eq!(relay["place"]["latitude"], 52.5);
    assert!(relay["last_report_ms_ago"].as_u64().unwrap() < 4_000);
    let live = &status["mounts"][0];
    assert_eq!(
        (&live["path"], &live["relays"]),
        (&json!("/live.ogg"), &json!(2))
    );
    let totals = &status["totals"];
    assert_eq!(
        (&totals["slots"], &totals["listeners"], &totals["free"]),
        (&json!(30), &json!(5), &json!(25))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_is_on_air_and_needs_nothing_from_elsewhere() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 3, 10)).await;
    let answer = desk.get("/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(
        answer.body.contains("http://radio.example:8000/live.ogg"),
        "{answer:?}"
    );
    assert!(!answer.body.contains("<script") && !answer.body.contains("//cdn"));
    let health = desk.get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_no_mount_is_answered_politely() {
    let desk = Desk::start("").await;
    assert_eq!(desk.get("/api/v1/explain").await.status, 400);
    assert_eq!(desk.get("/api/v1/explain?mount=//evil").await.status, 404);
    let nobody = desk.get("/api/v1/explain?mount=/live.ogg").await.json();
    assert_eq!(nobody["relays"][0]["excluded"], json!(["unheard"]));
}
