//! Headers that the operator adds to answers with sound.

use std::io::Write;

use crate::stage::{Stage, basic, read_head};

const RELAY: &str = "password of relays";

#[test]
fn headers_of_the_operator_stand_in_answers_with_sound_and_no_others() {
    let stage = Stage::start(&format!(
        "[relay]\npassword = \"{RELAY}\"\n[headers]\nX-Robots-Tag = \"noindex\"\nX-All = \"1\"\n\
         [archive]\npublic = true\n[[mount]]\npath = \"/own.mp3\"\n\
         headers = {{ x-robots-tag = \"all\", X-Own = \"a b\" }}"
    ));
    let _sources = [stage.source("/live.mp3"), stage.source("/own.mp3")];
    let head_for = |shown: &str, method: &str, path: &str| {
        let mut socket = stage.connect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{shown}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        read_head(&mut socket)
    };
    let head = |method: &str, path: &str| head_for("X: y", method, path);
    // They copy bytes, and ask for none.
    let relay = basic(b"relay:", RELAY.as_bytes());
    let copied = head_for(&relay, "GET", "/live.mp3");
    assert!(
        copied.contains(" 200 ") && !copied.contains("X-All"),
        "{copied}"
    );
    for path in ["/live.mp3", "/live.mp3?from=-1s"] {
        for method in ["GET", "HEAD"] {
            let head = head(method, path);
            assert!(head.contains("\r\nX-Robots-Tag: noindex\r\n"), "{head}");
            assert!(
                head.contains("\r\nX-All: 1\r\n") && !head.contains("X-Own"),
                "{head}"
            );
        }
    }
    let own = head("GET", "/own.mp3");
    for line in ["x-robots-tag: all", "X-All: 1", "X-Own: a b"] {
        assert_eq!(own.matches(&format!("\r\n{line}\r\n")).count(), 1, "{own}");
    }
    assert!(!own.contains("noindex"), "{own}");
    for path in ["/none.mp3", "/api/v1/status", "/live.mp3.m3u"] {
        let head = head("GET", path);
        assert!(!head.contains("X-All"), "{head}");
    }
}
