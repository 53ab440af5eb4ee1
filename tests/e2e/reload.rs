//! SIGHUP: other settings hold, and nobody who listens notices.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tests::cluster::{Cluster, MOUNT, Role, Sound, write_private};
use tests::configs::ADMIN_USER;
use tests::ear::Ear;
use tests::http::{Request, get};
use tests::programs::signal;
use tests::soak::GAP_MAX;
use tests::wait::{eventually, until};

const WAIT_MAX: Duration = Duration::from_secs(10);
const SECOND: i64 = 48_000;
const NEW_PASSWORD: &str = "another password of the operator's";

/// Changes a program's file, asks it to read that, and gives what it says then.
pub(crate) fn reread(cluster: &mut Cluster, role: Role, file: &str, text: &str) -> Result<String> {
    write_private(&cluster.folder().join(file), text)?;
    let program = cluster.program(role);
    let n_known = program.log().len();
    signal(program.pid().context("it runs")?, Signal::HUP)?;
    until(WAIT_MAX, "the settings are read again", || {
        let log = program.log();
        let news = log.get(n_known..).unwrap_or_default();
        news.contains("read again") || news.contains("stays as it was")
    })
    .with_context(|| program.story())?;
    Ok(program.log().split_off(n_known))
}

fn status_of(url: &str, password: &str) -> Result<u16> {
    let url = format!("{url}/admin/listmounts");
    let answer = Request::new("GET", &url)?.credentials(ADMIN_USER, password);
    Ok(answer.send()?.head.status)
}

fn slots(url: &str) -> Result<u64> {
    let status: Value = serde_json::from_slice(&get(&format!("{url}/api/v1/status"))?.body)?;
    let slots = status.pointer("/slots/listeners/max");
    slots.and_then(Value::as_u64).context("slots")
}

/// Settings in which anything is wrong change nothing.
fn refuse_bad(cluster: &mut Cluster, before: &str, master: &str) -> Result<()> {
    let old = cluster.secrets().admin.clone();
    let bad = before.replace(&old, NEW_PASSWORD) + "[slots]\nlisteners = 7\nlistenrs = 8\n";
    let said = reread(cluster, Role::Master, "master.toml", &bad)?;
    ensure!(
        said.contains("ERROR") && said.contains("line") && said.contains("listenrs"),
        "{said}"
    );
    ensure!(slots(master)? == 1000 && status_of(master, &old)? == 200);
    Ok(())
}

#[test]
fn settings_are_read_again_all_or_none_and_nobody_who_listens_notices() -> Result<()> {
    let mut cluster = Cluster::start(1, &Sound::Tone)?;
    let roles = [Role::Master, Role::Relay(0)];
    let listen = |url: String| eventually(WAIT_MAX, "a listener", || Ear::listen(&url));
    let ears = [
        listen(cluster.mount_at(roles[0]))?,
        listen(cluster.mount_at(roles[1]))?,
    ];
    let (master, relay) = (
        cluster.ports().master_url(),
        cluster.ports().relay_urls().remove(0),
    );
    let old = cluster.secrets().admin.clone();
    let before = std::fs::read_to_string(cluster.folder().join("master.toml"))?;

    refuse_bad(&mut cluster, &before, &master)?;
    let listen_line = before.lines().next().context("a line")?.to_owned();
    let good = before
        .replace(&listen_line, "listen = \"127.0.0.1:1\"")
        .replace(&old, NEW_PASSWORD)
        + &format!(
            "[slots]\nlisteners = 7\n[[mount]]\npath = \"{MOUNT}\"\nhidden = true\n\
             max_listeners = 1\nname = \"Another Name\"\n[archive]\nkeep_hours = 5.0\n"
        );
    let said = reread(&mut cluster, Role::Master, "master.toml", &good)?;
    for word in [
        "slots.listeners",
        "admin.password",
        "mount[/live.ogg].hidden",
        "WARN",
        "listen changed, too",
        "need a `state_directory`",
    ] {
        ensure!(said.contains(word), "{word} is not in {said}");
    }
    let shows = [NEW_PASSWORD, &old].map(|secret| said.contains(secret));
    ensure!(shows == [false; 2], "{said}");
    ensure!(slots(&master)? == 7);
    ensure!(status_of(&master, &old)? == 401 && status_of(&master, NEW_PASSWORD)? == 200);
    let full = get(&cluster.mount_at(Role::Master))?.head.status;
    ensure!(full == 403, "another than the one allowed got {full}");
    // What the operator says of a mount goes on to relays.
    until(WAIT_MAX, "the relay hides the mount", || {
        let listed = get(&format!("{relay}/status-json.xsl"));
        listed.is_ok_and(|answer| !answer.text().contains(MOUNT))
    })?;
    let named = Request::new("HEAD", &cluster.mount_at(roles[1]))?.send()?;
    ensure!(named.head.header("icy-name") == Some("Another Name"));

    let before = std::fs::read_to_string(cluster.folder().join("relay1.toml"))?;
    let text = before + "[slots]\nlisteners = 3\n[headers]\nX-Of-Relay = \"1\"\n";
    let said = reread(&mut cluster, Role::Relay(0), "relay1.toml", &text)?;
    ensure!(
        said.contains("slots.listeners changed") && slots(&relay)? == 3,
        "{said}"
    );
    let added = Request::new("HEAD", &cluster.mount_at(roles[1]))?.send()?;
    ensure!(added.head.header("x-of-relay") == Some("1"), "{said}");

    for ear in ears {
        let n_samples = ear.heard().n_samples();
        ear.wait_for_samples(n_samples + SECOND, WAIT_MAX)?;
        let gap = ear.longest_gap();
        ensure!(gap < GAP_MAX, "{gap:?} without a page at {}", ear.url());
        ear.stop().check_order()?;
    }
    ensure!(cluster.program(Role::Source).is_running());
    Ok(())
}
