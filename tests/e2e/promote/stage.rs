//! Two masters, a relay under the second, and a source whose line leads to either.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, START_MAX, Sound, write_private};
use tests::configs::{self, Ports};
use tests::ear::Ear;
use tests::heard::Heard;
use tests::http::get;
use tests::line::Line;
use tests::ports;
use tests::programs::{Program, find};
use tests::soak::{every_sample_once, listen_from_the_start};
use tests::speech;
use tests::tls::Certificate;
use tests::wait::eventually;

pub(super) const SECOND: i64 = 48_000;
/// From a promotion until everybody has what was said meanwhile.
pub(super) const BACK_MAX: Duration = Duration::from_secs(20);

/// A first master, a second that stands by for it, a relay under the second, and a source whose
/// line leads to the one or to the other. The second is the master of the cluster.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) first: Program,
    pub(super) first_port: u16,
    pub(super) line: Line,
    pub(super) source: Program,
    pub(super) folder: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let first_port = ports::free()?;
        let cluster = Cluster::prepare(1, &Sound::Tone)?;
        let standby_state = folder.path().join("standby").display().to_string();
        // The second copies the first through TLS; the first, when it is back, the second without.
        let first_url = format!("https://127.0.0.1:{first_port}");
        let certificate = Certificate::make(folder.path())?;
        let relay_password = cluster.secrets().relay.clone();
        let cluster = cluster
            .with_variable(Role::Master, "PLENUM_MASTER__STANDBY__MASTER", &first_url)
            .with_variable(
                Role::Master,
                "PLENUM_MASTER__STANDBY__CA_FILE",
                &certificate.file(),
            )
            .with_variable(
                Role::Master,
                "PLENUM_MASTER__STANDBY__PASSWORD",
                &relay_password,
            )
            .with_variable(
                Role::Master,
                "PLENUM_MASTER__STATE_DIRECTORY",
                &standby_state,
            );
        let first = master(&cluster, first_port, folder.path(), "first")?
            .variable("PLENUM_MASTER__TLS__CERTIFICATE", &certificate.file())
            .variable("PLENUM_MASTER__TLS__KEY", &certificate.key());
        let line = Line::to(first_port)?;
        let config = folder.path().join("source.toml");
        let url = format!("{}{MOUNT}", line.url());
        let spool = folder.path().join("spool");
        write_private(
            &config,
            &configs::source(&url, &cluster.secrets().source, &spool),
        )?;
        let config = config.display().to_string();
        let record = folder.path().join("record.ogg").display().to_string();
        let file = speech::sitting()?.display().to_string();
        let source = Program::new("source", find("plenum-source")?, folder.path()).arguments([
            "--config", &config, "--record", &record, "file", "--loop", &file,
        ]);
        Ok(Self {
            cluster,
            first,
            first_port,
            line,
            source,
            folder,
        })
    }

    /// Everything runs, and somebody listens at the relay from the first page on.
    pub(super) fn begin(&mut self) -> Result<Ear> {
        self.first.start()?;
        self.wait_for_first()?;
        self.cluster.start_servers()?;
        self.source.start()?;
        let ear =
            listen_from_the_start(&self.cluster, Role::Relay(0)).with_context(|| self.story())?;
        ear.wait_for_samples(5 * SECOND, PLAY_MAX)
            .with_context(|| self.story())?;
        Ok(ear)
    }

    /// The first comes back, and is told to stand by for the second.
    pub(super) fn start_first_as_standby(&mut self) -> Result<()> {
        let second_url = self.cluster.url(Role::Master).context("listens")?;
        let password = self.cluster.secrets().relay.clone();
        let first = &mut self.first;
        first.set_variable("PLENUM_MASTER__STANDBY__MASTER", &second_url);
        first.set_variable("PLENUM_MASTER__STANDBY__PASSWORD", &password);
        first.start()?;
        self.wait_for_first()
    }

    pub(super) fn wait_for_first(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/health", self.first_port);
        eventually(START_MAX, "the first master answers", || get(&url)).map(drop)
    }

    /// `plenum-master promote`, as an operator types it on the standby's machine.
    pub(super) fn promote(&self, more: &[&str]) -> Result<String> {
        let config = self.cluster.folder().join("master.toml");
        promote(
            &["--config", &config.display().to_string()],
            more,
            &self.cluster,
        )
    }

    /// The source is told of both masters, and finds the one that takes it.
    pub(super) fn tell_source_of_both(&mut self) {
        let first = format!("http://127.0.0.1:{}{MOUNT}", self.first_port);
        let second = self.cluster.mount_at(Role::Master);
        self.source.set_variable("PLENUM_SOURCE__URL", &first);
        self.source
            .set_variable("PLENUM_SOURCE__SPARE_URLS__0", &second);
    }

    /// Somebody hears so many seconds more.
    pub(super) fn hear_on(&self, ear: &Ear, seconds: i64) -> Result<()> {
        let n_before = ear.heard().n_samples();
        ear.wait_for_samples(n_before + seconds * SECOND, BACK_MAX)
            .with_context(|| self.story())
    }

    pub(super) fn lead_source_to_standby(&self) {
        self.line.lead_to(self.cluster.ports().master);
    }

    pub(super) fn standby(&self, page: &str) -> Result<String> {
        let url = self.cluster.url(Role::Master).context("listens")?;
        Ok(get(&format!("{url}{page}"))?.text())
    }

    /// Every sample that the source encoded, once, in one logical stream.
    pub(super) fn judge(&self, heard: &Heard) -> Result<()> {
        every_sample_once(&self.folder.path().join("record.ogg"), heard)
            .with_context(|| self.story())
    }

    pub(super) fn record(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.folder.path().join("record.ogg"))?)
    }

    pub(super) fn story(&self) -> String {
        format!(
            "{}\n{}\n{}",
            self.first.story(),
            self.source.story(),
            self.cluster.story()
        )
    }
}

/// A master that shares the cluster's passwords.
fn master(cluster: &Cluster, port: u16, folder: &Path, name: &str) -> Result<Program> {
    let ports = Ports {
        master: port,
        ..cluster.ports().clone()
    };
    let config = folder.join(format!("{name}.toml"));
    write_private(&config, &configs::master(&ports, cluster.secrets()))?;
    let state = folder.join(format!("{name}-state")).display().to_string();
    Ok(Program::new(name, find("plenum-master")?, folder)
        .arguments(["--config", &config.display().to_string()])
        .variable("PLENUM_MASTER__STATE_DIRECTORY", &state))
}

/// What the command says. An error: it did not promote.
pub(super) fn promote(which: &[&str], more: &[&str], cluster: &Cluster) -> Result<String> {
    let mut command = Command::new(find("plenum-master")?);
    command.arg("promote").args(which).args(more);
    let output = command.output().context("cannot run plenum-master")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{}: {said}; {}", output.status, cluster.story());
    }
    Ok(said)
}

/// The number behind a metric, whatever its labels.
pub(super) fn figure(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.with_context(|| format!("{name} is missing in {text}"))?;
    Ok(line.rsplit(' ').next().context("a value")?.parse()?)
}

pub(super) fn n_streams(heard: &Heard) -> usize {
    let firsts = heard.pages.iter().filter(|page| page.stamp.is_first);
    firsts.count()
}
