//! Relays that are listened to, over real sockets; what answers mean is told in `probe/judge`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::desk::{DEADLINE, Desk, report};

/// A relay that gives everybody this page.
async fn relay(page: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    stream::shutdown::Shutdown::new().spawn("relay", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(page.as_bytes()).await;
        }
    });
    address
}

async fn hear(desk: &Desk, address: SocketAddr) {
    let mut good = report("a", 1, 0, 10);
    good["url"] = json!(format!("http://{address}"));
    desk.hear("a", &good).await;
}

/// Looks until the relay `a` is in this state.
async fn wait_for(desk: &Desk, state: &str) {
    let look = async {
        loop {
            let status = desk.get("/api/v1/status").await.json();
            if status["relays"][0]["state"] == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, look).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_serves_a_page_for_people_is_put_into_quarantine() {
    let page = "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Buy this domain</html>";
    let address = relay(page).await;
    let desk = Desk::start("probe_seconds = 1.0").await;
    hear(&desk, address).await;
    wait_for(&desk, "in quarantine").await;
    assert_eq!(desk.get("/live.ogg").await.status, 503);
    let metrics = desk.get("/metrics").await.body;
    assert!(
        metrics.contains("plenum_balancer_relay_quarantined{relay=\"a\"} 1"),
        "{metrics}"
    );
    // What came is for the operator, not for everybody.
    let status = desk.get("/api/v1/status").await.body;
    assert!(!status.contains("text/html"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_reports_but_refuses_connections_is_put_into_quarantine() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let desk = Desk::start("probe_seconds = 1.0").await;
    hear(&desk, address).await;
    wait_for(&desk, "in quarantine").await;
}
