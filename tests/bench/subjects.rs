//! What is measured: Plenum, its peers, and the bare loop, each set up to do the same.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tests::ports;
use tests::programs::{Program, find};
use tests::wait::eventually;

use crate::programme::Programme;
use crate::source::{PASSWORD, Source, USER};

/// Recent sound for a joiner, the same at every server.
const BURST_SECONDS: u64 = 4;
/// A server is up within this time.
const START_MAX: Duration = Duration::from_secs(10);
/// And gone within this.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Slots for listeners, beyond what a bench asks for.
const SLOTS: usize = 30_000;

/// A server, and how it is set up.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// Plenum's master, every page at once
    PlenumPage,
    /// Plenum's master, two writes a second
    #[value(name = "plenum-500ms")]
    #[serde(rename = "plenum-500ms")]
    Plenum500ms,
    /// Plenum's master, one write a second
    #[value(name = "plenum-1s")]
    #[serde(rename = "plenum-1s")]
    Plenum1s,
    /// Plenum's master, one write in two seconds
    #[value(name = "plenum-2s")]
    #[serde(rename = "plenum-2s")]
    Plenum2s,
    /// Debian's Icecast
    Icecast2,
    /// A file, throttled to its bitrate
    Nginx,
    /// The least a server can do, every page at once
    BarePage,
    /// The same, one write a second
    #[value(name = "bare-1s")]
    #[serde(rename = "bare-1s")]
    Bare1s,
    /// The same, one write in two seconds
    #[value(name = "bare-2s")]
    #[serde(rename = "bare-2s")]
    Bare2s,
}

/// Where and with what servers are set up.
#[derive(Debug)]
pub(crate) struct Ground {
    /// For settings and logs.
    pub(crate) folder: PathBuf,
    /// A minute of sound.
    pub(crate) file: PathBuf,
    /// The same, repeated for longer than any run takes.
    pub(crate) long_file: PathBuf,
    /// The same, taken apart.
    pub(crate) programme: Arc<Programme>,
    /// Bytes of sound for a second of it.
    pub(crate) bytes_per_second: u64,
    /// The processor for servers, if there is more than one.
    pub(crate) core: Option<usize>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// What is listened to.
    pub(crate) url: String,
    program: Program,
    source: Option<Source>,
}

impl Subject {
    /// As it stands in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlenumPage => "Plenum, each page",
            Self::Plenum500ms => "Plenum, pace 0.5 s",
            Self::Plenum1s => "Plenum, pace 1 s",
            Self::Plenum2s => "Plenum, pace 2 s",
            Self::Icecast2 => "icecast2",
            Self::Nginx => "nginx, throttled file",
            Self::BarePage => "bare loop, each page",
            Self::Bare1s => "bare loop, pace 1 s",
            Self::Bare2s => "bare loop, pace 2 s",
        }
    }

    /// The bare loop that sends as often.
    pub(crate) fn bare(self) -> Option<Self> {
        match self {
            Self::PlenumPage | Self::BarePage => Some(Self::BarePage),
            Self::Plenum1s | Self::Bare1s => Some(Self::Bare1s),
            Self::Plenum2s | Self::Bare2s => Some(Self::Bare2s),
            Self::Plenum500ms | Self::Icecast2 | Self::Nginx => None,
        }
    }

    fn pace_seconds(self) -> f64 {
        match self {
            Self::Plenum500ms => 0.5,
            Self::Plenum1s | Self::Bare1s => 1.0,
            Self::Plenum2s | Self::Bare2s => 2.0,
            Self::PlenumPage | Self::BarePage | Self::Icecast2 | Self::Nginx => 0.0,
        }
    }

    /// Starts it, with its source, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(self, ground: &Ground) -> Result<Running> {
        let port = ports::free()?;
        let folder = &ground.folder;
        let (path, words) = match self {
            Self::PlenumPage | Self::Plenum500ms | Self::Plenum1s | Self::Plenum2s => {
                self.plenum(folder, port)?
            }
            Self::Icecast2 => icecast(folder, port, ground.bytes_per_second)?,
            Self::Nginx => nginx(ground, port)?,
            Self::BarePage | Self::Bare1s | Self::Bare2s => self.bare_loop(ground, port)?,
        };
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .context("a program has a name")?;
        let mut program = match ground.core {
            Some(core) => {
                let pinned = [
                    "-c".to_owned(),
                    core.to_string(),
                    path.display().to_string(),
                ];
                Program::new(&name, "taskset", folder).arguments(pinned)
            }
            None => Program::new(&name, path, folder),
        }
        .arguments(words);
        program.start()?;
        let file = match self {
            Self::Nginx => ground.long_file.file_name().unwrap_or_default(),
            _ => "bench.ogg".as_ref(),
        };
        let url = format!("http://127.0.0.1:{port}/{}", file.to_string_lossy());
        let source = self.feed(&url, ground, &program)?;
        Ok(Running {
            url,
            program,
            source,
        })
    }

    fn feed(self, url: &str, ground: &Ground, program: &Program) -> Result<Option<Source>> {
        let is_fed = matches!(
            self,
            Self::PlenumPage | Self::Plenum500ms | Self::Plenum1s | Self::Plenum2s | Self::Icecast2
        );
        if is_fed {
            let source = eventually(START_MAX, "the server takes a source", || {
                Source::start(url, &ground.programme)
            });
            return source.map(Some).with_context(|| program.story());
        }
        let address = tests::http::Address::parse(url)?;
        eventually(START_MAX, "the server answers", || address.connect())
            .with_context(|| program.story())?;
        Ok(None)
    }

    fn plenum(self, folder: &Path, port: u16) -> Result<(PathBuf, Vec<String>)> {
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\nburst_seconds = {BURST_SECONDS}.0\n\
             pace_seconds = {:.1}\n[slots]\nlisteners = {SLOTS}\n\
             [[source]]\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n",
            self.pace_seconds()
        );
        let config = write(folder, "master.toml", &text)?;
        Ok((find("plenum-master")?, vec!["--config".to_owned(), config]))
    }

    fn bare_loop(self, ground: &Ground, port: u16) -> Result<(PathBuf, Vec<String>)> {
        let words = [
            ("--listen", format!("127.0.0.1:{port}")),
            ("--file", ground.file.display().to_string()),
            ("--pace", self.pace_seconds().to_string()),
            ("--burst", BURST_SECONDS.to_string()),
        ];
        let words = words
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]);
        Ok((find("plenum-bare-loop")?, words.collect()))
    }
}

