//! The operator's page of a balancer in the browsers of real people: every button works without a
//! script, by the keyboard, and everybody can use it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::browser::scripts;
use tests::cluster::{Cluster, Role, Sound};
use tests::figures::note;
use tests::programs::cache;
use tests::tools::finish;

const VISIT_MAX: Duration = Duration::from_secs(120);

/// What the script does there stands in it.
fn visit(browser: &str) -> Result<()> {
    let cluster = Cluster::start(2, &Sound::Tone)?;
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
