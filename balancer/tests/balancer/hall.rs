//! A crowd of connections that want nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use balancer::balancer::Balancer;
use balancer::geo::Geo;
use balancer::hall::Hall;
use balancer::{routes, serve};
use serde_json::Value;
use stream::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::desk::{Answer, DEADLINE, Desk, report};

/// So many connections, and so many of them that say nothing.
const ROOM: (usize, usize) = (80, 40);

/// Less than the time a head may take: nobody waits for those to go by themselves.
const SOON: Duration = Duration::from_secs(5);

async fn start() -> Desk {
    let settings = "[[relay]]\nname = \"a\"\ntoken = \"token of a\"\n";
    let balancer = Arc::new(Balancer::new(Desk::config(settings), Geo::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let router = routes::router(Arc::clone(&balancer));
    let hall = Arc::new(Hall::of(ROOM.0, ROOM.1));
    let serving = serve::serve_in(hall, listener, router, balancer, shutdown.clone());
    shutdown.spawn("balancer", serving);
    Desk { address, shutdown }
}

/// Says something over a connection that stays.
async fn say(socket: &mut TcpStream, text: &str) {
    socket.write_all(text.as_bytes()).await.unwrap();
}

/// What is answered over a connection that stays.
async fn answer(socket: &mut TcpStream) -> Answer {
    let mut text = Vec::new();
    let read = async {
        loop {
            let n = socket.read_buf(&mut text).await.unwrap();
            assert_ne!(n, 0, "it was closed");
            let text = String::from_utf8_lossy(&text);
            if !text.contains("\r\n\r\n") {
                continue;
            }
            let answer = Answer::parse(&text);
            let length = answer.header("content-length").parse::<usize>();
            if length.unwrap() == answer.body.len() {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, read).await.unwrap()
}

async fn tell(socket: &mut TcpStream, report: &Value) -> u16 {
    let body = report.to_string();
    let head = format!(
        "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token of a\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    say(socket, &(head + &body)).await;
    answer(socket).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_want_nothing_keep_no_listener_out_and_silence_no_relay() {
    let desk = start().await;
    let mut relay = TcpStream::connect(desk.address).await.unwrap();
    assert_eq!(tell(&mut relay, &report("a", 1, 0, 1_000)).await, 200);
    let begun = Instant::now();
    let mut crowd = Vec::new();
    for n in 0..3 * ROOM.0 {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        match n % 3 {
            0 => {}
            1 => say(&mut socket, "GET /live.ogg HTTP/1.1\r\nHost: ").await,
            _ => {
                say(&mut socket, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
                assert_eq!(answer(&mut socket).await.body, "ok\n");
            }
        }
        crowd.push(socket);
        if n % 20 == 0 {
            let looked = desk.ask("HEAD", "/live.ogg", "").await;
            assert_eq!(looked.status, 302, "after {n}");
        }
    }
    assert_eq!(tell(&mut relay, &report("a", 2, 0, 1_000)).await, 200);
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    // The first ones had to make room.
    let end = tokio::time::timeout(DEADLINE, crowd[0].read(&mut [0])).await;
    assert!(matches!(end.unwrap(), Ok(0) | Err(_)));
}
