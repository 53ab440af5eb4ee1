//! Shards with real sockets: every byte, in order, whatever the listener and the log do.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::log::Keep;
use crate::log::resume::{FOR_EVER, Wish};
use crate::mount::{
    Class, Desk, Facts, Mirror, Mount, MountPath, MountTable, Publisher, Slots, Start,
};
use crate::ogg::Page;
use crate::ogg::tests::{opus, page};

mod behind;
mod following;
mod frozen;
mod icy;
mod order;
mod staying;
mod uplink;

/// How long anything may take here.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Stage {
    table: Arc<MountTable>,
    publisher: Publisher,
    pub(super) fanout: Fanout,
    pub(super) slots: Slots,
    shutdown: Shutdown,
}

fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

pub(super) fn stage(keep: Keep) -> Stage {
    stage_with_uplink(keep, 0)
}

/// A stage whose first three of these pages are there. The rest, 8 MB, fits into no socket.
pub(super) fn more_than_fits() -> (Stage, Vec<Page>) {
    let mut pages = opus(1, 0);
    pages.extend((2..402).map(|n| page(1, n, &[n as u8; 20_000])));
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 1 << 30,
    });
    stage.publish(&pages[..3]);
    (stage, pages)
}

fn stage_with_uplink(keep: Keep, bits_per_second: u64) -> Stage {
    let table = Arc::new(MountTable::new());
    let desk = Desk::new(Arc::clone(&table), keep);
    let epoch = "0".repeat(32).parse().unwrap();
    let publisher = desk
        .claim(
            &live(),
            &crate::mount::Claimant {
                user: "source".to_owned(),
                login: 0,
                serial: None,
                uplink: 1,
            },
            Facts::default(),
            epoch,
            Instant::now(),
        )
        .unwrap();
    let shutdown = Shutdown::new();
    let fanout = Fanout::start(1, Uplink::new(bits_per_second, Instant::now()), &shutdown).unwrap();
    Stage {
        table,
        publisher,
        fanout,
        slots: Slots::new(100, 10),
        shutdown,
    }
}

impl Stage {
    pub(super) fn publish(&mut self, pages: &[Page]) {
        for page in pages {
            self.publisher.take(page, Instant::now(), || 1).unwrap();
        }
    }

    pub(super) fn mount(&self) -> Arc<Mount> {
        self.table.find(&live()).unwrap()
    }

    /// Waits until no more goes out, since the sockets of those who listen are full. Gives how many
    /// bytes they were sent.
    pub(super) fn until_full(&self) -> u64 {
        let mount = self.mount();
        let n_sent = || mount.counts().n_bytes_sent.load(Ordering::Relaxed);
        eventually("the sockets are full", || {
            let before = n_sent();
            std::thread::sleep(Duration::from_millis(100));
            before > 0 && before == n_sent()
        });
        n_sent()
    }

    async fn listen(&self, wish: Wish, last: u64, pace: Pace) -> TcpStream {
        self.join(Class::Listener, wish, last, pace).await
    }

    async fn join(&self, class: Class, wish: Wish, last: u64, pace: Pace) -> TcpStream {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let player = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        player.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = door.accept().await.unwrap().0.into_std().unwrap();
        self.seat(Wire::plain(socket), class, wish, last, pace);
        player
    }

    pub(super) fn seat(&self, wire: Wire, class: Class, wish: Wish, last: u64, pace: Pace) {
        let mount = self.mount();
        let (_, cursor, prefix) = mount.log().open(wish, Duration::from_secs(60)).unwrap();
        let holds = (self.slots.take(class).unwrap(), mount.admit(class));
        let (first, came, before) = (prefix, Some(Instant::now()), None);
        let joiner = Joiner {
            icy: None,
            wire,
            mount,
            cursor,
            first,
            last,
            pace,
            came,
            before,
            stay: Stay::default(),
            holds,
        };
        assert!(self.fanout.take(joiner).is_ok());
    }
}

pub(super) fn bytes(pages: &[Page]) -> Vec<u8> {
    pages
        .iter()
        .flat_map(|page| page.bytes().to_vec())
        .collect()
}

fn read(player: &mut TcpStream, n_bytes: usize) -> Vec<u8> {
    let mut got = vec![0; n_bytes];
    player.read_exact(&mut got).unwrap();
    got
}

pub(super) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::yield_now();
    }
}

/// A second mount, with these pages in its log.
fn another(stage: &Stage, pages: &[Page]) -> (Mirror, Arc<Mount>) {
    mirrored(stage, "/hall.ogg", pages)
}

