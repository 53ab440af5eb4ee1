//! Several balancers that share what they know, over a real Redis; and an enemy in its place.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{DEADLINE, Desk, report};

const OPERATOR: &str = "[operator]\npassword = \"correct horse battery\"\n";
const BEARER: &str = "Authorization: Bearer correct horse battery\r\n";
const PASSWORD: &str = "a password of redis";
/// What all promise each other.
/// A second, and another one for a loaded machine.
const HEARD_MAX: Duration = Duration::from_secs(2);

/// A Redis that keeps nothing. Ends with the test.
struct Redis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--requirepass", PASSWORD, "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self {
            child,
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    fn settings(&self) -> String {
        settings(self.port)
    }

    /// Says something to it as an operator would.
    fn say(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args([
                "-p",
                &self.port.to_string(),
                "--no-auth-warning",
                "-a",
                PASSWORD,
            ])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(port: u16) -> String {
    format!("{OPERATOR}[share]\nurl = \"redis://127.0.0.1:{port}\"\npassword = \"{PASSWORD}\"\n")
}

impl Desk {
    async fn patch(&self, relay: &str, body: &Value) {
        let path = format!("/api/v1/relays/{relay}");
        let answer = self.send("PATCH", &path, BEARER, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn facts(&self, relay: &str) -> Value {
        let path = format!("/api/v1/relays/{relay}");
        let answer = self.ask("GET", &path, BEARER).await;
        match answer.status {
            200 => answer.json(),
            status => json!({"status": status}),
        }
    }

    /// Waits until a relay is as expected.
    async fn once(&self, relay: &str, within: Duration, is: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        loop {
            let facts = self.facts(relay).await;
            if is(&facts) {
                return;
            }
            assert!(start.elapsed() < within, "{relay}: {facts:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn trouble_once(&self, is: impl Fn(&str) -> bool) {
        let start = Instant::now();
        loop {
            let all = self.ask("GET", "/api/v1/relays", BEARER).await.json();
            let trouble = all["share"]["trouble"].as_str().unwrap_or_default();
            if is(trouble) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{}", all["share"]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn two(redis: &Redis) -> (Desk, Desk) {
    let one = Desk::start(&redis.settings()).await;
    let other = Desk::start(&redis.settings()).await;
    for desk in [&one, &other] {
        desk.status_once(|status| status["share"]["others"] == 1)
            .await;
        for name in ["a", "b"] {
            desk.hear(name, &report(name, 1, 0, 10)).await;
        }
    }
    (one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_operator_orders_holds_at_the_other_balancer_within_two_seconds() {
    let redis = Redis::start();
    let (one, other) = two(&redis).await;
    one.patch("a", &json!({"is_disabled": true})).await;
    // At the same moment, at the other one.
    other.patch("b", &json!({"bias_km": -50})).await;
    let is_disabled = |facts: &Value| facts["state"] == "disabled";
    other.once("a", HEARD_MAX, is_disabled).await;
    one.once("b", HEARD_MAX, |facts| facts["orders"]["bias_km"] == -50.0)
        .await;
    other.once("a", HEARD_MAX, is_disabled).await;
    // A relay that is added here has its token there, too.
    let body = json!({"name": "c", "country": "AT"}).to_string();
    let added = one
        .send("POST", "/api/v1/relays", BEARER, &body)
        .await
        .json();
    let token = added["token"].as_str().unwrap();
    other
        .once("c", HEARD_MAX, |facts| facts["name"] == "c")
        .await;
    let heard = other
        .report(token, &report("c", 1, 0, 10).to_string())
        .await;
    assert_eq!(heard.status, 200, "{heard:?}");
    let gone = other.send("DELETE", "/api/v1/relays/c", BEARER, "").await;
    assert_eq!(gone.status, 204);
    one.once("c", HEARD_MAX, |facts| facts["status"] == 404)
        .await;
    // Both have the same, by name, and the page and the metrics say so.
    let revision = |status: &Value| status["share"]["revision"].clone();
    let first = revision(&one.get("/api/v1/status").await.json());
    other
        .status_once(|status| first.is_string() && revision(status) == first)
        .await;
    let metrics = one.get("/metrics").await.body;
    for line in [
        "share_connected 1.0",
        "share_others 1.0",
        "changes_version ",
    ] {
        assert!(
            metrics.contains(&format!("plenum_balancer_{line}")),
            "{metrics}"
        );
    }
    // One that begins anew, and has kept nothing, has it all.
    let third = Desk::start(&redis.settings()).await;
    third
        .once("a", HEARD_MAX, |facts| {
            facts["orders"]["is_disabled"] == true
        })
        .await;
    assert!(
        !redis
            .say(&["HGETALL", "plenum:plenum:changes"])
            .contains(token)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_holds_everywhere_and_ends_everywhere_also_when_its_balancer_dies() {
    let redis = Redis::start();
    let (one, other) = two(&redis).await;
    one.patch("a", &json!({"is_quarantined": true})).await;
    let is_out = |facts: &Value| facts["state"] == "in quarantine";
    let is_open = |facts: &Value| facts["state"] == "open";
    other.once("a", HEARD_MAX, is_out).await;
    other.patch("a", &json!({"is_quarantined": false})).await;
    one.once("a", HEARD_MAX, is_open).await;
    other.once("a", HEARD_MAX, is_open).await;
    // Another balancer, whose probes have found something, and which then falls silent.
    let word = json!({"label": "http://third", "beat": 1,
                      "accused": [{"relay": "b", "what": "old\nsound"}]});
    let key = "plenum:plenum:balancers";
    redis.say(&["HSET", key, "00000000000000ff", &word.to_string()]);
    one.once("b", HEARD_MAX, is_out).await;
    let evidence = one.facts("b").await["quarantine"]["evidence"].clone();
    assert_eq!(evidence, "the balancer at http://third says: old sound");
    one.once("b", DEADLINE, is_open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_document_is_left_alone_and_told_and_mended_by_taking_it_away() {
    let redis = Redis::start();
    let desk = Desk::start(&redis.settings()).await;
    desk.patch("a", &json!({"bias_km": 7})).await;
    desk.status_once(|status| status["share"]["revision"].is_string())
        .await;
    let key = "plenum:plenum:changes";
    let poison = "{\"orders\": {\"a\": {\"bias_km\": 1e30}}}";
    for (document, complaint) in [
        (poison, "bias_km"),
        ("{", "EOF"),
        ("[[[[[[", "cannot be used"),
        ("{\"orders\": {\"<b>\": {}}}", "letters"),
    ] {
        redis.say(&["HSET", key, "revision", complaint, "document", document]);
        desk.trouble_once(|trouble| trouble.contains(complaint))
            .await;
        let facts = desk.facts("a").await;
        assert_eq!(facts["orders"]["bias_km"], 7.0, "{facts}");
        assert!(redis.say(&["HGET", key, "document"]).contains(document));
    }
    redis.say(&["DEL", key]);
    desk.trouble_once(str::is_empty).await;
    assert!(redis.say(&["HGET", key, "document"]).contains("7.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let redis = Redis::start();
    let wrong = redis.settings().replace(PASSWORD, "another password");
    let desk = Desk::start(&wrong).await;
    desk.trouble_once(|trouble| {
        assert!(!trouble.contains("another password"), "{trouble}");
        trouble.contains("uthentication")
    })
    .await;
    let page = desk.get("/api/v1/status").await.json();
    assert_eq!(page["share"]["is_connected"], false, "{page}");
}

/// Answers whatever is asked with these bytes, again and again.
fn enemy(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut asked = [0; 4096];
                while socket.read(&mut asked).is_ok_and(|n| n > 0) {
                    if answer.is_empty() {
                        continue;
                    }
                    // At most 64 MiB at once, in case somebody takes them.
                    for _ in 0..(64 << 20) / answer.len().max(1 << 16) {
                        if socket.write_all(&answer).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enemy_in_place_of_redis_stops_nothing() {
    let ok = b"+OK\r\n".as_slice();
    let endless = [b"+OK\r\n$999999999999\r\n".as_slice(), &[b'x'; 1 << 16]].concat();
    let deep = [ok, b"*1\r\n".repeat(100_000).as_slice()].concat();
    let wide = [ok, b"*999999999\r\n", b":1\r\n".repeat(1 << 14).as_slice()].concat();
    let many = ok.repeat(1 << 14);
    let errors = b"-ERR \x1b[2J no\r\n".repeat(1 << 10);
    let pushes = [
        ok,
        b">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n"
            .repeat(1 << 10)
            .as_slice(),
    ]
    .concat();
    for answer in [
        Vec::new(),
        b"\xff\xfe\x00".repeat(1 << 14),
        b"%-1\r\n|0\r\n=5\r\ntxt\r\n".to_vec(),
        endless,
        deep,
        wide,
        many,
        errors,
        pushes,
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(20)]).into_owned();
        let desk = Desk::start(&settings(enemy(answer))).await;
        desk.hear("a", &report("a", 1, 0, 10)).await;
        desk.hear("b", &report("b", 1, 0, 10)).await;
        desk.trouble_once(|trouble| {
            assert!(!trouble.contains(char::is_control), "{trouble}");
            !trouble.is_empty()
        })
        .await;
        for _ in 0..5 {
            let start = Instant::now();
            assert!(desk.where_to().await.starts_with("http://"), "{shown}");
            // Nobody waits for the share, whose answers may take 2 s.
            assert!(start.elapsed() < Duration::from_millis(1_500), "{shown}");
            desk.patch("a", &json!({"bias_km": 7})).await;
        }
        desk.shutdown.request();
    }
}
