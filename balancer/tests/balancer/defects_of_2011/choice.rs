//! Who is sent where: defects 2 to 4, 9 to 12 and 15.

use std::time::Duration;

use balancer::config::Config;
use serde_json::json;

use super::{BERLIN, NEW_YORK, Somewhere, VIENNA, report_from};
use crate::desk::{Desk, report};

const BERLIN_AT: (f64, f64) = (52.5, 13.4);
const VIENNA_AT: (f64, f64) = (48.2, 16.4);
const NEW_YORK_AT: (f64, f64) = (40.7, -74.0);

#[tokio::test(flavor = "multi_thread")]
async fn defect_02_a_redirect_counts_before_any_report_does() {
    let desk = Desk::start("wait_for_slot_seconds = 0.0").await;
    desk.hear("a", &report("a", 1, 8, 10)).await;
    for status in [302, 302, 503] {
        assert_eq!(desk.get("/live.ogg").await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_03_distance_counts_and_not_only_whether_the_country_is_the_same() {
    let place = Somewhere::start("").await;
    // Neither is in Germany; the farther one is emptier.
    place
        .desk
        .hear("a", &report_from("a", VIENNA_AT, 3, 10))
        .await;
    place
        .desk
        .hear("b", &report_from("b", NEW_YORK_AT, 0, 10))
        .await;
    assert_eq!(place.sent(BERLIN).await, "http://a.example:8000");
    assert_eq!(place.sent(NEW_YORK).await, "http://b.example:8000");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_04_the_last_place_at_home_does_not_beat_an_empty_relay_next_door() {
    let place = Somewhere::start("").await;
    place
        .desk
        .hear("a", &report_from("a", BERLIN_AT, 99, 100))
        .await;
    place
        .desk
        .hear("b", &report_from("b", VIENNA_AT, 0, 1_000))
        .await;
    assert_eq!(place.sent(BERLIN).await, "http://b.example:8000");
    // With room at home, home it is.
    let mut roomy = report_from("a", BERLIN_AT, 0, 100);
    roomy["sequence"] = json!(2);
    place.desk.hear("a", &roomy).await;
    assert_eq!(place.sent(BERLIN).await, "http://a.example:8000");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_09_what_a_relay_said_long_ago_is_not_believed_for_ever() {
    let desk = Desk::start("report_stale_seconds = 2.0").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    desk.status_once(|status| status["relays"][0]["fresh"] == false)
        .await;
    assert_eq!(desk.get("/live.ogg").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_10_one_lost_report_changes_nothing() {
    // Relays report once a second.
    let as_shipped = Config::default().report_stale_seconds;
    assert!(as_shipped >= 3.0, "one that is lost makes nobody silent");
    let desk = Desk::start(&format!("report_stale_seconds = {as_shipped:?}")).await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["relays"][0]["state"], "open");
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    desk.hear("a", &report("a", 3, 0, 10)).await;
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["relays"][0]["state"], "open", "not 2, but 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_11_silence_is_told_from_a_full_house() {
    let desk = Desk::start("report_stale_seconds = 2.0").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk.status_once(|status| status["relays"][0]["state"] == "silent")
        .await;
    desk.hear("b", &report("b", 1, 10, 10)).await;
    let status = desk.get("/api/v1/status").await.json();
    let states = [&status["relays"][0]["state"], &status["relays"][1]["state"]];
    assert_eq!(states, [&json!("silent"), &json!("full")]);
    let why = desk.get("/api/v1/explain?mount=/live.ogg").await.json();
    let excluded = |at: usize| why["relays"][at]["excluded"].to_string();
    assert!(
        excluded(0).contains("stale") && !excluded(0).contains("full"),
        "{why:#}"
    );
    assert!(
        excluded(1).contains("full") && !excluded(1).contains("stale"),
        "{why:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_12_a_relay_that_answers_but_has_no_sound_gets_nobody() {
    let desk = Desk::start("").await;
    let mut mute = report("a", 1, 0, 10);
    mute["mounts"][0]["is_on_air"] = json!(false);
    desk.hear("a", &mute).await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("not on air"), "{answer:?}");
    desk.hear("b", &report("b", 1, 9, 10)).await;
    assert_eq!(desk.where_to().await, "http://b.example:8000");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_15_the_operators_word_on_where_a_relay_is_survives_every_report() {
    let fixed = "[[relay]]\nname = \"c\"\ntoken = \"token of c\"\n\
                 latitude = 40.7\nlongitude = -74.0\ncountry = \"US\"\n";
    let place = Somewhere::start(fixed).await;
    for sequence in 1..4 {
        let mut report = report_from("c", BERLIN_AT, 0, 10);
        report["url"] = json!(format!("http://{VIENNA}:8000"));
        report["sequence"] = json!(sequence);
        place.desk.hear("c", &report).await;
        let status = place.desk.get("/api/v1/status").await.json();
        let relays = status["relays"].as_array().unwrap();
        let own = relays.iter().find(|relay| relay["name"] == "c").unwrap();
        assert_eq!(own["place"]["country"], "US", "{own:#}");
        assert_eq!(own["place"]["latitude"], 40.7, "{own:#}");
    }
}
