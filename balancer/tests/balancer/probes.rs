//! Relays that are listened to, over real sockets; what answers mean is told in `probe/judge`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

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
    desk.status_once(|status| status["relays"][0]["state"] == state)
        .await;
}

/// A server of MP3 as ours sends it: each has the same log, and gives what it has of it by now. One
/// of `lies` has another byte in each frame.
pub(crate) async fn music(start: Instant, lies: bool) -> SocketAddr {
    const FRAME: usize = 417;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let frame = move |n: usize| {
        let mut frame = vec![0xff, 0xfb, 0x90, 0x00];
        frame.extend((0..FRAME - 4).map(|at| u8::try_from((n * 31 + at * n) % 251).unwrap()));
        if lies {
            frame[99] ^= 1;
        }
        frame
    };
    stream::shutdown::Shutdown::new().spawn("music", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            stream::shutdown::Shutdown::new().spawn("ear", async move {
                let _ = socket.read(&mut [0; 4096]).await;
                // A frame is 26 ms; what was before is the burst.
                let now = || usize::try_from(start.elapsed().as_millis() / 26).unwrap();
                let mut n = now().saturating_sub(100);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nETag: \"00ff\"\r\n\
                     Stream-Offset: {}\r\nStream-Prefix: 0\r\n\r\n",
                    n * FRAME
                );
                let mut bytes = head.into_bytes();
                loop {
                    while n < now() {
                        bytes.extend(frame(n));
                        n += 1;
                    }
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                    bytes.clear();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_sends_other_mp3_than_the_master_is_put_into_quarantine() {
    let start = Instant::now();
    let (master, honest, liar) =
        tokio::join!(music(start, false), music(start, false), music(start, true));
    let settings = format!("probe_seconds = 1.0\ncompare_with = \"http://{master}\"");
    let desk = Desk::start(&settings).await;
    for (name, address) in [("a", liar), ("b", honest)] {
        let mut good = report(name, 1, 0, 10);
        good["url"] = json!(format!("http://{address}"));
        good["mounts"][0]["path"] = json!("/live.mp3");
        desk.hear(name, &good).await;
    }
    wait_for(&desk, "in quarantine").await;
    let deadline = Instant::now() + DEADLINE;
    loop {
        let metrics = desk.get("/metrics").await.body;
        let n_good = metrics
            .lines()
            .find_map(|line| line.strip_prefix("plenum_balancer_probes_total{result=\"good\"} "));
        // Of the honest one, compared byte for byte.
        if n_good.unwrap().parse::<u32>().unwrap() >= 2 {
            assert!(
                metrics.contains("relay_quarantined{relay=\"a\"} 1"),
                "{metrics}"
            );
            assert!(
                metrics.contains("relay_quarantined{relay=\"b\"} 0"),
                "{metrics}"
            );
            return;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
