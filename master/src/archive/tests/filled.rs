//! What a source sends later, and where it goes.

use std::ops::Range;

use super::*;
use crate::archive::fills::{self, Filling};

/// Pages 0 to 150 come, but for those in the hole, in whose place filler stands.
async fn with_hole(state: &Path, hole: Range<u32>) {
    live_through(state, |desk, publisher| {
        (0..hole.start).for_each(|n| take(publisher, &nth(7, n, 0)));
        let late = Instant::now() + Duration::from_secs(10);
        let after = |_: &MountPath| Some(Duration::from_secs(2));
        // It is announced before it begins.
        desk.fill(after, late);
        desk.fill(after, late);
        (hole.end..150).for_each(|n| take(publisher, &nth(7, n, 0)));
    })
    .await;
}

/// A source sends these pages later, in several files.
pub(super) fn fill(state: &Path, numbers: Range<u32>) {
    let mount = state.join("mounts").join(folder::name_of(&live()).unwrap());
    let middle = u32::midpoint(numbers.start, numbers.end);
    let halves = [numbers.start..middle, middle..numbers.end];
    for numbers in halves.into_iter().filter(|half| !half.is_empty()) {
        let mut filling = Filling::new(&mount, 7);
        for n in (0..2).chain(numbers.clone()) {
            filling.take(&nth(7, n, 0)).unwrap();
        }
        assert_eq!(filling.confirm().unwrap(), Some(u64::from(numbers.end)));
    }
}

fn filled(state: &Path) -> Layout {
    let log = log_folder(state);
    let mut sessions = Session::all(&log).unwrap();
    assert_eq!(sessions.len(), 1);
    let mount = log.parent().unwrap();
    let session = sessions.remove(0).without_filler_behind().unwrap();
    Layout::of(&session.unwrap(), &fills::all(mount), true).unwrap()
}

#[tokio::test]
async fn what_is_back_filled_takes_the_place_of_the_silence_that_stood_there() {
    for hole in [60..80, 2..30, 149..150] {
        let state = tempfile::tempdir().unwrap();
        with_hole(state.path(), hole.clone()).await;
        let n_bytes = filled(state.path()).n_bytes;
        fill(state.path(), hole.clone());
        let layout = filled(state.path());
        assert_ne!(layout.n_bytes, n_bytes, "{hole:?}");
        check(&layout, nth(7, 2, 0).body(), 148);
    }
}

#[tokio::test]
async fn as_long_as_a_page_is_missing_the_silence_stays() {
    let state = tempfile::tempdir().unwrap();
    with_hole(state.path(), 60..80).await;
    let before = filled(state.path());
    fill(state.path(), 60..79);
    let after = filled(state.path());
    assert_eq!((after.n_bytes, after.tag), (before.n_bytes, before.tag));
    fill(state.path(), 50..90);
    check(&filled(state.path()), nth(7, 2, 0).body(), 148);
}

#[tokio::test]
async fn a_back_fill_that_broke_off_is_whole_up_to_there() {
    let state = tempfile::tempdir().unwrap();
    with_hole(state.path(), 60..80).await;
    fill(state.path(), 60..80);
    let mount = log_folder(state.path()).parent().unwrap().to_owned();
    let whole = &fills::all(&mount)[0];
    let open = format!("00000007-{:010}-open.ogg", whole.pages.start);
    let open = whole.file.with_file_name(open);
    std::fs::rename(&whole.file, &open).unwrap();
    let file = std::fs::File::options().write(true).open(&open).unwrap();
    let n_bytes = file.metadata().unwrap().len();
    file.set_len(n_bytes - 1).unwrap();
    fills::mend(&mount);
    let found = fills::all(&mount);
    let ends: Vec<_> = found.iter().map(|fill| fill.pages.end).collect();
    assert!(ends.contains(&(whole.pages.end - 1)), "{ends:?}");
}

#[test]
fn a_back_fill_is_pages_of_one_stream_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for pages in [
        vec![nth(7, 5, 0)],
        vec![nth(8, 0, 0)],
        vec![nth(7, 0, 0), nth(7, 1, 0), nth(7, 6, 0), nth(7, 5, 0)],
    ] {
        let mut filling = Filling::new(folder.path(), 7);
        let taken: Vec<_> = pages.iter().map(|page| filling.take(page)).collect();
        let error = taken.into_iter().last().unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn of_what_never_came_live_there_is_a_recording_all_the_same() {
    let state = tempfile::tempdir().unwrap();
    run(state.path(), (0..60).map(|n| nth(8, n, 0))).await;
    fill(state.path(), 2..150);
    let mount = log_folder(state.path()).parent().unwrap().to_owned();
    let layout = Layout::of_fills(&mount, 7).unwrap().unwrap();
    check(&layout, nth(7, 2, 0).body(), 148);
    assert!(Layout::of_fills(&mount, 9).unwrap().is_none());
}
