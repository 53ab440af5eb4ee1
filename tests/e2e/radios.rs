//! Other people's players at the balancer: all follow its link, all survive a full relay, and those
//! that read its playlist come back when their relay is killed.

use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tests::browser::{scripts, sound_card};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, Sound, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::http::get;
use tests::radios::{Playing, Radio};
use tests::speech::noise;
use tests::tools::finish;
use tests::wait::eventually;

use crate::page::music;

const PATIENCE: Duration = Duration::from_secs(30);
/// Half a second, as most of them write it.
const HALF_A_SECOND: u64 = 48_000;

/// Where MP3 is, for those who know nothing else.
const MUSIC: &str = "/music.mp3";

/// Each with this link or list, or the one beside it that it understands.
fn start_all(radios: &[Radio], from: &str, folder: &Path) -> Result<Vec<Playing>> {
    let start = |radio: &Radio| match radio {
        Radio::Mpg123 => Playing::start(*radio, &from.replace(MOUNT, MUSIC), folder),
        _ => Playing::start(*radio, from, folder),
    };
    radios.iter().map(start).collect()
}

/// The balancer's lists as files, of each mount.
fn lists(cluster: &Cluster, folder: &Path) -> Result<String> {
    for mount in [MOUNT, MUSIC] {
        let link = cluster.link().replace(MOUNT, mount);
        let file = format!("{}{mount}.m3u", folder.display());
        std::fs::write(file, get(&format!("{link}.m3u"))?.text())?;
    }
    Ok(format!("{}{MOUNT}.m3u", folder.display()))
}

/// Those who play in a browser's own element, beside the others.
fn in_elements(url: &str, folder: &Path, card: &str) -> Vec<JoinHandle<Result<()>>> {
    let play = |browser: &'static str| {
        let (url, folder, card) = (url.to_owned(), folder.to_owned(), card.to_owned());
        thread::spawn(move || {
            let mut node = Command::new("node");
            node.arg(scripts()?.join("element.mjs"))
                .args([browser, &url])
                .env("PULSE_SERVER", card)
                .env("HOME", folder);
            let output = finish(&mut node, 2 * PATIENCE)?;
            ensure!(output.status.success(), "{browser}: {output:?}");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            note(&format!("{browser}: {}", said.trim()));
            Ok(())
        })
    };
    ["chromium", "firefox"].map(play).into()
}

fn all_play(all: &mut [Playing]) -> Result<()> {
    let mut play = |one: &mut Playing| one.wait_for_more(HALF_A_SECOND, PATIENCE);
    all.iter_mut().try_for_each(&mut play)
}

/// Everybody is there once: VLC asks twice, and has one slot all the same.
fn wait_for_listeners(cluster: &Cluster, relay: Role, n: usize) -> Result<()> {
    let url = format!("{}/api/v1/status", cluster.url(relay).context("no relay")?);
    eventually(PATIENCE, &format!("{n} listeners"), || {
        let status: serde_json::Value = serde_json::from_str(&get(&url)?.text())?;
        let taken = status.pointer("/slots/listeners/taken");
        let taken = taken.and_then(serde_json::Value::as_u64);
        ensure!(taken == Some(n as u64), "{taken:?}");
        Ok(())
    })
}

fn wait_for_relay(cluster: &Cluster, name: &str) -> Result<()> {
    let url = cluster.url(Role::Balancer).context("no balancer")?;
    eventually(PATIENCE, &format!("{name} is open"), || {
        let status = get(&format!("{url}/api/v1/status"))?.text();
        let status: serde_json::Value = serde_json::from_str(&status)?;
        let relays = status["relays"].as_array().context("no relays")?;
        let relay = relays.iter().find(|relay| relay["name"] == name);
        let relay = relay.context("no such relay")?;
        ensure!(relay["state"] == "open", "{relay}");
        for n in 0..2 {
            ensure!(relay["mounts"][n]["is_on_air"] == true, "{relay}");
        }
        // Until then the master takes those for whom its window is too small.
        ensure!(relay["window"].is_null(), "{relay}");
        Ok(())
    })
}

#[test]
fn players_follow_the_link_and_come_back_by_the_list_and_survive_a_full_relay() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut cluster = Cluster::prepare(2, &Sound::File(noise()?))?;
    let settings = cluster.folder().join("balancer.toml");
    let text = std::fs::read_to_string(&settings)?;
    write_private(&settings, &format!("probe_seconds = 1.0\n{text}"))?;
    for role in [Role::Master, Role::Balancer, Role::Relay(0), Role::Source] {
        cluster.start_program(role)?;
    }
    cluster.wait_until_playing(PLAY_MAX)?;
    let _music = music(&cluster)?;
    wait_for_relay(&cluster, "relay-1")?;
    wait_for_listeners(&cluster, Role::Relay(0), 0)?;

    let mut by_link = start_all(&Radio::ALL, &cluster.link(), folder.path())?;
    let list = lists(&cluster, folder.path())?;
    let mut by_list = start_all(&Radio::WITH_LIST, &list, folder.path())?;
    all_play(&mut by_link).and_then(|()| all_play(&mut by_list))?;
    let n = by_link.len() + by_list.len();
    wait_for_listeners(&cluster, Role::Relay(0), n)?;
    note(&format!("{n} players have {n} slots"));

    cluster.start_program(Role::Relay(1))?;
    wait_for_relay(&cluster, "relay-2")?;
    cluster.program(Role::Relay(0)).kill()?;
    drop(by_link);
    wait_for_listeners(&cluster, Role::Relay(1), by_list.len())?;
    all_play(&mut by_list)?;
    by_list.into_iter().try_for_each(Playing::stop)?;
    wait_for_listeners(&cluster, Role::Relay(1), 0)?;
    bounce(&mut cluster, folder.path())
}

/// They come to a relay that has no slot: it sends them back to the balancer.
fn bounce(cluster: &mut Cluster, folder: &Path) -> Result<()> {
    let settings = cluster.folder().join("relay1.toml");
    let text = std::fs::read_to_string(&settings)?;
    write_private(&settings, &format!("{text}\n[slots]\nlisteners = 1\n"))?;
    cluster.start_program(Role::Relay(0))?;
    let full = cluster.mount_at(Role::Relay(0));
    let _first = eventually(PATIENCE, "the only slot", || {
        let ear = Ear::listen(&full)?;
        ensure!(ear.url() == full, "sent on to {}", ear.url());
        Ok(ear)
    })?;
    let (_card, card) = sound_card(folder)?;
    let elements = in_elements(&full, cluster.folder(), &card);
    let mut all = start_all(&Radio::ALL, &full, folder)?;
    all_play(&mut all).with_context(|| cluster.story())?;
    for element in elements {
        let played = element.join().map_err(|_| anyhow!("a browser's thread"))?;
        played.with_context(|| cluster.story())?;
    }
    wait_for_listeners(cluster, Role::Relay(1), all.len())?;
    note(&format!(
        "{} players and two browsers bounced off a full relay at {MOUNT}",
        all.len()
    ));
    Ok(())
}
