//! A master with a state directory, killed or stopped and started again: the log goes on, and
//! nobody who listens at a relay notices. And a disk that is full: the stream goes on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, STOP_MAX, Sound};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::{Heard, same_bytes};
use tests::http::{Request, get};
use tests::soak::{every_sample_once, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tools;
use tests::wait::{eventually, until};

/// The master is away for this long.
const AWAY: Duration = Duration::from_secs(1);
/// From its start until everybody has what was said meanwhile.
const BACK_MAX: Duration = Duration::from_secs(10);
const SECOND: i64 = 48_000;
/// A mount that is full after some seconds.
const SMALL_DISK: &str = "size=96k";

fn chain(sound: &Sound, state: &Path) -> Result<Cluster> {
    let state = state.display().to_string();
    // It also records: what is true of a copy for a restart is true of a recording.
    let mut cluster = Cluster::prepare_recorded(1, sound)?
        .with_variable(Role::Master, "PLENUM_MASTER__STATE_DIRECTORY", &state)
        .with_variable(Role::Master, "PLENUM_MASTER__ARCHIVE__KEEP_HOURS", "1");
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    Ok(cluster)
}

/// The number behind a metric of the mount.
fn metric(cluster: &Cluster, role: Role, name: &str) -> Result<u64> {
    let url = format!("{}/metrics", cluster.url(role).context("listens")?);
    let text = get(&url)?.text();
    let start = format!("plenum_{name}_total{{mount=\"{MOUNT}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    let value = line.with_context(|| format!("no {name} in {text}"))?;
    Ok(value.parse()?)
}

fn epoch(heard: &Heard) -> Result<String> {
    Ok(heard.head.header("etag").context("no ETag")?.to_owned())
}

/// Where a listener whose connection broke goes on.
fn next_offset(heard: &Heard) -> Result<u64> {
    let (offset, bytes) = heard.log()?;
    Ok(offset + bytes.len() as u64)
}

/// Ends the master by `end` and starts it again, while a relay's and the master's own listener
/// listen.
fn survive(end: impl Fn(&mut Cluster) -> Result<()>) -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = chain(&Sound::File(speech::sitting()?), state.path())?;
    let at_relay = listen_from_the_start(&cluster, Role::Relay(0))?;
    let direct = listen_from_the_start(&cluster, Role::Master)?;
    direct.wait_for_samples(4 * SECOND, PLAY_MAX)?;
    for n in 1..=2 {
        end(&mut cluster)?;
        // Nothing can be watched here: time itself is the condition.
        std::thread::sleep(AWAY);
        cluster.start_program(Role::Master)?;
        let n_wanted = at_relay.heard().n_samples() + 4 * SECOND;
        at_relay
            .wait_for_samples(n_wanted, BACK_MAX)
            .with_context(|| cluster.story())?;
        let n_restored = metric(&cluster, Role::Master, "disk_restored_pages")?;
        note(&format!("start {n}: {n_restored} pages brought back"));
        ensure!(n_restored > 10, "{n_restored} pages");
    }

    // Who listened at the master itself goes on with exactly the bytes that follow.
    let direct = direct.wait_for_end(BACK_MAX)?;
    let (tag, at) = (epoch(&direct)?, next_offset(&direct)?);
    let resumed = eventually(BACK_MAX, "the master has what it sent", || {
        Ear::listen_with(&cluster.mount_at(Role::Master), |request| {
            request
                .header("If-Range", &tag)
                .header("Range", &format!("bytes={at}-9223372036854775807"))
        })
    })?;
    resumed.wait_for_samples(4 * SECOND, BACK_MAX)?;

    let stayed = at_relay.heard().has_ended;
    ensure!(!stayed, "the relay's listener was sent away");
    let gap = at_relay.longest_gap();
    note(&format!(
        "longest time without a page at the relay: {gap:?}"
    ));
    cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| cluster.story())?;
    let resumed = resumed.stop();
    ensure!(resumed.head.status == 206, "{:?}", resumed.head);
    ensure!(epoch(&resumed)? == tag && epoch(&heard)? == tag);
    same_bytes((at, &resumed.body), heard.log()?)?;
    same_bytes(direct.log()?, heard.log()?)?;
    judge(&cluster, &heard)
}

