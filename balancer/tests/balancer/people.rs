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
        let links = (0..5).map(|n| format!("http://radio.example:8000/live.ogg?r={n}\n"));
        assert_eq!(answer.body, links.collect::<String>());
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
                .contains("File5=http://radio.example:8000/live.ogg?r=4\n"),
            "{answer:?}"
        );
    }
    let answer = desk.get("/live.xspf?pace=1").await;
    assert_eq!(answer.header("content-type"), "application/xspf+xml");
    let track = "<location>http://radio.example:8000/live.ogg?pace=1&amp;r=4</location>";
    assert!(answer.body.contains(track), "{answer:?}");
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
        text.contains("\r\n\r\nhttps://radio.example/live.ogg?r=0\n"),
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
    assert!(!answer.body.contains("//cdn") && !answer.body.contains("<style"));
    assert_eq!(answer.header("vary"), "Accept-Language");
    assert_eq!(answer.header("content-language"), "en");
    let german = desk.get("/?lang=de").await;
    assert_eq!(german.header("content-language"), "de");
    assert!(german.body.contains("Plätze"), "{german:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_files_may_be_kept_for_ever_and_those_of_other_versions_not() {
    let desk = Desk::start("").await;
    let page = desk.get("/").await.body;
    let (_, rest) = page.split_once("src=\"").unwrap();
    let (script, _) = rest.split_once('"').unwrap();
    let folder = script.strip_suffix("page.mjs").unwrap();
    let answer = desk.get(script).await;
    let of_script = (200, "text/javascript; charset=utf-8");
    assert_eq!((answer.status, answer.header("content-type")), of_script);
    let for_ever = "public, max-age=31536000, immutable";
    assert_eq!(answer.header("cache-control"), for_ever);
    let tag = answer.header("etag").to_owned();
    let request = format!(
        "GET {script} HTTP/1.1\r\nHost: radio.example\r\nIf-None-Match: {tag}\r\n\
         Connection: close\r\n\r\n"
    );
    let text = desk.raw(request.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 304"), "{text}");
    let old = desk.get("/static/0123456789abcdef/page.mjs").await;
    assert_eq!((old.status, old.header("cache-control")), (200, "no-cache"));
    assert_eq!(desk.get(&format!("{folder}evil.mjs")).await.status, 404);
    assert_eq!(
        desk.get(&format!("{folder}../../etc/passwd")).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_keeps_its_figures_true_with_little() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 3, 10)).await;
    let answer = desk.get("/api/v1/places").await;
    assert_eq!(
        answer.json(),
        json!({"slots": 10, "listeners": 3, "free": 7})
    );
    assert!(answer.body.len() < 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_learn_who_could_serve_them_in_order() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 9, 10)).await;
    desk.hear("b", &report("b", 1, 1, 20)).await;
    for path in ["/live.json", "/live.ogg.json"] {
        let list = desk.get(path).await.json();
        assert_eq!(list["link"], "http://radio.example:8000/live.ogg");
        let names: Vec<_> = (0..2).map(|n| &list["relays"][n]["name"]).collect();
        assert_eq!(names, ["b", "a"], "{list}");
        assert_eq!(list["relays"][0]["url"], "http://b.example:8000/live.ogg");
        assert_eq!(list["excluded"], json!([]));
    }
    let direct = desk.get("/live.m3u?direct").await;
    let links = "http://b.example:8000/live.ogg\nhttp://a.example:8000/live.ogg\n";
    assert_eq!(direct.body, links);
    let head = desk.ask("HEAD", "/live.ogg", "").await;
    assert_eq!(head.status, 302);
    let links = "<http://b.example:8000/live.ogg>; rel=duplicate; pri=1, \
                 <http://a.example:8000/live.ogg>; rel=duplicate; pri=2";
    assert_eq!(head.header("link"), links);
    assert_eq!(desk.get("/other.json").await.status, 404);
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["totals"]["reserved"], 0, "who looks takes no place");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_are_as_good_the_first_in_the_list_is_where_the_link_leads() {
    let names = ["b", "c", "d", "e", "f", "a"];
    let relay =
        |name: &&str| format!("[[relay]]\nname = \"{name}\"\ntoken = \"token of {name}\"\n");
    let desk = Desk::start_plain(&names.iter().map(relay).collect::<String>()).await;
    for name in names {
        desk.hear(name, &report(name, 1, 0, 10)).await;
    }
    let list = desk.get("/live.json").await.json();
    let first = &list["relays"][0];
    assert_ne!(first["name"], "b", "the order of the file says nothing");
    let led = desk.ask("HEAD", "/live.ogg", "").await.target();
    assert_eq!(first["url"], led);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_ever_had_is_counted_apart_from_those_who_find_no_place() {
    let desk = Desk::start("").await;
    let counted = async |outcome: &str| {
        let metrics = desk.get("/metrics").await.body;
        let name = format!("plenum_balancer_redirects_total{{outcome=\"{outcome}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{metrics}")).to_owned()
    };
    assert_eq!(desk.get("/live.ogg").await.status, 404);
    assert_eq!(counted("nowhere").await, "1", "it may be on air somewhere");
    desk.hear("a", &report("a", 1, 10, 10)).await;
    for path in ["/wp-login.php", "/favicon.ico", "/live"] {
        assert_eq!(desk.get(path).await.status, 404);
    }
    assert_eq!(desk.get("/live.ogg").await.status, 503);
    assert_eq!(counted("nowhere").await, "2");
    assert_eq!(counted("unknown").await, "3");
    for (sequence, gone, mounts, n) in [
        (2, "/live.ogg", json!([mount("/other.ogg")]), "3"),
        (3, "/other.ogg", json!([]), "4"),
    ] {
        let mut report = report("a", sequence, 10, 10);
        report["mounts"] = mounts;
        desk.hear("a", &report).await;
        assert_eq!(desk.get(gone).await.status, 404);
        assert_eq!(counted("nowhere").await, n, "it was there a moment ago");
    }
    let mut silent = report("a", 4, 0, 10);
    silent["mounts"][0]["is_on_air"] = json!(false);
    desk.hear("a", &silent).await;
    for method in ["GET", "HEAD"] {
        let answer = desk.ask(method, "/live.ogg", "").await;
        assert_eq!(answer.status, 503, "it is off the air");
    }
    assert_eq!(counted("silent").await, "2");
    assert_eq!(counted("nowhere").await, "4", "every place is free");
    let totals = desk.get("/api/v1/status").await.json()["totals"].clone();
    assert_eq!(totals["unserved"], 4);
}
