//! Relays that report by themselves: defects 7 and 8 from their side. How Icecasts are asked is in
//! `icecast`.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::desk::{Desk, report};

/// A connection that says half a report and then nothing.
async fn hung(desk: &Desk) -> TcpStream {
    let mut socket = TcpStream::connect(desk.address).await.unwrap();
    let half = "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token of a\r\n\
                Content-Length: 500\r\n\r\n{\"url\":";
    socket.write_all(half.as_bytes()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_07_a_report_that_hangs_stops_nobody_and_is_given_up() {
    let desk = Desk::start("").await;
    desk.status_once(|_| true).await;
    let begun = Instant::now();
    let mut socket = hung(&desk).await;
    desk.hear("b", &report("b", 1, 0, 10)).await;
    assert_eq!(desk.where_to().await, "http://b.example:8000");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer);
    tokio::time::timeout(Duration::from_secs(12), read)
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_08_reports_are_heard_side_by_side() {
    let desk = Desk::start("").await;
    desk.status_once(|_| true).await;
    let mut hanging = Vec::new();
    for _ in 0..100 {
        hanging.push(hung(&desk).await);
    }
    let begun = Instant::now();
    desk.hear("b", &report("b", 1, 0, 10)).await;
    assert_eq!(desk.where_to().await, "http://b.example:8000");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}
