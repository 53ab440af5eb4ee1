//! TLS with the real programs and other people's clients: published, mirrored and heard.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{self, Cluster, PLAY_MAX, Role, START_MAX, STOP_MAX, Sound, secret};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::same_bytes;
use tests::http::{Address, Head, Request, get};
use tests::peers::{self, Method};
use tests::players::Player;
use tests::ports;
use tests::programs::Program;
use tests::speech;
use tests::tls::Certificate;
use tests::tools::{finish, run};
use tests::wait::eventually;

use crate::share::redis;

const EAR_MAX: Duration = Duration::from_secs(20);
/// A renewed certificate is shown within this time: it is looked for every 10 s.
const RENEWED_MAX: Duration = Duration::from_secs(15);
const MOUNT: &str = "/tls.ogg";
const HALF_A_SECOND_RAW: u64 = 48_000;

/// A master and a relay with TLS; a source that publishes through it.
struct Stage {
    cluster: Cluster,
    certificate: Certificate,
    source: Program,
}

impl Stage {
    fn set() -> Result<Self> {
        let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
        let certificate = Certificate::make(cluster.folder())?;
        for (name, tls) in [
            ("master.toml", certificate.settings()),
            ("relay1.toml", certificate.settings_in_one_file()),
        ] {
            let path = cluster.folder().join(name);
            let settings = std::fs::read_to_string(&path)? + &tls;
            std::fs::write(&path, settings)?;
        }
        cluster.start_servers()?;
        let url = format!("{}{MOUNT}", cluster.ports().master_url());
        let (wav, password) = (speech::sitting()?, &cluster.secrets().source);
        let mut source = peers::ffmpeg(cluster.folder(), &wav, &url, password, Method::PutTls)?;
        source.start()?;
        Ok(Self {
            cluster,
            certificate,
            source,
        })
    }

    fn plain(&self, role: Role) -> Result<String> {
        let url = self.cluster.url(role).context("listens")?;
        Ok(format!("{url}{MOUNT}"))
    }

    fn secure(&self, role: Role) -> Result<String> {
        let url = self.plain(role)?;
        Ok(url.replace("http://127.0.0.1", "https://localhost"))
    }

    fn hear(&self, role: Role) -> Result<Ear> {
        let url = self.plain(role)?;
        eventually(EAR_MAX, &format!("{url} plays"), || Ear::listen(&url))
            .with_context(|| self.source.story() + &self.cluster.story())
    }

    /// What curl gets, trusting this certificate and no other.
    fn curl(&self, url: &str) -> Result<String> {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--max-time",
            "5",
            "--cacert",
            &self.certificate.file(),
            url,
        ]);
        let said = run(&mut curl)?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }
}

fn player(name: &str, words: &[&str], folder: &Path) -> Result<Player> {
    let sound = folder.join(format!("{name}.out"));
    let to = sound.display().to_string();
    let words = words.iter().map(|word| word.replace("{to}", &to));
    Player::start(name, words.collect(), sound, folder)
}

/// curl, ffmpeg and mpv, each trusting this certificate and no other. curl writes the head of
/// the answer into `head`.
fn players(url: &str, file: &str, folder: &Path, head: &str) -> Result<[Player; 3]> {
    let curl = ["-sS", "-N", "-D", head, "--cacert", file, "-o", "{to}", url];
    let trust = ["-nostdin", "-tls_verify", "1", "-ca_file", file, "-i", url];
    let to_raw = [
        "-ac",
        "1",
        "-f",
        "s16le",
        "-flush_packets",
        "1",
        "-y",
        "{to}",
    ];
    let mpv_trust = format!("--tls-ca-file={file}");
    let mpv = [
        "--no-config",
        "--no-terminal",
        "--no-video",
        "--tls-verify=yes",
        &mpv_trust,
        "--ao=pcm",
        "--ao-pcm-waveheader=no",
        "--audio-format=s16",
        "--audio-channels=mono",
        "--ao-pcm-file={to}",
        url,
    ];
    Ok([
        player("curl", &curl, folder)?,
        player("ffmpeg", &[&trust[..], &to_raw].concat(), folder)?,
        player("mpv", &mpv, folder)?,
    ])
}

