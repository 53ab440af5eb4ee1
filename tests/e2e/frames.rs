//! MP3 and AAC: other people's encoders to our master, other people's players at master and relay.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::mpeg::Sniffer;
use stream::ogg::Found;
use tests::cluster::{Cluster, Role, Sound};
use tests::http::{self, Address, Request};
use tests::programs::Program;
use tests::tools::finish;
use tests::wait::{eventually, until};

const WAIT_MAX: Duration = Duration::from_secs(20);
const MOUNTS: [(&str, &str); 3] = [
    ("/put.mp3", "audio/mpeg"),
    // Its listeners ask for it in another spelling than it is kept in.
    ("/source+a;.mp3", "audio/mpeg"),
    ("/put.aac", "audio/aac"),
];

const TOLD: &str = "/put.aac";
const TOLD_BLOCK: &[u8] =
    b"\x04StreamTitle='Ute';StreamUrl='http://x.example/1.png';\0\0\0\0\0\0\0\0\0\0\0";

/// ffmpeg as people start it: nothing is said of the content type.
fn ffmpeg(cluster: &Cluster, mount: &str, folder: &Path) -> Result<Program> {
    let Address { authority, .. } = Address::parse(&cluster.ports().master_url())?;
    let password = &cluster.secrets().source;
    let to = format!("icecast://source:{password}@{authority}{mount}");
    let format = match mount.ends_with("aac") {
        true => ["-c:a", "aac", "-f", "adts"],
        false => ["-c:a", "libmp3lame", "-f", "mp3"],
    };
    let method = if mount.starts_with("/source") {
        "1"
    } else {
        "0"
    };
    let folder = folder.join(mount.trim_start_matches('/'));
    std::fs::create_dir_all(&folder)?;
    Ok(Program::new("ffmpeg", "ffmpeg", &folder)
        .arguments(["-nostdin", "-loglevel", "info", "-re", "-f", "lavfi"])
        .arguments(["-i", "anoisesrc=r=44100:a=0.1", "-b:a", "128k"])
        .arguments(format)
        .arguments(["-legacy_icecast", method, &to]))
}

/// What somebody gets who comes now: so many bytes.
fn hear(url: &str, n_bytes: usize, icy: bool) -> Result<(http::Head, Vec<u8>)> {
    let request = Request::new("GET", url)?;
    match icy {
        true => request.header("Icy-MetaData", "1").hear(n_bytes),
        false => request.hear(n_bytes),
    }
}

/// From the first byte on there are frames, and nothing else.
fn check_frames(mut sound: &[u8]) -> Result<()> {
    let (mut sniffer, mut n_pages) = (Sniffer::new(), 0);
    while let Some(found) = sniffer.next(&mut sound) {
        ensure!(matches!(found, Found::Page(_)), "{found:?} after {n_pages}");
        n_pages += 1;
    }
    ensure!(n_pages > 2, "only {n_pages} portions");
    Ok(())
}

/// Master and relay have the same bytes at the same offsets, and tell the same of them.
fn check_same(master: &str, relay: &str, content_type: &str) -> Result<()> {
    let (at_master, from_master) = hear(master, 40_000, false)?;
    let (at_relay, from_relay) = hear(relay, 40_000, false)?;
    for head in [&at_master, &at_relay] {
        ensure!(
            head.header("content-type") == Some(content_type),
            "{head:?}"
        );
        ensure!(head.header("icy-metaint").is_none(), "{head:?}");
    }
    ensure!(
        at_master.header("etag") == at_relay.header("etag"),
        "another log"
    );
    check_frames(&from_master)?;
    check_frames(&from_relay)?;
    let (a, b) = (
        at_master.number("stream-offset")?,
        at_relay.number("stream-offset")?,
    );
    let from = a.max(b);
    let n_same = (a.min(b) + 40_000)
        .checked_sub(from)
        .context("they do not overlap")?;
    let part = |start: u64, bytes: &[u8]| -> Result<Vec<u8>> {
        let at = usize::try_from(from - start)?;
        Ok(bytes[at..at + usize::try_from(n_same)?].to_vec())
    };
    ensure!(
        part(a, &from_master)? == part(b, &from_relay)?,
        "other bytes"
    );
    Ok(())
}

