//! Icecasts that are asked how they stand: what they may answer, and what it costs the others.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::desk::{DEADLINE, Desk};

/// As Debian's Icecast 2.4.4 wrote it, shortened.
const STATS: &str = "<?xml version=\"1.0\"?>\n<icestats><clients>3</clients>\
    <listeners>1</listeners><source mount=\"/live.ogg\"><listeners>1</listeners>\
    <max_listeners>50</max_listeners><server_type>application/ogg</server_type></source>\
    </icestats>\n";
const PASSWORD: &str = "a password that nobody else may see";

fn answer(status: &str, headers: &str, body: &str) -> String {
    let n_bytes = body.len();
    format!("HTTP/1.0 {status}\r\n{headers}Content-Length: {n_bytes}\r\n\r\n{body}")
}

/// A server that answers every request with these bytes, and what it was asked.
async fn server(answer: String) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, asked) = mpsc::channel(64);
    stream::shutdown::Shutdown::new().spawn("server", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n = socket.read(&mut request).await.unwrap_or(0);
            let _ = heard.try_send(String::from_utf8_lossy(&request[..n]).into_owned());
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

fn relay(name: &str, address: SocketAddr, more: &str) -> String {
    format!("[[relay]]\nname = \"{name}\"\nurl = \"http://{address}\"\n[relay.icecast]\n{more}\n")
}

async fn relay_status(desk: &Desk, name: &str) -> Value {
    let status = desk.get("/api/v1/status").await.json();
    let relays = status["relays"].as_array().unwrap();
    let found = relays.iter().find(|relay| relay["name"] == name);
    found.unwrap().clone()
}

/// Looks until the relay is in this state.
async fn wait_for(desk: &Desk, name: &str, state: &str) -> Value {
    let look = async {
        loop {
            let relay = relay_status(desk, name).await;
            if relay["state"] == state {
                return relay;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_goes_to_its_server_and_nowhere_else() {
    let (elsewhere, mut asked_elsewhere) = server(answer("200 OK", "", STATS)).await;
    let location = format!("Location: http://{elsewhere}/admin/stats\r\n");
    let (there, mut asked) = server(answer("302 Found", &location, "")).await;
    let settings = relay("there", there, &format!("password = \"{PASSWORD}\""));
    let desk = Desk::start_plain(&format!("poll_seconds = 1.0\n{settings}")).await;
    for _ in 0..2 {
        let request = asked.recv().await.unwrap();
        assert!(
            request
                .to_ascii_lowercase()
                .contains("authorization: basic "),
            "{request}"
        );
    }
    assert!(
        asked_elsewhere.try_recv().is_err(),
        "the redirect was followed"
    );
    assert_eq!(
        relay_status(&desk, "there").await["state"],
        "never heard of"
    );
    let shown = desk.get("/api/v1/status").await.body + &desk.get("/metrics").await.body;
    assert!(!shown.contains("nobody else"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defects_10_and_11_what_is_no_answer_counts_as_failed_and_makes_no_relay() {
    for (n, bad) in [
        answer("500 Internal Server Error", "", STATS),
        answer("200 OK", "", "<html><body>login</body></html>"),
        answer("200 OK", "", &STATS[..100]),
        answer("200 OK", "", &" ".repeat(3_000_000)),
        "SSH-2.0-OpenSSH\r\n".to_owned(),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let (address, mut asked) = server(bad).await;
        let settings = relay("bad", address, &format!("password = \"{PASSWORD}\""));
        let desk = Desk::start_plain(&format!("poll_seconds = 1.0\n{settings}")).await;
        for _ in 0..2 {
            asked.recv().await.unwrap();
        }
        let state = relay_status(&desk, "bad").await["state"].clone();
        assert_eq!(state, "never heard of", "case {n}");
        assert!(desk.n_failed_polls().await >= 1, "case {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_relays_by_name_and_of_no_address() {
    let (good, _asked) = server(answer("200 OK", "", STATS)).await;
    let settings = relay("vienna-1", good, &format!("password = \"{PASSWORD}\""));
    let desk = Desk::start_plain(&settings).await;
    wait_for(&desk, "vienna-1", "open").await;
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    let answer = desk.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "plenum_balancer_redirects_total{outcome=\"relay\"} 1",
        "plenum_balancer_relays{state=\"open\"} 1",
        "plenum_balancer_relay_slots{relay=\"vienna-1\"} 50",
        "plenum_balancer_relay_reserved{relay=\"vienna-1\"} 1",
        "plenum_balancer_polls_total{result=\"answered\"} 1",
        "plenum_balancer_probes_total{result=\"wrong_bytes\"} 0",
        "# EOF",
    ] {
        assert!(answer.body.contains(line), "{line} in {}", answer.body);
    }
    assert!(!answer.body.contains("127.0.0.1"), "{}", answer.body);
}
