//! Picture: WebM and Theora of other people's encoders, joined late by other people's players.

mod handed_over;
mod merged;

use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::mpeg::Sniffer;
use stream::ogg::theora::begins_with_key_frame;
use stream::ogg::{Found, Page};
use tests::browser::scripts;
use tests::cluster::{Cluster, Role, Sound};
use tests::figures::note;
use tests::http::{self, Request};
use tests::programs::Program;
use tests::tools::{finish, run};
use tests::wait::{eventually, until};

const WAIT_MAX: Duration = Duration::from_secs(30);
/// Mounts, what they are, and how they are sent: as the manual says, or so.
const MOUNTS: [(&str, &str, &str); 4] = [
    ("/live.webm", "video/webm", ""),
    ("/live.ogv", "video/ogg", ""),
    (
        "/vp9.webm",
        "video/webm",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -g 15 -c:a libopus -f webm -live 1 \
         -cluster_time_limit 3000 -legacy_icecast 1",
    ),
    (
        "/sound.mka",
        "audio/x-matroska",
        "-vn -c:a libopus -b:a 96k -cluster_time_limit 500 -f matroska",
    ),
];

/// Pictures are not put into a grid of tenths of a second, which a new run of an encoder does not
/// keep to.
const AS_IT_COMES: [&str; 4] = ["-fps_mode", "passthrough", "-enc_time_base:v", "1/1000"];

/// A short film, with sound, in which nothing stands still. With more noise every picture of Theora
/// is a key frame.
fn film(folder: &Path) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-v error -f lavfi -i testsrc2=size=160x90:rate=10 -f lavfi -i sine".split(' '));
    ffmpeg.args("-vf noise=alls=12:allf=t -t 60 -c:v mpeg4 -q:v 3 -c:a flac".split(' '));
    run(ffmpeg.arg(folder.join("film.mkv"))).map(drop)
}

/// The command in the manual for this mount.
fn manual(mount: &str) -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/from-icecast.md");
    let page = std::fs::read_to_string(page)?;
    let mut lines = page.lines();
    let line = lines.find(|line| line.starts_with("ffmpeg ") && line.ends_with(mount));
    Ok(line.context("the manual says nothing of it")?.to_owned())
}

fn source(cluster: &Cluster, mount: &str, how: &str, folder: &Path) -> Result<Program> {
    let url = cluster.ports().master_url().replace("http://", "");
    let password = &cluster.secrets().source;
    let command = match how {
        "" => manual(mount)?
            .replace("PASSWORD", password)
            .replace("master.example.org:8000", &url),
        how => format!("ffmpeg -re -i film.mkv {how} icecast://source:{password}@{url}{mount}"),
    };
    let film = folder.join("film.mkv").display().to_string();
    let words = command.split_whitespace().skip(1);
    let words = words.map(|word| match word {
        "film.mkv" => film.clone(),
        word => word.to_owned(),
    });
    let folder = folder.join(mount.trim_start_matches('/'));
    std::fs::create_dir_all(&folder)?;
    Ok(Program::new("ffmpeg", "ffmpeg", &folder)
        .arguments(["-nostdin", "-loglevel", "info"])
        .arguments(words))
}

/// The whole pages of it; there is nothing else.
fn pages(bytes: &[u8]) -> Result<Vec<Page>> {
    let (mut sniffer, mut pages, mut input) = (Sniffer::trusting(), Vec::new(), bytes);
    while let Some(found) = sniffer.next(&mut input) {
        match found {
            Found::Page(page) => pages.push(page),
            Found::Junk { .. } => anyhow::bail!("{found:?} after {} pages", pages.len()),
        }
    }
    Ok(pages)
}

