//! All four programs, configured to find each other on 127.0.0.1.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use crate::alsa::{DEVICE, Desk};
use crate::configs::{self, Ports, Secrets};
use crate::ear::Ear;
use crate::http::Address;
use crate::ports;
use crate::programs::{Program, find};
use crate::wait::eventually;

/// The mount that everything plays.
pub const MOUNT: &str = "/live.ogg";
const RECORDING: &str = "recording.ogg";
/// A program answers on its port within this time after its start.
pub const START_MAX: Duration = Duration::from_secs(10);
/// From the last start until the balancer's link plays.
pub const PLAY_MAX: Duration = Duration::from_secs(20);
/// Longer than any program's own deadline for finishing.
pub const STOP_MAX: Duration = Duration::from_secs(15);

/// One of the programs in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The source.
    Source,
    /// The master.
    Master,
    /// The relay with this number, from 0.
    Relay(usize),
    /// The balancer.
    Balancer,
}

/// What the source sends.
#[derive(Clone, Debug)]
pub enum Sound {
    /// A file, in a loop, at the speed of time.
    File(PathBuf),
    /// What a sound card captures; the ALSA configuration that describes the card.
    Card(PathBuf),
    /// A tone, for those who do not listen to what it is.
    Tone,
}

impl Sound {
    /// What plays on this desk.
    pub fn from_desk(desk: &Desk) -> Self {
        Self::Card(desk.config())
    }
}

/// The programs. Killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    ports: Ports,
    secrets: Secrets,
    master: Program,
    relays: Vec<Program>,
    balancer: Program,
    source: Program,
    folder: PathBuf,
    /// Holds the folder, if it is a temporary one.
    _temporary: Option<TempDir>,
}

impl Cluster {
    /// A master, relays and a balancer on free ports that play `sound`, up and playing.
    ///
    /// # Errors
    /// When any of them does not start or the balancer's link does not play.
    pub fn start(n_relays: usize, sound: &Sound) -> Result<Self> {
        let mut cluster = Self::prepare(n_relays, sound)?;
        cluster.start_servers()?;
        cluster.start_program(Role::Source)?;
        cluster.wait_until_playing(PLAY_MAX)?;
        Ok(cluster)
    }

    /// As [`Cluster::start`], with nothing started yet.
    ///
    /// # Errors
    /// When there is no free port or a program has not been built.
    pub fn prepare(n_relays: usize, sound: &Sound) -> Result<Self> {
        Self::prepare_with(n_relays, sound, None)
    }