/// A log of its own with these pages, on this mount.
fn mirrored(stage: &Stage, path: &str, pages: &[Page]) -> (Mirror, Arc<Mount>) {
    let path = MountPath::parse(path).unwrap();
    let start = Start {
        epoch: "1".repeat(32).parse().unwrap(),
        offset: 5_000,
        prefix: &pages[..2],
        keep: Keep::default(),
    };
    let mut mirror = Mirror::open(
        &stage.table,
        &path,
        &Facts::default(),
        start,
        Instant::now(),
    )
    .unwrap();
    for page in &pages[2..] {
        mirror.append(page, Instant::now()).unwrap();
    }
    (mirror, stage.table.find(&path).unwrap())
}

/// What ends the link of these pages.
fn farewell(pages: &[Page]) -> Vec<u8> {
    let last = pages.last().unwrap().stamp();
    Page::end_of(&last, &[0]).bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_listener_gets_every_byte_at_any_pace() {
    let pages = opus(1, 200);
    for pace in [Pace::EachPage, Pace::Ticks(1), Pace::Ticks(10)] {
        let mut stage = stage(Keep::default());
        stage.publish(&pages[..10]);
        let mut player = stage.listen(Wish::Join, FOR_EVER, pace).await;
        for portion in pages[10..].chunks(19) {
            stage.publish(portion);
        }
        assert_eq!(
            read(&mut player, bytes(&pages).len()),
            bytes(&pages),
            "{pace:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_who_gets_each_page_does_not_wait_for_the_clock() {
    let pages = opus(1, 50);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..3]);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::EachPage).await;
    read(&mut player, bytes(&pages[..3]).len());
    let began = Instant::now();
    for page in &pages[3..43] {
        stage.publish(std::slice::from_ref(page));
        assert_eq!(read(&mut player, page.len()), page.bytes().as_ref());
    }
    // The clock only looks after him once a second: it would take 40 s.
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_range_ends_after_its_last_byte() {
    let pages = opus(1, 20);
    let mut stage = stage(Keep::default());
    stage.publish(&pages);
    let all = bytes(&pages);
    let epoch = stage.mount().log().epoch();
    let wish = Wish::Resume {
        epoch,
        first: 100,
        last: 999,
    };
    let mut player = stage.listen(wish, 999, Pace::Ticks(1)).await;
    let mut got = Vec::new();
    player.read_to_end(&mut got).unwrap();
    assert_eq!(got, &all[100..1000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_socket_that_fills_up_resumes_exactly() {
    let (mut stage, pages) = more_than_fits();
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    stage.publish(&pages[3..]);
    // 8 MB do not fit into any socket: the kernel cuts pages at odd places.
    let all = bytes(&pages);
    let mut got = Vec::new();
    while got.len() < all.len() {
        got.extend(read(&mut player, (all.len() - got.len()).min(70_001)));
    }
    assert!(got == all, "every byte came once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_goes_frees_his_slot_and_a_removed_mount_sends_all_home() {
    let mut stage = stage(Keep::default());
    stage.publish(&opus(1, 10));
    let gone = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    let mut stays = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(50)).await;
    let mut prompt = stage.listen(Wish::Join, FOR_EVER, Pace::EachPage).await;
    assert_eq!(stage.slots.n_taken(Class::Listener), 3);
    drop(gone);
    eventually("his slot is free", || {
        stage.slots.n_taken(Class::Listener) == 2
    });
    stage.table.remove(&live());
    for player in [&mut stays, &mut prompt] {
        let mut rest = Vec::new();
        player.read_to_end(&mut rest).unwrap();
    }
    eventually("all slots are free", || {
        stage.slots.n_taken(Class::Listener) == 0
    });
    let closed = |reason| {
        stage
            .fanout
            .figures()
            .map(|f| f.n_closed(reason))
            .sum::<u64>()
    };
    assert_eq!((closed(Closed::Gone), closed(Closed::MountRemoved)), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shards_end_with_the_program() {
    let mut stage = stage(Keep::default());
    stage.publish(&opus(1, 10));
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(50)).await;
    let Stage {
        fanout, shutdown, ..
    } = stage;
    drop(fanout);
    assert_eq!(
        shutdown.drain(PATIENCE).await,
        crate::shutdown::Drained::Clean
    );
    let mut rest = Vec::new();
    player.read_to_end(&mut rest).unwrap();
    assert!(!rest.is_empty());
}
