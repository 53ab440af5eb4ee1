//! A proxy that passes TLS on as it is, and says before it for whom it connects.

use super::*;

fn secure_behind(server: &Server, identity: &Identity, said: &[u8]) -> std::io::Result<String> {
    let mut socket = server.plain();
    socket.write_all(said)?;
    let config = Arc::new(trusting(identity, ALL_VERSIONS));
    let mut stream = Server::shake_hands(socket, config)?;
    Ok(page(&mut stream, "/health"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_behind_the_proxy_protocol_is_met_and_the_one_behind_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::new(365);
    let files = write(folder.path(), &identity);
    let gate = "trusted_proxies = [\"127.0.0.1\"]\ndeny = [\"203.0.113.0/24\"]";
    let server = serve_behind(toml::from_str(gate).unwrap(), Some(&files)).await;
    let of_two = |ip: [u8; 4]| {
        let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        [fixed, &ip[..], &[127, 0, 0, 1, 0, 9, 0, 9]].concat()
    };
    for good in [
        b"PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\n".to_vec(),
        of_two([198, 51, 100, 7]),
        Vec::new(),
    ] {
        let answer = secure_behind(&server, &identity, &good).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    for bad in [
        b"PROXY TCP4 203.0.113.7 127.0.0.1 9 9\r\n".to_vec(),
        of_two([203, 0, 113, 7]),
        b"PROXY nonsense\r\n".to_vec(),
    ] {
        assert!(secure_behind(&server, &identity, &bad).is_err());
    }
}
