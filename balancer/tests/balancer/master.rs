//! The master as the last resort, played by a server of a few lines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::routing::get;
use serde_json::json;
use stream::secret::Secret;
use stream::shutdown::Shutdown;
use stream::ticket::{TicketKey, Way, split_query};
use tokio::net::TcpListener;

use crate::desk::{Answer, DEADLINE, Desk, report};

/// A master that has `/live.ogg` on air until its `Shutdown` is requested.
struct Master {
    address: SocketAddr,
    shutdown: Shutdown,
    /// Slots that it says are free.
    n_free: Arc<AtomicU64>,
}

impl Master {
    async fn start(n_free: u64) -> Self {
        let n_free = Arc::new(AtomicU64::new(n_free));
        let said = Arc::clone(&n_free);
        let status = move || async move {
            let max = said.load(Ordering::Relaxed) + 10;
            let mount = json!({"path": "/live.ogg", "is_on_air": true, "listeners": 10});
            let slots = json!({"listeners": {"taken": 10, "max": max},
                               "relays": {"taken": 1, "max": 2}});
            json!({"slots": slots, "mounts": [mount]}).to_string()
        };
        let (address, shutdown) = serve(Router::new().route("/api/v1/status", get(status))).await;
        Self {
            address,
            shutdown,
            n_free,
        }
    }

    /// A balancer with it as the last resort, which has heard from it.
    async fn desk(&self, settings: &str) -> Desk {
        let address = self.address;
        let desk = Desk::start(&format!("{settings}\n[master]\nurl = \"http://{address}\"")).await;
        desk.status_once(|status| status["master"]["is_up"] == true)
            .await;
        desk
    }

    fn target(&self) -> String {
        format!("http://{}/live.ogg", self.address)
    }
}

async fn serve(router: Router) -> (SocketAddr, Shutdown) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let until = shutdown.clone();
    shutdown.spawn(
        "master",
        balancer::serve::serve(listener, router, (), until),
    );
    (address, shutdown)
}

