//! Who is believed, by the client that relays use, and what is said of those who are not.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::follow::upstream::{ask, client};

/// A certificate in PEM, its key, and what it is shown with.
struct Shown {
    certificate: String,
    key: KeyPair,
}

fn params(names: &[&str], days: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let at = |days: i64| {
        let seconds = u64::try_from(now + days * 24 * 60 * 60).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (at(days.min(0) - 30), at(days));
    params
}

/// One that vouches for itself, as `openssl req -x509` makes it with or without more words.
fn own(is_ca: bool, days: i64) -> Shown {
    let mut params = params(&["localhost"], days);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    Shown { certificate, key }
}

/// A CA's certificate, and one that it vouches for.
fn vouched(days: i64) -> (String, Shown) {
    let mut ca = params(&[], 30);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let file = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate = params(&["localhost"], days).signed_by(&key, &issuer);
    let certificate = certificate.unwrap().pem();
    (file, Shown { certificate, key })
}

/// A server that shows this and says "ok"; gives its port.
async fn serve(shown: &Shown) -> u16 {
    let own = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(shown.key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    crate::shutdown::Shutdown::new().spawn("server", async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut guest) = acceptor.accept(socket).await else {
                continue;
            };
            let mut head = [0; 4096];
            let _ = guest.read(&mut head).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = guest.write_all(answer).await;
            let _ = guest.shutdown().await;
        }
    });
    port
}

async fn call(url: &str, ca_file: Option<&Path>) -> Result<(), String> {
    let request = client(Server { url, ca_file }).get(format!("{url}/health"));
    let answer = ask(request).await?;
    assert_eq!(answer.text().await.unwrap(), "ok");
    Ok(())
}

#[tokio::test]
async fn whoever_lies_in_the_file_or_is_vouched_for_by_it_is_believed_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (ca, leaf) = vouched(30);
    let (plain, as_ca) = (own(false, 30), own(true, 30));
    let (other_ca, _) = vouched(30);
    for (what, held, shown, name, complaint) in [
        ("a CA's", &ca, &leaf, "localhost", None),
        ("its own", &plain.certificate, &plain, "localhost", None),
        (
            "openssl's plain",
            &as_ca.certificate,
            &as_ca,
            "localhost",
            None,
        ),
        (
            "several",
            &format!("{other_ca}{ca}"),
            &leaf,
            "localhost",
            None,
        ),
        (
            "a stranger's",
            &other_ca,
            &leaf,
            "localhost",
            Some("name its file in `ca_file`"),
        ),
        (
            "another own",
            &plain.certificate,
            &as_ca,
            "localhost",
            Some("vouches for its certif"),
        ),
        (
            "a name",
            &ca,
            &leaf,
            "127.0.0.1",
            Some("not for 127.0.0.1 but for localhost"),
        ),
        (
            "a name",
            &as_ca.certificate,
            &as_ca,
            "127.0.0.1",
            Some("not for 127.0.0.1"),
        ),
    ] {
        fs::write(&file, held).unwrap();
        let url = format!("https://{name}:{}", serve(shown).await);
        let called = call(&url, Some(&file)).await;
        match (&called, complaint) {
            (Ok(()), None) => {}
            (Err(why), Some(word)) if why.contains(word) => {}
            _ => panic!("{what}: {called:?}, not {complaint:?}"),
        }
        let unknown = call(&url, None).await.unwrap_err();
        assert!(unknown.contains("nobody who is known here"), "{unknown}");
    }
}

#[tokio::test]
async fn one_that_has_expired_is_not_believed_whoever_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (ca, leaf) = vouched(-1);
    let (plain, as_ca) = (own(false, -1), own(true, -1));
    for (held, shown) in [
        (&ca, &leaf),
        (&plain.certificate, &plain),
        (&as_ca.certificate, &as_ca),
    ] {
        fs::write(&file, held).unwrap();
        let url = format!("https://localhost:{}", serve(shown).await);
        let why = call(&url, Some(&file)).await.unwrap_err();
        assert!(why.contains("its certificate has expired"), "{why}");
    }
}

#[tokio::test]
async fn a_file_that_changes_counts_from_the_next_handshake_on_unless_it_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (old, new) = (own(false, 30), own(true, 30));
    fs::write(&file, &old.certificate).unwrap();
    let (at_old, at_new) = (serve(&old).await, serve(&new).await);
    let url = |port: u16| format!("https://localhost:{port}");
    let (old_url, new_url) = (url(at_old), url(at_new));
    let server = Server {
        url: &old_url,
        ca_file: Some(&file),
    };
    let client = client(server);
    let is_believed = |url: &str| {
        let request = client.get(url);
        async { ask(request).await.map(drop) }
    };
    assert_eq!(is_believed(&old_url).await, Ok(()));
    assert!(is_believed(&new_url).await.is_err());
    for useless in [
        "",
        "no certificate\n",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    ] {
        fs::write(&file, useless).unwrap();
        assert!(is_believed(&new_url).await.is_err(), "{useless}");
        let why = server.check("[master]", "url").unwrap_err().to_string();
        assert!(
            why.contains("[master] ca_file") && why.contains("ca.pem"),
            "{why}"
        );
    }
    fs::write(&file, &new.certificate).unwrap();
    assert_eq!(is_believed(&new_url).await, Ok(()));
    assert_eq!(server.check("[master]", "url"), Ok(()));
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_from_who_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let answered = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        let _ = socket.write_all(answer).await;
        let _ = socket.read(&mut [0; 4096]).await;
    };
    let (called, ()) = tokio::join!(call(&url, None), answered);
    let why = called.unwrap_err();
    assert!(why.contains("does not speak TLS at this port"), "{why}");
    drop(listener);
    let why = call(&url, None).await.unwrap_err();
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nothing_goes_there() {
    let to = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", at.local_addr().unwrap());
    let there = to.local_addr().unwrap();
    let answered = async {
        let (mut socket, _) = at.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{there}/\r\nContent-Length: 0\r\n\r\n"
        );
        let _ = socket.write_all(answer.as_bytes()).await;
    };
    let (called, ()) = tokio::join!(call(&url, None), answered);
    assert!(called.unwrap_err().contains("307"));
    let came = tokio::time::timeout(Duration::from_millis(200), to.accept()).await;
    assert!(came.is_err(), "somebody came");
}

#[test]
fn a_file_beside_an_address_in_the_clear_is_refused() {
    let server = Server {
        url: "http://master:8000",
        ca_file: Some(Path::new("/etc/plenum/ca.pem")),
    };
    let why = server.check("[master]", "url").unwrap_err().to_string();
    assert!(
        why.contains("[master] ca_file") && why.contains("write https"),
        "{why}"
    );
}
