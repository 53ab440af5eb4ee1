//! What listeners and players are answered: defects 13, 14 and 16 to 21.

use serde_json::json;

use super::{BERLIN, BERLIN_V6, NEW_YORK, Somewhere, VIENNA, report_from};
use crate::desk::{Desk, report};

#[tokio::test(flavor = "multi_thread")]
async fn defect_13_full_is_503_with_a_time_to_come_again_and_kept_by_no_cache() {
    let desk = Desk::start("wait_for_slot_seconds = 0.0").await;
    desk.hear("a", &report("a", 1, 10, 10)).await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("plenum-why"), "full");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(answer.header("cache-control").contains("no-store"));
    assert_eq!(
        desk.get("/other.ogg").await.status,
        404,
        "only what is unknown is 404"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_14_geo_is_optional_knows_ipv6_and_believes_only_its_own_proxies() {
    let nowhere = Desk::start("").await;
    nowhere.hear("a", &report("a", 1, 0, 10)).await;
    assert_eq!(
        nowhere.get("/live.ogg").await.status,
        302,
        "without any database"
    );

    let place = Somewhere::start("").await;
    place
        .desk
        .hear("a", &report_from("a", (52.5, 13.4), 3, 10))
        .await;
    place
        .desk
        .hear("b", &report_from("b", (40.7, -74.0), 0, 10))
        .await;
    assert_eq!(place.sent(BERLIN_V6).await, "http://a.example:8000");
    let hops = format!("{NEW_YORK}, {BERLIN}");
    assert_eq!(
        place.sent(&hops).await,
        "http://a.example:8000",
        "the last hop counts"
    );

    let header = format!("X-Forwarded-For: {NEW_YORK}\r\n");
    let explain = "/api/v1/explain?mount=/live.ogg";
    let why = place.desk.ask("GET", explain, &header).await;
    assert_eq!(why.json()["place"]["country"], "US");
    let stranger = Somewhere::behind("", "").await;
    let why = stranger.desk.ask("GET", explain, &header).await.json();
    assert!(why["place"].is_null(), "a stranger is not believed: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_16_who_came_by_https_is_sent_to_https() {
    // Also where the other one is emptier.
    for [plain, tls] in [[0, 9], [9, 0]] {
        let desk = Desk::start("trusted_proxies = [\"127.0.0.1\"]").await;
        desk.hear("a", &report("a", 1, plain, 10)).await;
        let mut safe = report("b", 1, tls, 10);
        safe["url"] = json!("https://b.example");
        desk.hear("b", &safe).await;
        let look = async |header| desk.ask("HEAD", "/live.ogg", header).await;
        let answer = look("X-Forwarded-Proto: https\r\n").await;
        assert_eq!(answer.header("location"), "https://b.example/live.ogg");
        let answer = look("").await;
        assert_eq!(answer.header("location"), "http://a.example:8000/live.ogg");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_17_the_query_goes_along() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let answer = desk.get("/live.ogg?pace=0.2&x=%20y").await;
    assert!(
        answer.header("location").contains("pace=0.2&x=%20y"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_18_head_cors_and_caching_are_thought_of() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    for method in ["GET", "HEAD"] {
        let answer = desk
            .ask(method, "/live.ogg", "Origin: https://player.example\r\n")
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (302, ""), "{method}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{method}"
        );
        assert!(
            answer.header("cache-control").contains("no-store"),
            "{method}"
        );
    }
    assert_eq!(desk.ask("OPTIONS", "/live.ogg", "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_19_a_mounts_name_is_never_part_of_a_query() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    for path in [
        "/live.ogg'%20or%20'1'='1",
        "/x']%7C//*%5B@name='/live.ogg",
        "/live.ogg%00",
        "/live.ogg%0d%0aX:%20y",
    ] {
        leads_nowhere(&desk, path).await;
    }
    // A relay's report cannot bring such a name in.
    let mut odd = report("a", 2, 0, 10);
    odd["mounts"][0]["path"] = json!("/x\" or \"1\"=\"1");
    assert_eq!(
        desk.report("token of a", &odd.to_string()).await.status,
        400
    );
    // Nor does one that it may bring in mean anything where it is written.
    odd["mounts"][0]["path"] = json!("/x' or '1'='1");
    desk.hear("a", &odd).await;
    assert_eq!(
        desk.get("/x'%20or%20'1'='1").await.target(),
        "http://a.example:8000/x%27%20or%20%271%27=%271"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_20_an_address_is_a_mount_or_nothing() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    for path in [
        "//evil.example/live.ogg",
        "/live.ogg/",
        "/../live.ogg",
        "/a/b/c/d/e/live.ogg",
        "/live.ogg//x",
        "/%2e%2e/live.ogg",
    ] {
        leads_nowhere(&desk, path).await;
    }
}

async fn leads_nowhere(desk: &Desk, path: &str) {
    let answer = desk.get(path).await;
    assert_eq!(answer.status, 404, "{path}: {answer:?}");
    assert_eq!(answer.header("location"), "", "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_21_a_redirect_asks_no_database_file_or_server() {
    let place = Somewhere::start("").await;
    place
        .desk
        .hear("a", &report_from("a", (52.5, 13.4), 3, 10))
        .await;
    place
        .desk
        .hear("b", &report_from("b", (48.2, 16.4), 3, 10))
        .await;
    // Everything it could ask is gone; it goes on knowing where people are.
    std::fs::remove_dir_all(place.folder.path()).unwrap();
    assert_eq!(place.sent(BERLIN).await, "http://a.example:8000");
    assert_eq!(place.sent(VIENNA).await, "http://b.example:8000");
}
