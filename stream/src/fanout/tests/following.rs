//! A log that another one follows on the same mount.

use super::*;

fn next(stage: &Stage, pages: &[Page]) -> Mirror {
    mirrored(stage, "/live.ogg", pages).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_listener_is_taken_along_to_the_log_that_follows() {
    let pages = opus(1, 10);
    let mut stage = stage(Keep::default());
    stage.publish(&pages);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    read(&mut player, bytes(&pages).len());
    let following = opus(2, 10);
    let _mirror = next(&stage, &following);
    let wanted = [farewell(&pages), bytes(&following)].concat();
    assert_eq!(read(&mut player, wanted.len()), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_relay_counts_bytes_and_is_let_go_where_its_log_ends() {
    for pace in [Pace::EachPage, Pace::Ticks(1)] {
        let pages = opus(1, 10);
        let mut stage = stage(Keep::default());
        stage.publish(&pages);
        let mut relay = stage.join(Class::Relay, Wish::Join, FOR_EVER, pace).await;
        read(&mut relay, bytes(&pages).len());
        let mut mirror = next(&stage, &opus(2, 10));
        mirror.append(&opus(2, 11)[12], Instant::now()).unwrap();
        let mut rest = Vec::new();
        relay.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 0, "nothing of another log, nor a farewell");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_whose_socket_was_full_gets_each_page_of_the_log_that_follows_at_once() {
    let (mut stage, pages) = more_than_fits();
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::EachPage).await;
    stage.publish(&pages[3..]);
    stage.until_full();
    let following = opus(2, 30);
    let mut mirror = next(&stage, &following[..12]);
    let before = [bytes(&pages), farewell(&pages), bytes(&following[..12])].concat();
    assert!(read(&mut player, before.len()) == before);
    let began = Instant::now();
    for page in &following[12..] {
        mirror.append(page, Instant::now()).unwrap();
        assert_eq!(read(&mut player, page.len()), page.bytes().as_ref());
    }
    // The clock only looks after him once a second: it would take 20 s.
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}
