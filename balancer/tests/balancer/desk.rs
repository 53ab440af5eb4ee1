//! A balancer that runs in this process, and a plain client for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use balancer::config::{Config, ENVIRONMENT_PREFIX};
use mmdb_writer::Writer;
use serde_json::{Value, json};
use stream::shutdown::Shutdown;
use stream::ticket::split_query;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any promised answer takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// A running balancer. Ends with the test's runtime.
pub(crate) struct Desk {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    /// Where he is sent, without the ticket; empty if nowhere.
    pub(crate) fn target(&self) -> String {
        let location = self.header("location");
        let (target, query) = location.split_once('?').unwrap_or((location, ""));
        match split_query(query).1 {
            rest if rest.is_empty() => target.to_owned(),
            rest => format!("{target}?{rest}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Desk {
    /// Starts a balancer with these settings and the relays `a` and `b`.
    pub(crate) async fn start(settings: &str) -> Self {
        let relays = "[[relay]]\nname = \"a\"\ntoken = \"token of a\"\n\
                      [[relay]]\nname = \"b\"\ntoken = \"token of b\"\n";
        Self::start_plain(&format!("{settings}\n{relays}")).await
    }

    /// Starts a balancer with exactly these settings, except that nobody waits for relays and
    /// relays stay fresh on a slow machine and are not probed, unless the settings say otherwise.
    pub(crate) async fn start_plain(settings: &str) -> Self {
        let config = Self::config(settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let until = shutdown.clone();
        shutdown.spawn("balancer", async move {
            balancer::run(listener, (config, None), until)
                .await
                .unwrap();
        });
        Self { address, shutdown }
    }

    /// Those settings.
    pub(crate) fn config(settings: &str) -> Config {
        let calm = [
            ("wait_for_relays_seconds", "0.0"),
            ("report_stale_seconds", "300.0"),
            ("wait_for_slot_seconds", "0.0"),
            ("probe_seconds", "0.0"),
        ];
        let environment = calm
            .into_iter()
            .filter(|(key, _)| !settings.contains(key))
            .map(|(key, value)| {
                let key = key.to_ascii_uppercase();
                (format!("{ENVIRONMENT_PREFIX}__{key}"), value.to_owned())
            });
        let config: Config =
            stream::config::parse(settings, "test", ENVIRONMENT_PREFIX, environment).unwrap();
        config.check().unwrap();
        config
    }

    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let talk = async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            // Whoever is refused may be cut off while still writing.
            let _ = socket.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(DEADLINE, talk).await.unwrap()
    }

    /// One request with more headers (each with its line end).
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: radio.example:8000\r\nConnection: close\r\n{headers}\r\n"
        );
        Answer::parse(&self.raw(request.as_bytes()).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Reports with some token and body.
    pub(crate) async fn report(&self, token: &str, body: &str) -> Answer {
        let request = format!(
            "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Answer::parse(&self.raw(request.as_bytes()).await)
    }

    /// Relay `name` reports `report`, which is good.
    pub(crate) async fn hear(&self, name: &str, report: &Value) {
        let answer = self
            .report(&format!("token of {name}"), &report.to_string())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let receipt = answer.json();
        assert_eq!(receipt["next_report_ms"], 1000, "{receipt}");
        assert_eq!(receipt["arrivals"], true, "{receipt}");
    }

    /// How many questions to Icecasts came to nothing.
    pub(crate) async fn n_failed_polls(&self) -> u64 {
        let metrics = self.get("/metrics").await.body;
        let name = "plenum_balancer_polls_total{result=\"failed\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }

    /// The status, once `is` says that it is as expected.
    pub(crate) async fn status_once(&self, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.get("/api/v1/status").await.json();
            if is(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{status:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A good report of a relay that carries `/live.ogg`.
pub(crate) fn report(name: &str, sequence: u64, listeners: u32, slots: u32) -> Value {
    json!({
        "url": format!("http://{name}.example:8000"), "run": "first", "sequence": sequence,
        "slots": slots, "listeners": listeners, "draining": false,
        "mounts": [mount("/live.ogg")]
    })
}

/// A mount on air, as in a report.
pub(crate) fn mount(path: &str) -> Value {
    json!({"path": path, "content_type": "application/ogg", "is_on_air": true,
           "epoch": "00ff", "offset": 4711, "listeners": 0})
}

/// A database in this folder that knows where these networks are: country, latitude, longitude.
pub(crate) fn database(folder: &Path, places: &[(&str, &str, f64, f64)]) -> PathBuf {
    let mut writer = Writer::new("Test");
    for (network, country, latitude, longitude) in places {
        let record = json!({"country": {"iso_code": country},
                            "location": {"latitude": latitude, "longitude": longitude}});
        let network: ipnet::IpNet = network.parse().unwrap();
        writer.insert(network, &record).unwrap();
    }
    let file = folder.join("city.mmdb");
    std::fs::write(&file, writer.to_bytes().unwrap()).unwrap();
    file
}
