//! Any program killed with SIGKILL and started again: the rest stays up, and it plays.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::ear::Ear;
use tests::figures::note;
use tests::speech;
use tests::wait::eventually;

/// The promise: from the restart until a new listener hears what is said now.
const BACK_MAX: Duration = Duration::from_secs(5);
/// The program is away for this long: others must have noticed.
const AWAY: Duration = Duration::from_secs(2);
/// Pages later than this after the first are no burst: they come as they are spoken.
const BURST: Duration = Duration::from_millis(500);

fn kill_and_restart(role: Role) -> Result<()> {
    let mut cluster = Cluster::start(2, &Sound::File(speech::sitting()?))?;
    let bystander = Ear::listen(&cluster.mount_at(Role::Relay(1)))?;
    let others: Vec<_> = all(&cluster).into_iter().filter(|r| *r != role).collect();
    let pids: Vec<_> = others.iter().map(|r| cluster.program(*r).pid()).collect();

    cluster.program(role).kill()?;
    // Nothing can be watched here: time itself is the condition.
    std::thread::sleep(AWAY);
    for other in &others {
        ensure!(cluster.program(*other).is_running(), "{other:?} ended, too");
    }
    // A killed source's stream is over: what it sends afterwards is another.
    let is_source = role == Role::Source;
    let over = serial(&bystander).filter(|_| is_source);
    let start = Instant::now();
    cluster.program(role).start()?;
    let back = back_on_air(&cluster, start, over).with_context(|| cluster.story())?;

    note(&format!(
        "{role:?} killed: plays again {back:?} after its restart"
    ));
    let stayed = !bystander.heard().has_ended;
    let gap = bystander.longest_gap();
    note(&format!(
        "{role:?} killed: a listener at relay 2 stayed: {stayed}, longest gap {gap:?}"
    ));
    for (other, pid) in others.iter().zip(pids) {
        ensure!(cluster.program(*other).is_running(), "{other:?} ended, too");
        ensure!(cluster.program(*other).pid() == pid, "{other:?} is another");
    }
    ensure!(back <= BACK_MAX, "{role:?}: back after {back:?}");
    Ok(())
}

fn all(cluster: &Cluster) -> Vec<Role> {
    let mut roles = cluster.servers();
    roles.push(Role::Source);
    roles
}

/// The logical stream that is heard now.
fn serial(ear: &Ear) -> Option<u32> {
    ear.heard().pages.last().map(|page| page.stamp.serial)
}

/// How long after `start` a listener who takes the link hears sound as it is made, in
/// another logical stream than the one that is `over`.
fn back_on_air(cluster: &Cluster, start: Instant, over: Option<u32>) -> Result<Duration> {
    let deadline = 3 * BACK_MAX;
    eventually(deadline, "the link plays what is said now", || {
        let ear = Ear::listen(&cluster.link())?;
        let found = eventually(3 * BURST, "live pages", || {
            if ear.heard().has_ended {
                return Ok(None);
            }
            if ear.heard().n_live_pages(BURST) == 0 || (over.is_some() && serial(&ear) == over) {
                bail!("none yet");
            }
            Ok(Some(start.elapsed().saturating_sub(BURST)))
        })?;
        found.context("the stream ended")
    })
}

#[test]
fn a_source_that_was_killed_is_on_air_again_within_5_s() -> Result<()> {
    kill_and_restart(Role::Source)
}

#[test]
fn a_master_that_was_killed_plays_again_within_5_s() -> Result<()> {
    kill_and_restart(Role::Master)
}

#[test]
fn a_relay_that_was_killed_plays_again_within_5_s() -> Result<()> {
    kill_and_restart(Role::Relay(0))
}

#[test]
fn a_balancer_that_was_killed_sends_listeners_again_within_5_s() -> Result<()> {
    kill_and_restart(Role::Balancer)
}

#[test]
fn relays_that_start_before_their_master_wait_for_it() -> Result<()> {
    let mut cluster = Cluster::prepare(2, &Sound::Tone)?;
    for role in [Role::Source, Role::Relay(0), Role::Relay(1), Role::Balancer] {
        cluster.start_program(role)?;
    }
    std::thread::sleep(AWAY);
    let start = Instant::now();
    cluster.start_program(Role::Master)?;
    let back = back_on_air(&cluster, start, None).with_context(|| cluster.story())?;
    note(&format!(
        "master started last: plays {back:?} after its start"
    ));
    ensure!(back <= 2 * BACK_MAX, "{back:?}");
    Ok(())
}

#[test]
fn every_program_told_to_stop_ends_by_itself_with_success() -> Result<()> {
    let mut cluster = Cluster::start(1, &Sound::Tone)?;
    let _ear = Ear::listen(&cluster.link())?;
    for role in [Role::Balancer, Role::Relay(0), Role::Master, Role::Source] {
        let status = cluster.program(role).stop(Duration::from_secs(15))?;
        ensure!(status.success(), "{role:?}: {status}; {}", cluster.story());
    }
    Ok(())
}
