//! Who may listen, how many, for how long: the settings of single mounts and of the door, asked
//! with curl.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound, write_private};
use tests::configs::SOURCE_USER;
use tests::ear::Ear;
use tests::programs::Program;
use tests::tools::finish;
use tests::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
/// As `htpasswd -B` makes it of `myPassword`.
const ANNA: &str = "anna:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n";

/// Status and body as curl has them after half a second; 0 is hung up without a word.
fn curl(words: &[&str]) -> Result<(u16, String)> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-m", "0.5", "-w", "%{stderr}%{http_code}"])
        .args(words);
    let output = finish(&mut curl, PATIENCE)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = said.trim().parse().with_context(|| said.clone())?;
    Ok((status, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn ensure_status(words: &[&str], status: u16, part: &str) -> Result<()> {
    let (is, body) = curl(words)?;
    ensure!(
        is == status && body.contains(part),
        "curl {words:?}: {is} {body:.200}"
    );
    Ok(())
}

/// Answers each form posted to it: `anna` may listen. Gives the forms.
fn keeper() -> Result<(String, std::sync::mpsc::Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/listen", listener.local_addr()?);
    let (sent, forms) = std::sync::mpsc::sync_channel(16);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut reader = BufReader::new(&socket);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut form = vec![0; length];
            let _ = reader.read_exact(&mut form);
            let form = String::from_utf8_lossy(&form).into_owned();
            let word = if form.contains("user=anna&pass=myPassword&") {
                1
            } else {
                0
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nicecast-auth-user: {word}\r\nicecast-auth-message: not you\r\n\
                 icecast-auth-timelimit: 600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = (&socket).write_all(answer.as_bytes());
            let _ = sent.try_send(form);
        }
    });
    Ok((url, forms))
}

/// ffmpeg, which sends the same tone to several mounts.
fn source(cluster: &Cluster, mounts: &[&str]) -> Program {
    let (port, password) = (cluster.ports().master, &cluster.secrets().source);
    let mut ffmpeg = Program::new("tones", "ffmpeg", cluster.folder())
        .arguments(["-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi"])
        .arguments(["-i", "sine=sample_rate=48000"]);
    for mount in mounts {
        let to = format!("icecast://{SOURCE_USER}:{password}@127.0.0.1:{port}{mount}");
        ffmpeg = ffmpeg
            .arguments(["-c:a", "libvorbis", "-page_duration", "200000"])
            .arguments(["-content_type", "application/ogg", "-f", "ogg", &to]);
    }
    ffmpeg
}

/// What a proxy says before the request, in version 2, for this listener.
fn proxied(master: u16, from: [u8; 4]) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(("127.0.0.1", master))?;
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    let request = b"GET /open.ogg HTTP/1.0\r\n\r\n";
    socket.write_all(&[start, &from[..], &[127, 0, 0, 1, 1, 2, 3, 4], request].concat())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut heard = [0; 64];
    let n_bytes = socket.read(&mut heard).unwrap_or(0);
    Ok(heard[..n_bytes].to_vec())
}

#[test]
fn only_those_may_listen_and_for_as_long_as_the_settings_say() -> Result<()> {
    let (keeper, forms) = keeper()?;
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    let file = cluster.folder().join("listeners");
    write_private(&file, ANNA)?;
    let mounts = format!(
        "[{{ path = \"/locked.ogg\", htpasswd = \"{}\" }}, \
          {{ path = \"/asked.ogg\", listener_auth_url = \"{keeper}\" }}, \
          {{ path = \"/small.ogg\", max_listeners = 1, max_listener_seconds = 3 }}]",
        file.display()
    );
    for (key, value) in [
        ("MOUNT", mounts.as_str()),
        ("ALIAS", "[{ path = \"/radio\", to = \"/open.ogg\" }]"),
        ("ACCESS__DENY", "[\"203.0.113.0/24\", \"127.0.0.9\"]"),
        ("ACCESS__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
    ] {
        let name = format!("PLENUM_MASTER__{key}");
        cluster.program(Role::Master).set_variable(&name, value);
    }
    cluster.start_servers()?;
    let mut ffmpeg = source(
        &cluster,
        &["/locked.ogg", "/asked.ogg", "/small.ogg", "/open.ogg"],
    );
    ffmpeg.start()?;
    let (master, relay) = (
        cluster.ports().master_url(),
        &cluster.ports().relay_urls()[0],
    );
    let at = |mount: &str| format!("{master}{mount}");
    eventually(PATIENCE, "it plays", || {
        ensure_status(&[&at("/open.ogg")], 200, "OggS")
    })?;

    let small = eventually(PATIENCE, "it plays", || Ear::listen(&at("/small.ogg")))?;
    ensure_status(&[&at("/small.ogg")], 403, "max listeners reached")?;
    ensure_status(&[&at("/radio")], 200, "OggS")?;

    let locked = at("/locked.ogg");
    ensure_status(&[&locked], 401, "")?;
    ensure_status(&["-m", "3", "-u", "anna:mypassword", &locked], 401, "")?;
    ensure_status(&["-u", "anna:myPassword", &locked], 200, "OggS")?;
    let copied = format!("{relay}/locked.ogg");
    eventually(PATIENCE, "the relay has it", || {
        ensure_status(&["-u", "anna:myPassword", &copied], 403, "password")
    })?;

    ensure_status(
        &["-u", "anna:myPassword", &at("/asked.ogg?x=1")],
        200,
        "OggS",
    )?;
    ensure_status(&["-u", "ben:myPassword", &at("/asked.ogg")], 403, "not you")?;
    // The balancer's probes are asked about, too.
    let form = loop {
        let form = forms.recv_timeout(PATIENCE)?;
        if form.contains("agent=curl") {
            break form;
        }
    };
    ensure!(
        form.starts_with("action=listener_add&server=127.0.0.1&"),
        "{form}"
    );
    ensure!(form.contains("&mount=%2Fasked.ogg%3Fx%3D1&"), "{form}");
    ensure!(form.contains("&ip=127.0.0.1&agent=curl"), "{form}");

    let open = at("/open.ogg");
    ensure_status(&["--interface", "127.0.0.9", &open], 0, "")?;
    ensure_status(&["-H", "X-Forwarded-For: 203.0.113.7", &open], 0, "")?;
    ensure_status(&["-H", "X-Forwarded-For: 198.51.100.7", &open], 200, "OggS")?;
    ensure_status(
        &[
            "--interface",
            "127.0.0.8",
            "-H",
            "X-Forwarded-For: 203.0.113.7",
            &open,
        ],
        200,
        "OggS",
    )?;
    ensure_status(&["--haproxy-protocol", &open], 200, "OggS")?;
    ensure!(proxied(cluster.ports().master, [203, 0, 113, 7])?.is_empty());
    ensure!(proxied(cluster.ports().master, [198, 51, 100, 7])?.starts_with(b"HTTP/1.0 200"));

    let heard = small.wait_for_end(PATIENCE)?;
    heard.check_order()?;
    let last = heard
        .body
        .windows(4)
        .rposition(|w| w == b"OggS")
        .context("no page")?;
    ensure!(
        heard.body[last + 5] & 4 != 0,
        "the last page does not end the link"
    );
    let seconds = heard.last_byte.as_secs_f64();
    ensure!((2.9..6.0).contains(&seconds), "ended after {seconds} s");
    let log = cluster.program(Role::Master).log();
    ensure!(
        !log.contains("myPassword") && !log.contains("203.0.113"),
        "{log}"
    );
    Ok(())
}
