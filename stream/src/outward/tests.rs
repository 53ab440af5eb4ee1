//! Which of a server's addresses is taken, and whose certificate is believed.

use std::net::{Ipv4Addr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Instant;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::tls::tests::identity::{Identity, trusting};

const PATIENCE: Duration = Duration::from_secs(20);

/// A listener whose queue is full: the kernel drops whoever comes, without a word.
fn silent() -> (StdListener, Vec<StdStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&anywhere.into()).unwrap();
    socket.listen(0).unwrap();
    let listener = StdListener::from(socket);
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(100);
    let connect = || StdStream::connect_timeout(&address, short).ok();
    let waiting: Vec<_> = std::iter::from_fn(connect).take(8).collect();
    assert!(waiting.len() < 8, "it lets everybody in");
    (listener, waiting)
}

fn closed() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn an_address_that_refuses_or_says_nothing_holds_up_no_other() {
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = open.local_addr().unwrap();
    let (silent, _waiting) = silent();
    let silent = silent.local_addr().unwrap();
    for addresses in [
        vec![open],
        vec![closed(), open],
        vec![silent, open],
        vec![silent, closed(), silent, open],
        vec![open, silent],
    ] {
        let start = Instant::now();
        let socket = timeout(PATIENCE, reach(&addresses)).await.unwrap().unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open, "{addresses:?}");
        assert!(start.elapsed() < PATIENCE / 4, "{addresses:?}");
    }
    let refused = reach(&[closed(), closed()]).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(reach(&[]).await.unwrap_err().to_string().contains("name"));
}

#[tokio::test]
async fn who_is_slow_is_waited_for_when_all_others_refuse() {
    let (slow, _waiting) = silent();
    let address = slow.local_addr().unwrap();
    // The kernel comes again a second after it heard nothing.
    let emptied = async {
        tokio::time::sleep(2 * HEAD_START).await;
        slow.accept().unwrap();
    };
    let addresses = [address, closed()];
    let reached = timeout(PATIENCE, reach(&addresses));
    let (socket, ()) = tokio::join!(reached, emptied);
    assert_eq!(socket.unwrap().unwrap().peer_addr().unwrap(), address);
}

#[tokio::test]
async fn one_that_refuses_late_does_not_end_the_wait_for_the_next() {
    let (late, waiting) = silent();
    let (slow, _waiting) = silent();
    let addresses = [late.local_addr().unwrap(), slow.local_addr().unwrap()];
    // The kernel comes again a second after it heard nothing: to the first before the second.
    let turned = async {
        tokio::time::sleep(2 * HEAD_START).await;
        drop((late, waiting));
        slow.accept().unwrap();
    };
    let reached = timeout(PATIENCE, reach(&addresses));
    let (socket, ()) = tokio::join!(reached, turned);
    assert_eq!(socket.unwrap().unwrap().peer_addr().unwrap(), addresses[1]);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
    let identity = Identity::new(365);
    let acceptor = TlsAcceptor::from(Arc::new(identity.server()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let known = TlsConnector::from(Arc::new(trusting(&identity, rustls::ALL_VERSIONS)));
    for (tls, host, is_believed) in [
        (&known, "localhost", true),
        (&known, "127.0.0.1", false),
        (this_machine(), "localhost", false),
    ] {
        let met = async {
            let mut read = Vec::new();
            if let Ok(mut guest) = acceptor.accept(listener.accept().await.unwrap().0).await {
                let _ = guest.read_to_end(&mut read).await;
            }
            read
        };
        let said = async {
            let mut way = dial(host, port, Some(tls)).await?;
            way.write_all(b"hello").await.unwrap();
            way.shutdown().await.unwrap();
            Ok::<_, String>(())
        };
        let (heard, said) = tokio::join!(met, said);
        assert_eq!(said.is_ok(), is_believed, "{host}: {said:?}");
        assert_eq!(heard == b"hello", is_believed, "{host}: {heard:?}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_named_and_an_address_is_taken_as_it_is() {
    let why = dial("nobody.invalid", 80, None).await.err().unwrap();
    assert!(why.contains("nobody.invalid"), "{why}");
    let found = addresses("[2001:db8::1]", 8000).await.unwrap();
    assert_eq!(found, ["[2001:db8::1]:8000".parse().unwrap()]);
}
