//! The uplink and a master that says what it has.

use std::time::{Duration, Instant};

use stream::shutdown::Drained;

use super::stage::{DEADLINE, Stage, Visit};

pub(super) const WELCOME: &str = "HTTP/1.1 100 Continue\r\nServer: Plenum/9\r\n\r\n";

pub(super) fn acknowledgement(next: u32) -> String {
    format!(
        "HTTP/1.1 104 Upload Resumption Supported\r\nServer: Plenum/9\r\nStream-Sequence: {next}\r\n\r\n"
    )
}

pub(super) fn wants(next: u32) -> String {
    format!("HTTP/1.1 100 Continue\r\nServer: Plenum/9\r\nStream-Sequence: {next}\r\n\r\n")
}

pub(super) async fn acknowledged(stage: &Stage, next: u64) {
    let deadline = Instant::now() + DEADLINE;
    while stage.backlog.lock().acknowledged() != next {
        assert!(Instant::now() < deadline, "{next} is acknowledged");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn on_air(stage: &Stage) -> Visit {
    let mut visit = stage.visit().await;
    visit.say(WELCOME).await;
    visit
}

#[tokio::test]
async fn what_the_master_acknowledges_is_known() {
    let stage = Stage::new().await;
    stage.add(2..22);
    let mut visit = on_air(&stage).await;
    visit.pages(22).await;
    assert_eq!(
        stage.backlog.lock().acknowledged(),
        2,
        "nothing is taken for granted"
    );
    visit.say(&acknowledgement(12)).await;
    acknowledged(&stage, 12).await;
    // It cannot have what was never made.
    visit.say(&acknowledgement(99)).await;
    visit.say(&acknowledgement(22)).await;
    acknowledged(&stage, 22).await;
}

#[tokio::test]
async fn a_server_that_confirms_nothing_is_believed_to_have_what_was_sent() {
    let stage = Stage::new().await;
    stage.add(2..12);
    let mut visit = stage.visit().await;
    visit.say("HTTP/1.1 200 OK\r\n\r\n").await;
    visit.pages(12).await;
    acknowledged(&stage, 12).await;
}

#[tokio::test]
async fn a_master_that_has_lost_its_memory_gets_what_it_had_not_acknowledged() {
    let stage = Stage::new().await;
    stage.add(2..42);
    let mut visit = on_air(&stage).await;
    visit.pages(42).await;
    visit.say(&acknowledgement(35)).await;
    acknowledged(&stage, 35).await;
    drop(visit);
    assert_eq!(on_air(&stage).await.pages(4).await, [0, 1, 35, 36]);
}

#[tokio::test]
async fn what_the_master_has_bridged_is_left_out_and_the_rest_is_sent() {
    let stage = Stage::new().await;
    stage.add(2..12);
    on_air(&stage).await.pages(12).await;
    let mut visit = stage.visit().await;
    stage.add(12..202);
    visit
        .say("HTTP/1.1 100 Continue\r\nServer: Plenum/9\r\nStream-Sequence: 12\r\nStream-Filled: 36500\r\n\r\n")
        .await;
    assert_eq!(visit.pages(4).await, [0, 1, 195, 196]);
    assert_eq!(stage.backlog.lock().n_skipped(), 195 - 12);
    drop(visit);
    // Nothing was put in: nothing is left out.
    let mut visit = stage.visit().await;
    visit
        .say("HTTP/1.1 100 Continue\r\nServer: Plenum/9\r\nStream-Sequence: 199\r\nStream-Filled: 0\r\n\r\n")
        .await;
    assert_eq!(visit.pages(4).await, [0, 1, 199, 200]);
}

#[tokio::test]
async fn a_connection_that_stands_still_gets_a_second_one_and_stays_until_that_is_answered() {
    let stage = Stage::new().await;
    stage.add(2..12);
    let mut first = on_air(&stage).await;
    first.pages(12).await;
    first.say(&acknowledgement(7)).await;
    acknowledged(&stage, 7).await;
    let silent_from = Instant::now();
    let mut second = stage.visit().await;
    let took = silent_from.elapsed();
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    // The first one may still deliver.
    stage.add(12..13);
    assert_eq!(first.pages(1).await, [12]);
    second.say(&wants(9)).await;
    assert_eq!(second.pages(4).await, [0, 1, 9, 10]);
    first.end().await;
}

#[tokio::test]
async fn a_master_that_is_known_is_not_sent_to_before_it_has_said_where_to_go_on() {
    let stage = Stage::new().await;
    stage.add(2..12);
    on_air(&stage).await.pages(12).await;
    let silent = stage.visit().await;
    let mut visit = stage.visit().await;
    assert_eq!(silent.end().await, [0; 0]);
    visit.say(&wants(9)).await;
    assert_eq!(visit.pages(4).await, [0, 1, 9, 10]);
}

#[tokio::test]
async fn an_end_that_was_not_confirmed_is_sent_again() {
    let stage = Stage::new().await;
    stage.add(2..12);
    stage.backlog.end();
    let mut visit = on_air(&stage).await;
    visit.pages(12).await;
    drop(visit);
    let mut visit = stage.visit().await;
    visit.say(&wants(9)).await;
    assert_eq!(visit.pages(5).await, [0, 1, 9, 10, 11]);
    visit
        .say("HTTP/1.1 200 OK\r\nServer: Plenum/9\r\n\r\n")
        .await;
    visit.end().await;
    assert_eq!(stage.shutdown.drain(DEADLINE).await, Drained::Clean);
    assert_eq!(stage.backlog.lock().acknowledged(), 12);
}
