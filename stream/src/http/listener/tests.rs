//! Listeners who come at the same moment.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::fanout::Uplink;
use crate::http::added::Added;
use crate::http::guard::Guard;
use crate::log::Keep;
use crate::mount::{Claimant, Desk, Facts, Fallback, MountPath, MountTable, Publisher, Terms};
use crate::ogg::tests::opus;
use crate::shutdown::Shutdown;

/// So often two of them come at once: without a second look the first pair fails.
const ROUNDS: usize = 50;

fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

fn published(desk: &Arc<Desk>, name: &str, terms: Terms) -> Publisher {
    let claimant = Claimant {
        user: "source".to_owned(),
        login: 0,
        serial: None,
        uplink: 1,
    };
    let facts = Facts {
        terms,
        ..Facts::default()
    };
    let (epoch, now) = ("0".repeat(32).parse().unwrap(), Instant::now());
    let claimed = desk.claim(&path(name), &claimant, facts, epoch, now);
    let mut publisher = claimed.unwrap();
    for page in opus(1, 3) {
        publisher.take(&page, now, || 1).unwrap();
    }
    publisher
}

fn service(mounts: Vec<MountSettings>, shutdown: &Shutdown) -> Service {
    let uplink = Uplink::new(0, Instant::now());
    Service {
        serving: Serving {
            pace: Duration::ZERO,
            burst: Duration::ZERO,
            pace_allowed: Duration::ZERO..=Duration::ZERO,
            burst_max: Duration::ZERO,
            headers: Added::default(),
            mounts,
        },
        relay_burst: Duration::ZERO,
        fanout: Arc::new(Fanout::start(1, uplink, shutdown).unwrap()),
        slots: Slots::new(100, 10),
        rules: Rules::new("GET, HEAD, OPTIONS", &[], Guard::new(&[], None).unwrap()),
        overflow: None,
    }
}

#[tokio::test]
async fn of_two_who_want_the_last_place_at_once_one_gets_what_stands_in_for_it() {
    let (table, shutdown) = (Arc::new(MountTable::new()), Shutdown::new());
    let desk = Desk::new(Arc::clone(&table), Keep::default());
    let stands_in = Terms {
        fallback: Some(Fallback {
            to: path("/other.ogg"),
            after_ms: 0,
        }),
        ..Terms::default()
    };
    let _live = published(&desk, "/live.ogg", stands_in);
    let _other = published(&desk, "/other.ogg", Terms::default());
    let settings = "path = \"/live.ogg\"\nmax_listeners = 1\nfallback = \"/other.ogg\"\n\
                    fallback_when_full = true\n";
    let service = service(vec![toml::from_str(settings).unwrap()], &shutdown);
    let head = Head::parse(b"GET /live.ogg HTTP/1.1\r\n\r\n")
        .unwrap()
        .unwrap();
    let came = Instant::now();
    for round in 0..ROUNDS {
        let n_ready = AtomicUsize::new(0);
        let wish = || {
            let asked = Asked::of(&service, &table, "/live.ogg").unwrap();
            // Whoever sleeps until it begins wakes up too late to meet the other.
            n_ready.fetch_add(1, Ordering::AcqRel);
            while n_ready.load(Ordering::Acquire) < 2 {
                spin_loop();
            }
            place(&service, &head, &asked, Class::Listener, came)
        };
        let places = thread::scope(|scope| {
            let both = [scope.spawn(wish), scope.spawn(wish)];
            both.map(|one| one.join().unwrap())
        });
        let text = |answer: &Vec<u8>| String::from_utf8_lossy(answer).into_owned();
        let mut heard = places.each_ref().map(|place| match place {
            Ok(place) => place.mount.path().to_string(),
            Err(answer) => text(answer),
        });
        heard.sort();
        assert_eq!(heard, ["/live.ogg", "/other.ogg"], "round {round}");
    }
    shutdown.request();
}
