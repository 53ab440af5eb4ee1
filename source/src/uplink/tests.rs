//! The uplink against small servers that do what real ones do, good and bad.

mod confirming;
mod several;
mod stage;

use std::time::Duration;

use stage::{DEADLINE, Stage};
use stream::shutdown::Drained;
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn the_request_says_all_that_a_server_wants_to_know() {
    let stage = Stage::new().await;
    let visit = stage.visit().await;
    assert!(
        visit
            .head
            .starts_with("PUT /live.ogg HTTP/1.1\r\nHost: localhost:"),
        "{}",
        visit.head
    );
    for line in [
        "Authorization: Basic c291cmNlOmNvcnJlY3QgaG9yc2U=",
        "Content-Type: application/ogg",
        "Content-Length: 9223372036854775807",
        "Expect: 100-continue",
        "Stream-Serial: 99",
        "Stream-Uplink: 1",
        "Ice-Name: Täst",
        "Ice-Public: 0",
        "Ice-Bitrate: 64",
        "Ice-Audio-Info: ice-samplerate=48000;ice-channels=1;ice-bitrate=64",
    ] {
        assert!(
            visit.head.contains(&format!("\r\n{line}\r\n")),
            "{line} in {}",
            visit.head
        );
    }
    assert!(
        !visit.head.contains("Ice-Genre"),
        "what is empty is not said"
    );
}

#[tokio::test]
async fn pages_follow_the_interim_answer_and_the_end_is_polite() {
    let stage = Stage::new().await;
    let mut visit = stage.visit().await;
    stage.add(2..5);
    visit
        .say("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.0 200 OK\r\n\r\n")
        .await;
    assert_eq!(visit.pages(5).await, [0, 1, 2, 3, 4]);
    assert_eq!(stage.status.link(0), Link::OnAir);
    stage.backlog.end();
    visit.end().await;
    assert_eq!(stage.shutdown.drain(DEADLINE).await, Drained::Clean);
}