/// Every sample that the source encoded, once; and at the relay one log, without a hole.
fn judge(cluster: &Cluster, heard: &Heard) -> Result<()> {
    every_sample_once(&cluster.recording(), heard)?;
    let n_skipped = metric(cluster, Role::Relay(0), "skipped_bytes")?;
    ensure!(n_skipped == 0, "the relay skipped {n_skipped} bytes");
    Ok(())
}

#[test]
fn a_killed_master_goes_on_and_no_listener_at_a_relay_misses_a_sample() -> Result<()> {
    survive(|cluster| cluster.program(Role::Master).kill())
}

#[test]
fn a_stopped_master_goes_on_and_no_listener_at_a_relay_misses_a_sample() -> Result<()> {
    survive(|cluster| cluster.program(Role::Master).stop(STOP_MAX).map(drop))
}

#[test]
fn a_master_that_comes_back_alone_shows_its_mount_and_plays_the_burst() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = chain(&Sound::Tone, state.path())?;
    cluster.wait_until_playing(PLAY_MAX)?;
    cluster.program(Role::Source).stop(STOP_MAX)?;
    cluster.program(Role::Master).kill()?;
    cluster.start_program(Role::Master)?;
    let ear = Ear::listen(&cluster.mount_at(Role::Master))?;
    ear.wait_for_samples(SECOND / 4, PLAY_MAX)?;
    let url = format!("{}/api/v1/status", cluster.url(Role::Master).context("it")?);
    let status = get(&url)?.text();
    ensure!(status.contains("\"is_on_air\":false"), "{status}");
    Ok(())
}

#[test]
fn two_masters_do_not_share_a_state_directory() -> Result<()> {
    let state = tempfile::tempdir()?;
    let path = state.path().display().to_string();
    let _first = chain(&Sound::Tone, state.path())?;
    let mut second = Cluster::prepare(0, &Sound::Tone)?.with_variable(
        Role::Master,
        "PLENUM_MASTER__STATE_DIRECTORY",
        &path,
    );
    let master = second.program(Role::Master);
    master.start()?;
    let status = master.wait(STOP_MAX)?;
    ensure!(status.code() == Some(1), "{status}");
    let log = master.log();
    ensure!(
        log.contains("another master uses") && log.contains(&path),
        "{log}"
    );
    Ok(())
}

/// A file system in memory. Unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SMALL_DISK, "plenum-tests"]);
        tools::run(command.arg(folder.path())).context("this test needs root, for mount")?;
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("umount");
        let _ = tools::run(command.args(["--lazy"]).arg(self.0.path()));
    }
}

#[test]
fn a_full_disk_costs_the_copy_on_it_and_not_a_page_of_the_stream() -> Result<()> {
    let disk = SmallDisk::mount()?;
    let mut cluster = chain(&Sound::File(speech::sitting()?), disk.0.path())?;
    let at_relay = listen_from_the_start(&cluster, Role::Relay(0))?;
    until(4 * PLAY_MAX, "the disk is full", || {
        metric(&cluster, Role::Master, "disk_failures").is_ok_and(|n| n > 0)
    })
    .with_context(|| cluster.story())?;
    let n_wanted = at_relay.heard().n_samples() + 5 * SECOND;
    at_relay.wait_for_samples(n_wanted, PLAY_MAX)?;
    let gap = at_relay.longest_gap();
    ensure!(gap < Duration::from_secs(1), "{gap:?} without a page");
    let log = cluster.program(Role::Master).log();
    let n_warnings = log.matches("is not written to disk any more").count();
    ensure!(n_warnings == 1, "{log}");
    cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| cluster.story())?;
    judge(&cluster, &heard)?;
    // What is on the disk ends before the log does: it is not what to go on with.
    let tag = epoch(&heard)?;
    cluster.program(Role::Master).kill()?;
    cluster.start_program(Role::Master)?;
    let answer = Request::new("HEAD", &cluster.mount_at(Role::Master))?.send()?;
    ensure!(
        answer.head.header("etag") != Some(&tag),
        "{:?}",
        answer.head
    );
    Ok(())
}