/// A player that joins in the middle has nothing to complain of.
fn check_players(url: &str) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-nostdin", "-v", "error", "-i", url, "-t", "2", "-f", "null", "-",
    ]);
    let mut players = vec![ffmpeg];
    if url.ends_with("mp3") {
        let mut mpg123 = Command::new("mpg123");
        mpg123.args(["-q", "-n", "70", "-w", "/dev/null", url]);
        players.push(mpg123);
    }
    for mut player in players {
        let said = finish(&mut player, WAIT_MAX)?.stderr;
        let said = String::from_utf8_lossy(&said);
        ensure!(said.trim().is_empty(), "{player:?} says {said}");
    }
    Ok(())
}

/// Titles come where they are announced, and there is nothing but frames around them. One mount has
/// an interval of its own, and something was said on it.
fn check_titles(url: &str) -> Result<()> {
    let (interval, block) = match url.ends_with(TOLD) {
        true => (8_000, TOLD_BLOCK),
        false => (16_000, b"\x01StreamTitle='';\0".as_slice()),
    };
    let (head, body) = hear(url, interval + block.len() + 4_000, true)?;
    ensure!(head.number("icy-metaint")? == interval as u64, "{head:?}");
    let (sound, rest) = body.split_at(interval);
    let rest = rest.strip_prefix(block);
    let rest = rest.with_context(|| format!("no such block at {url}"))?;
    check_frames(&[sound, rest].concat())
}

/// Says what plays on one mount, and waits until the relay knows.
fn tell(cluster: &Cluster, relay: &str) -> Result<()> {
    let master = cluster.ports().master_url();
    let said = "song=Ute&url=http%3A%2F%2Fx.example%2F1.png";
    let url = format!("{master}/admin/metadata?mode=updinfo&mount={TOLD}&{said}");
    let request = Request::new("GET", &url)?.credentials("source", &cluster.secrets().source);
    ensure!(request.send()?.head.status == 200, "the title is not taken");
    until(WAIT_MAX, "the relay knows the title", || {
        let status = http::get(&format!("{relay}/api/v1/status"));
        status.is_ok_and(|status| status.text().contains("\"title\":\"Ute\""))
    })
}

#[test]
fn mp3_and_aac_are_heard_clean_at_master_and_relay() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    let file = cluster.folder().join("master.toml");
    let own = format!("\n[[mount]]\npath = \"{TOLD}\"\nicy_interval_bytes = 8000\n");
    std::fs::write(&file, std::fs::read_to_string(&file)? + &own)?;
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    let mut sources = Vec::new();
    for (mount, _) in MOUNTS {
        let mut source = ffmpeg(&cluster, mount, folder.path())?;
        source.start()?;
        sources.push(source);
    }
    let master = cluster.ports().master_url();
    let relay = cluster.url(Role::Relay(0)).context("listens")?;
    for (mount, content_type) in MOUNTS {
        let [master, relay] = [&master, &relay].map(|url| format!("{url}{mount}"));
        eventually(WAIT_MAX, "the relay has it", || hear(&relay, 4_000, false))
            .with_context(|| cluster.story())?;
        check_same(&master, &relay, content_type).with_context(|| mount)?;
    }
    tell(&cluster, &relay).with_context(|| cluster.story())?;
    // One listens on while its source is killed and comes back.
    let kept = format!("{relay}/put.mp3");
    let kept = thread::spawn(move || hear(&kept, 140_000, false));
    until(WAIT_MAX, "he listens", || {
        let status = http::get(&format!("{relay}/api/v1/status"));
        status.is_ok_and(|status| status.text().contains("\"listeners\":1,"))
    })?;
    sources[0].kill()?;
    let checks: Vec<_> = MOUNTS[1..]
        .iter()
        .flat_map(|(mount, _)| [format!("{master}{mount}"), format!("{relay}{mount}")])
        .map(|url| thread::spawn(move || check_players(&url).and_then(|()| check_titles(&url))))
        .collect();
    sources[0].start()?;
    let ended = |thread: thread::JoinHandle<Result<()>>| thread.join().map_err(|_| ());
    for check in checks {
        ended(check).ok().context("a check panicked")??;
    }
    let kept = kept.join().ok().context("the listener panicked")?;
    check_frames(&kept.with_context(|| cluster.story())?.1)?;
    let status = http::get(&format!("{relay}/api/v1/status"))?.text();
    ensure!(status.contains("\"codec\":\"MP3\""), "{status}");
    ensure!(status.contains("\"codec\":\"AAC\""), "{status}");
    ensure!(status.contains("\"rate_hertz\":44100"), "{status}");
    Ok(())
}