#[tokio::test]
async fn a_server_that_answers_only_at_the_end_gets_pages_all_the_same() {
    let stage = Stage::new().await;
    let mut visit = stage.visit().await;
    stage.add(2..4);
    assert_eq!(visit.pages(4).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn after_a_break_it_goes_on_with_what_was_written_in_the_last_round_trip() {
    let stage = Stage::new().await;
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    stage.add(2..5);
    assert_eq!(visit.pages(5).await, [0, 1, 2, 3, 4]);
    drop(visit);
    let mut visit = stage.visit().await;
    stage.add(5..7);
    visit.say_continue().await;
    assert_eq!(visit.pages(4).await, [0, 1, 4, 5]);
}

#[tokio::test]
async fn a_master_that_says_what_it_wants_gets_exactly_that() {
    let stage = Stage::new().await;
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    stage.add(2..20);
    visit.pages(20).await;
    drop(visit);
    let answers = [
        "HTTP/1.1 100 Continue\r\nServer: Plenum/0.1.0\r\nStream-Sequence: 7\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nserver: Plenum/9\r\nstream-sequence: 7\r\n\r\n",
    ];
    for answer in answers {
        let mut visit = stage.visit().await;
        visit.say(answer).await;
        assert_eq!(visit.pages(4).await, [0, 1, 7, 8]);
    }
    // Another server's header of that name means nothing to us.
    let mut visit = stage.visit().await;
    stage.add(20..22);
    visit
        .say("HTTP/1.1 200 OK\r\nServer: Other\r\nStream-Sequence: 7\r\n\r\n")
        .await;
    assert_eq!(visit.pages(4).await[..3], [0, 1, 20]);
}

#[tokio::test]
async fn a_master_that_answers_late_still_gets_what_it_wants() {
    let stage = Stage::new().await;
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    stage.add(2..20);
    visit.pages(20).await;
    drop(visit);
    let answer = "HTTP/1.1 100 Continue\r\nServer: Plenum/1\r\nStream-Sequence: 7\r\n\r\n";
    let mut late = stage.visit().await;
    stage.add(20..21);
    assert_eq!(late.pages(3).await, [0, 1, 19]);
    late.say(answer).await;
    let mut visit = stage.visit().await;
    visit.say(answer).await;
    assert_eq!(visit.pages(4).await, [0, 1, 7, 8]);
}

#[tokio::test]
async fn a_wrong_password_is_tried_again_until_it_is_right() {
    let stage = Stage::new().await;
    stage.add(2..4);
    for _ in 0..3 {
        let mut visit = stage.visit().await;
        visit.say("HTTP/1.0 401 Unauthorized\r\n\r\nno").await;
    }
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    assert_eq!(visit.pages(4).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_server_that_changes_its_mind_is_heard_at_once() {
    let stage = Stage::new().await;
    stage.add(2..4);
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    visit.pages(4).await;
    visit.say("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let mut visit = stage.visit().await;
    visit.say("This is not HTTP at all\r\n\r\n").await;
    stage.visit().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut stage = Stage::with_listener(listener);
    stage.add(2..4);
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    visit.pages(4).await;
    drop(visit);
    stage.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    while stage.status.link(0) != Link::Waiting {
        assert!(Instant::now() < deadline, "it waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.add(4..6);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    stage.listener = socket.listen(8).unwrap();
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    assert_eq!(visit.pages(4).await, [0, 1, 3, 4]);
}

#[tokio::test]
async fn told_to_stop_it_does_not_wait_for_a_server_that_is_away() {
    let stage = Stage::new().await;
    stage.add(2..4);
    let mut visit = stage.visit().await;
    visit.say("HTTP/1.0 401 Unauthorized\r\n\r\n").await;
    drop(visit);
    let started = Instant::now();
    let Stage {
        shutdown, listener, ..
    } = stage;
    drop(listener);
    assert_eq!(shutdown.drain(DEADLINE).await, Drained::Clean);
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn told_to_stop_it_tries_once_more_to_send_what_waits() {
    let stage = Stage::new().await;
    for _ in 0..4 {
        let mut visit = stage.visit().await;
        visit.say("HTTP/1.0 503 Service Unavailable\r\n\r\n").await;
    }
    stage.add(2..4);
    stage.backlog.end();
    stage.shutdown.request();
    let mut visit = stage.visit().await;
    visit.say_continue().await;
    assert_eq!(visit.pages(4).await, [0, 1, 2, 3]);
    visit.end().await;
    assert_eq!(stage.shutdown.drain(DEADLINE).await, Drained::Clean);
}

#[test]
fn answers_are_read_from_any_portions_and_never_without_end() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nServer: x\r\n\r\n";
    for at in 0..text.len() {
        let mut answers = answer::Answers::new();
        let mut statuses = Vec::new();
        for part in [&text[..at], &text[at..]] {
            answers.push(part);
            while let Some(answer) = answers.take().unwrap() {
                statuses.push(answer.status);
            }
        }
        assert_eq!(statuses, [100, 200], "cut at {at}");
    }
    let mut answers = answer::Answers::new();
    answers.push(b"HTTP/1.1 200 OK\r\nX: ");
    answers.push(&vec![b'a'; answer::HEAD_BYTES_MAX]);
    assert!(answers.take().is_err());
}

#[test]
fn the_first_line_of_a_refusal_is_told_if_it_is_plain_text() {
    let told = |head: &str, body: &str| {
        let mut answers = answer::Answers::new();
        answers.push(format!("HTTP/1.1 400 Bad Request\r\n{head}\r\n{body}").as_bytes());
        let answer = answers.take().unwrap().unwrap();
        (answers.has_said(&answer), answers.said(&answer))
    };
    let plain = "Content-Type: text/plain\r\nContent-Length: 400\r\n";
    let long = "x".repeat(400);
    for (head, body, is_all, said) in [
        (plain, "no \u{1b}mount\r\nat all", true, "no mount"),
        (plain, "no mo", false, "no mo"),
        (plain, &long, true, &long[..300]),
        (
            "Content-Type: text/html\r\nContent-Length: 9\r\n",
            "<p>no</p>",
            true,
            "",
        ),
        ("Content-Type: text/plain\r\n", "9\r\nno mount\n", true, ""),
    ] {
        assert_eq!(told(head, body), (is_all, said.to_owned()), "{head}{body}");
    }
}
