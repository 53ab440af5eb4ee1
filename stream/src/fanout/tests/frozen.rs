//! Shards that stand still: listeners go to another program, or go on as if nothing had been.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::handover::{Seat, Word};
use crate::mount::departure::{Departure, Tells, Visitor};

impl Stage {
    /// All shards stand still, and tell the other program, whose end of the channel this is, who
    /// listens.
    fn freeze(&self) -> (Frozen, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut giver, mut heir) = (Channel::new(one), Channel::new(other));
        giver.allow(PATIENCE);
        heir.allow(PATIENCE);
        let giver = Arc::new(Mutex::new(giver));
        let frozen = self.fanout.freeze(&giver, &Arc::new(vec![live()]));
        (frozen.unwrap(), heir)
    }

    /// What another program is told, and makes of it. Gives those who listen, the bytes that belong
    /// to them, and their sockets.
    pub(super) fn hand_over(&self, verdict: Verdict) -> (Vec<Seat>, Vec<u8>, Vec<TcpStream>) {
        let (frozen, mut heir) = self.freeze();
        let said = heir.hear(Word::n_sockets).unwrap();
        frozen.end(verdict);
        let Word::Seats(seats) = said.word else {
            panic!("{:?}", said.word);
        };
        let sockets = said.sockets.into_iter().map(TcpStream::from);
        (seats, said.beside, sockets.collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_stood_still_gets_every_byte_all_the_same() {
    let pages = opus(1, 60);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..10]);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    read(&mut player, bytes(&pages[..10]).len());
    for from in [10, 30] {
        let (frozen, _heir) = stage.freeze();
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
    let (seats, _, mut sockets) = stage.hand_over(Verdict::Leave);
    eventually("the slots are free", || {
        stage.slots.n_taken(Class::Listener) + stage.slots.n_taken(Class::Relay) == 0
    });
    assert_eq!(seats.len(), 2);
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
    let (seats, beside, mut sockets) = stage.hand_over(Verdict::Leave);
    let all = bytes(&pages);
    let behind = &all[usize::try_from(seats[0].offset).unwrap()..];
    let rest = [&beside, behind].concat();
    let mut socket = sockets.remove(0);
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
        let (seats, ..) = stage.hand_over(verdict);
        let (handed, _) = seats[0].visitor.as_ref().unwrap();
        assert_eq!(handed, &visitor);
        drop(player);
        stage.publish(&pages[10..20]);
        eventually("the slot is free", || {
            stage.slots.n_taken(Class::Listener) == 0
        });
        // The slot is given back before it is told.
        eventually("it is told", || told.0.load(Ordering::Relaxed) >= n_told);
        assert_eq!(told.0.load(Ordering::Relaxed), n_told);
    }
}
