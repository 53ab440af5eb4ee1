//! Shards through TLS: every byte, in order, to a real client of the library that players use.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned, SupportedProtocolVersion, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Wire;
use crate::fanout::tests::{PATIENCE, Stage, bytes, eventually, more_than_fits, stage};
use crate::fanout::{Closed, Pace};
use crate::http::tls::tests::identity::{Identity, trusting};
use crate::log::Keep;
use crate::log::resume::{FOR_EVER, Wish};
use crate::mount::Class;
use crate::ogg::tests::{opus, page};

type Player = StreamOwned<ClientConnection, TcpStream>;

/// Seats a listener behind a handshake.
async fn listen(
    stage: &Stage,
    version: &'static SupportedProtocolVersion,
    wish: Wish,
    last: u64,
    pace: Pace,
) -> Player {
    let identity = Identity::new(365);
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = tokio::net::TcpStream::connect(door.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = door.accept().await.unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(identity.server()));
    let connector = TlsConnector::from(Arc::new(trusting(&identity, &[version])));
    let name = ServerName::try_from("localhost").unwrap();
    let (far, near) = tokio::join!(acceptor.accept(far), connector.connect(name, near));
    let (socket, connection) = far.unwrap().into_inner();
    let wire = Wire::tls(socket.into_std().unwrap(), Box::new(connection));
    stage.seat(wire, Class::Listener, wish, last, pace);
    let (socket, connection) = near.unwrap().into_inner();
    let socket = socket.into_std().unwrap();
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(connection, socket)
}

fn read(player: &mut Player, n_bytes: usize) -> Vec<u8> {
    let mut got = vec![0; n_bytes];
    player.read_exact(&mut got).unwrap();
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_listener_gets_every_byte_at_any_pace() {
    let pages = opus(1, 200);
    for version in [&version::TLS12, &version::TLS13] {
        for pace in [Pace::EachPage, Pace::Ticks(1), Pace::Ticks(10)] {
            let mut stage = stage(Keep::default());
            stage.publish(&pages[..10]);
            let mut player = listen(&stage, version, Wish::Join, FOR_EVER, pace).await;
            for portion in pages[10..].chunks(19) {
                stage.publish(portion);
            }
            let all = bytes(&pages);
            assert_eq!(read(&mut player, all.len()), all, "{version:?} {pace:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_socket_that_fills_up_resumes_exactly() {
    let (mut stage, pages) = more_than_fits();
    let pace = Pace::Ticks(1);
    let mut player = listen(&stage, &version::TLS13, Wish::Join, FOR_EVER, pace).await;
    stage.publish(&pages[3..]);
    // 8 MB do not fit into any socket, and no record ends where a page does.
    let all = bytes(&pages);
    let n_sent = stage.until_full();
    assert!(n_sent < all.len() as u64, "he is not full at all");
    let mut got = Vec::new();
    while got.len() < all.len() {
        got.extend(read(&mut player, (all.len() - got.len()).min(70_001)));
    }
    assert!(got == all, "every byte came once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_range_ends_after_its_last_byte_and_with_a_good_bye() {
    let mut pages = opus(1, 0);
    pages.extend((2..202).map(|n| page(1, n, &[n as u8; 20_000])));
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 1 << 30,
    });
    stage.publish(&pages);
    let all = bytes(&pages);
    let epoch = stage.mount().log().epoch();
    // 3 MB do not fit into the socket: the last of them waits encrypted.
    let (first, last) = (100, 3_000_000);
    let wish = Wish::Resume { epoch, first, last };
    let mut player = listen(&stage, &version::TLS13, wish, last, Pace::Ticks(1)).await;
    let mut got = Vec::new();
    // Without the good-bye this would be an error: somebody may have cut it off.
    player.read_to_end(&mut got).unwrap();
    assert!(got == all[100..=3_000_000], "{} bytes", got.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn new_keys_in_the_middle_and_idle_words_disturb_nothing() {
    let pages = opus(1, 100);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..10]);
    let pace = Pace::Ticks(1);
    let mut player = listen(&stage, &version::TLS13, Wish::Join, FOR_EVER, pace).await;
    let mut got = read(&mut player, bytes(&pages[..10]).len());
    for portion in pages[10..].chunks(10) {
        player.conn.refresh_traffic_keys().unwrap();
        player.write_all(b"are you still there?").unwrap();
        stage.publish(portion);
        got.extend(read(&mut player, bytes(portion).len()));
    }
    assert!(got == bytes(&pages));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_says_good_bye_or_nonsense_frees_his_slot() {
    let mut stage = stage(Keep::default());
    stage.publish(&opus(1, 10));
    let pace = Pace::Ticks(50);
    let mut polite = listen(&stage, &version::TLS13, Wish::Join, FOR_EVER, pace).await;
    let mut broken = listen(&stage, &version::TLS13, Wish::Join, FOR_EVER, pace).await;
    let n_tls = || {
        stage
            .fanout
            .figures()
            .map(super::super::Figures::n_tls)
            .sum::<u64>()
    };
    eventually("both are seated", || n_tls() == 2);
    // His socket stays open.
    polite.conn.send_close_notify();
    polite.flush().unwrap();
    broken.sock.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    eventually("their slots are free", || {
        stage.slots.n_taken(Class::Listener) == 0
    });
    assert_eq!(n_tls(), 0);
    let n_gone = |f: &super::super::Figures| f.n_closed(Closed::Gone);
    assert_eq!(stage.fanout.figures().map(n_gone).sum::<u64>(), 2);
}
