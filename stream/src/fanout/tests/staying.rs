//! How long somebody stays, and where he is while a source is away.

use super::*;
use crate::mount::{Courses, Fallback, Terms};

impl Stage {
    /// Somebody who joins with these bounds on his stay.
    async fn stay(&self, mount: &Arc<Mount>, stay: Stay) -> TcpStream {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let player = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        player.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = door.accept().await.unwrap().0.into_std().unwrap();
        let burst = Duration::from_secs(60);
        let (_, cursor, first) = mount.log().open(Wish::Join, burst).unwrap();
        let slot = self.slots.take(Class::Listener).unwrap();
        let joiner = Joiner {
            wire: Wire::plain(socket),
            holds: (slot, mount.admit(Class::Listener)),
            mount: Arc::clone(mount),
            cursor,
            first,
            last: FOR_EVER,
            pace: Pace::Ticks(1),
            came: Some(Instant::now()),
            before: None,
            stay,
            icy: None,
        };
        assert!(self.fanout.take(joiner).is_ok());
        player
    }
}

fn read_to_end(player: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    player.read_to_end(&mut heard).unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whose_time_is_over_gets_all_there_is_and_an_end() {
    let pages = opus(1, 10);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..7]);
    let until = Some(Instant::now() + Duration::from_secs(1));
    let bounded = Stay {
        until,
        course: None,
    };
    let mut player = stage.stay(&stage.mount(), bounded).await;
    assert_eq!(
        read(&mut player, bytes(&pages[..7]).len()),
        bytes(&pages[..7])
    );
    stage.publish(&pages[7..]);
    let wanted = [bytes(&pages[7..]), farewell(&pages)].concat();
    assert_eq!(read_to_end(&mut player), wanted);
    eventually("his place is free", || {
        stage.mount().n_served(Class::Listener) == 0
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_asked_for_a_mount_follows_its_course_and_who_asked_for_the_other_stays() {
    let (pages, other) = (opus(1, 10), opus(2, 10));
    let mut stage = stage(Keep::default());
    stage.publish(&pages);
    let live = stage.mount();
    let (_mirror, hall) = another(&stage, &other);
    hall.set_on_air(crate::mount::OnAir::Since(jiff::Timestamp::now()));
    live.set_terms(Terms {
        fallback: Some(Fallback {
            to: hall.path().clone(),
            after_ms: 0,
        }),
        ..Terms::default()
    });
    let courses = Courses::default();
    let now = Instant::now();
    assert!(courses.review(&stage.table, now).is_empty());
    let own = Stay {
        until: None,
        course: courses.find(live.path()),
    };
    let mut player = stage.stay(&live, own).await;
    let mut beside = stage.stay(&hall, Stay::default()).await;
    assert_eq!(read(&mut player, bytes(&pages).len()), bytes(&pages));
    assert_eq!(read(&mut beside, bytes(&other).len()), bytes(&other));
    live.set_on_air(crate::mount::OnAir::AwaySince(now));
    assert_eq!(courses.review(&stage.table, Instant::now()).len(), 1);
    let last = bytes(&other[other.len() - 1..]);
    let mut there = farewell(&pages);
    there.extend_from_slice(&bytes(&other[..2]));
    assert_eq!(read(&mut player, there.len()), there);
    let sound = read(&mut player, last.len());
    assert!(bytes(&other).windows(last.len()).any(|part| part == sound));
    live.set_on_air(crate::mount::OnAir::Since(jiff::Timestamp::now()));
    assert_eq!(courses.review(&stage.table, Instant::now()).len(), 1);
    eventually("he is home", || {
        (
            live.n_served(Class::Listener),
            hall.n_served(Class::Listener),
        ) == (1, 1)
    });
}

/// What the kernel cut off the last page is sent, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_range_ends_after_its_last_byte_even_if_its_last_page_does_not_fit() {
    let (mut stage, pages) = more_than_fits();
    let all = bytes(&pages);
    stage.publish(&pages[3..]);
    let wish = Wish::Resume {
        epoch: "0".repeat(32).parse().unwrap(),
        first: 0,
        last: FOR_EVER,
    };
    let last = 5_009_999;
    let mut player = stage.listen(wish, last, Pace::Ticks(1)).await;
    stage.until_full();
    let mut heard = Vec::new();
    while heard.len() <= 5_009_999 {
        heard.extend_from_slice(&read(&mut player, 1_000));
    }
    assert!(heard == all[..=5_009_999]);
    assert!(read_to_end(&mut player).is_empty());
}
