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

/// A report with a token of nobody's.
const GUESS: &str = "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guessed\r\n\
                     Content-Length: 0\r\n\r\n";

/// Less than the time a head may take: nobody waits for those to go by themselves.
const SOON: Duration = Duration::from_secs(5);

async fn start() -> Desk {
    let settings = "wait_for_slot_seconds = 2.0\n[[relay]]\nname = \"a\"\ntoken = \"token of a\"\n";
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
    let end = tokio::time::timeout(SOON, crowd[0].read(&mut [0])).await;
    assert!(matches!(end.unwrap(), Ok(0) | Err(_)));
}

/// Connections of those who all say the same; `None`: they say nothing.
async fn crowd(desk: &Desk, n: usize, request: Option<&str>) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..n {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        if let Some(request) = request {
            say(&mut socket, request).await;
        }
        crowd.push(socket);
    }
    crowd
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_his_answer_is_not_silent_and_who_waits_for_it_goes_last() {
    let health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let live = "GET /live.ogg HTTP/1.1\r\nHost: x\r\n\r\n";
    let desk = start().await;
    desk.hear("a", &report("a", 1, 0, 1_000)).await;
    let mut idle = crowd(&desk, 1, Some(live)).await;
    assert_eq!(answer(&mut idle[0]).await.status, 302);
    // From now on whoever comes waits for a slot; and guessing is slow.
    desk.hear("a", &report("a", 2, 1_000, 1_000)).await;
    let mut waiting = crowd(&desk, 1, Some(live)).await;
    waiting.extend(crowd(&desk, 1, Some(GUESS)).await);
    let _silent = crowd(&desk, ROOM.1 + 5, None).await;
    let mut last = crowd(&desk, 1, Some(health)).await;
    assert_eq!(answer(&mut last[0]).await.body, "ok\n");
    say(&mut idle[0], health).await;
    assert_eq!(answer(&mut idle[0]).await.body, "ok\n");
    for (socket, status) in waiting.iter_mut().zip([503, 401]) {
        assert_eq!(answer(socket).await.status, status);
    }
    let mut waiting = crowd(&desk, 1, Some(live)).await;
    for _ in 0..ROOM.0 {
        idle.extend(crowd(&desk, 1, Some(health)).await);
        answer(idle.last_mut().unwrap()).await;
    }
    assert_eq!(answer(&mut waiting[0]).await.status, 503);
}
