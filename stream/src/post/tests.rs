//! Posting to a real server, in the clear and through TLS.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::tls::tests::identity::Identity;

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Name: K\xe4se\r\nContent-Length: 0\r\n\r\n";

async fn answer(mut way: impl AsyncRead + AsyncWrite + Unpin, n_bytes: usize) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"{}") && way.read_buf(&mut read).await.unwrap() > 0 {}
    way.write_all(&ANSWER[..n_bytes]).await.unwrap();
    way.shutdown().await.unwrap();
    String::from_utf8(read).unwrap()
}

#[test]
fn only_what_is_an_address_without_a_password_is_taken_and_it_is_never_shown_whole() {
    for (text, word) in [
        ("", "http://"),
        ("x", "http://"),
        ("http:/)a", "http://"),
        ("http://", "http://"),
        ("ftp://a/", "http://"),
        ("http://u@a/", "password"),
        ("https://u:s3same@a/", "password"),
    ] {
        let why = PostUrl::parse(text).unwrap_err();
        assert!(
            why.contains(word) && !why.contains("s3same"),
            "{text}: {why}"
        );
    }
    let url = PostUrl::parse("https://hooks.example/secret?token=secret").unwrap();
    let url = url.showing("us", &Secret::given("secret"));
    assert!(!format!("{url:?}").contains("secret"), "{url:?}");
    assert!(!format!("{url:?}").contains("Basic"), "{url:?}");
}

#[tokio::test]
async fn a_body_arrives_and_the_head_of_the_answer_comes_back() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = PostUrl::parse(&format!("http://{address}/a?b=c")).unwrap();
    let url = url.showing("us", &Secret::given("p w"));
    let answered = async { answer(listener.accept().await.unwrap().0, ANSWER.len()).await };
    let (asked, reply) = tokio::join!(answered, post(&url, JSON, "{}".to_owned(), PATIENCE));
    let reply = reply.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("x-name").as_deref(), Some("Käse"));
    assert!(asked.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
    assert!(asked.contains("content-length: 2\r\n"), "{asked}");
    assert!(
        asked.contains("authorization: Basic dXM6cCB3\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let identity = Identity::new(365);
    let acceptor = TlsAcceptor::from(Arc::new(identity.server()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = PostUrl::parse(&format!("https://localhost:{port}/")).unwrap();
    let met = async {
        let socket = listener.accept().await.unwrap().0;
        let mut first = [0];
        socket.peek(&mut first).await.unwrap();
        (first, acceptor.accept(socket).await)
    };
    let ((first, met), reply) = tokio::join!(met, post(&url, JSON, "{}".to_owned(), PATIENCE));
    assert!(reply.is_err(), "{reply:?}");
    assert_eq!(first, [0x16], "no handshake, but what was to be posted");
    assert!(met.is_err(), "it shook hands");
}

#[tokio::test]
async fn who_does_not_answer_or_breaks_off_is_named_by_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = PostUrl::parse(&format!("http://{address}/secret")).unwrap();
    let why = post(&url, FORM, String::new(), Duration::from_millis(100)).await;
    assert!(why.unwrap_err().contains("no answer"));
    let broken = async { answer(listener.accept().await.unwrap().0, 9).await };
    let _first = listener.accept().await.unwrap();
    let (_, reply) = tokio::join!(broken, post(&url, JSON, "{}".to_owned(), PATIENCE));
    let why = reply.unwrap_err();
    assert!(!why.contains("secret"), "{why}");
    drop(listener);
    assert!(post(&url, JSON, "{}".to_owned(), PATIENCE).await.is_err());
}

#[test]
fn nothing_in_a_field_can_add_another() {
    let form = form(&[("a", "x&b=1 ä"), ("c", "")]);
    assert_eq!(form, "a=x%26b%3D1%20%C3%A4&c=");
}
