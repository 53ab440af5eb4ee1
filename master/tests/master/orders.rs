//! Orders below `/api/v1`, as JSON, and whose they are.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::stage::{ADMIN, PATIENCE, SOURCE, Stage, basic, frames, read_to_end, until};

const HALL: &str = "password of the hall";
/// Two users, of whom one may publish below `/hall` only.
const TWO: &str = "[[source]]\nuser = \"hall\"\npassword = \"password of the hall\"\n\
                   mounts = [\"/hall/*\"]";

fn operator() -> String {
    basic(b"admin:", ADMIN.as_bytes())
}

fn parsed((status, body): (u16, String)) -> Value {
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The numbers of those who listen.
fn numbers(stage: &Stage, path: &str) -> Vec<u64> {
    let what = format!("GET /api/v1/listeners{path}");
    let list = parsed(stage.json(&what, &operator(), ""));
    assert_eq!(list["mount"], path);
    let listeners = list["listeners"].as_array().unwrap().iter();
    let number = |one: &Value| {
        assert_eq!(one["is_relay"], false);
        assert!(one["connected_seconds"].as_u64().unwrap() < PATIENCE.as_secs());
        one["id"].as_u64().unwrap()
    };
    listeners.map(number).collect()
}

#[test]
fn listeners_are_named_ended_and_moved_by_the_operator() {
    let stage = Stage::start("");
    let _sources = [stage.source("/hall/live.mp3"), stage.source("/b.mp3")];
    let (here, there) = ("/hall/live.mp3", "/b.mp3");
    until("those who looked whether it is on air are gone", || {
        numbers(&stage, here).is_empty() && numbers(&stage, there).is_empty()
    });
    let (mut goes, _) = stage.listen(here);
    let (mut stays, _) = stage.listen(here);
    until("two listen", || numbers(&stage, here).len() == 2);
    let first = numbers(&stage, here)[0];
    let act = |what: &str, body: &str| stage.json(what, &operator(), body);
    let end = format!("DELETE /api/v1/listeners{here}?id={first}");
    assert_eq!(act(&end, "").0, 204);
    assert!(!read_to_end(&mut goes).contains("HTTP"));
    assert_eq!(numbers(&stage, here).len(), 1);
    assert_eq!(act(&end, "").0, 404);

    let list = "/api/v1/listeners/hall/live.mp3";
    let moved = act(&format!("PATCH {list}"), "{\"mount\": \"/b.mp3\"}");
    assert_eq!(parsed(moved), json!({"moved": 1}));
    until("he is there", || numbers(&stage, there).len() == 1);
    stays.read_exact(&mut [0; 417]).unwrap();

    let _aac = stage.aac_source("/c.aac");
    drop(stage.source("/gone.mp3"));
    until("nothing comes there", || {
        act(&format!("PATCH {list}"), "{\"mount\": \"/gone.mp3\"}").0 == 409
    });
    let long = format!("{{\"mount\": \"/{}\"}}", "x".repeat(17_000));
    for (what, body, status, word) in [
        ("PATCH", "{\"mount\": \"/none.mp3\"}", 404, "/none.mp3"),
        ("PATCH", "{\"mount\": \"/hall/live.mp3\"}", 400, "already"),
        ("PATCH", "{\"mount\": \"/gone.mp3\"}", 409, "nothing comes"),
        ("PATCH", "{\"mount\": \"/c.aac\"}", 409, "formats"),
        ("PATCH", "{\"mount\": 7}", 400, "invalid type"),
        ("PATCH", "{\"to\": \"/b.mp3\"}", 400, "unknown field"),
        ("PATCH", "", 400, "EOF"),
        ("PATCH", long.as_str(), 413, "16384"),
        ("DELETE", "", 400, "?id=7"),
        ("POST", "{}", 405, ""),
    ] {
        let answer = act(&format!("{what} {list}"), body);
        assert!(
            answer.0 == status && answer.1.contains(word),
            "{what} {answer:?}"
        );
    }
    for bad in ["?id=x", "?id=-1", "?id="] {
        assert_eq!(act(&format!("DELETE {list}{bad}"), "").0, 400, "{bad}");
    }
    for what in ["GET", "DELETE", "PATCH"] {
        let none = format!("{what} /api/v1/listeners/none.mp3?id=1");
        let answer = act(&none, "{\"mount\": \"/b.mp3\"}");
        assert!(
            answer.0 == 404 && answer.1.contains("/none.mp3"),
            "{answer:?}"
        );
    }
}

#[test]
fn a_title_is_told_as_json_by_the_operator_and_by_who_may_publish_the_mount() {
    let stage = Stage::start(TWO);
    let _source = stage.source("/hall/live.mp3");
    let own = basic(b"hall:", HALL.as_bytes());
    let what = "PATCH /api/v1/mounts/hall/live.mp3";
    for (shown, body, title, url) in [
        (
            &own,
            json!({"title": "A", "title_url": "http://a/"}),
            json!("A"),
            json!("http://a/"),
        ),
        (
            &operator(),
            json!({"title": "C", "artist": "B"}),
            json!("B - C"),
            json!("http://a/"),
        ),
        (&own, json!({"title_url": ""}), json!("B - C"), Value::Null),
        (
            &own,
            json!({"title": "D", "artist": null}),
            json!("D"),
            Value::Null,
        ),
        (&own, json!({}), json!("D"), Value::Null),
        (&own, json!({"title": null}), Value::Null, Value::Null),
    ] {
        let state = parsed(stage.json(what, shown, &body.to_string()));
        assert_eq!(
            (&state["title"], &state["title_url"]),
            (&title, &url),
            "{body}"
        );
        let get = "GET /api/v1/mounts/hall/live.mp3";
        let again = parsed(stage.json(get, shown, ""));
        assert_eq!(
            (&again["path"], &again["title"]),
            (&json!("/hall/live.mp3"), &title)
        );
        let status = stage.get("/api/v1/status");
        let (_, body) = status.split_once("\r\n\r\n").unwrap();
        let status: Value = serde_json::from_str(body).unwrap();
        assert_eq!(status["mounts"][0]["title"], title);
    }
    for (body, word) in [
        ("{\"artist\": \"B\"}", "`artist` needs"),
        ("{\"song\": \"B\"}", "unknown field"),
        ("song=B", "expected"),
    ] {
        let answer = stage.json(what, &own, body);
        assert!(answer.0 == 400 && answer.1.contains(word), "{answer:?}");
    }
    let none = stage.json("PATCH /api/v1/mounts/hall/none.mp3", &own, "{}");
    assert!(
        none.0 == 404 && none.1.contains("/hall/none.mp3"),
        "{none:?}"
    );
}

#[test]
fn a_source_is_ended_by_the_operator_and_with_its_own_password_and_by_nobody_else() {
    let stage = Stage::start(TWO);
    let mut sources =
        ["/a.mp3", "/b.mp3", "/hall/c.mp3", "/hall/d.mp3"].map(|path| stage.source(path));
    let hall = basic(b"hall:", HALL.as_bytes());
    let own = basic(b"source:", SOURCE.as_bytes());
    let wrong = basic(b"source:", b"no password at all");
    let kill = |what: &str, shown: &str| stage.json(what, shown, "");
    for (what, shown, status) in [
        ("DELETE /api/v1/sources/a.mp3", &hall, 403),
        ("POST /admin/killsource?mount=/a.mp3", &hall, 403),
        ("DELETE /api/v1/sources/a.mp3", &"X: y".to_owned(), 401),
        ("POST /admin/killsource?mount=/a.mp3", &wrong, 401),
        ("GET /admin/killsource?mount=/a.mp3", &own, 405),
        ("GET /api/v1/sources/a.mp3", &own, 405),
        ("DELETE /api/v1/sources/none.mp3", &own, 404),
        // Who listens is the operator's affair.
        ("GET /api/v1/listeners/a.mp3", &own, 401),
        ("DELETE /api/v1/listeners/a.mp3?id=1", &own, 401),
    ] {
        let answer = kill(what, shown);
        assert_eq!(answer.0, status, "{what} {answer:?}");
    }
    for source in &mut sources {
        source.write_all(&frames(1)).unwrap();
    }
    let [a, b, c, d] = &mut sources;
    assert_eq!(kill("DELETE /api/v1/sources/a.mp3", &operator()).0, 204);
    assert_eq!(kill("DELETE /api/v1/sources/b.mp3", &own).0, 204);
    assert_eq!(kill("DELETE /api/v1/sources/hall/c.mp3", &hall).0, 204);
    let killed = kill("POST /admin/killsource.json?mount=/hall/d.mp3", &hall);
    assert!(
        killed.0 == 200 && killed.1.contains("Source Removed"),
        "{killed:?}"
    );
    for source in [a, b, c, d] {
        read_to_end(source);
    }
    until("nobody is there any more", || {
        kill("DELETE /api/v1/sources/a.mp3", &own).0 == 409
    });
    let gone = kill("POST /admin/killsource?mount=/a.mp3", &own);
    assert!(
        gone.0 == 400 && gone.1.contains("Source is not available"),
        "{gone:?}"
    );
}

#[test]
fn another_sites_page_gives_no_orders_as_json_either() {
    let stage = Stage::start("");
    let _source = stage.source("/a.mp3");
    let foreign = [
        "Sec-Fetch-Site: cross-site",
        "Origin: https://evil.example",
        "Origin: null",
    ];
    for said in foreign {
        for shown in [operator(), basic(b"source:", SOURCE.as_bytes())] {
            let headers = format!("{said}\r\n{shown}");
            for what in [
                "PATCH /api/v1/mounts/a.mp3",
                "DELETE /api/v1/sources/a.mp3",
                "PATCH /api/v1/listeners/a.mp3",
                "DELETE /api/v1/listeners/a.mp3?id=1",
            ] {
                let answer = stage.json(what, &headers, "{\"title\": \"X\"}");
                assert_eq!(answer.0, 403, "{what} {said} {answer:?}");
            }
        }
    }
    assert!(!stage.get("/api/v1/status").contains("\"X\""));
}
