//! Real redirects, and what is remembered of them.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desk::{DEADLINE, Desk, database, report};

/// Vienna has one place, and it is taken by somebody from Berlin before Berlin has a relay: then
/// the one from Vienna has to go to Berlin. Better the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_chosen_is_compared_with_the_best_that_could_have_been() {
    let folder = TempDir::new().unwrap();
    let geo = database(
        folder.path(),
        &[
            ("192.0.2.0/24", "AT", 48.2, 16.37),
            ("198.51.100.0/24", "DE", 52.52, 13.4),
        ],
    );
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let mut settings = format!(
        "geo_files = [{geo:?}]\nstate_directory = {state:?}\ntrusted_proxies = [\"127.0.0.1\"]\n"
    );
    for (name, latitude, longitude) in [("a", 48.2, 16.37), ("b", 52.52, 13.4)] {
        settings += &format!(
            "[[relay]]\nname = \"{name}\"\ntoken = \"token of {name}\"\n\
             latitude = {latitude:?}\nlongitude = {longitude:?}\n"
        );
    }
    let desk = Desk::start_plain(&settings).await;
    let come = async |from: &str, relay: &str| {
        let headers = format!("X-Forwarded-For: {from}\r\n");
        let target = desk.ask("GET", "/live.ogg", &headers).await.target();
        assert_eq!(target, format!("http://{relay}.example:8000/live.ogg"));
    };
    desk.hear("a", &report("a", 1, 0, 1)).await;
    come("198.51.100.7", "a").await;
    desk.hear("b", &report("b", 1, 0, 50)).await;
    come("192.0.2.7", "b").await;
    // The last part of a minute is written down when the program ends.
    let _ = desk.shutdown.drain(DEADLINE).await;
    let history = std::fs::read_to_string(state.join("history.json")).unwrap();
    let history: Value = serde_json::from_str(&history).unwrap();
    let last = history["content"].as_array().unwrap().last().unwrap();
    assert_eq!(last["rejected"], json!(0), "{last}");
    // It is 524 km from the one to the other, by degrees of the globe a little more or less.
    for name in ["mean_km", "regret_km"] {
        let km = last[name].as_f64().unwrap_or_else(|| panic!("{last}"));
        assert!((400.0..650.0).contains(&km), "{name}: {last}");
    }
}
