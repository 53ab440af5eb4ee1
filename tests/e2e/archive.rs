//! The log on disk as a recording: downloaded, listened to from any place, and gone back to.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, STOP_MAX, Sound};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::same_bytes;
use tests::http::{Answer, Request, get};
use tests::pcm::{Comparison, compare};
use tests::players::{Decoder, oggz_validate};
use tests::soak::{hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tools::{run, samples};
use tests::wait::eventually;

const SECOND: i64 = 48_000;
const BACK_MAX: Duration = Duration::from_secs(15);
/// Memory is made shorter than what a test wants to hear of the past.
const RING_SECONDS: &str = "5";

/// A master that records, and a source that keeps what it encodes.
fn recorded(state: &Path, more: &[(&str, &str)]) -> Result<Cluster> {
    let state = state.display().to_string();
    let mut cluster = Cluster::prepare_recorded(0, &Sound::File(speech::sitting()?))?
        .with_variable(Role::Master, "PLENUM_MASTER__STATE_DIRECTORY", &state)
        .with_variable(Role::Master, "PLENUM_MASTER__ARCHIVE__KEEP_HOURS", "1")
        .with_variable(Role::Master, "PLENUM_MASTER__RING_SECONDS", RING_SECONDS);
    for (name, value) in more {
        cluster = cluster.with_variable(Role::Master, name, value);
    }
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    Ok(cluster)
}

const PUBLIC: (&str, &str) = ("PLENUM_MASTER__ARCHIVE__PUBLIC", "true");

/// The list of recordings of the mount, as it is.
fn list(cluster: &Cluster) -> Result<String> {
    let url = format!("{}/api/v1/archive{MOUNT}", cluster.ports().master_url());
    let answer = get(&url)?;
    ensure!(answer.head.status == 200, "{:?}", answer.head);
    Ok(answer.text())
}

/// The addresses in the list, the newest recording first.
fn addresses(cluster: &Cluster) -> Result<Vec<String>> {
    let list = list(cluster)?;
    let urls = list.split("\"url\":\"").skip(1);
    let urls = urls.filter_map(|rest| rest.split('"').next());
    let base = cluster.ports().master_url();
    Ok(urls.map(|url| format!("{base}{url}")).collect())
}

fn only_recording(cluster: &Cluster) -> Result<String> {
    let mut urls = addresses(cluster)?;
    ensure!(urls.len() == 1, "{urls:?}; {}", cluster.story());
    Ok(urls.remove(0))
}

fn part(url: &str, range: &str) -> Result<Answer> {
    Request::new("GET", url)?.header("Range", range).send()
}

/// Compares what was heard or downloaded with what the source has encoded.
fn judge(cluster: &Cluster, bytes: &[u8], decoder: Decoder) -> Result<Comparison> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("recording.ogg");
    std::fs::write(&file, bytes)?;
    let made = decoder.decode(&cluster.recording())?;
    Ok(compare(&made, &decoder.decode(&file)?))
}

#[test]
fn a_recording_has_every_sample_though_the_master_was_killed_in_it() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = recorded(state.path(), &[PUBLIC])?;
    let ear = listen_from_the_start(&cluster, Role::Master)?;
    ear.wait_for_samples(5 * SECOND, PLAY_MAX)?;
    cluster.program(Role::Master).kill()?;
    cluster.start_program(Role::Master)?;
    let ear = eventually(PLAY_MAX, "it plays again", || {
        Ear::listen(&cluster.mount_at(Role::Master))
    })?;
    ear.wait_for_samples(8 * SECOND, PLAY_MAX)?;
    let running = only_recording(&cluster)?;
    ensure!(running.contains("?end="), "{running}");
    let early = get(&running)?;
    cluster.program(Role::Source).stop(STOP_MAX)?;
    hear_the_end(ear)?;
    let again = get(&running)?;
    ensure!(again.body == early.body, "it changed while more was coming");
    let url = eventually(BACK_MAX, "it is on disk", || {
        let url = only_recording(&cluster)?;
        ensure!(!list(&cluster)?.contains("\"is_running\":true"), "{url}");
        Ok(url)
    })?;
    let whole = get(&url)?;
    ensure!(whole.head.header("content-type") == Some("application/ogg"));
    let file = state.path().join("recording.ogg");
    std::fs::write(&file, &whole.body)?;
    oggz_validate(&file)?;
    for decoder in [Decoder::Reference, Decoder::Ffmpeg] {
        let comparison = judge(&cluster, &whole.body, decoder)?;
        note(&format!("{decoder:?}: recording {comparison}"));
        ensure!(comparison.is_exact(), "{comparison}");
        let n_made = decoder.decode(&cluster.recording())?.len();
        ensure!(comparison.n_same == n_made, "{comparison} of {n_made}");
    }
    check_parts(&url, &whole)?;
    check_seeking(&url, &whole)
}

