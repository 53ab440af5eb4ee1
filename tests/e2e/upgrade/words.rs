//! Those who are in the middle of a word while programs are replaced.

use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound, write_private};
use tests::ear::Ear;
use tests::http::{Address, Connection, Request};
use tests::speech;
use tests::wait::{eventually, until};

use super::EAR_MAX;

/// A chunk of a body, with its length and its end.
fn chunked(bytes: &[u8]) -> Vec<u8> {
    let length = format!("{:x}\r\n", bytes.len());
    [length.as_bytes(), bytes, b"\r\n"].concat()
}

#[test]
fn who_is_in_the_middle_of_a_word_is_understood_to_its_end() -> Result<()> {
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
    let port = cluster.ports().master;
    let listen_at = |cluster: &Cluster, others: &str| {
        let file = cluster.folder().join("master.toml");
        let text = std::fs::read_to_string(&file)?;
        let (_, rest) = text.split_once('\n').context("one line")?;
        let listen = format!("listen = [\"127.0.0.1:{port}\", {others}]\n");
        write_private(&file, &(listen + rest))
    };
    listen_at(&cluster, &format!("\"[::1]:{port}\""))?;
    cluster.start_servers()?;
    let url = format!("{}/cut.ogg", cluster.ports().master_url());
    let sound = std::fs::read(speech::sitting_ogg()?)?;
    let (_, mut upload) = Request::new("PUT", &url)?
        .credentials("source", &cluster.secrets().source)
        .header("Content-Type", "application/ogg")
        .header("Transfer-Encoding", "chunked")
        .open()?;
    // Before the others the last page belongs nowhere. It is counted, whichever program counts.
    let mut pages = sound.windows(4);
    let last = pages.rposition(|four| four == b"OggS").context("a page")?;
    upload.send(&chunked(&sound[last..]))?;
    let address = Address::parse(&url)?;
    let mut ear = None;
    // Every portion ends in the middle of a page and of a chunk.
    for (n, portion) in sound.chunks(20_001).take(4).enumerate() {
        let elsewhere = TcpStream::connect((Ipv6Addr::LOCALHOST, port))?;
        let mut callers = [address.connect()?, elsewhere].map(Connection::new);
        for caller in &mut callers {
            caller.send(b"GET /hea")?;
        }
        let chunk = chunked(portion);
        let (now, later) = chunk.split_at(chunk.len() / 2);
        upload.send(now)?;
        cluster.program(Role::Master).upgrade()?;
        upload.send(later)?;
        for caller in &mut callers {
            caller.send(b"lth HTTP/1.1\r\n\r\n")?;
            ensure!(caller.head()?.status == 200, "after upgrade {n}");
        }
        // From the next program on there is one more.
        let others = format!("\"127.0.0.2:{port}\", \"[::1]:{port}\"");
        listen_at(&cluster, &others)?;
        if ear.is_none() {
            let heard = eventually(EAR_MAX, "it plays", || Ear::listen(&url));
            ear = Some(heard.with_context(|| cluster.story())?);
        }
    }
    TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port))?;
    let ear = ear.context("nobody listens")?;
    until(EAR_MAX, "all of it is heard", || {
        ear.heard().body.len() > 70_000
    })
    .with_context(|| cluster.story())?;
    let log = cluster.program(Role::Master).log();
    ensure!(!log.contains("WARN") && !log.contains(" ended "), "{log}");
    upload.send(b"0\r\n\r\n")?;
    let master = cluster.program(Role::Master);
    until(EAR_MAX, "the source has ended", || {
        let log = master.log();
        let mut ends = log.lines().filter(|line| line.contains(" ended /cut.ogg"));
        ends.any(|line| line.contains("n_stray=1 "))
    })
    .with_context(|| master.story())?;
    ear.stop().check_order()
}
