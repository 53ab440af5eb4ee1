//! The source that calls its master through TLS, with the real programs: every sample arrives, whom
//! it does not believe is told nothing, and it comes back to a master that was killed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, START_MAX, STOP_MAX, Sound};
use tests::configs;
use tests::ear::Ear;
use tests::http::get;
use tests::programs::{Program, find};
use tests::soak::{every_sample_once, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tls::Certificate;
use tests::wait::eventually;

const SECOND: i64 = 48_000;
/// What the source without trust would publish.
const OTHER_MOUNT: &str = "/other.ogg";

/// A master with a certificate, the source that believes it, and one that is given another CA.
struct Stage {
    cluster: Cluster,
    doubting: Program,
}

impl Stage {
    fn set() -> Result<Self> {
        let cluster = Cluster::prepare_recorded(0, &Sound::File(speech::sitting()?))?;
        let folder = cluster.folder().to_owned();
        let state = folder.join("state").display().to_string();
        let cluster = cluster.with_variable(Role::Master, "PLENUM_MASTER__STATE_DIRECTORY", &state);
        let certificate = Certificate::make_vouched(&folder)?;
        change(&folder.join("master.toml"), |text| {
            text.to_owned() + &certificate.settings()
        })?;
        let (plain, port) = (cluster.ports().master_url(), cluster.ports().master);
        let secure = format!("https://localhost:{port}");
        change(&folder.join("source.toml"), |text| {
            let trust = format!("ca_file = \"{}\"\n", certificate.ca_file());
            trust + &text.replace(&plain, &secure)
        })?;
        let other = folder.join("other");
        std::fs::create_dir(&other)?;
        let other_ca = Certificate::make_vouched(&other)?.ca_file();
        let url = format!("{secure}{OTHER_MOUNT}");
        let text = configs::source(&url, &cluster.secrets().source, Path::new(""));
        let file = other.join("source.toml");
        std::fs::write(&file, text)?;
        let file = file.display().to_string();
        let doubting = Program::new("doubting", find("plenum-source")?, &other).arguments([
            "--config",
            &file,
            "--ca-file",
            &other_ca,
            "tone",
        ]);
        Ok(Self { cluster, doubting })
    }

    fn story(&self) -> String {
        self.doubting.story() + &self.cluster.story()
    }

    fn hear_on(&self, ear: &Ear, seconds: i64) -> Result<()> {
        let n_before = ear.heard().n_samples();
        ear.wait_for_samples(n_before + seconds * SECOND, PLAY_MAX)
            .with_context(|| self.story())
    }
}

fn change(file: &Path, by: impl Fn(&str) -> String) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    Ok(std::fs::write(file, by(&text))?)
}

/// It says what to do and goes on trying, and the master never hears of its mount.
fn check_doubts(stage: &mut Stage) -> Result<()> {
    eventually(START_MAX, "it complains", || {
        let log = stage.doubting.log();
        for words in [
            "YOU HAVE TO DO SOMETHING, nothing was sent to it",
            "nobody who is known here vouches for its certificate",
            "name its file in `ca_file`",
            "trying again",
        ] {
            ensure!(log.contains(words), "{words}: {log}");
        }
        Ok(())
    })?;
    ensure!(stage.doubting.is_running(), "{}", stage.story());
    let base = stage.cluster.ports().master_url();
    let status = get(&format!("{base}{OTHER_MOUNT}"))?.head.status;
    ensure!(status == 404, "{status} for the mount of who trusts nobody");
    let log = stage.cluster.program(Role::Master).log();
    ensure!(!log.contains(OTHER_MOUNT), "{log}");
    Ok(())
}

#[test]
fn a_source_sends_through_tls_comes_back_and_tells_nobody_else_its_password() -> Result<()> {
    let mut stage = Stage::set()?;
    stage.cluster.start_servers()?;
    stage.doubting.start()?;
    stage.cluster.start_program(Role::Source)?;
    let early = listen_from_the_start(&stage.cluster, Role::Master)?;
    stage.hear_on(&early, 1)?;
    check_doubts(&mut stage)?;
    stage.cluster.program(Role::Master).kill()?;
    stage.cluster.start_program(Role::Master)?;
    // The master brings back what it had: its burst reaches to the first page.
    let ear = listen_from_the_start(&stage.cluster, Role::Master)?;
    let n_before = early.wait_for_end(STOP_MAX)?.n_samples();
    ear.wait_for_samples(n_before + SECOND, PLAY_MAX)
        .with_context(|| stage.story())?;
    let ended = stage.cluster.program(Role::Source).stop(STOP_MAX)?;
    ensure!(ended.success(), "{}", stage.story());
    let heard = hear_the_end(ear).with_context(|| stage.story())?;
    every_sample_once(&stage.cluster.recording(), &heard)?;
    let log = stage.cluster.program(Role::Source).log();
    let said = format!("everything was sent to https://localhost:{}{MOUNT}", {
        stage.cluster.ports().master
    });
    ensure!(log.contains(&said), "{log}");
    Ok(())
}
