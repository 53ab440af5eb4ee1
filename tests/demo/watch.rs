//! Looks after the programs while the demo plays, and ends them all.
//!
//! A program that dies may be started again by hand; it is known by its configuration.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use stream::shutdown::Shutdown;
use tests::cluster::{Cluster, Role, STOP_MAX};
use tests::programs::{signal, started_with};
use tests::wait::until;

use crate::{ORDER, env_file, name, say};

/// How often the programs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Says which program dies and which is back, until somebody asks for the end.
///
/// # Errors
/// When demo.env cannot be written.
pub(crate) async fn until_requested(cluster: &mut Cluster, shutdown: &Shutdown) -> Result<()> {
    let mut known = pids(cluster);
    loop {
        let pause = tokio::time::sleep(LOOK_EVERY);
        if shutdown.unless_requested(pause).await.is_none() {
            return Ok(());
        }
        let now = pids(cluster);
        if now == known {
            continue;
        }
        for (role, (before, now)) in ORDER.into_iter().zip(known.iter().zip(&now)) {
            match now {
                _ if before == now => {}
                None => say(&obituary(cluster, role)),
                Some(pid) => say(&format!("{} is back (process {pid})", name(role))),
            }
        }
        known = now;
        env_file::write(cluster)?;
    }
}

/// Ends all of them, whoever started them, in good order while they let us.
///
/// # Errors
/// When one is still there after it was killed.
pub(crate) fn end(cluster: &mut Cluster) -> Result<()> {
    say("stopping");
    send_all(cluster, Signal::TERM);
    if all_gone(cluster, STOP_MAX).is_err() {
        say("some did not stop in time and are killed");
        send_all(cluster, Signal::KILL);
        all_gone(cluster, STOP_MAX)?;
    }
    say("all stopped");
    Ok(())
}

/// The process number of a program, whoever started it.
pub(crate) fn pid(cluster: &mut Cluster, role: Role) -> Option<u32> {
    if cluster.program(role).is_running() {
        return cluster.program(role).pid();
    }
    started_with(&config(cluster, role)).first().copied()
}

/// The configuration a program was started with.
pub(crate) fn config(cluster: &mut Cluster, role: Role) -> String {
    let file = format!("{}.toml", cluster.program(role).name());
    cluster.folder().join(file).display().to_string()
}

fn pids(cluster: &mut Cluster) -> Vec<Option<u32>> {
    ORDER.map(|role| pid(cluster, role)).to_vec()
}

fn send_all(cluster: &mut Cluster, what: Signal) {
    for pid in ORDER.iter().filter_map(|role| pid(cluster, *role)) {
        // One that has ended by itself in the meantime is what we want.
        let _ = signal(pid, what);
    }
}

fn all_gone(cluster: &mut Cluster, deadline: Duration) -> Result<()> {
    until(deadline, "all programs stop", || {
        pids(cluster).iter().all(Option::is_none)
    })
}

fn obituary(cluster: &mut Cluster, role: Role) -> String {
    let program = cluster.program(role);
    let how = program
        .exit()
        .map_or_else(String::new, |status| format!(" ({status})"));
    format!(
        "\n{} has died{how}. The others go on.\n  its log: {}\n  start it again: {}\n",
        name(role),
        program.log_path().display(),
        program.command_line(),
    )
}
