//! A crowd between two reports: defect 1, in the scene of 2011 at a tenth of its size.

use std::collections::BTreeMap;

use serde_json::json;
use stream::secret::Secret;
use stream::ticket::{TicketKey, Way, split_query};

use crate::desk::{Answer, Desk, report};

/// 13 relays with 250 slots in all.
const SLOTS: [u32; 13] = [100, 50, 30, 20, 15, 10, 7, 5, 5, 3, 2, 2, 1];
/// So many listeners come before any relay reports again.
const CROWD: u32 = 200;
/// A relay's window doubles with each report.
const ROUNDS_MAX: u64 = 16;

/// The relays as the test plays them: what each of them has to tell.
struct Fleet {
    desk: Desk,
    /// Serial numbers of those who came since the last report, by relay.
    came: BTreeMap<usize, Vec<u32>>,
    run: u32,
    n_asked: u32,
}

impl Fleet {
    async fn start() -> Self {
        let relay = |n| format!("[[relay]]\nname = \"r{n}\"\ntoken = \"token of r{n}\"\n");
        let relays: String = (0..SLOTS.len()).map(relay).collect();
        Self {
            desk: Desk::start_plain(&relays).await,
            came: BTreeMap::new(),
            run: 0,
            n_asked: 0,
        }
    }

    /// All relays report: who came is named, and has left again.
    async fn report(&mut self, sequence: u64) {
        for (n, slots) in SLOTS.into_iter().enumerate() {
            let name = format!("r{n}");
            let mut said = report(&name, sequence, 0, slots);
            let serials = self.came.remove(&n).unwrap_or_default();
            let serials: Vec<_> = serials.iter().map(|serial| [serial, serial]).collect();
            said["arrivals"] = json!({
                "direct": 0, "bounced": 0,
                "admitted": [{"run": self.run, "serials": serials}]
            });
            self.desk.hear(&name, &said).await;
        }
    }

    /// Another player asks. The place of the relay that he is sent to.
    async fn ask(&mut self) -> Option<usize> {
        self.n_asked += 1;
        let player = format!("User-Agent: player {}\r\n", self.n_asked);
        let answer = self.desk.ask("GET", "/live.ogg", &player).await;
        if answer.status == 503 {
            return None;
        }
        assert_eq!(answer.status, 302, "{answer:?}");
        let relay = self.relay(&answer);
        Some(relay)
    }

    fn relay(&mut self, answer: &Answer) -> usize {
        let target = answer.target();
        let name = target.strip_prefix("http://r").unwrap();
        let relay: usize = name.split('.').next().unwrap().parse().unwrap();
        let query = answer.header("location").split_once('?').unwrap().1;
        let text = split_query(query).0.unwrap();
        let key = TicketKey::of(&Secret::given(format!("token of r{relay}")));
        let ticket = key.read(text, Way::There).unwrap();
        self.run = ticket.run;
        self.came.entry(relay).or_default().push(ticket.serial);
        relay
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_01_of_a_crowd_between_two_reports_nobody_is_turned_away_while_a_slot_is_free() {
    let n_slots: u32 = SLOTS.iter().sum();
    let mut fleet = Fleet::start().await;
    // New relays get few at first. Once every slot is given out without a report in between, all
    // of them have shown that they serve.
    let mut n_given = 0;
    for sequence in 1..=ROUNDS_MAX {
        fleet.report(sequence).await;
        n_given = 0;
        while fleet.ask().await.is_some() {
            n_given += 1;
        }
        if n_given == n_slots {
            break;
        }
    }
    assert_eq!(
        n_given, n_slots,
        "every slot is given out, and no slot twice"
    );
    // The crowd: from now on no relay says anything.
    fleet.report(ROUNDS_MAX + 1).await;
    let mut sent = [0; SLOTS.len()];
    for n in 1..=CROWD {
        let relay = fleet.ask().await;
        let relay = relay.unwrap_or_else(|| panic!("number {n} is turned away: {sent:?}"));
        sent[relay] += 1;
    }
    let is_within = sent.iter().zip(SLOTS).all(|(n, slots)| *n <= slots);
    assert!(is_within, "{sent:?} on {SLOTS:?}");
}