/// A joiner gets headers, and a page with which a decoder can begin; and from there on what
/// everybody has at that offset.
fn check_join(url: &str, content_type: &str) -> Result<()> {
    // Two key frames at least; and sound is little.
    let n_bytes = match content_type {
        _ if url.ends_with("vp9.webm") => 150_000,
        _ if content_type.starts_with("video") => 400_000,
        _ => 30_000,
    };
    let (head, body) = Request::new("GET", url)?.hear(n_bytes)?;
    ensure!(
        head.header("content-type") == Some(content_type),
        "{head:?}"
    );
    let n_prefix = usize::try_from(head.number("stream-prefix")?)?;
    let all = pages(&body)?;
    let mut n_bytes = 0;
    let is_prefix = |page: &&Page| {
        n_bytes += page.len();
        n_bytes <= n_prefix
    };
    let n_headers = all.iter().take_while(is_prefix).count();
    let first = all.get(n_headers).context("nothing but headers")?;
    ensure!(n_headers > 0, "no headers come first");
    let may_begin = match content_type {
        "video/ogg" => begins_with_key_frame(first),
        _ => !first.stamp().is_continued,
    };
    ensure!(may_begin, "begins with {first:?}");
    if content_type.starts_with("video") {
        check_key_frames(&all).with_context(|| url.to_owned())?;
    }
    // Somebody else has the same bytes, and goes on within a page.
    let etag = head.header("etag").context("no ETag")?;
    let from = head.number("stream-offset")? + 1_001;
    let range = format!("bytes={from}-");
    let resumed = Request::new("GET", url)?
        .header("If-Range", etag)
        .header("Range", &range);
    let (head, rest) = resumed.hear(10_000)?;
    ensure!(head.number("stream-offset")? == from, "{head:?}");
    let at = n_prefix + 1_001;
    ensure!(rest == body[at..at + 10_000], "other bytes");
    Ok(())
}

/// Each key frame is where somebody can join: as many pages begin so as ffmpeg finds key frames.
fn check_key_frames(all: &[Page]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("heard");
    let bytes: Vec<u8> = all.iter().flat_map(|page| page.bytes().to_vec()).collect();
    std::fs::write(&file, bytes)?;
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args("-v error -select_streams v -show_entries packet=flags -of csv=p=0".split(' '));
    let found = run(ffprobe.arg(&file))?;
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let n_key = found.lines().filter(|flags| flags.starts_with('K')).count();
    let is_join = |page: &&Page| match page.is_ogg() {
        true => begins_with_key_frame(page) && is_theora(page, all),
        // The head of a link has no number of its own yet.
        false => !page.stamp().is_continued && page.stamp().sequence > 0,
    };
    let n_joins = all.iter().filter(is_join).count();
    ensure!(
        n_key > 1 && n_joins == n_key,
        "{n_joins} for {n_key} key frames"
    );
    Ok(())
}

/// Whether a page is of the picture.
fn is_theora(page: &Page, all: &[Page]) -> bool {
    let first = |page: &&Page| page.body().starts_with(b"\x80theora");
    let picture = all.iter().find(first);
    picture.is_some_and(|picture| picture.serial() == page.serial())
}

/// Players that come late have nothing to complain of, and see the picture move.
fn check_players(url: &str, has_picture: bool) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-xerror", "-progress", "-"]);
    ffmpeg.args(["-i", url, "-t", "3"]).args(AS_IT_COMES);
    ffmpeg.args(["-f", "null", "/dev/null"]);
    let output = finish(&mut ffmpeg, WAIT_MAX)?;
    let (said, progress) = (output.stderr, String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success() && said.trim().is_empty(), "{said}");
    let frames = progress
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("frame="));
    let n_frames: u32 = frames.unwrap_or("0").trim().parse()?;
    ensure!(!has_picture || n_frames >= 25, "{n_frames} frames in 3 s");
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--vo=null", "--ao=null", "--length=2", url]);
    mpv.args(["--msg-level=all=warn", "--no-input-terminal"]);
    let output = finish(&mut mpv, WAIT_MAX)?;
    ensure!(output.status.success(), "mpv: {output:?}");
    Ok(())
}

