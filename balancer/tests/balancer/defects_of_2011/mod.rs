//! What the balancer of 2011 did wrong, one test each, by its number in docs/run-a-balancer.md.
//!
//! Most are small: what matters in each is that it fails if the old mistake comes back. What
//! needs real relays or a real Icecast is tested again, at length, where it belongs.

mod answers;
mod around;
mod choice;
mod crowd;
mod icecast;
mod knowing;
mod server;

use serde_json::{Value, json};

use crate::desk::{Desk, database, report};

/// A balancer that knows where three networks are, and believes who says that he comes from
/// one of them. Its folder holds the database.
struct Somewhere {
    desk: Desk,
    folder: tempfile::TempDir,
}

const BERLIN: &str = "192.0.2.1";
const VIENNA: &str = "198.51.100.1";
const NEW_YORK: &str = "203.0.113.1";
const BERLIN_V6: &str = "2001:db8:1::1";

impl Somewhere {
    async fn start(settings: &str) -> Self {
        Self::behind("\"127.0.0.1\"", settings).await
    }

    /// With these trusted proxies.
    async fn behind(proxies: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = database(
            folder.path(),
            &[
                ("192.0.2.0/24", "DE", 52.5, 13.4),
                ("2001:db8:1::/48", "DE", 52.5, 13.4),
                ("198.51.100.0/24", "AT", 48.2, 16.4),
                ("203.0.113.0/24", "US", 40.7, -74.0),
            ],
        );
        let start = format!("geo_files = [{file:?}]\ntrusted_proxies = [{proxies}]\n");
        let desk = Desk::start(&format!("{start}{settings}")).await;
        Self { desk, folder }
    }

    /// Where somebody from this address is sent; he only looks, so no place is taken.
    async fn sent(&self, address: &str) -> String {
        let header = format!("X-Forwarded-For: {address}\r\n");
        let answer = self.desk.ask("HEAD", "/live.ogg", &header).await;
        let location = answer.header("location");
        location
            .split("/live.ogg")
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A report from somewhere.
fn report_from(name: &str, (latitude, longitude): (f64, f64), listeners: u32, slots: u32) -> Value {
    let mut report = report(name, 1, listeners, slots);
    report["place"] = json!({"latitude": latitude, "longitude": longitude});
    report
}
