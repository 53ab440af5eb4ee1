//! Mounts with odd names: any spelling leads to them, and every page writes them in one.

use std::io::Write;

use crate::stage::{SOURCE, Stage, basic, frames, until};

/// As it is kept.
const SPELT: &str = "/a%20%2B%26%27b;,%2A/%C3%BC.mp3";
/// As people and programs may write it.
const SPELLINGS: [&str; 3] = [
    SPELT,
    "/a%20+&'b;,*/%c3%bc.mp3",
    "/%61%20%2b%26%27b%3b%2c%2a/%c3%bc%2emp3",
];

#[test]
fn every_spelling_leads_to_the_mount_and_every_page_writes_it_in_one() {
    let stage = Stage::start(
        "public_url = \"http://radio.example\"\n[[alias]]\npath = \"/stream;\"\n\
         to = \"/a +&'b;,*/ü.mp3\"\n[[mount]]\npath = \"/a +&'b;,*/ü.mp3\"\nmax_listeners = 70",
    );
    let shown = basic(b"source:", SOURCE.as_bytes());
    let (mut source, head) = stage.publish(SPELLINGS[1], shown.as_bytes());
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    source.write_all(&frames(100)).unwrap();
    until("it is heard", || stage.listen(SPELT).1.contains(" 200 "));
    for path in SPELLINGS.into_iter().chain(["/stream;", "/stream%3b"]) {
        let (_, head) = stage.listen(path);
        assert!(head.starts_with("HTTP/1.0 200 "), "{path}: {head}");
        for ending in [".m3u", ".pls", ".xspf", ".vclt"] {
            let answer = stage.get(&format!("{path}{ending}"));
            assert!(answer.starts_with("HTTP/1.0 200 "), "{path}: {answer}");
            let is_alias = path.starts_with("/stream");
            let spelt = if is_alias { "/stream;" } else { SPELT };
            let link = format!("http://radio.example{spelt}");
            assert!(answer.contains(&link), "{path}{ending}: {answer}");
        }
    }
    let status = stage.get("/api/v1/status");
    assert_eq!(status.matches("\"path\":").count(), 1, "{status}");
    for page in [
        "/api/v1/status",
        "/status-json.xsl",
        "/status.xsl",
        "/load.xsl",
        "/metrics",
    ] {
        let answer = stage.get(page);
        assert!(answer.contains(SPELT), "{page}: {answer}");
        assert!(!answer.contains("'b;"), "{page}: {answer}");
    }
    let decoded = "mount=/a%20%2b%26'b;,*/%c3%bc.mp3";
    let encoded = format!("mount={}", SPELT.replace('%', "%25"));
    for asked in [decoded, &encoded] {
        let seven = stage.get(&format!("/7.xsl?{asked}"));
        assert!(seven.contains(",70,"), "{asked}: {seven}");
        let json = stage.get(&format!("/status-json.xsl?{asked}"));
        assert!(json.contains(SPELT), "{asked}: {json}");
        for command in ["stats", "listclients", "updatemetadata"] {
            let answer = stage.order("GET", &format!("/admin/{command}?{asked}"));
            assert!(answer.contains(&format!("mount=\"{SPELT}\"")), "{answer}");
        }
        let told = stage.order(
            "POST",
            &format!("/admin/metadata?mode=updinfo&{asked}&song=x"),
        );
        assert!(told.contains("<return>1</return>"), "{told}");
    }
    let list = stage.order("GET", "/admin/streamlist.txt");
    assert!(list.ends_with(&format!("\r\n\r\n{SPELT}\r\n")), "{list}");
}

#[test]
fn what_leads_elsewhere_is_no_name() {
    let stage = Stage::start("");
    let shown = basic(b"source:", SOURCE.as_bytes());
    for path in [
        "/a%2fb",
        "/%2e%2e/b",
        "/a%00",
        "/a%0d%0aX:%20y",
        "/a%5cb",
        "/%e4",
        "/adm%69n/x",
        "/x.m3%75",
        "/1/2/3/4/5/6/7/8/9",
    ] {
        let head = stage.publish(path, shown.as_bytes()).1;
        assert!(head.contains(" 400 "), "{path}: {head}");
        assert!(stage.get(path).contains(" 404 "), "{path}");
    }
}
