//! Where a recording ends: with the last sound, and without any there is none.

use stream::fanout::{Fanout, Uplink};

use super::filled::fill;
use super::*;
use crate::archive::session::Name;
use crate::archive::{Archive, ArchiveConfig, fills};

const SECOND: Duration = Duration::from_secs(1);

/// The source goes; filler stands in for it for so long.
fn go_away(desk: &Desk, since: Instant, n_seconds: u32) {
    let after = |_: &MountPath| Some(2 * SECOND);
    // It is announced before it begins; at most 30 s go in at once.
    for n in (0..=n_seconds).step_by(5) {
        desk.fill(after, since + n * SECOND);
    }
}

/// What is listed of a master's state, and how it is found. Nothing is on air.
fn archive(state: &Path) -> Archive {
    let config = ArchiveConfig {
        keep_hours: 1.0,
        ..ArchiveConfig::default()
    };
    let shutdown = Shutdown::new();
    let fanout = Fanout::start(1, Uplink::new(0, Instant::now()), &shutdown).unwrap();
    let table = Arc::new(MountTable::new());
    let mounts = Some(state.join("mounts"));
    Archive::new(
        mounts,
        config.retentions(&[]),
        table,
        Arc::new(fanout),
        shutdown,
    )
}

fn sessions(state: &Path) -> Vec<Session> {
    Session::all(&log_folder(state)).unwrap()
}

#[tokio::test]
async fn filler_that_no_sound_follows_is_not_in_a_recording() {
    let state = tempfile::tempdir().unwrap();
    live_through(state.path(), |desk, publisher| {
        (0..100).for_each(|n| take(publisher, &nth(7, n, 0)));
        go_away(desk, Instant::now(), 600);
    })
    .await;
    let whole = sessions(state.path()).remove(0);
    let kept = whole.clone().without_filler_behind().unwrap().unwrap();
    assert!(whole.stretches[0].n_pages > 700, "{whole:?}");
    let layout = Layout::of(&kept, &[], true).unwrap();
    check(&layout, nth(7, 2, 0).body(), 98);
    let archive = archive(state.path());
    let listed = archive.list(None);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].bytes, layout.n_bytes);
    assert!(listed[0].seconds < 60, "{listed:?}");
    let found = archive.find(&live(), Name::Session(whole.name), None);
    assert_eq!(found.unwrap().unwrap().1.tag, layout.tag);
    // Who was told where it ends then gets the same, before more comes and later.
    let until = whole.until(kept.end()).unwrap().unwrap();
    assert_eq!(Layout::of(&until, &[], false).unwrap().tag, layout.tag);
    // It comes back after all: the silence is in the place where it was heard.
    run(state.path(), (100..150).map(|n| nth(7, n, 0))).await;
    let kept = sessions(state.path()).remove(0).without_filler_behind();
    let longer = Layout::of(&kept.unwrap().unwrap(), &[], true).unwrap();
    let longer = pages(&read(&longer, 0, longer.n_bytes));
    let length = longer.last().unwrap().stamp().granule;
    assert!((590 * 48_000..620 * 48_000).contains(&length), "{length}");
}

#[tokio::test]
async fn filler_after_a_restart_is_not_in_it_either() {
    let state = tempfile::tempdir().unwrap();
    run(state.path(), (0..100).map(|n| nth(7, n, 0))).await;
    live_through(state.path(), |desk, _| go_away(desk, Instant::now(), 40)).await;
    let session = sessions(state.path()).remove(0);
    assert_eq!(session.stretches.len(), 2);
    let kept = session.without_filler_behind().unwrap().unwrap();
    check(
        &Layout::of(&kept, &[], true).unwrap(),
        nth(7, 2, 0).body(),
        98,
    );
}

#[tokio::test]
async fn what_ends_a_link_behind_filler_goes_out_with_it() {
    let state = tempfile::tempdir().unwrap();
    live_through(state.path(), |desk, publisher| {
        (0..100).for_each(|n| take(publisher, &nth(7, n, 0)));
        go_away(desk, Instant::now(), 40);
        (0..50).for_each(|n| take(publisher, &nth(8, n, 0)));
    })
    .await;
    let sessions = sessions(state.path());
    let n_sounds = sessions.into_iter().map(|session| {
        let session = session.without_filler_behind().unwrap().unwrap();
        let layout = Layout::of(&session, &[], true).unwrap();
        let n_pages = pages(&read(&layout, 0, layout.n_bytes)).len() as i64;
        check(&layout, nth(7, 2, 0).body(), n_pages - 3);
        n_pages - 3
    });
    assert_eq!(n_sounds.collect::<Vec<_>>(), [98, 48]);
}

#[tokio::test]
async fn headers_alone_are_no_recording() {
    let state = tempfile::tempdir().unwrap();
    let both = (0..2).map(|n| nth(7, n, 0));
    run(state.path(), both.chain((0..3).map(|n| nth(8, n, 0)))).await;
    let sessions = sessions(state.path());
    let has_sound = sessions
        .iter()
        .map(|session| Layout::of(session, &[], true).unwrap().has_sound);
    assert_eq!(has_sound.collect::<Vec<_>>(), [false, true]);
    let archive = archive(state.path());
    assert_eq!(archive.list(None).len(), 1);
    let headers = Name::Session(sessions[0].name);
    assert!(archive.find(&live(), headers, None).unwrap().is_none());
    // What its source sends later makes one of it.
    fill(state.path(), 2..150);
    let mount = log_folder(state.path()).parent().unwrap().to_owned();
    let layout = Layout::of(&sessions[0], &fills::all(&mount), true).unwrap();
    assert!(layout.has_sound);
    check(&layout, nth(7, 2, 0).body(), 148);
    assert_eq!(archive.list(None).len(), 2);
    assert!(archive.find(&live(), headers, None).unwrap().is_some());
}