impl Running {
    /// Its process.
    ///
    /// # Errors
    /// When it has died.
    pub(crate) fn pid(&mut self) -> Result<u32> {
        ensure!(self.program.is_running(), "{}", self.program.story());
        self.program.pid().context("it runs")
    }

    /// Ends it.
    ///
    /// # Errors
    /// When its source had trouble, or it has died already.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.pid()?;
        self.source.map_or(Ok(()), Source::stop)?;
        if self.program.stop(STOP_MAX).is_err() {
            self.program.kill()?;
        }
        Ok(())
    }
}

fn icecast(folder: &Path, port: u16, bytes_per_second: u64) -> Result<(PathBuf, Vec<String>)> {
    let mut owner = String::new();
    if rustix::process::geteuid().is_root() {
        // Icecast refuses to run as root and changes to another user, who must get in here.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))?;
        owner.push_str("<changeowner><user>nobody</user><group>nogroup</group></changeowner>");
    }
    let burst = BURST_SECONDS * bytes_per_second;
    let mut text = String::new();
    write!(
        text,
        "<icecast><hostname>127.0.0.1</hostname><limits><clients>{SLOTS}</clients>\
         <sources>5</sources><queue-size>1048576</queue-size><client-timeout>30</client-timeout>\
         <header-timeout>15</header-timeout><source-timeout>10</source-timeout>\
         <burst-on-connect>1</burst-on-connect><burst-size>{burst}</burst-size></limits>\
         <authentication><source-password>{PASSWORD}</source-password>\
         <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password>\
         </authentication><listen-socket><port>{port}</port>\
         <bind-address>127.0.0.1</bind-address></listen-socket>\
         <paths><basedir>/usr/share/icecast2</basedir><logdir>{log}</logdir>\
         <webroot>/usr/share/icecast2/web</webroot>\
         <adminroot>/usr/share/icecast2/admin</adminroot></paths>\
         <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog>\
         <loglevel>1</loglevel></logging><security><chroot>0</chroot>{owner}</security></icecast>",
        log = folder.display()
    )?;
    let config = write(folder, "icecast.xml", &text)?;
    Ok(("icecast2".into(), vec!["-c".to_owned(), config]))
}

fn nginx(ground: &Ground, port: u16) -> Result<(PathBuf, Vec<String>)> {
    let rate = ground.bytes_per_second;
    let burst = BURST_SECONDS * rate + ground.programme.headers.len() as u64;
    let folder = ground.folder.display();
    let root = ground.long_file.parent().context("a file is in a folder")?;
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let mut text = format!(
        "{user} daemon off; master_process off; worker_processes 1; error_log stderr warn;\n\
         pid {folder}/nginx.pid; worker_rlimit_nofile 20000;\n\
         events {{ worker_connections 20000; use epoll; multi_accept on; }}\n\
         http {{ access_log off; sendfile on; tcp_nodelay on; default_type application/ogg;\n"
    );
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{name}_temp_path {folder}/{name};")?;
    }
    write!(
        text,
        "server {{ listen 127.0.0.1:{port} backlog=4096; root {};\n\
         limit_rate {rate}; limit_rate_after {burst}; }} }}\n",
        root.display()
    )?;
    let config = write(&ground.folder, "nginx.conf", &text)?;
    let words = ["-c", &config, "-e", "stderr"].map(str::to_owned);
    Ok(("nginx".into(), words.to_vec()))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}
