//! Other people's source clients, to our master, heard at a relay.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tests::cluster::{Cluster, Role, Sound};
use tests::ear::Ear;
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