/// Any part of the file is that part, and no other file's.
fn check_parts(url: &str, whole: &Answer) -> Result<()> {
    let n_bytes = whole.body.len();
    let tag = whole.head.header("etag").context("no ETag")?.to_owned();
    let head = Request::new("HEAD", url)?.send()?.head;
    ensure!(head.status == 200 && head.number("content-length")? == n_bytes as u64);
    ensure!(head.header("accept-ranges") == Some("bytes"), "{head:?}");
    for (from, to) in [(0, 99), (1000, 70_000), (n_bytes - 500, n_bytes - 1)] {
        let some = part(url, &format!("bytes={from}-{to}"))?;
        ensure!(some.head.status == 206, "{:?}", some.head);
        let range = format!("bytes {from}-{to}/{n_bytes}");
        ensure!(some.head.header("content-range") == Some(range.as_str()));
        ensure!(some.body == whole.body[from..=to], "{range}");
    }
    let beyond = part(url, &format!("bytes={n_bytes}-"))?;
    ensure!(beyond.head.status == 416, "{:?}", beyond.head);
    let request = |tag: &str| {
        let request = Request::new("GET", url)?.header("Range", "bytes=5-9");
        request.header("If-Range", tag).send()
    };
    ensure!(request(&tag)?.head.status == 206);
    ensure!(request("\"another\"")?.head.status == 200);
    let known = Request::new("GET", url)?.header("If-None-Match", &tag);
    ensure!(known.send()?.head.status == 304);
    let nothing = get(&url.replace("-0.ogg", "-7.ogg"))?;
    ensure!(nothing.head.status == 404, "{:?}", nothing.head);
    Ok(())
}

/// A player that jumps to a place hears what is there.
fn check_seeking(url: &str, whole: &Answer) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, raw) = (
        folder.path().join("whole.ogg"),
        folder.path().join("part.raw"),
    );
    std::fs::write(&file, &whole.body)?;
    run(Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-ss", "6", "-i", url])
        .args(["-t", "3", "-ac", "1", "-f", "s16le", "-y"])
        .arg(&raw))?;
    let heard = samples(&std::fs::read(&raw)?);
    let comparison = compare(&Decoder::Ffmpeg.decode(&file)?, &heard);
    note(&format!("ffmpeg -ss 6: {comparison}"));
    ensure!(comparison.is_exact(), "{comparison}");
    let off = comparison.starts_at.abs_diff(6 * 48_000);
    ensure!(off < 48_000 / 10, "{off} samples beside the place");
    Ok(())
}

#[test]
fn who_goes_back_hears_all_from_then_to_now_and_on() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = recorded(state.path(), &[PUBLIC])?;
    let all = listen_from_the_start(&cluster, Role::Master)?;
    all.wait_for_samples(22 * SECOND, 2 * PLAY_MAX)?;
    let mount = cluster.mount_at(Role::Master);
    let back = Ear::listen(&format!("{mount}?from=-15s"))?;
    let near = Ear::listen(&format!("{mount}?from=-3s"))?;
    let oldest = Ear::listen(&format!("{mount}?from=2001-01-01T00:00:00Z"))?;
    let now = all.heard().n_samples();
    // What is over comes at once, the rest as it is spoken.
    back.wait_for_samples(17 * SECOND, BACK_MAX)?;
    oldest.wait_for_samples(now + 2 * SECOND, BACK_MAX)?;
    let status = get(&format!("{}/api/v1/status", cluster.ports().master_url()))?.text();
    // These four, and the balancer, which listens, too.
    ensure!(status.contains("\"listeners\":5"), "{status}");
    cluster.program(Role::Source).stop(STOP_MAX)?;
    let all = hear_the_end(all)?;
    for (name, ear, seconds) in [("-15s", back, 15), ("-3s", near, 3), ("oldest", oldest, 0)] {
        let heard = hear_the_end(ear).with_context(|| cluster.story())?;
        heard.check_order()?;
        let from = heard.head.header("stream-from").context("no Stream-From")?;
        // Who has the oldest also has the header pages where they stand in the log.
        let (offset, bytes) = heard.log()?;
        let n_earlier = usize::try_from(all.log()?.0.saturating_sub(offset))?;
        let n_same = same_bytes((offset, bytes), all.log()?)?;
        ensure!(n_same + n_earlier == bytes.len(), "{name}: {n_same}");
        let n_behind = now - (all.n_samples() - heard.n_samples());
        note(&format!(
            "from={name}: began at {from}, {n_behind} samples back"
        ));
        let off = (n_behind - seconds * SECOND).abs();
        ensure!(seconds == 0 || off < 2 * SECOND, "{name}: {n_behind}");
        let comparison = judge(&cluster, &heard.body, Decoder::Reference)?;
        ensure!(comparison.is_exact(), "{name}: {comparison}");
    }
    Ok(())
}

#[test]
fn recordings_are_the_operators_unless_he_says_that_they_are_public() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = recorded(state.path(), &[])?;
    cluster.wait_until_plays(&cluster.mount_at(Role::Master), PLAY_MAX)?;
    let base = cluster.ports().master_url();
    let admin = cluster.secrets().admin.clone();
    for path in [
        "/archive",
        "/api/v1/archive",
        "/api/v1/archive/live.ogg",
        "/live.ogg?from=-1m",
    ] {
        let url = format!("{base}{path}");
        let without = Request::new("GET", &url)?.open()?.0;
        ensure!(without.status == 401, "{path}: {without:?}");
        let with = Request::new("GET", &url)?.credentials("admin", &admin);
        let with = with.open()?.0;
        ensure!(with.status == 200, "{path}: {with:?}");
    }
    let url = format!("{base}/live.ogg?from=yesterday");
    let nonsense = Request::new("GET", &url)?.credentials("admin", &admin);
    ensure!(nonsense.open()?.0.status == 400);
    let page = Request::new("GET", &format!("{base}/archive"))?;
    let page = page.credentials("admin", &admin).send()?.text();
    ensure!(
        page.contains("going on") && page.contains("/api/v1/archive/live.ogg/"),
        "{page}"
    );
    Ok(())
}
