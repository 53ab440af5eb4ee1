//! The master as the last resort, played by a server of a few lines.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use serde_json::json;
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::desk::{Desk, report};

/// A master that has `/live.ogg` on air until its `Shutdown` is requested.
async fn master() -> (SocketAddr, Shutdown) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status =
        json!({"icestats": {"source": {"listenurl": format!("http://{address}/live.ogg")}}});
    let router = Router::new().route(
        "/status-json.xsl",
        get(move || async move { status.to_string() }),
    );
    let shutdown = Shutdown::new();
    let until = shutdown.clone();
    shutdown.spawn(
        "master",
        balancer::serve::serve(listener, router, (), until),
    );
    (address, shutdown)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_takes_whom_no_relay_can_take() {
    let (address, _shutdown) = master().await;
    let desk = Desk::start(&format!("[master]\nurl = \"http://{address}\"")).await;
    desk.status_once(|status| status["master"]["is_up"] == true)
        .await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), format!("http://{address}/live.ogg"));
    assert_eq!(desk.get("/other.ogg").await.status, 404);
    desk.hear("a", &report("a", 1, 0, 1)).await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), format!("http://{address}/live.ogg"));
    assert_eq!(desk.get("/live.m3u").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_balancer_waits_for_its_relays_before_it_sends_a_crowd_to_the_master() {
    let (address, _shutdown) = master().await;
    let settings = format!("wait_for_relays_seconds = 8.0\n[master]\nurl = \"http://{address}\"");
    let desk = Desk::start(&settings).await;
    desk.status_once(|status| status["master"]["is_up"] == true)
        .await;
    let (answer, ()) = tokio::join!(desk.get("/live.ogg"), async {
        desk.status_once(|_| true).await;
        desk.hear("a", &report("a", 1, 0, 1)).await;
    });
    assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_down_gets_nobody_and_is_found_again() {
    let (address, shutdown) = master().await;
    let desk = Desk::start(&format!("[master]\nurl = \"http://{address}\"")).await;
    desk.status_once(|status| status["master"]["is_up"] == true)
        .await;
    desk.hear("a", &report("a", 1, 0, 0)).await;
    let _ = shutdown.drain(crate::desk::DEADLINE).await;
    desk.status_once(|status| status["master"]["is_up"] == false)
        .await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 503, "{answer:?}");
}
