//! A line that is full: listeners give way, relays do not.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn on_a_full_uplink_listeners_give_way_and_relays_do_not() {
    let mut pages = opus(1, 0);
    pages.extend((2..402).map(|n| page(1, n, &[n as u8; 5_000])));
    let mut stage = stage_with_uplink(Keep::default(), 80_000);
    stage.publish(&pages[..3]);
    let mut relay = stage
        .join(Class::Relay, Wish::Join, FOR_EVER, Pace::EachPage)
        .await;
    let mut listeners = Vec::new();
    for pace in [Pace::Ticks(1), Pace::EachPage] {
        listeners.push(stage.listen(Wish::Join, FOR_EVER, pace).await);
    }
    for portion in pages[3..].chunks(20) {
        stage.publish(portion);
        read(&mut relay, bytes(portion).len());
    }
    // Without a limit both would have all of it by now, or as fast as they read.
    for mut listener in listeners {
        listener
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let mut buffer = vec![0; 100_000];
        let mut n_bytes = 0;
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(600) {
            n_bytes += listener.read(&mut buffer).unwrap_or(0);
        }
        assert!(n_bytes < 300_000, "{n_bytes} bytes of 2 MB");
    }
    assert!(stage.fanout.uplink().n_put_off() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_relay_that_takes_nothing_makes_listeners_wait_but_not_for_long() {
    let (mut stage, pages) = more_than_fits();
    let mut relay = stage
        .join(Class::Relay, Wish::Join, FOR_EVER, Pace::EachPage)
        .await;
    let mut listener = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    read(&mut relay, bytes(&pages[..3]).len());
    stage.publish(&pages[3..]);
    let uplink = stage.fanout.uplink();
    eventually("listeners wait for it", || {
        uplink.limit() > 0 && uplink.n_held_up() == 1
    });
    eventually("they do not any more", || uplink.limit() == 0);
    let all = bytes(&pages);
    assert!(read(&mut listener, all.len()) == all, "he got every byte");
    assert!(
        read(&mut relay, all.len() - bytes(&pages[..3]).len()) == all[bytes(&pages[..3]).len()..]
    );
}
