//! Several uplinks to one master, and several masters.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::confirming::{WELCOME, acknowledged, acknowledgement, wants};
use super::stage::{Stage, visit, way};
use crate::config::Way;
use crate::status::Link;

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn two_uplinks(is_standby: bool) -> Stage {
    let listener = port().await;
    let first = way(&[&listener]);
    let second = Way {
        is_standby,
        ..first.clone()
    };
    Stage::with_ways(listener, vec![first, second])
}

async fn two_masters() -> (Stage, TcpListener) {
    let (first, second) = (port().await, port().await);
    let way = way(&[&first, &second]);
    (Stage::with_ways(first, vec![way]), second)
}

async fn wait_for_links(stage: &Stage, wanted: [Link; 2]) {
    let deadline = Instant::now() + super::DEADLINE;
    while stage.status.links() != wanted {
        assert!(Instant::now() < deadline, "{:?}", stage.status.links());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_uplinks_send_every_page_and_one_may_stand_still() {
    let stage = two_uplinks(false).await;
    stage.add(2..12);
    let (mut one, mut other) = (stage.visit().await, stage.visit().await);
    if one.head.contains("Stream-Uplink: 2") {
        std::mem::swap(&mut one, &mut other);
    }
    assert!(
        one.head.contains("\r\nStream-Uplink: 1\r\n"),
        "{}",
        one.head
    );
    assert!(
        other.head.contains("\r\nStream-Uplink: 2\r\n"),
        "{}",
        other.head
    );
    one.say(WELCOME).await;
    other.say(WELCOME).await;
    let all: Vec<u32> = (0..12).collect();
    assert_eq!(one.pages(12).await, all);
    assert_eq!(other.pages(12).await, all);
    // The first takes no more pages, and nobody notices.
    other.say(&acknowledgement(12)).await;
    acknowledged(&stage, 12).await;
    stage.add(12..14);
    assert_eq!(other.pages(2).await, [12, 13]);
    wait_for_links(&stage, [Link::OnAir, Link::OnAir]).await;
    drop(one);
    let mut again = stage.visit().await;
    assert!(again.head.contains("\r\nStream-Uplink: 1\r\n"));
    again.say(&wants(14)).await;
    stage.add(14..15);
    assert_eq!(again.pages(3).await, [0, 1, 14]);
    assert_eq!(other.pages(1).await, [14]);
}

#[tokio::test]
async fn the_first_uplink_that_has_sent_everything_ends_the_others() {
    let stage = two_uplinks(false).await;
    stage.add(2..4);
    let (mut one, mut other) = (stage.visit().await, stage.visit().await);
    one.say(WELCOME).await;
    other.say(WELCOME).await;
    stage.backlog.end();
    assert_eq!(one.pages(4).await, [0, 1, 2, 3]);
    one.say("HTTP/1.1 200 OK\r\nServer: Plenum/9\r\n\r\n").await;
    one.end().await;
    let ended = stage.shutdown.drain(super::DEADLINE).await;
    assert_eq!(ended, stream::shutdown::Drained::Clean);
}

#[tokio::test]
async fn one_that_stands_by_is_not_used_until_nothing_is_acknowledged_for_a_second() {
    let stage = two_uplinks(true).await;
    stage.add(2..12);
    let mut first = stage.visit().await;
    assert!(first.head.contains("\r\nStream-Uplink: 1\r\n"));
    first.say(WELCOME).await;
    first.pages(12).await;
    first.say(&acknowledgement(12)).await;
    acknowledged(&stage, 12).await;
    wait_for_links(&stage, [Link::OnAir, Link::StandingBy]).await;
    let early = timeout(Duration::from_secs(2), stage.listener.accept()).await;
    assert!(early.is_err(), "the second uplink was not needed");
    stage.add(12..22);
    let silent_from = Instant::now();
    first.pages(10).await;
    let mut second = stage.visit().await;
    let took = silent_from.elapsed();
    assert!(
        (Duration::from_millis(700)..Duration::from_millis(1_800)).contains(&took),
        "{took:?}"
    );
    assert!(second.head.contains("\r\nStream-Uplink: 2\r\n"));
    second.say(&wants(15)).await;
    assert_eq!(second.pages(4).await, [0, 1, 15, 16]);
}

#[tokio::test]
async fn a_server_that_takes_one_connection_gets_one() {
    let stage = two_uplinks(false).await;
    stage.add(2..4);
    let mut one = stage.visit().await;
    one.say_continue().await;
    one.pages(4).await;
    let mut other = stage.visit().await;
    other.say("HTTP/1.0 403 Mountpoint in use\r\n\r\n").await;
    drop(other);
    let deadline = Instant::now() + super::DEADLINE;
    while !stage.status.links().contains(&Link::StandingBy) {
        assert!(Instant::now() < deadline, "{:?}", stage.status.links());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let early = timeout(Duration::from_secs(2), stage.listener.accept()).await;
    assert!(early.is_err(), "the second uplink was refused once already");
}

#[tokio::test]
async fn a_master_that_takes_no_streams_is_left_at_once_for_the_other_and_asked_again() {
    let (stage, other) = two_masters().await;
    stage.add(2..4);
    for listener in [&stage.listener, &other] {
        let mut visit = visit(listener).await;
        visit.say("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    }
    let mut visit = visit(&stage.listener).await;
    visit.say(WELCOME).await;
    assert_eq!(visit.pages(4).await, [0, 1, 2, 3]);
    assert_eq!(stage.status.master(), 0);
}

#[tokio::test]
async fn when_a_master_dies_the_other_gets_what_it_had_not_acknowledged() {
    let (stage, other) = two_masters().await;
    stage.add(2..42);
    let mut first = stage.visit().await;
    first.say(WELCOME).await;
    first.pages(42).await;
    first.say(&acknowledgement(35)).await;
    acknowledged(&stage, 35).await;
    // Closed first, so that nobody is let in any more.
    let stage = stage.without_listener().await;
    drop(first);
    let mut second = visit(&other).await;
    second.say(WELCOME).await;
    assert_eq!(second.pages(4).await, [0, 1, 35, 36]);
    assert_eq!(stage.status.master(), 1);
}

#[tokio::test]
async fn a_master_that_falls_silent_is_left_within_seconds() {
    let (stage, other) = two_masters().await;
    stage.add(2..12);
    let mut first = stage.visit().await;
    first.say(WELCOME).await;
    first.pages(12).await;
    first.say(&acknowledgement(7)).await;
    acknowledged(&stage, 7).await;
    let silent_from = Instant::now();
    // Connections are let in and never answered, as by a program that was stopped.
    let mut second = visit(&other).await;
    let took = silent_from.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    second.say(&wants(5)).await;
    assert_eq!(second.pages(4).await, [0, 1, 5, 6]);
}
