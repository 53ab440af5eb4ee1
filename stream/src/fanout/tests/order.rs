//! What a shard is told about those it serves.

use super::*;

fn transfer(from: &Arc<Mount>, to: &Arc<Mount>, whom: Whom) -> Transfer {
    Transfer {
        from: Arc::clone(from),
        to: Arc::clone(to),
        whom,
        burst: Duration::from_secs(60),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn listeners_are_transferred_without_a_byte_out_of_place_and_relays_are_not() {
    let (pages, other) = (opus(1, 10), opus(2, 10));
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..7]);
    let live = stage.mount();
    let (_mirror, hall) = another(&stage, &other);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    let mut relay = stage
        .join(Class::Relay, Wish::Join, FOR_EVER, Pace::EachPage)
        .await;
    read(&mut player, bytes(&pages[..7]).len());
    // What comes before he is led away is his, too.
    stage.publish(&pages[7..]);
    let going = stage
        .fanout
        .transfer(&transfer(&live, &hall, Whom::ForNow))
        .unwrap();
    assert_eq!(going.done().await, 1);
    let wanted = [bytes(&pages[7..]), farewell(&pages), bytes(&other)].concat();
    assert_eq!(read(&mut player, wanted.len()), wanted);
    assert_eq!(read(&mut relay, bytes(&pages).len()), bytes(&pages));
    let n_served = |mount: &Mount| mount.n_served(Class::Listener);
    assert_eq!((n_served(&live), n_served(&hall)), (0, 1));

    // One who asked for the hall itself stays there.
    let none = stage
        .fanout
        .transfer(&transfer(&hall, &hall, Whom::Returning))
        .unwrap();
    assert_eq!(none.done().await, 0);
    let back = stage
        .fanout
        .transfer(&transfer(&hall, &live, Whom::Returning))
        .unwrap();
    assert_eq!(back.done().await, 1);
    let wanted = [farewell(&other), bytes(&pages)].concat();
    assert_eq!(read(&mut player, wanted.len()), wanted);
    let again = stage
        .fanout
        .transfer(&transfer(&live, &hall, Whom::Returning))
        .unwrap();
    assert_eq!(again.done().await, 0, "he is where he wanted to be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn mounts_of_different_codecs_exchange_nobody() {
    let mut stage = stage(Keep::default());
    stage.publish(&opus(1, 5));
    let live = stage.mount();
    let speex = [
        page(2, 0, b"Speex   "),
        page(2, 1, b"tags"),
        page(2, 2, b""),
    ];
    let (_mirror, hall) = another(&stage, &speex);
    let refused = stage.fanout.transfer(&transfer(&live, &hall, Whom::All));
    assert_eq!(refused.err(), Some(NoTransfer::OtherFormat));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_of_several_is_ended_and_the_others_go_on() {
    let pages = opus(1, 10);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..5]);
    let mut stays = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    read(&mut stays, bytes(&pages[..5]).len());
    let mut goes = stage.listen(Wish::Join, FOR_EVER, Pace::EachPage).await;
    read(&mut goes, bytes(&pages[..5]).len());
    let mount = stage.mount();
    let listening = stage.fanout.listening(&mount).await;
    assert_eq!(listening.len(), 2);
    assert!(listening[0].id < listening[1].id);
    assert!(!stage.fanout.end(&mount, listening[1].id + 1).await);
    assert!(stage.fanout.end(&mount, listening[1].id).await);
    let mut nothing = Vec::new();
    goes.read_to_end(&mut nothing).unwrap();
    assert_eq!(nothing, b"");
    stage.publish(&pages[5..]);
    let left = bytes(&pages[5..]);
    assert_eq!(read(&mut stays, left.len()), left);
    assert_eq!(stage.fanout.listening(&mount).await.len(), 1);
}
