//! `make demo`, as a newcomer sees it: one command, a link, and everything gone at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::ear::Ear;
use tests::players::mpv_plays;
use tests::programs::{Program, find};
use tests::wait::{eventually, until};
use tests::{ports, speech};

const DEMO_MAX: Duration = Duration::from_secs(40);
const STOP_MAX: Duration = Duration::from_secs(20);

const KEYS: [&str; 14] = [
    "BALANCER_URL",
    "MASTER_URL",
    "RELAY_URLS",
    "SOURCE_USER",
    "SOURCE_PASSWORD",
    "ADMIN_USER",
    "ADMIN_PASSWORD",
    "RELAY_USER",
    "RELAY_PASSWORD",
    "SOURCE_PID",
    "MASTER_PID",
    "RELAY1_PID",
    "RELAY2_PID",
    "BALANCER_PID",
];

/// A port with the three others of the demo free as well.
fn free_port() -> Result<u16> {
    eventually(DEMO_MAX, "four free ports", || {
        let port = ports::free()?;
        let all = [port + 10, port + 11, port + 12];
        ensure!(all.into_iter().all(ports::is_free), "taken");
        Ok(port)
    })
}

fn demo(folder: &Path, more: &[&str]) -> Result<Program> {
    let to = folder.display().to_string();
    Ok(Program::new("demo", find("plenum-demo")?, folder)
        .arguments(["--directory", &to])
        .arguments(more.iter().copied()))
}

fn read_env(folder: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(folder.join("demo.env"))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (key, value) = line.split_once('=').context("KEY=value")?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}

fn is_running(pid: &str) -> bool {
    // A zombie has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn the_demo_plays_a_file_through_all_programs_and_ends_them_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?.to_string();
    let file = speech::sitting()?.display().to_string();
    let mut demo = demo(folder.path(), &["--port", &port, "--file", &file])?;
    demo.start()?;
    let env = eventually(DEMO_MAX, "demo.env is there", || read_env(folder.path()))
        .with_context(|| demo.story())?;
    for key in KEYS {
        let value = env.get(key).with_context(|| format!("no {key}"))?;
        ensure!(!value.is_empty(), "{key} is empty");
    }
    ensure!(env["BALANCER_URL"] == format!("http://127.0.0.1:{port}"));
    ensure!(env["RELAY_URLS"].split(',').count() == 2);
    let link = format!("{}/live.ogg", env["BALANCER_URL"]);
    ensure!(
        demo.log().contains(&link),
        "the link is not shown: {}",
        demo.log()
    );
    Ear::listen(&link)?.wait_for_samples(48_000, STOP_MAX)?;
    mpv_plays(&link, Duration::from_secs(2))?;

    let pids: Vec<_> = env
        .iter()
        .filter(|(key, _)| key.ends_with("_PID"))
        .collect();
    ensure!(pids.iter().all(|(_, pid)| is_running(pid)), "{pids:?}");
    let status = demo.stop(STOP_MAX)?;
    ensure!(status.success(), "{status}: {}", demo.story());
    for (key, pid) in pids {
        ensure!(!is_running(pid), "{key} still runs");
    }
    Ok(())
}

#[test]
fn the_demo_goes_on_when_a_program_dies_and_says_how_to_start_it_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?.to_string();
    let mut demo = demo(folder.path(), &["--port", &port])?;
    demo.start()?;
    let env = eventually(DEMO_MAX, "demo.env is there", || read_env(folder.path()))
        .with_context(|| demo.story())?;
    let pid = env["RELAY1_PID"].parse()?;
    tests::programs::signal(pid, rustix::process::Signal::KILL)?;
    until(STOP_MAX, "the demo says that relay 1 died", || {
        demo.log()
            .lines()
            .any(|line| line.contains("plenum-relay") && line.contains("relay1.toml"))
    })
    .with_context(|| demo.story())?;
    ensure!(demo.is_running(), "{}", demo.story());
    // Whoever starts it by hand does not have to end it by hand.
    let config = folder.path().join("relay1.toml").display().to_string();
    let mut relay = Program::new("by-hand", find("plenum-relay")?, folder.path())
        .arguments(["--config", &config]);
    relay.start()?;
    eventually(STOP_MAX, "the relay is back", || {
        let relays = &env["RELAY_URLS"];
        let first = relays.split(',').next().context("two relays")?;
        Ear::listen(&format!("{first}/live.ogg"))?.wait_for_samples(24_000, STOP_MAX)
    })?;
    demo.stop(STOP_MAX)?;
    ensure!(relay.wait(STOP_MAX).is_ok(), "the relay still runs");
    Ok(())
}

#[test]
fn the_demo_says_at_once_that_a_file_is_no_sound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?.to_string();
    let file = folder.path().join("minutes.txt");
    std::fs::write(&file, "These are the minutes of the last sitting.")?;
    let file = file.display().to_string();
    let mut demo = demo(folder.path(), &["--port", &port, "--file", &file])?;
    demo.start()?;
    let status = demo.wait(STOP_MAX)?;
    ensure!(status.code() == Some(1), "{status}");
    ensure!(demo.log().contains("minutes.txt"), "{}", demo.log());
    Ok(())
}

#[test]
fn the_demo_names_a_busy_port_and_a_way_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _busy = std::net::TcpListener::bind(("127.0.0.1", port + 10))?;
    let mut demo = demo(folder.path(), &["--port", &port.to_string()])?;
    demo.start()?;
    let status = demo.wait(DEMO_MAX)?;
    ensure!(status.code() == Some(1), "{status}");
    let busy = (port + 10).to_string();
    ensure!(demo.log().contains(&busy), "{}", demo.log());
    ensure!(demo.log().contains("make demo PORT="), "{}", demo.log());
    Ok(())
}
