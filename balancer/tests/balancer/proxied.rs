//! Proxies that pass connections on as they are, and say before the first byte for whom they
//! connect (PROXY protocol).

use crate::desk::{Desk, database, report};

const PLACES: [(&str, &str, f64, f64); 2] = [
    ("198.51.100.0/24", "FR", 48.9, 2.4),
    ("2001:db8::/32", "JP", 35.7, 139.7),
];

fn binary(from: [u8; 16]) -> Vec<u8> {
    let ports_and_us = [&[0; 16][..], &[1, 2, 3, 4]].concat();
    let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24";
    [head.as_slice(), &from, &ports_and_us].concat()
}

async fn desk(folder: &std::path::Path, settings: &str) -> Desk {
    let file = database(folder, &PLACES);
    let desk = Desk::start(&format!(
        "{settings}\ngeo_files = [{file:?}]\ngeo_builtin = false"
    ))
    .await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_behind_a_proxy_that_passes_connections_on_is_the_one_who_counts() {
    let folder = tempfile::tempdir().unwrap();
    let trusting = "trusted_proxies = [\"127.0.0.1\"]";
    let explain = "GET /api/v1/explain?mount=/live.ogg HTTP/1.1\r\nHost: x\r\n\
                   Connection: close\r\n\r\n";
    let japan = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    for (proxied, country) in [
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\n".to_vec(), "FR"),
        (b"PROXY TCP6 2001:db8::7 ::1 9 9\r\n".to_vec(), "JP"),
        (binary(japan), "JP"),
    ] {
        let desk = desk(folder.path(), trusting).await;
        // A question for the router, and one before it that is not, on the same connection.
        let first = b"GET /live.ogg HTTP/1.1\r\nHost: x\r\n\r\n";
        let said = [proxied.as_slice(), first, explain.as_bytes()].concat();
        let text = desk.raw(&said).await;
        assert!(text.starts_with("HTTP/1.1 302 "), "{text}");
        let expected = format!("\"country\":\"{country}\"");
        assert!(text.contains(&expected), "{country}: {text}");
    }
    let desk = desk(folder.path(), trusting).await;
    // What he says of himself counts nothing.
    let feigned = "PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\n\
                   GET /api/v1/explain?mount=/live.ogg HTTP/1.1\r\nHost: x\r\n\
                   X-Forwarded-For: 2001:db8::7\r\nConnection: close\r\n\r\n";
    let text = desk.raw(feigned.as_bytes()).await;
    assert!(text.contains("\"country\":\"FR\""), "{text}");
    // The proxy itself, looking whether we are well; and one that says nothing of the kind.
    for plain in ["PROXY UNKNOWN\r\n", ""] {
        let health = format!("{plain}GET /health HTTP/1.0\r\n\r\n");
        let text = desk.raw(health.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.0 200 "), "{text}");
    }
    assert_eq!(
        desk.raw(b"PROXY nonsense\r\nGET / HTTP/1.0\r\n\r\n").await,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_speaks_for_himself_only() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path(), "trusted_proxies = [\"192.0.2.1\"]").await;
    let said = b"PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\nGET /live.ogg HTTP/1.0\r\n\r\n";
    let text = desk.raw(said).await;
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
}
