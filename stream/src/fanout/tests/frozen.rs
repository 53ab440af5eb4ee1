//! Shards that stand still: listeners go to another program, or go on as if nothing had been.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::handover::Word;
use crate::mount::departure::{Departure, Tells, Visitor};

pub(super) fn channels() -> (Arc<Mutex<Channel>>, Channel) {
    let (one, other) = UnixStream::pair().unwrap();
    let (mut giver, mut heir) = (Channel::new(one), Channel::new(other));
    giver.allow(PATIENCE);
    heir.allow(PATIENCE);
    (Arc::new(Mutex::new(giver)), heir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_stood_still_gets_every_byte_all_the_same() {
    let pages = opus(1, 60);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..10]);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    read(&mut player, bytes(&pages[..10]).len());
    for from in [10, 30] {
        let (channel, _heir) = channels();
        let frozen = stage
            .fanout
            .freeze(&channel, &Arc::new(vec![live()]))
            .unwrap();
        stage.publish(&pages[from..from + 20]);
        frozen.end(Verdict::GoOn);
        let wanted = bytes(&pages[from..from + 20]);
        assert_eq!(read(&mut player, wanted.len()), wanted);
    }
    assert_eq!(stage.slots.n_taken(Class::Listener), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_program_gets_the_socket_and_the_place_in_the_log() {
    let pages = opus(1, 30);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..10]);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(7)).await;
    let mut relay = stage
        .join(Class::Relay, Wish::Join, FOR_EVER, Pace::EachPage)
        .await;
    let n_before = bytes(&pages[..10]).len();
    for player in [&mut player, &mut relay] {
        read(player, n_before);
    }
    let (channel, mut heir) = channels();
    let frozen = stage
        .fanout
        .freeze(&channel, &Arc::new(vec![live()]))
        .unwrap();
    let said = heir.hear(Word::n_sockets).unwrap();
    frozen.end(Verdict::Leave);
    eventually("the slots are free", || {
        stage.slots.n_taken(Class::Listener) + stage.slots.n_taken(Class::Relay) == 0
    });
    let Word::Seats(seats) = said.word else {
        panic!("{:?}", said.word);
    };
    assert_eq!(seats.len(), 2);
    let mut sockets: Vec<TcpStream> = said.sockets.into_iter().map(TcpStream::from).collect();
    for (seat, socket) in seats.iter().zip(&mut sockets) {
        assert_eq!((seat.offset, seat.mount), (n_before as u64, 0));
        assert_eq!((seat.n_first_bytes, seat.came), (0, None));
        socket.write_all(b"from elsewhere").unwrap();
        let (player, pace) = match seat.class {
            Class::Listener => (&mut player, Pace::Ticks(7)),
            Class::Relay => (&mut relay, Pace::EachPage),
        };
        assert_eq!(seat.pace, pace);
        assert_eq!(read(player, 14), b"from elsewhere");
    }
    // What comes here goes to nobody.
    stage.publish(&pages[10..]);
    player.set_nonblocking(true).unwrap();
    assert!(player.read(&mut [0]).is_err());
    assert_eq!(
        stage
            .fanout
            .figures()
            .map(|f| f.n_closed(Closed::Gone))
            .sum::<u64>(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_that_the_kernel_cut_is_handed_over_with_its_rest() {
    let mut pages = opus(1, 0);
    pages.extend((2..402).map(|n| page(1, n, &[n as u8; 20_000])));
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 1 << 30,
    });
    stage.publish(&pages);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    let mut first = [0; 1];
    player.read_exact(&mut first).unwrap();
    let (channel, mut heir) = channels();
    let frozen = stage
        .fanout
        .freeze(&channel, &Arc::new(vec![live()]))
        .unwrap();
    let said = heir.hear(Word::n_sockets).unwrap();
    frozen.end(Verdict::Leave);
    let Word::Seats(seats) = said.word else {
        panic!("{:?}", said.word);
    };
    let all = bytes(&pages);
    let rest = [
        &said.beside,
        &all[usize::try_from(seats[0].offset).unwrap()..],
    ]
    .concat();
    let mut socket = TcpStream::from(said.sockets.into_iter().next().unwrap());
    socket.set_nonblocking(false).unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&rest).unwrap());
    let got = [&first[..], &read(&mut player, all.len() - 1)].concat();
    writer.join().unwrap();
    assert!(got == all, "{} of {} bytes", got.len(), all.len());
}

/// Counts who has gone.
#[derive(Debug, Default)]
struct Told(AtomicUsize);

impl Tells for Told {
    fn has_gone(&self, _: &Visitor, _: Duration) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Stage {
    fn seat_telling(&self, wire: Wire, departure: Arc<Departure>) {
        let mount = self.mount();
        let burst = Duration::from_secs(60);
        let (_, cursor, first) = mount.log().open(Wish::Join, burst).unwrap();
        let slot = self.slots.take(Class::Listener).unwrap();
        let joiner = Joiner {
            icy: None,
            wire,
            cursor,
            first,
            last: FOR_EVER,
            pace: Pace::Ticks(1),
            came: None,
            before: None,
            stay: Stay::default(),
            holds: (slot.telling(Some(departure)), mount.admit(Class::Listener)),
            mount,
        };
        assert!(self.fanout.take(joiner).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn that_somebody_went_is_told_once_by_the_program_that_has_him() {
    let pages = opus(1, 30);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..10]);
    let (told, since) = (Arc::new(Told::default()), Instant::now());
    let visitor = Visitor {
        number: 7,
        path: live(),
        query: String::new(),
        server: "a".to_owned(),
        port: "1".to_owned(),
        user: "anna".to_owned(),
    };
    for (verdict, n_told) in [(Verdict::GoOn, 1), (Verdict::Leave, 1)] {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let player = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        let socket = door.accept().await.unwrap().0.into_std().unwrap();
        let departure = Departure::new(visitor.clone(), since, Arc::clone(&told) as Arc<dyn Tells>);
        stage.seat_telling(Wire::plain(socket), departure);
        let (channel, mut heir) = channels();
        let frozen = stage
            .fanout
            .freeze(&channel, &Arc::new(vec![live()]))
            .unwrap();
        let Word::Seats(seats) = heir.hear(Word::n_sockets).unwrap().word else {
            panic!("no seats");
        };
        let (handed, _) = seats[0].visitor.as_ref().unwrap();
        assert_eq!(handed, &visitor);
        frozen.end(verdict);
        drop(player);
        stage.publish(&pages[10..20]);
        eventually("the slot is free", || {
            stage.slots.n_taken(Class::Listener) == 0
        });
        assert_eq!(told.0.load(Ordering::Relaxed), n_told);
    }
}
