//! What relays may report, and what not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::desk::{Answer, Desk, report};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_token_is_401_after_a_pause() {
    let desk = Desk::start("").await;
    let body = report("a", 1, 0, 10).to_string();
    let long = "x".repeat(5_000);
    for token in ["", "token of", "token of c", "TOKEN OF A", long.as_str()] {
        let start = Instant::now();
        let answer = desk.report(token, &body).await;
        assert_eq!(answer.status, 401, "{token}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(start.elapsed() >= Duration::from_millis(500), "{token}");
    }
    let basic = "Authorization: Basic dG9rZW4gb2YgYQ==\r\nContent-Length: 0\r\n";
    assert_eq!(desk.ask("POST", "/api/v1/report", basic).await.status, 401);
    let relays = desk.get("/api/v1/status").await.json()["relays"].clone();
    assert_eq!(relays[0]["state"], "never heard of");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_report_is_400_with_the_field_and_changes_nothing() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 3, 10)).await;
    for (pointer, value, complaint) in [
        ("/url", json!("http://user:pw@a.example"), "`url`"),
        ("/slots", json!(-1), "`slots`"),
        ("/mounts/0/path", json!("//evil"), "`mounts[0].path`"),
        ("/mounts/0/is_on_air", json!("yes"), "`mounts[0].is_on_air`"),
    ] {
        let mut bad = report("a", 2, 0, 10);
        *bad.pointer_mut(pointer).unwrap() = value;
        let answer = desk.report("token of a", &bad.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(complaint), "{answer:?}");
    }
    let answer = desk.report("token of a", "\u{0}garbage{{{").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let relay = desk.get("/api/v1/status").await.json()["relays"][0].clone();
    assert_eq!(
        (&relay["listeners"], &relay["slots"]),
        (&json!(3), &json!(10))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_beyond_all_measure_is_413() {
    let desk = Desk::start("").await;
    let answer = desk.report("token of a", &" ".repeat(1_000_000)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_report_is_409() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 7, 0, 10)).await;
    for sequence in [6, 7] {
        let old = report("a", sequence, 0, 10).to_string();
        let answer = desk.report("token of a", &old).await;
        assert_eq!(answer.status, 409);
        assert!(answer.body.contains("`sequence` must rise"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_address_is_fixed_cannot_report_another() {
    let settings =
        "[[relay]]\nname = \"a\"\ntoken = \"token of a\"\nurl = \"http://fixed.example\"\n";
    let desk = Desk::start_plain(settings).await;
    let answer = desk
        .report("token of a", &report("a", 1, 0, 10).to_string())
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("must be http://fixed.example"),
        "{answer:?}"
    );
    let mut right = report("a", 1, 0, 10);
    right["url"] = json!("http://fixed.example/");
    desk.hear("a", &right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_send_listeners_in_circles() {
    let desk = Desk::start("public_url = \"http://radio.example:80\"").await;
    let mut circular = report("a", 1, 0, 10);
    circular["url"] = json!("http://radio.example/");
    let answer = desk.report("token of a", &circular.to_string()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("in circles"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_can_follow_each_other_on_one_connection() {
    let desk = Desk::start("").await;
    let mut requests = String::new();
    for sequence in 1..=3 {
        let body = report("a", sequence, 0, 10).to_string();
        requests += &format!(
            "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token of a\r\n\
             Content-Length: {}\r\n{}\r\n{body}",
            body.len(),
            if sequence == 3 {
                "Connection: close\r\n"
            } else {
                ""
            }
        );
    }
    let answers = desk.raw(requests.as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert_eq!(Answer::parse(&answers).status, 200);
}