/// Waits until so many wait for a slot.
async fn wait_for_waiters(desk: &Desk, n: usize) {
    let line = format!("plenum_balancer_waiting {n}");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let metrics = desk.get("/metrics").await.body;
        if metrics.lines().any(|found| found.starts_with(&line)) {
            return;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_takes_whom_no_relay_can_take() {
    let master = Master::start(9).await;
    let desk = master.desk("").await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), master.target());
    assert_eq!(desk.get("/other.ogg").await.status, 404);
    desk.hear("a", &report("a", 1, 0, 1)).await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.target(), master.target());
    assert_eq!(desk.get("/live.m3u").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_sent_to_the_master_than_it_has_slots_for() {
    let master = Master::start(3).await;
    let desk = master.desk("").await;
    desk.hear("a", &report("a", 1, 5, 5)).await;
    for _ in 0..4 {
        let looked = desk.ask("HEAD", "/live.ogg", "").await;
        assert_eq!(looked.target(), master.target(), "looking takes no slot");
    }
    let asking = (0..20).map(|_| desk.get("/live.ogg"));
    let mut asking: Vec<_> = asking.map(Box::pin).collect();
    let mut n_sent = 0;
    for answer in &mut asking {
        let answer = answer.await;
        n_sent += usize::from(answer.target() == master.target());
        assert!(matches!(answer.status, 302 | 503), "{answer:?}");
    }
    assert_eq!(n_sent, 3);
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["master"]["free"], 0, "{status}");
    assert_eq!(status["master"]["reserved"], 3, "{status}");
    assert_eq!(status["totals"]["sent_to_master"], 3, "{status}");
    let metrics = desk.get("/metrics").await.body;
    assert!(
        metrics.contains("plenum_balancer_master_free_slots 0"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_ipv6_is_not_sent_to_a_master_that_has_none() {
    let master = Master::start(9).await;
    let desk = master.desk("").await;
    let at = async |host: &str| {
        let request = format!("GET /live.ogg HTTP/1.0\r\nHost: {host}\r\n\r\n");
        Answer::parse(&desk.raw(request.as_bytes()).await)
    };
    let answer = at("[::1]:8000").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    for host in ["127.0.0.1:8000", "radio.example"] {
        assert_eq!(at(host).await.target(), master.target(), "{host}");
    }
}

/// All steps: relays, the master, a wait, and only then 503.
#[tokio::test(flavor = "multi_thread")]
async fn when_all_are_full_who_comes_waits_and_gets_the_first_slot_anywhere() {
    let master = Master::start(0).await;
    let desk = master.desk("wait_for_slot_seconds = 8.0").await;
    desk.hear("a", &report("a", 1, 5, 5)).await;
    let (at_relay, ()) = tokio::join!(desk.get("/live.ogg"), async {
        wait_for_waiters(&desk, 1).await;
        desk.hear("a", &report("a", 2, 4, 5)).await;
    });
    assert_eq!(at_relay.target(), "http://a.example:8000/live.ogg");
    let (at_master, ()) = tokio::join!(desk.get("/live.ogg"), async {
        wait_for_waiters(&desk, 1).await;
        master.n_free.store(1, Ordering::Relaxed);
    });
    assert_eq!(at_master.target(), master.target());
    let desk = master.desk("wait_for_slot_seconds = 0.3").await;
    desk.hear("a", &report("a", 1, 5, 5)).await;
    assert_eq!(desk.get("/live.ogg").await.target(), master.target());
    let came = Instant::now();
    let nowhere = desk.get("/live.ogg").await;
    assert_eq!((nowhere.status, nowhere.header("retry-after")), (503, "5"));
    assert!(came.elapsed().as_secs_f64() >= 0.3, "{:?}", came.elapsed());
}

/// A relay that turned out to be full is the only one: it may have a slot when it reports next.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_sent_back_by_the_only_relay_waits_for_its_next_report() {
    let desk = Desk::start("wait_for_slot_seconds = 8.0").await;
    desk.hear("a", &report("a", 1, 0, 5)).await;
    let sent = desk.get("/live.ogg").await;
    let back = sent_back(&sent, "a");
    let (again, ()) = tokio::join!(desk.get(&back), async {
        wait_for_waiters(&desk, 1).await;
        desk.hear("a", &report("a", 2, 0, 5)).await;
    });
    assert_eq!(again.target(), "http://a.example:8000/live.ogg");
    // Twice is enough: nobody goes in circles.
    let came = Instant::now();
    let twice = desk.get(&sent_back(&again, "a")).await;
    assert_eq!(twice.status, 503, "{twice:?}");
    assert!(came.elapsed().as_secs() < 5, "he waited for nothing");
}

/// The path with which a relay sends somebody back to whom this redirect led there.
fn sent_back(answer: &Answer, relay: &str) -> String {
    let key = TicketKey::of(&Secret::given(format!("token of {relay}")));
    let query = answer.header("location").split_once('?').unwrap().1;
    let mut ticket = key.read(split_query(query).0.unwrap(), Way::There).unwrap();
    ticket.way = Way::Back;
    ticket.bounced = ticket.bounced.with(key.relay()).unwrap();
    format!("/live.ogg?ticket={}", key.write(&ticket))
}

/// An Icecast can be the last resort, too: it says its mounts' limits, or the operator does.
#[tokio::test(flavor = "multi_thread")]
async fn an_icecast_as_the_master_gets_no_more_than_it_takes_and_nobody_if_nobody_knows() {
    let status = r#"{"icestats":{"source":{"listenurl":"http://m/live.ogg","listeners":4}}}"#;
    let plain = || Router::new().route("/status-json.xsl", get(|| async { status.to_owned() }));
    let load = r#"<load><mount name="/live.ogg">2</mount></load>"#;
    let with_load = plain().route("/load.xsl", get(|| async { load.to_owned() }));
    for (router, slots, n_expected) in [
        (plain(), "", 0),
        (plain(), "slots = 5", 1),
        (with_load, "", 2),
    ] {
        let (address, _shutdown) = serve(router).await;
        let desk = Desk::start(&format!("[master]\nurl = \"http://{address}\"\n{slots}")).await;
        desk.status_once(|status| status["master"]["is_up"] == true)
            .await;
        let mut n_sent = 0;
        for _ in 0..5 {
            n_sent += usize::from(desk.get("/live.ogg").await.status == 302);
        }
        assert_eq!(n_sent, n_expected, "{slots}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_balancer_waits_for_its_relays_before_it_sends_a_crowd_to_the_master() {
    let master = Master::start(9).await;
    let desk = master.desk("wait_for_relays_seconds = 8.0").await;
    let (answer, ()) = tokio::join!(desk.get("/live.ogg"), async {
        desk.status_once(|_| true).await;
        desk.hear("a", &report("a", 1, 0, 1)).await;
    });
    assert_eq!(answer.target(), "http://a.example:8000/live.ogg");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_down_gets_nobody_and_is_found_again() {
    let master = Master::start(9).await;
    let desk = master.desk("").await;
    desk.hear("a", &report("a", 1, 0, 0)).await;
    let _ = master.shutdown.drain(DEADLINE).await;
    desk.status_once(|status| status["master"]["is_up"] == false)
        .await;
    let answer = desk.get("/live.ogg").await;
    assert_eq!(answer.status, 503, "{answer:?}");
}
