//! Who rules at the start, and when filler must be suspected.

use stream::handover::Reign;
use stream::log::Log;
use stream::mount::{Claimant, Facts, MountPath};
use stream::ogg::{Page, Stamp};

use super::*;

fn config(directory: &std::path::Path, has_standby: bool) -> Config {
    let standby = "[standby]\nmaster = \"http://127.0.0.1:9\"\npassword = \"long enough\"\n";
    let text = format!(
        "state_directory = {:?}\n{}[[source]]\npassword = \"long enough\"\n",
        directory.display().to_string(),
        if has_standby { standby } else { "" }
    );
    let config = stream::config::parse::<Config>(&text, "", "X", std::iter::empty());
    config.and_then(Config::checked).unwrap()
}

#[tokio::test]
async fn one_that_was_promoted_rules_on_when_nobody_with_a_higher_reign_answers() {
    let folder = tempfile::tempdir().unwrap();
    for (standing, has_standby, number, is_master) in [
        (None, false, 0, true),
        (None, true, 0, false),
        (Some((2, false)), true, 2, false),
        (Some((2, true)), true, 2, true),
        (Some((2, true)), false, 2, true),
    ] {
        if let Some((reign, is_promoted)) = standing {
            let standing = Standing { reign, is_promoted };
            standing.keep(Some(folder.path().to_owned()));
        }
        let config = config(folder.path(), has_standby);
        let trail = trail_at_start(&config, None).await;
        assert_eq!(
            (trail.reign(), trail.is_master()),
            (number, is_master),
            "{standing:?} {has_standby}"
        );
        // What the program before this one was, that is what it is.
        for is_standby in [false, true] {
            let inherited = Reign {
                number: 7,
                is_standby,
            };
            let trail = trail_at_start(&config, Some(inherited)).await;
            let is_master = !is_standby || !has_standby;
            assert_eq!((trail.reign(), trail.is_master()), (7, is_master));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_promoted_in_a_hand_over_takes_over_when_it_has_failed_and_else_the_heir_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), true);
    for (verdict, expected) in [
        (Verdict::GoOn, Ok(1)),
        (Verdict::Leave, Err(Refused::HandedOver)),
    ] {
        let (table, shutdown) = (Arc::new(MountTable::new()), Shutdown::new());
        let trail = Arc::new(trail_at_start(&config, None).await);
        let desk = Desk::new(Arc::clone(&table), stream::log::Keep::default());
        let freeze = shutdown.freeze().clone();
        let standby = Standby::new(desk, table, None, Arc::clone(&trail), shutdown);
        standby.start(&config, Vec::new());
        assert!(freeze.gather(Stage::Door, STOP_MAX) && freeze.gather(Stage::Writers, STOP_MAX));
        let mut promoted = pin!(standby.promote(&config, true));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut promoted).await;
        assert!(early.is_err() && !trail.is_master(), "{early:?}");
        freeze.end(verdict);
        assert_eq!(promoted.await, expected);
        assert_eq!(trail.is_master(), expected.is_ok());
        assert_eq!(folder.path().join("reign.json").exists(), expected.is_ok());
        let _ = std::fs::remove_file(folder.path().join("reign.json"));
    }
}

fn page(sequence: u32, body: &[u8]) -> Page {
    let stamp = Stamp {
        serial: 1,
        sequence,
        granule: i64::from(sequence) * 960,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[u8::try_from(body.len()).unwrap()], body)
}

/// A mount whose newest page came at `now`.
fn mount(now: Instant) -> Arc<Mount> {
    let table = Arc::new(MountTable::new());
    let desk = Desk::new(Arc::clone(&table), stream::log::Keep::default());
    let path = MountPath::parse("/live.ogg").unwrap();
    let claimant = Claimant {
        user: "source".to_owned(),
        login: 0,
        serial: None,
        uplink: 1,
    };
    let epoch = Epoch::new(1);
    let claimed = desk.claim(&path, &claimant, Facts::default(), epoch, now);
    let mut publisher = claimed.unwrap();
    for page in [
        page(0, b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\0"),
        page(1, b"OpusTags\x01\0\0\0v\0\0\0\0"),
        page(2, &[7; 40]),
    ] {
        publisher.take(&page, now, || 5).unwrap();
    }
    Arc::clone(publisher.mount())
}

#[test]
fn filler_is_suspected_if_the_log_was_silent_for_long_before_the_master_was_lost() {
    let (start, after) = (Instant::now(), Duration::from_secs(2));
    let mount = mount(start);
    let at = |ms| start + Duration::from_millis(ms);
    let now = at(60_000);
    let suspected = |heard_ms, has_hung_up| {
        let sight = Sight {
            heard: at(heard_ms),
            has_hung_up,
        };
        may_be_filled(&mount, Some(sight), after, now)
    };
    assert!(!suspected(0, true) && !suspected(1_900, true) && suspected(2_000, true));
    // It may have gone on for a second, unheard.
    assert!(!suspected(900, false) && suspected(1_000, false));
    assert!(
        may_be_filled(&mount, None, after, now),
        "it was never heard"
    );
    let empty = Log::new(Epoch::new(2), 0, stream::log::Keep::default());
    assert!(empty.silence(now).is_none());
}
