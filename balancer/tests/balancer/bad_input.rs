//! Whatever comes in: a clear answer or a closed connection, and nobody else is disturbed.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::desk::{Answer, DEADLINE, Desk, report};

async fn good() -> Desk {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 1_000)).await;
    desk
}

async fn still_serves(desk: &Desk) {
    assert_eq!(desk.get("/live.ogg").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_gets_400_and_disturbs_nobody() {
    let desk = good().await;
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let mut bytes: Vec<u8> = (0..random.usize(1..4_000)).map(|_| random.u8(..)).collect();
        bytes.extend_from_slice(b"\r\n\r\n");
        let text = desk.raw(&bytes).await;
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 400"),
            "{text}"
        );
    }
    for request in [
        "SOURCE /live.ogg ICE/1.0\r\n\r\n",
        "GET /live.ogg HTTP/9.9\r\n\r\n",
        "GET  /live.ogg\r\n\r\n",
        "GET /live.ogg\r\nX-A: b HTTP/1.1\r\n\r\n",
        "GET /live.ogg HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /live.ogg HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n",
        "GET /live.ogg HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n",
        "GET /live.ogg HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    ] {
        let text = desk.raw(request.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 400"), "{request:?}: {text}");
    }
    still_serves(&desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_beyond_all_measure_gets_431() {
    let desk = good().await;
    let huge = format!(
        "GET /live.ogg HTTP/1.1\r\nX: {}\r\n\r\n",
        "a".repeat(1_000_000)
    );
    let answer = Answer::parse(&desk.raw(huge.as_bytes()).await);
    assert_eq!(answer.status, 431);
    let many = format!("GET /live.ogg HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
    let answer = Answer::parse(&desk.raw(many.as_bytes()).await);
    assert_eq!(answer.status, 431);
    let path = format!("/{}", "a".repeat(12_000));
    assert_eq!(desk.get(&path).await.status, 404);
    let query = format!("/live.ogg?{}", "a".repeat(1_025));
    assert_eq!(desk.get(&query).await.status, 414);
    still_serves(&desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_closed_in_ten_seconds_however_slowly_it_comes() {
    let desk = good().await;
    let closed_after = |first: &'static [u8], drips: bool| {
        let address = desk.address;
        async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(first).await.unwrap();
            let start = Instant::now();
            let (mut read, mut write) = socket.split();
            let mut rest = Vec::new();
            let drip = async {
                while drips && write.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = read.read_to_end(&mut rest) => {}
                () = drip => {}
            }
            start.elapsed()
        }
    };
    let all = async {
        tokio::join!(
            closed_after(b"", false),
            closed_after(b"GET /live.ogg HTTP/1.1\r\nHost: ", false),
            closed_after(b"GET /live.ogg HTTP/1.1\r\nHost: ", true),
        )
    };
    let (silent, half, slow) = tokio::time::timeout(DEADLINE, all).await.unwrap();
    for elapsed in [silent, half, slow] {
        assert!(elapsed < Duration::from_secs(12), "{elapsed:?}");
    }
    still_serves(&desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_location_is_made_of_registered_addresses_only() {
    let desk = good().await;
    for path in [
        "//evil.example/live.ogg",
        "/\\evil.example",
        "/..//evil",
        "/live.ogg/",
        "/live%2Fogg",
        "/live.ogg%0d%0aX:%20y",
    ] {
        let answer = desk.get(path).await;
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(answer.target(), "", "{path}");
    }
    for request in [
        "GET /live.ogg HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/live.ogg HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET /live.ogg HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n",
    ] {
        // A new one each time: a relay that has not shown that it serves gets two listeners.
        let desk = good().await;
        let answer = Answer::parse(&desk.raw(request.as_bytes()).await);
        assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
    }
    let answer = desk.get("/live.ogg?u=http://evil.example").await;
    assert_eq!(
        answer.target(),
        "http://a.example:8000/live.ogg?u=http://evil.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_strange_host_gets_into_a_playlist_or_page() {
    let desk = good().await;
    for host in [
        "evil.example/x?",
        "a b",
        "user@evil.example",
        "<script>",
        "\"",
        "",
    ] {
        let request =
            format!("GET /live.m3u HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = Answer::parse(&desk.raw(request.as_bytes()).await);
        assert_eq!(answer.status, 400, "{host}: {answer:?}");
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = Answer::parse(&desk.raw(request.as_bytes()).await);
        assert!([200, 400].contains(&answer.status), "{host}: {answer:?}");
        assert!(!answer.body.contains("evil") && !answer.body.contains("<script>"));
    }
    let without = desk.raw(b"GET /live.m3u HTTP/1.0\r\n\r\n").await;
    assert!(
        without.contains(" 400 ") && without.contains("Host header"),
        "{without}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_nobody_wants_does_not_become_the_next_request() {
    let desk = good().await;
    let smuggled = "GET /live.ogg HTTP/1.1\r\nHost: x\r\nContent-Length: 49\r\n\r\n\
                    GET /health HTTP/1.1\r\nHost: x\r\nX: smuggled\r\n\r\n\r\n";
    let request = format!("{smuggled}GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = desk.raw(request.as_bytes()).await;
    assert!(!text.contains("\r\n\r\nok\n"), "{text}");
}
