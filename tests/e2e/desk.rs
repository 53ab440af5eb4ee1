//! The operator's page of a balancer in the browsers of real people: every button works without a
//! script, by the keyboard, and everybody can use it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::json;
use tests::browser::scripts;
use tests::cluster::{Cluster, PLAY_MAX, Role, Sound, write_private};
use tests::figures::note;
use tests::programs::cache;
use tests::tools::finish;

const VISIT_MAX: Duration = Duration::from_secs(180);

/// The balancer has run for a day, by what its state directory says.
fn remember_a_day(folder: &Path) -> Result<()> {
    let state = folder.join("state");
    std::fs::create_dir(&state)?;
    let now = u64::try_from(Timestamp::now().as_second())? / 60;
    let day: Vec<_> = (0..1440_u64)
        .map(|n| {
            json!({"minute": now - 1440 + n, "listeners": n, "free": 3000 - n,
                   "redirects": n % 60, "rejected": n / 720, "mean_km": 400.5,
                   "regret_km": n % 90})
        })
        .collect();
    let history = json!({"format": 1, "content": day});
    std::fs::write(state.join("history.json"), history.to_string())?;
    let path = folder.join("balancer.toml");
    let text = std::fs::read_to_string(&path)?;
    write_private(&path, &format!("state_directory = {state:?}\n{text}"))
}

/// What the script does there stands in it.
fn visit(browser: &str) -> Result<()> {
    let mut cluster = Cluster::prepare(2, &Sound::Tone)?;
    remember_a_day(cluster.folder())?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    cluster.wait_until_playing(PLAY_MAX)?;
    let balancer = cluster.url(Role::Balancer).context("no balancer")?;
    let pictures = cache("desk")?;
    let mut node = Command::new("node");
    node.arg(scripts()?.join("desk.mjs"))
        .args([browser, &balancer, &cluster.secrets().admin])
        .arg(&pictures)
        .env("HOME", cluster.folder());
    let output = finish(&mut node, VISIT_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{complaint}\n{said}");
    note(&format!("{browser}: {}", said.trim()));
    Ok(())
}

#[test]
fn chromium_shows_the_operators_page_to_everybody_and_every_button_works() -> Result<()> {
    visit("chromium")
}

#[test]
fn firefox_shows_the_operators_page_to_everybody_and_every_button_works() -> Result<()> {
    visit("firefox")
}
