//! Many shake hands at once, as after a station's push message.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConfig, ClientConnection, StreamOwned};

use super::identity::{Identity, trusting, write};
use super::{Server, page, serve};
use crate::http::tls::HANDSHAKE_TIME_MAX;

/// More than there was room for until version 0.1.
const N_CALLERS: usize = 1200;

type Caller = StreamOwned<ClientConnection, TcpStream>;

/// Says the first word of a handshake and no more.
fn begin(server: &Server, config: &Arc<ClientConfig>) -> Caller {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut socket = server.plain();
    connection.write_tls(&mut socket).unwrap();
    StreamOwned::new(connection, socket)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_shakes_hands_at_once_gets_in_to_the_last() {
    let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new(365));
    let server = serve(Some(&write(folder.path(), &identity))).await;
    let config = Arc::new(trusting(&identity, ALL_VERSIONS));
    // All of them are inside before one goes on.
    let mut crowd: Vec<_> = (0..N_CALLERS).map(|_| begin(&server, &config)).collect();
    let (early, late) = crowd.split_at_mut(N_CALLERS / 2);
    let n_in = std::thread::scope(|scope| {
        let halves =
            [early, late].map(|half| scope.spawn(move || half.iter_mut().filter_map(ask).count()));
        halves
            .into_iter()
            .map(|half| half.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!(n_in, N_CALLERS);
    let metrics = page(&mut server.plain(), "/metrics");
    assert!(
        metrics.contains("plenum_tls_crowded_out_total 0\n"),
        "{metrics}"
    );
}

/// Shakes hands to the end and asks for a page. `None`: he was closed.
fn ask(caller: &mut Caller) -> Option<()> {
    while caller.conn.is_handshaking() {
        caller.conn.complete_io(&mut caller.sock).ok()?;
    }
    let answer = page(caller, "/health");
    answer.starts_with("HTTP/1.1 200 ").then_some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_too_long_is_not_waited_for() {
    let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new(365));
    let server = serve(Some(&write(folder.path(), &identity))).await;
    let (mut socket, began) = (server.plain(), Instant::now());
    // A first word of 60,000 bytes, in records of 1,000, of which 40,000 come.
    let record = [&[0x16, 3, 1, 3, 0xe8], &[0; 1000][..]].concat();
    let mut word = record.repeat(40);
    word[5..9].copy_from_slice(&[1, 0, 0xea, 0x60]);
    let _ = socket.write_all(&word);
    let _ = socket.read_to_end(&mut Vec::new());
    assert!(
        began.elapsed() < HANDSHAKE_TIME_MAX / 2,
        "it was waited for"
    );
}
