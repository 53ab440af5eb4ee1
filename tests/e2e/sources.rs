//! Other people's source clients, to our master, heard at a relay.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use stream::ogg::{Found, Framer};
use tests::cluster::{Cluster, Role, Sound};
use tests::ear::Ear;
use tests::http;
use tests::peers::{self, Method};
use tests::players::Decoder;
use tests::programs::Program;
use tests::speech;
use tests::wait::eventually;

const EAR_MAX: Duration = Duration::from_secs(20);

/// What `client` sends to `mount` is heard at the relay, by us and by ffmpeg.
fn plays(mount: &str, client: impl FnOnce(&Path, &str, &str) -> Result<Program>) -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let folder = tempfile::tempdir()?;
    let url = format!("{}{mount}", cluster.ports().master_url());
    let mut client = client(folder.path(), &url, &cluster.secrets().source)?;
    client.start()?;
    let relay = format!("{}{mount}", cluster.url(Role::Relay(0)).context("listens")?);
    let ear = eventually(EAR_MAX, "the relay plays it", || Ear::listen(&relay))
        .with_context(|| client.story() + &cluster.story())?;
    ear.wait_for_samples(3 * 48_000, EAR_MAX)
        .with_context(|| client.story() + &cluster.story())?;
    let mut player = Decoder::Ffmpeg.play(&relay, folder.path())?;
    player.wait_for_bytes(3 * 48_000 * 2, EAR_MAX)?;
    ear.stop().check_order()
}

#[test]
fn ffmpeg_publishes_with_put() -> Result<()> {
    plays("/ffmpeg.ogg", |folder, url, password| {
        peers::ffmpeg(folder, &speech::sitting()?, url, password, Method::Put)
    })
}

#[test]
fn ffmpeg_publishes_with_the_old_source_method() -> Result<()> {
    plays("/legacy.ogg", |folder, url, password| {
        peers::ffmpeg(folder, &speech::sitting()?, url, password, Method::Source)
    })
}

#[test]
fn ezstream_publishes_an_ogg_file() -> Result<()> {
    plays("/ezstream.ogg", |folder, url, password| {
        peers::ezstream(folder, &speech::sitting_ogg()?, url, password)
    })
}

/// DarkIce and Liquidsoap do this in digital silence.
#[test]
fn a_source_with_a_page_every_five_seconds_keeps_its_relay_on_air() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    cluster.start_servers()?;
    let url = format!("{}/slow.ogg", cluster.ports().master_url());
    let sound = std::fs::read(speech::sitting_ogg()?)?;
    let mut framer = Framer::new();
    let mut rest: &[u8] = &sound;
    let mut pages = std::iter::from_fn(|| framer.next(&mut rest));
    let mut page = || match pages.next() {
        Some(Found::Page(page)) => Ok(page.bytes().to_vec()),
        _ => anyhow::bail!("the file has too few pages"),
    };
    let (_, mut upload) = http::Request::new("SOURCE", &url)?
        .in_version_1_0()
        .credentials("source", &cluster.secrets().source)
        .header("Content-Type", "application/ogg")
        .open()?;
    let status = format!(
        "{}/api/v1/status",
        cluster.url(Role::Relay(0)).context("listens")?
    );
    let is_on_air = || -> Result<bool> {
        let text = http::get(&status)?.text();
        Ok(text.contains("\"/slow.ogg\"") && text.contains("\"is_on_air\":true"))
    };
    for _ in 0..4 {
        upload.send(&page()?)?;
    }
    eventually(EAR_MAX, "the relay has it", || {
        anyhow::ensure!(is_on_air()?);
        Ok(())
    })?;
    for _ in 0..3 {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(5_400) {
            anyhow::ensure!(is_on_air()?, "off air after {:?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
        upload.send(&page()?)?;
    }
    Ok(())
}