/// One listens while the encoder is killed and starts again: to him it is one stream.
fn check_restart(url: String) -> JoinHandle<Result<()>> {
    thread::spawn(move || {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-xerror", "-i", &url, "-t", "12"]);
        ffmpeg.args(AS_IT_COMES);
        let output = finish(ffmpeg.args(["-f", "null", "-"]), 2 * WAIT_MAX)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success() && said.trim().is_empty(), "{said}");
        Ok(())
    })
}

fn check_browser(stream: &str, page: &str, home: &Path) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(scripts()?.join("watch.mjs"));
    node.args(["chromium", stream, page]).env("HOME", home);
    let output = finish(&mut node, 2 * WAIT_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{complaint}\n{said}");
    note(&format!("chromium: {}", said.trim()));
    Ok(())
}

#[test]
fn webm_and_theora_are_joined_late_and_seen_clean_at_master_and_relay() -> Result<()> {
    // The burst of one is shorter than its key frames are apart.
    let short = "[{ path = \"/live.ogv\", burst_seconds = 0.1 }]";
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?
        .with_variable(Role::Master, "PLENUM_MASTER__MOUNT", short)
        .with_variable(Role::Relay(0), "PLENUM_RELAY__MOUNT", short);
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    film(folder.path())?;
    let mut sources = Vec::new();
    for (mount, _, how) in MOUNTS {
        let mut source = source(&cluster, mount, how, folder.path())?;
        source.start()?;
        sources.push(source);
    }
    let master = cluster.ports().master_url();
    let relay = cluster.url(Role::Relay(0)).context("listens")?;
    for ((mount, ..), source) in MOUNTS.iter().zip(&sources) {
        let request = Request::new("GET", &format!("{relay}{mount}"))?;
        eventually(WAIT_MAX, "the relay has it", || request.hear(20_000))
            .with_context(|| source.story() + &cluster.story())?;
    }
    let restart = check_restart(format!("{relay}/live.webm"));
    let joins = MOUNTS.iter().flat_map(|(mount, content_type, _)| {
        [&master, &relay].map(|node| (format!("{node}{mount}"), *content_type))
    });
    let mut checks: Vec<JoinHandle<Result<()>>> = joins
        .map(|(url, content_type)| {
            thread::spawn(move || {
                check_join(&url, content_type)
                    .and_then(|()| check_players(&url, content_type.starts_with("video")))
                    .with_context(|| url)
            })
        })
        .collect();
    let (url, password) = (master.clone(), cluster.secrets().source.clone());
    let film = folder.path().to_owned();
    checks.push(thread::spawn(move || merged::check(&url, &password, &film)));
    let balancer = cluster.url(Role::Balancer).context("no balancer")?;
    let page = format!("{balancer}/?mount=/vp9.webm");
    let (stream, home) = (format!("{relay}/vp9.webm"), cluster.folder().to_owned());
    checks.push(thread::spawn(move || check_browser(&stream, &page, &home)));
    sources[0].kill()?;
    sources[0].start()?;
    let ended = checks.into_iter().chain([restart]).map(|check| {
        let ended = check.join().ok().context("a check panicked");
        ended.and_then(|ended| ended).err()
    });
    let wrong: Vec<anyhow::Error> = ended.flatten().collect();
    ensure!(wrong.is_empty(), "{wrong:#?}\n{}", cluster.story());
    let status = http::get(&format!("{relay}/api/v1/status"))?.text();
    for codec in ["VP8/Vorbis", "VP9/Opus", "Theora/Vorbis"] {
        ensure!(
            status.contains(&format!("\"codec\":\"{codec}\"")),
            "{status}"
        );
    }
    // Its balancer knows the pages, and finds no fault with them.
    until(WAIT_MAX, "the balancer compares", || {
        let log = cluster.program(Role::Balancer).log();
        let compared = |line: &str| line.contains("relays are compared");
        MOUNTS.iter().all(|(mount, ..)| {
            let mut lines = log.lines().filter(|line| compared(line));
            lines.any(|line| line.contains(mount))
        })
    })?;
    let log = cluster.program(Role::Balancer).log();
    ensure!(!log.contains("quarantine"), "{log}");
    Ok(())
}
