//! Beside Debian's Icecast: our source feeds it, and it mirrors our master.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, Role, STOP_MAX, Sound};
use tests::configs;
use tests::ear::Ear;
use tests::figures::note;
use tests::pcm::compare;
use tests::peers::Icecast;
use tests::players::Decoder;
use tests::programs::{Program, find};
use tests::speech;
use tests::wait::eventually;

const EAR_MAX: Duration = Duration::from_secs(20);

#[test]
fn our_source_plays_through_debians_icecast() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = "a-password-for-icecast";
    let mut icecast = Icecast::new(folder.path(), password)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let config = folder.path().join("source.toml");
    std::fs::write(
        &config,
        configs::source(&url, password, &folder.path().join("spool")),
    )?;
    let recording = folder.path().join("recording.ogg");
    let mut source = Program::new("source", find("plenum-source")?, folder.path())
        .arguments(["--config".to_owned(), config.display().to_string()])
        .arguments(["--record".to_owned(), recording.display().to_string()])
        .arguments(["file".to_owned(), speech::sitting()?.display().to_string()]);
    source.start()?;
    let ear = eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url))
        .with_context(|| source.story())?;
    ear.wait_for_samples(12 * 48_000, EAR_MAX)
        .with_context(|| source.story())?;
    source.stop(STOP_MAX)?;
    let file = folder.path().join("heard.ogg");
    std::fs::write(&file, ear.stop().body)?;
    let comparison = compare(
        &Decoder::Ffmpeg.decode(&recording)?,
        &Decoder::Ffmpeg.decode(&file)?,
    );
    note(&format!("through Debian's Icecast: {comparison}"));
    ensure!(comparison.is_exact(), "{comparison}");
    Ok(())
}

#[test]
fn our_source_comes_back_when_debians_icecast_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = "a-password-for-icecast";
    let mut icecast = Icecast::new(folder.path(), password)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let config = folder.path().join("source.toml");
    std::fs::write(
        &config,
        configs::source(&url, password, &folder.path().join("spool")),
    )?;
    let mut source = Program::new("source", find("plenum-source")?, folder.path())
        .arguments(["--config".to_owned(), config.display().to_string()])
        .arguments(["tone"]);
    source.start()?;
    for _ in 0..2 {
        let ear = eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url))
            .with_context(|| source.story())?;
        ear.wait_for_samples(2 * 48_000, EAR_MAX)?;
        icecast.program.kill()?;
        ear.wait_for_end(EAR_MAX)?;
        icecast.program.start()?;
    }
    eventually(EAR_MAX, "Icecast plays", || Ear::listen(&url)).with_context(|| source.story())?;
    Ok(())
}

#[test]
fn debians_icecast_mirrors_our_master_as_a_slave() -> Result<()> {
    let cluster = Cluster::start(1, &Sound::File(speech::sitting()?))?;
    let folder = tempfile::tempdir()?;
    let master = cluster.ports().master_url();
    let mut icecast = Icecast::slave(folder.path(), &master, &cluster.secrets().relay)?;
    icecast.program.start()?;
    let url = format!("{}{MOUNT}", icecast.url);
    let ear = eventually(EAR_MAX, "the slave plays", || Ear::listen(&url))
        .with_context(|| icecast.program.story() + &cluster.story())?;
    ear.wait_for_samples(4 * 48_000, EAR_MAX)
        .with_context(|| cluster.story())?;
    ear.stop().check_order()?;
    // And our own listeners go on beside it.
    let ours = Ear::listen(&cluster.mount_at(Role::Relay(0)))?;
    ours.wait_for_samples(48_000, EAR_MAX)
}
