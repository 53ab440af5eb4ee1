//! The public page in the browsers of real people: it plays, it goes on when its relay is killed,
//! and everybody can use it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::browser::{scripts, sound_card};
use tests::cluster::{Cluster, PLAY_MAX, Role, Sound, write_private};
use tests::figures::note;
use tests::http::{Address, Request};
use tests::programs::{Program, cache};
use tests::speech::noise;
use tests::tools::finish;
use tests::wait::eventually;

const VISIT_MAX: Duration = Duration::from_secs(180);
/// One is killed while it is heard, one in the browser that fetches by itself.
const N_RELAYS: usize = 3;
/// Where they stand: for the map.
const PLACES: [(f64, f64); N_RELAYS] = [(52.5, 13.4), (48.2, 16.4), (-22.9, -43.2)];

fn stage(sound: &Sound) -> Result<Cluster> {
    let mut cluster = Cluster::prepare(N_RELAYS, sound)?;
    let path = cluster.folder().join("balancer.toml");
    let mut text = std::fs::read_to_string(&path)?;
    for (n, (latitude, longitude)) in (1..).zip(PLACES) {
        let name = format!("name = \"relay-{n}\"\n");
        let place = format!("{name}latitude = {latitude:?}\nlongitude = {longitude:?}\n");
        text = text.replace(&name, &place);
    }
    write_private(&path, &text)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    cluster.wait_until_playing(PLAY_MAX)?;
    Ok(cluster)
}

/// A mount of MP3, as people make one, which the balancer knows.
pub(crate) fn music(cluster: &Cluster) -> Result<Program> {
    let Address { authority, .. } = Address::parse(&cluster.ports().master_url())?;
    let password = &cluster.secrets().source;
    let to = format!("icecast://source:{password}@{authority}/music.mp3");
    let mut ffmpeg = Program::new("music", "ffmpeg", cluster.folder())
        .arguments(["-nostdin", "-loglevel", "info", "-re", "-f", "lavfi"])
        .arguments(["-i", "anoisesrc=r=44100:a=0.1", "-b:a", "320k"])
        .arguments(["-c:a", "libmp3lame", "-f", "mp3", &to]);
    ffmpeg.start()?;
    let page = format!("{}/music.mp3", cluster.ports().balancer_url());
    eventually(PLAY_MAX, "relays have the music", || {
        let head = Request::new("HEAD", &page)?.send()?.head;
        let target = head.header("location").context("nowhere")?;
        ensure!(
            !target.starts_with(&cluster.ports().master_url()),
            "{target}"
        );
        Ok(())
    })?;
    Ok(ffmpeg)
}

/// What the script does there stands in it.
fn visit(browser: &str, what: &str, sound: &Sound) -> Result<()> {
    let folder = scripts()?;
    let mut cluster = stage(sound)?;
    let (_card, card_url) = sound_card(cluster.folder())?;
    let balancer = cluster.url(Role::Balancer).context("no balancer")?;
    let pictures = cache("pages")?;
    let mut node = Command::new("node");
    let master = cluster.ports().master_url();
    let _music = (what == "plain").then(|| music(&cluster)).transpose()?;
    node.arg(folder.join("visit.mjs"))
        .args([browser, what, &balancer])
        .arg(&pictures)
        .args([&master, &cluster.secrets().admin])
        .env("PULSE_SERVER", card_url)
        .env("HOME", cluster.folder());
    for relay in (0..N_RELAYS).map(Role::Relay) {
        let url = cluster.url(relay).context("no relay")?;
        let pid = cluster.program(relay).pid().context("it does not run")?;
        node.arg(format!("{url}={pid}"));
    }
    let output = finish(&mut node, VISIT_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{complaint}\n{said}\n{}",
        cluster.story()
    );
    note(&format!("{browser}: {}", said.trim()));
    Ok(())
}

#[test]
fn chromium_plays_on_when_its_relay_is_killed_and_anybody_can_use_the_page() -> Result<()> {
    visit("chromium", "pieces", &Sound::Tone)
}

#[test]
fn firefox_plays_on_when_its_relay_is_killed_and_anybody_can_use_the_page() -> Result<()> {
    visit("firefox", "pieces", &Sound::Tone)
}

/// Browsers without `MediaSource`, or for FLAC: the element fetches by itself, and the page sees to
/// it that it does so again.
#[test]
fn a_browser_that_fetches_by_itself_begins_again_when_its_relay_is_killed() -> Result<()> {
    // Before it plays anything Chromium wants 32 KiB, which a tone takes long to fill.
    visit("chromium", "plain", &Sound::File(noise()?))
}

#[test]
fn the_pages_modules_keep_their_promises() -> Result<()> {
    let mut node = Command::new("node");
    node.arg("--test").arg(scripts()?.join("unit.test.mjs"));
    let output = finish(&mut node, VISIT_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}");
    Ok(())
}
