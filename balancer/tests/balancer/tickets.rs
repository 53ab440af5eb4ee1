//! What a redirect carries along, and what becomes of those whom relays send back.

use stream::secret::Secret;
use stream::ticket::{RelayId, Ticket, TicketKey, Way, split_query};

use crate::desk::{Answer, Desk, report};

fn key(relay: &str) -> TicketKey {
    TicketKey::of(&Secret::given(format!("token of {relay}")))
}

/// The ticket in a redirect to a relay, as that relay reads it.
fn ticket(answer: &Answer, relay: &str) -> Ticket {
    let query = answer.header("location").split_once('?').unwrap().1;
    let text = split_query(query).0.unwrap();
    assert!(!text.contains("token"), "{text}");
    key(relay).read(text, Way::There).unwrap()
}

/// What a relay without a slot makes of it.
fn sent_back(ticket: Ticket, relay: &str) -> String {
    let key = key(relay);
    let back = Ticket {
        way: Way::Back,
        bounced: ticket.bounced.with(key.relay()).unwrap(),
        ..ticket
    };
    format!("/live.ogg?x=1&ticket={}", key.write(&back))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whom_a_full_relay_sends_back_goes_to_the_other_one_and_not_in_circles() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk.hear("b", &report("b", 1, 9, 10)).await;
    let first = ticket(&desk.get("/live.ogg?x=1").await, "a");
    assert_eq!((first.serial, first.bounced.count()), (1, 0));
    let again = desk.get(&sent_back(first, "a")).await;
    assert_eq!(again.target(), "http://b.example:8000/live.ogg?x=1");
    let second = ticket(&again, "b");
    let bounced: Vec<RelayId> = second.bounced.iter().collect();
    assert_eq!(bounced, [key("a").relay()]);
    let twice = desk.get(&sent_back(second, "b")).await;
    assert_eq!((twice.status, twice.header("retry-after")), (503, "5"));
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["totals"]["reserved"], 0, "nobody is on his way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_sent_somebody_back_gets_nobody_until_its_next_report() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let first = ticket(&desk.get("/live.ogg").await, "a");
    assert_eq!(desk.get(&sent_back(first, "a")).await.status, 503);
    assert_eq!(desk.get("/live.ogg").await.status, 503);
    desk.hear("a", &report("a", 2, 0, 10)).await;
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    assert_eq!(desk.get(&sent_back(first, "a")).await.status, 503);
    assert_eq!(
        desk.get("/live.ogg").await.status,
        302,
        "an old ticket closes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_ticket_is_as_good_as_none() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    let first = ticket(&desk.get("/live.ogg").await, "a");
    let right = sent_back(first, "a");
    for forged in [
        sent_back(first, "b"),
        format!("{right}A"),
        right.replace("x=1&ticket=", "ticket=A"),
        "/live.ogg?ticket=".to_owned(),
        "/live.ogg?ticket=%00%ff".to_owned(),
    ] {
        let desk = Desk::start("").await;
        desk.hear("a", &report("a", 1, 0, 10)).await;
        let answer = desk.get(&forged).await;
        assert!(
            answer.target().starts_with("http://a.example:8000/"),
            "{forged}: {answer:?}"
        );
        assert_eq!(answer.header("location").matches("ticket=").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_player_that_asks_twice_goes_to_the_same_relay_with_another_ticket() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk.hear("b", &report("b", 1, 0, 10)).await;
    let vlc = "User-Agent: VLC/3.0.24 LibVLC/3.0.24\r\n";
    let first = desk.ask("GET", "/live.ogg", vlc).await;
    let second = desk.ask("GET", "/live.ogg", vlc).await;
    assert_ne!(ticket(&first, "a"), ticket(&second, "a"));
    let other = desk.ask("GET", "/live.ogg", "User-Agent: mpv\r\n").await;
    assert_ne!(first.header("location"), other.header("location"));
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(
        status["totals"]["reserved"], 3,
        "they may be three after all"
    );
}

/// The public page knows that its relay is gone before any report does.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_just_left_a_relay_is_sent_to_another_one_if_there_is_one() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk.hear("b", &report("b", 1, 9, 10)).await;
    let left = |name: &str| format!("/live.ogg?not=http%3A%2F%2F{name}.example%3A8000&x=1");
    let answer = desk.get(&left("a")).await;
    assert_eq!(answer.target(), "http://b.example:8000/live.ogg?x=1");
    let answer = desk.get(&left("nobody")).await;
    assert_eq!(answer.status, 302, "{answer:?}");
}

/// mpv takes one entry of the list after the other as fast as they fail.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_entry_of_a_playlist_leads_elsewhere_when_the_one_before_did_not() {
    let desk = Desk::start("").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    desk.hear("b", &report("b", 1, 9, 10)).await;
    let first = desk.get("/live.ogg?r=0").await;
    assert_eq!(first.target(), "http://a.example:8000/live.ogg?r=0");
    let same = desk.get("/live.ogg?r=0").await;
    assert_eq!(same.target(), "http://a.example:8000/live.ogg?r=0");
    let next = desk.get("/live.ogg?r=1").await;
    assert_eq!(next.target(), "http://b.example:8000/live.ogg?r=1");
}