/// A number in the head that curl wrote down.
fn number(head: &str, name: &str) -> Result<usize> {
    let head = head.to_lowercase();
    let mut lines = head.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(value.context("no such header")?.trim().parse()?)
}

#[test]
fn other_peoples_players_and_sources_speak_tls_with_master_and_relay() -> Result<()> {
    let stage = Stage::set()?;
    for role in [Role::Master, Role::Relay(0)] {
        let ear = stage.hear(role)?;
        let (url, folder) = (stage.secure(role)?, tempfile::tempdir()?);
        let file = stage.certificate.file();
        let head = folder.path().join("head");
        let head_path = head.display().to_string();
        let [mut curl, mut ffmpeg, mut mpv] = players(&url, &file, folder.path(), &head_path)?;
        curl.wait_for_bytes(40_000, EAR_MAX)?;
        ffmpeg.wait_for_bytes(4 * HALF_A_SECOND_RAW, EAR_MAX)?;
        mpv.wait_for_bytes(4 * HALF_A_SECOND_RAW, EAR_MAX)?;
        let (body, head) = (curl.stop()?, std::fs::read_to_string(head)?);
        let offset = u64::try_from(number(&head, "stream-offset")?)?;
        let prefix = number(&head, "stream-prefix")?;
        let heard = ear.stop();
        heard.check_order()?;
        let n_bytes = same_bytes((offset, &body[prefix..]), heard.log()?)?;
        note(&format!(
            "{role:?}: {n_bytes} bytes alike through TLS and in the clear"
        ));
        ensure!(n_bytes > 20_000, "only {n_bytes} bytes to compare");
        let playlist = stage.curl(&format!("{url}.m3u"))?;
        ensure!(playlist.trim() == url, "{playlist}");
        let playlist = get(&format!("{}.m3u", stage.plain(role)?))?.text();
        ensure!(playlist.starts_with("http://"), "{playlist}");
    }
    Ok(())
}

#[test]
fn a_renewed_certificate_is_shown_while_everybody_listens_on() -> Result<()> {
    let mut stage = Stage::set()?;
    let (url, folder) = (stage.secure(Role::Master)?, tempfile::tempdir()?);
    let old = folder.path().join("old.pem");
    let ear = stage.hear(Role::Master)?;
    std::fs::copy(stage.certificate.file(), &old)?;
    let old = old.display().to_string();
    let mut early = player(
        "curl",
        &["-sS", "-N", "--cacert", &old, "-o", "{to}", &url],
        folder.path(),
    )?;
    early.wait_for_bytes(10_000, EAR_MAX)?;
    let health = url.replace(MOUNT, "/health");
    stage.certificate = Certificate::make(stage.cluster.folder())?;
    eventually(RENEWED_MAX, "curl sees the new certificate", || {
        stage.curl(&health)
    })
    .with_context(|| stage.cluster.story())?;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "5", "--cacert", &old, &health]);
    ensure!(
        !finish(&mut curl, EAR_MAX)?.status.success(),
        "the old one is shown as well"
    );
    let now = std::fs::metadata(folder.path().join("curl.out"))?.len();
    early.wait_for_bytes(now + 20_000, EAR_MAX)?;
    let gap = ear.longest_gap();
    note(&format!("longest gap over a renewal: {gap:?}"));
    ensure!(gap < Duration::from_millis(1_500), "a gap of {gap:?}");
    let status = stage.cluster.program(Role::Master).stop(STOP_MAX)?;
    ensure!(status.success(), "{status}");
    let log = stage.cluster.program(Role::Master).log();
    ensure!(log.contains("TLS from now on with"), "{log}");
    ensure!(!log.contains("PRIVATE"), "{log}");
    Ok(())
}