    /// As [`Cluster::prepare`], with a source that keeps what it encodes: `recording`.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn prepare_recorded(n_relays: usize, sound: &Sound) -> Result<Self> {
        Self::prepare_with(n_relays, sound, Some(RECORDING))
    }

    fn prepare_with(n_relays: usize, sound: &Sound, recording: Option<&str>) -> Result<Self> {
        let temporary = tempfile::Builder::new().prefix("plenum-").tempdir()?;
        let ports = Ports {
            balancer: ports::free()?,
            master: ports::free()?,
            relays: (0..n_relays)
                .map(|_| ports::free())
                .collect::<Result<_>>()?,
        };
        let recording = recording.map(|name| temporary.path().join(name));
        let mut cluster = Self::lay_out(ports, sound, recording.as_deref(), temporary.path())?;
        cluster._temporary = Some(temporary);
        Ok(cluster)
    }

    /// Writes the configurations into `folder`, for programs on these ports. With a
    /// `recording`, the source keeps there what it encodes.
    ///
    /// # Errors
    /// When a program has not been built or the folder cannot be written.
    pub fn lay_out(
        ports: Ports,
        sound: &Sound,
        recording: Option<&Path>,
        folder: &Path,
    ) -> Result<Self> {
        let secrets = Secrets {
            source: secret()?,
            relay: secret()?,
            admin: secret()?,
            tokens: ports
                .relays
                .iter()
                .map(|_| secret())
                .collect::<Result<_>>()?,
        };
        let program = |role: &str, name: &str, text: &str| -> Result<Program> {
            let config = folder.join(format!("{name}.toml"));
            write_private(&config, text)?;
            let path = find(&format!("plenum-{role}"))?;
            let config = config.display().to_string();
            Ok(Program::new(name, path, folder).arguments(["--config", &config]))
        };
        let mount_url = format!("{}{MOUNT}", ports.master_url());
        let relays = (0..ports.relays.len())
            .map(|n| {
                let text = configs::relay(n, &ports, &secrets);
                program("relay", &format!("relay{}", n + 1), &text)
            })
            .collect::<Result<_>>()?;
        let source = program(
            "source",
            "source",
            &configs::source(&mount_url, &secrets.source, &folder.join("spool")),
        )?;
        Ok(Self {
            master: program("master", "master", &configs::master(&ports, &secrets))?,
            relays,
            balancer: program("balancer", "balancer", &configs::balancer(&ports, &secrets))?,
            source: with_sound(source, sound, recording),
            ports,
            secrets,
            folder: folder.to_owned(),
            _temporary: None,
        })
    }

    /// With an environment variable for one of the programs.
    #[must_use]
    pub fn with_variable(mut self, role: Role, name: &str, value: &str) -> Self {
        self.program(role).set_variable(name, value);
        self
    }

    /// Starts the master, the relays and the balancer, and waits until they answer.
    ///
    /// # Errors
    /// When one does not.
    pub fn start_servers(&mut self) -> Result<()> {
        for role in self.servers() {
            self.start_program(role)?;
        }
        Ok(())
    }

    /// All programs that listen on a port.
    pub fn servers(&self) -> Vec<Role> {
        let mut roles = vec![Role::Master, Role::Balancer];
        roles.extend((0..self.relays.len()).map(Role::Relay));
        roles
    }

    /// Starts a program, and waits until it answers on its port, if it has one.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_program(&mut self, role: Role) -> Result<()> {
        self.program(role).start()?;
        let Some(url) = self.url(role) else {
            return Ok(());
        };
        let address = Address::parse(&url)?;
        let program = self.program(role);
        let what = format!("{} answers", program.name());
        let mut has_died = false;
        let answered = eventually(START_MAX, &what, || {
            has_died = program.exit().is_some();
            if has_died {
                return Ok(());
            }
            address.connect().map(drop)
        });
        if has_died {
            bail!("{} has ended; {}", program.name(), program.story());
        }
        answered.with_context(|| program.story())
    }

    /// Waits until the balancer's link plays.
    ///
    /// # Errors
    /// As [`Cluster::wait_until_plays`].
    pub fn wait_until_playing(&mut self, deadline: Duration) -> Result<()> {
        let url = self.link();
        self.wait_until_plays(&url, deadline)
    }

    /// Waits until a listener hears half a second from this URL.
    ///
    /// # Errors
    /// At once when the source has ended; at the deadline otherwise, with the end of each
    /// program's log.
    pub fn wait_until_plays(&mut self, url: &str, deadline: Duration) -> Result<()> {
        let ear = eventually(deadline, &format!("{url} plays"), || {
            // The source has nothing to play: it said so, and waiting does not help.
            match self.source.exit() {
                Some(_) => Ok(None),
                None => Ear::listen(url).map(Some),
            }
        })
        .with_context(|| self.story())?;
        let Some(ear) = ear else {
            bail!("the source has ended; {}", self.source.story());
        };
        ear.wait_for_samples(24_000, deadline)
            .with_context(|| self.story())
    }

    /// The link for listeners.
    pub fn link(&self) -> String {
        format!("{}{MOUNT}", self.ports.balancer_url())
    }

    /// The mount at a server itself.
    pub fn mount_at(&self, role: Role) -> String {
        format!("{}{MOUNT}", self.url(role).unwrap_or_default())
    }

    /// Where a program listens; the source does not.
    pub fn url(&self, role: Role) -> Option<String> {
        match role {
            Role::Source => None,
            Role::Master => Some(self.ports.master_url()),
            Role::Balancer => Some(self.ports.balancer_url()),
            Role::Relay(n) => self.ports.relay_urls().get(n).cloned(),
        }
    }

    /// One program.
    ///
    /// # Panics
    /// When there is no relay of that number.
    pub fn program(&mut self, role: Role) -> &mut Program {
        match role {
            Role::Source => &mut self.source,
            Role::Master => &mut self.master,
            Role::Balancer => &mut self.balancer,
            Role::Relay(n) => &mut self.relays[n],
        }
    }

    /// Everything it was started with.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Where everybody listens.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Configurations and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file in which the source of a test keeps what it encoded.
    pub fn recording(&self) -> PathBuf {
        self.folder.join(RECORDING)
    }

    /// The end of every program's log.
    pub fn story(&self) -> String {
        let mut programs = vec![&self.master, &self.balancer, &self.source];
        programs.extend(&self.relays);
        let stories: Vec<_> = programs.iter().map(|program| program.story()).collect();
        stories.join("\n")
    }
}

fn with_sound(source: Program, sound: &Sound, recording: Option<&Path>) -> Program {
    let record = recording.map(|path| ["--record".to_owned(), path.display().to_string()]);
    let source = source.arguments(record.into_iter().flatten());
    match sound {
        Sound::File(file) => source.arguments(["file", "--loop", &file.display().to_string()]),
        Sound::Card(config) => source
            .variable("ALSA_CONFIG_PATH", &config.display().to_string())
            .arguments(["card", "--device", DEVICE]),
        Sound::Tone => source.arguments(["tone"]),
    }
}

/// Random, for this run only.
///
/// # Errors
/// When the system gives none.
pub fn secret() -> Result<String> {
    let mut bytes = [0; 18];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes a file that only its owner may read: it holds passwords.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let complain = || format!("cannot write {}", path.display());
    std::fs::write(path, text).with_context(complain)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).with_context(complain)
}
