//! The operator's page and its API, over real sockets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{Answer, Desk, report};

const OPERATOR: &str = "[operator]\npassword = \"correct horse battery\"\n";
const BASIC: &str = "Authorization: Basic b3BlcmF0b3I6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

impl Desk {
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: radio.example:8000\r\nConnection: close\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Answer::parse(&self.raw(request.as_bytes()).await)
    }

    async fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.send(method, path, BASIC, &text).await
    }

    /// Signs in and gives the header with the cookie.
    async fn sign_in(&self) -> String {
        let body = "user=operator&password=correct+horse+battery";
        let answer = self.send("POST", "/desk/enter", FORM, body).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/desk"),
            "{answer:?}"
        );
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        format!("Cookie: {cookie}\r\n")
    }

    pub(crate) async fn where_to(&self) -> String {
        // Looking takes no place.
        let answer = self.ask("HEAD", "/live.ogg", "").await;
        let location = answer.header("location");
        location.split("/live.ogg").next().unwrap().to_owned()
    }
}

async fn desk() -> Desk {
    Desk::start(OPERATOR).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_the_page_is_off_and_says_so() {
    let desk = Desk::start("").await;
    for path in ["/desk", "/desk/enter", "/api/v1/relays", "/api/v1/history"] {
        let answer = desk.ask("GET", path, BASIC).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("[operator]"), "{path}: {answer:?}");
    }
    let answer = desk
        .send("POST", "/desk/enter", FORM, "user=operator&password=")
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_password_gets_in_and_guessing_is_slow() {
    let desk = desk().await;
    for path in ["/desk", "/desk/history", "/desk/explain", "/desk/relays/a"] {
        let stranger = desk.get(path).await;
        assert_eq!(
            (stranger.status, stranger.header("location")),
            (303, "/desk/enter")
        );
    }
    for (user, password) in [
        ("operator", "wrong"),
        ("root", "correct+horse+battery"),
        ("", ""),
    ] {
        let begun = Instant::now();
        let body = format!("user={user}&password={password}");
        let answer = desk.send("POST", "/desk/enter", FORM, &body).await;
        assert_eq!(answer.status, 403);
        assert!(begun.elapsed() >= Duration::from_millis(500));
        assert_eq!(answer.header("set-cookie"), "");
    }
    let cookie = desk.sign_in().await;
    assert_eq!(desk.ask("GET", "/desk", &cookie).await.status, 200);
    let forged = "Cookie: plenum_desk=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    assert_eq!(desk.ask("GET", "/desk", forged).await.status, 303);
    assert_eq!(
        desk.send("POST", "/desk/leave", &cookie, "").await.status,
        303
    );
    assert_eq!(desk.ask("GET", "/desk", &cookie).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_this_site_alone_and_out_of_reach_of_scripts() {
    let desk = desk().await;
    let body = "user=operator&password=correct+horse+battery";
    let answer = desk.send("POST", "/desk/enter", FORM, body).await;
    let cookie = answer.header("set-cookie");
    for word in ["HttpOnly", "SameSite=Strict", "Path=/desk"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let proxied = Desk::start(&format!("trusted_proxies = [\"127.0.0.1\"]\n{OPERATOR}")).await;
    let headers = format!("{FORM}X-Forwarded-Proto: https\r\n");
    let answer = proxied.send("POST", "/desk/enter", &headers, body).await;
    assert!(
        answer.header("set-cookie").contains("; Secure"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_make_the_operators_browser_act() {
    let desk = desk().await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let cookie = desk.sign_in().await;
    for foreign in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        let headers = format!("{cookie}{foreign}{FORM}");
        let answer = desk
            .send("POST", "/desk/relays/a", &headers, "do=disable")
            .await;
        assert_eq!(answer.status, 403, "{foreign}");
        let headers = format!("{BASIC}{foreign}");
        let answer = desk.send("DELETE", "/api/v1/relays/a", &headers, "").await;
        assert_eq!(answer.status, 403, "{foreign}");
    }
    assert_eq!(desk.where_to().await, "http://a.example:8000");
    // A cookie alone opens no API: no form of another site carries a password.
    assert_eq!(desk.ask("GET", "/api/v1/relays", &cookie).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_works_without_a_script() {
    let desk = desk().await;
    desk.hear("a", &report("a", 1, 3, 10)).await;
    desk.hear("b", &report("b", 1, 5, 10)).await;
    let cookie = desk.sign_in().await;
    let headers = format!("{cookie}{FORM}Sec-Fetch-Site: same-origin\r\n");
    let press = async |name: &str, body: &str| {
        let path = format!("/desk/relays/{name}");
        desk.send("POST", &path, &headers, body).await
    };
    assert_eq!(desk.where_to().await, "http://a.example:8000");
    for (on, state, off) in [
        ("disable", "disabled", "enable"),
        ("drain", "draining", "undrain"),
        ("quarantine", "in quarantine", "release"),
    ] {
        let answer = press("a", &format!("do={on}")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/desk/relays/a")
        );
        assert_eq!(desk.where_to().await, "http://b.example:8000", "{on}");
        let page = desk.ask("GET", "/desk/relays/a", &cookie).await;
        assert!(page.body.contains(&format!(">{state}<")), "{on}: {page:?}");
        assert_eq!(press("a", &format!("do={off}")).await.status, 303);
        assert_eq!(desk.where_to().await, "http://a.example:8000", "{off}");
    }
    // b is emptier by far, but a is taken for nearer than anything.
    desk.hear("b", &report("b", 2, 0, 1_000)).await;
    press("a", "do=dials&bias_km=20000&slots_max=").await;
    assert_eq!(desk.where_to().await, "http://a.example:8000");
    press("a", "do=dials&bias_km=20000&slots_max=3").await;
    assert_eq!(desk.where_to().await, "http://b.example:8000");
    for wrong in [
        "do=dials&bias_km=1e9",
        "do=dials&bias_km=x",
        "do=dance",
        "do=remove",
    ] {
        let answer = press("a", wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body.contains("role=\"alert\""), "{wrong}");
    }
    assert_eq!(press("nobody", "do=disable").await.status, 404);
    assert_eq!(
        press("a", "do=remove&sure=yes").await.header("location"),
        "/desk"
    );
    assert_eq!(desk.ask("GET", "/desk/relays/a", &cookie).await.status, 404);
    let fleet = desk.ask("GET", "/desk", &cookie).await.body;
    assert!(fleet.contains("Take back"), "{fleet}");
    assert_eq!(
        desk.report("token of a", &report("a", 9, 0, 10).to_string())
            .await
            .status,
        401
    );
    press("a", "do=restore").await;
    desk.hear("a", &report("a", 10, 0, 10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_added_gets_its_token_once_and_listeners_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!(
        "state_directory = {:?}\n{OPERATOR}",
        folder.path().join("state")
    );
    let desk = Desk::start(&state).await;
    let added = desk
        .api(
            "POST",
            "/api/v1/relays",
            &json!({"name": "c", "country": "DE"}),
        )
        .await;
    assert_eq!(added.status, 201, "{added:?}");
    let token = added.json()["token"].as_str().unwrap().to_owned();
    let taken = desk
        .report(&token, &report("c", 1, 0, 10).to_string())
        .await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(desk.where_to().await, "http://c.example:8000");
    let all = desk.api("GET", "/api/v1/relays", &Value::Null).await;
    assert!(!all.body.contains(&token), "{all:?}");
    assert_eq!(all.json()["relays"][2]["origin"], "desk");
    for entry in std::fs::read_dir(folder.path().join("state")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&token));
    }
    for (wrong, status) in [
        (json!({"name": "c"}), 409),
        (json!({"name": "a"}), 409),
        (json!({"name": "<b>"}), 400),
        (json!({"name": "d", "latitude": 1.0}), 400),
        (
            json!({"name": "d", "latitude": 91.0, "longitude": 0.0}),
            400,
        ),
        (json!({"name": "d", "url": "ftp://d.example"}), 400),
        (json!({"name": "d", "country": "ZZ"}), 400),
        (json!({"name": "d", "token": "mine"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(
            desk.api("POST", "/api/v1/relays", &wrong).await.status,
            status,
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_changed_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("state_directory = {:?}\n{OPERATOR}", folder.path());
    let desk = Desk::start(&state).await;
    let added = desk
        .api("POST", "/api/v1/relays", &json!({"name": "c"}))
        .await;
    let token = added.json()["token"].as_str().unwrap().to_owned();
    let patch = json!({"is_disabled": true, "bias_km": -20.5, "slots_max": 7});
    assert_eq!(
        desk.api("PATCH", "/api/v1/relays/c", &patch).await.status,
        200
    );
    assert_eq!(
        desk.api("DELETE", "/api/v1/relays/b", &Value::Null)
            .await
            .status,
        204
    );
    desk.shutdown.request();
    let _ = desk.shutdown.drain(Duration::from_secs(5)).await;
    drop(desk);

    let desk = Desk::start(&state).await;
    let all = desk.api("GET", "/api/v1/relays", &Value::Null).await.json();
    let names: Vec<_> = all["relays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["name"])
        .collect();
    assert_eq!(names, ["a", "c"]);
    let orders = &all["relays"][1]["orders"];
    assert_eq!(
        (&orders["is_disabled"], &orders["slots_max"]),
        (&json!(true), &json!(7))
    );
    assert!((orders["bias_km"].as_f64().unwrap() + 20.5).abs() < 1e-6);
    assert_eq!(all["removed"], json!(["b"]));
    assert_eq!(
        desk.report(&token, &report("c", 1, 0, 10).to_string())
            .await
            .status,
        200
    );
    assert_eq!(
        desk.report("token of b", &report("b", 1, 0, 10).to_string())
            .await
            .status,
        401
    );
    assert_eq!(all["changes"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_address_is_explained_with_every_term_and_kept_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("state_directory = {:?}\n{OPERATOR}", folder.path());
    let desk = Desk::start(&state).await;
    desk.hear("a", &report("a", 1, 3, 10)).await;
    let asked = json!({"address": "198.51.100.77", "mount": "/live.ogg"});
    let answer = desk.api("POST", "/api/v1/explain", &asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["chosen"], "a");
    assert!(answer.json()["relays"][0]["terms"]["price_km"].is_number());
    assert!(!answer.body.contains("198.51"), "{answer:?}");
    let cookie = desk.sign_in().await;
    let body = "address=198.51.100.77&mount=%2Flive.ogg&scheme=http";
    let page = desk
        .send("POST", "/desk/explain", &format!("{cookie}{FORM}"), body)
        .await;
    assert_eq!(page.status, 200);
    let reason = "b</a></th><td class=\"why\">has never reported</td><td class=\"n\">—</td>";
    assert!(
        page.body.contains(reason),
        "right behind the name: {page:?}"
    );
    for wrong in [
        "address=localhost&mount=%2Flive.ogg",
        "address=192.0.2.7&mount=evil",
        "address=192.0.2.7&mount=%2Flive.ogg&scheme=ftp",
    ] {
        let page = desk
            .send("POST", "/desk/explain", &format!("{cookie}{FORM}"), wrong)
            .await;
        assert_eq!(page.status, 400, "{wrong}");
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("198.51"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_says_of_itself_cannot_break_the_page() {
    let desk = desk().await;
    let cookie = desk.sign_in().await;
    let body = "name=%3Cscript%3E&url=%22%3E%3Cb%3E&latitude=x&longitude=&country=";
    let page = desk
        .send("POST", "/desk/relays", &format!("{cookie}{FORM}"), body)
        .await;
    assert_eq!(page.status, 400);
    assert!(
        page.body.contains("&lt;script&gt;") && !page.body.contains("<script"),
        "{page:?}"
    );
    let csp = page.header("content-security-policy");
    assert!(
        csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"),
        "{csp}"
    );
    assert_eq!(page.header("access-control-allow-origin"), "");
    assert!(page.header("cache-control").contains("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_the_operators_language() {
    let desk = desk().await;
    let cookie = desk.sign_in().await;
    let german = format!("{cookie}Accept-Language: de-AT,de;q=0.9\r\n");
    let page = async |path: &str| desk.ask("GET", path, &german).await;
    let all = page("/desk").await.body;
    assert!(all.contains("<html lang=\"de\">") && all.contains("?lang=en"));
    assert!(all.contains("Plenum-Verteiler"), "{all}");
    let form = format!("{german}{FORM}");
    let act = async |path: &str, body: &str| desk.send("POST", path, &form, body).await.body;
    act("/desk/relays/a", "do=quarantine").await;
    let one = page("/desk/relays/a").await.body;
    assert!(one.contains("Belege: der Betreiber"), "{one}");
    assert!(one.contains("<dd>ohne Grenze</dd>"), "{one}");
    let added = act("/desk/relays", "name=c").await;
    assert!(added.contains("und nie wieder"), "{added}");
    assert!(!added.contains("?lang="), "it would lose the token");
    let english = page("/desk?lang=en").await;
    assert!(english.body.contains("<html lang=\"en\">"));
    let cookie = english.header("set-cookie");
    assert!(cookie.starts_with("plenum_language=en"), "{cookie}");
}