/// What a balancer answers somebody who came by https, to a proxy before it.
fn looked_up(link: &str) -> Result<Head> {
    let asked = Request::new("HEAD", link)?.header("X-Forwarded-Proto", "https");
    Ok(asked.send()?.head)
}

/// A master with TLS, and a balancer that knows it, and a Redis, by that alone.
fn behind_tls() -> Result<(Cluster, Program)> {
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
    let folder = cluster.folder().to_owned();
    let certificate = Certificate::make(&folder)?;
    let (port, password) = (ports::free()?, secret()?);
    let settings = |name: &str| std::fs::read_to_string(folder.join(name));
    let master = settings("master.toml")? + &certificate.settings();
    std::fs::write(folder.join("master.toml"), master)?;
    let balancer = settings("balancer.toml")?.replace(
        &format!("[master]\nurl = \"{}\"", cluster.ports().master_url()),
        &format!("[master]\nurl = \"{}\"", secure_master(&cluster)),
    );
    let balancer = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n{balancer}\n[share]\n\
         url = \"rediss://localhost:{port}\"\npassword = \"{password}\"\n"
    );
    cluster::write_private(&folder.join("balancer.toml"), &balancer)?;
    let key = folder.join("privkey.pem").display().to_string();
    let mut redis = redis(0, &password, &folder).arguments([
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate.file(),
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    redis.start()?;
    let address = Address::parse(&format!("http://127.0.0.1:{port}"))?;
    eventually(START_MAX, "redis listens", || address.connect().map(drop))
        .with_context(|| redis.story())?;
    cluster
        .program(Role::Balancer)
        .set_variable("SSL_CERT_FILE", &certificate.file());
    Ok((cluster, redis))
}

fn secure_master(cluster: &Cluster) -> String {
    let plain = cluster.ports().master_url();
    plain.replace("http://127.0.0.1", "https://localhost")
}

#[test]
fn a_balancer_knows_its_master_and_its_redis_through_tls_and_believes_no_stranger() -> Result<()> {
    let (mut cluster, redis) = behind_tls()?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let (link, master) = (cluster.link(), secure_master(&cluster));
    eventually(PLAY_MAX, "listeners are sent to the master", || {
        let head = looked_up(&link)?;
        let to = head.header("location").unwrap_or_default();
        ensure!(to == link_at(&master), "{head:?}");
        Ok(())
    })
    .with_context(|| cluster.story())?;
    let head = Request::new("HEAD", &link)?.send()?.head;
    ensure!(head.status == 503, "down to http: {head:?}");
    let status = cluster.ports().balancer_url() + "/api/v1/status";
    eventually(START_MAX, "master and Redis are known", || {
        let status = get(&status)?.text();
        ensure!(status.contains("\"is_connected\":true"), "{status}");
        let log = cluster.program(Role::Balancer).log();
        ensure!(log.contains(&format!("compared with {master}")), "{log}");
        Ok(())
    })
    .with_context(|| redis.story())?;
    let balancer = cluster.program(Role::Balancer);
    ensure!(balancer.stop(STOP_MAX)?.success());
    // From now on it trusts nobody.
    balancer.set_variable("SSL_CERT_FILE", "/dev/null");
    cluster.start_program(Role::Balancer)?;
    eventually(START_MAX, "nobody vouches for them", || {
        let log = cluster.program(Role::Balancer).log();
        let why = format!("the master {master} gives no status: nobody who is known here");
        ensure!(log.contains(&why), "{log}");
        let status = get(&status)?.text();
        ensure!(status.contains("\"is_connected\":false"), "{status}");
        ensure!(looked_up(&link)?.status != 302, "it is used");
        Ok(())
    })
}

fn link_at(server: &str) -> String {
    format!("{server}{}", cluster::MOUNT)
}
