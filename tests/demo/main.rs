//! `make demo`: the whole chain on this machine, until Ctrl-C.
//!
//! Starts the programs that lie beside it, waits until both relays play, writes
//! `demo.env` for whoever wants to try things, and keeps an eye on the programs. It does
//! not start again what has died: it says how.

mod env_file;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use stream::shutdown::Shutdown;
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, Sound};
use tests::configs::Ports;
use tests::{ports, programs, speech};

/// Runs source, master, two relays and balancer on 127.0.0.1 and plays through all of them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The balancer's port; the master gets the tenth after it, the relays the next two.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..=65523))]
    port: u16,
    /// What to play, in a loop: WAV, FLAC, MP3, Ogg Vorbis or AAC. Else a built-in programme.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Where configurations, logs and demo.env go. [default: target/demo]
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// The programs, in the order in which they start.
const ORDER: [Role; 5] = [
    Role::Master,
    Role::Relay(0),
    Role::Relay(1),
    Role::Balancer,
    Role::Source,
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\n{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> Result<()> {
    let shutdown = Shutdown::new();
    let end = shutdown.clone();
    shutdown.spawn("signals", async move {
        if let Err(error) = end.on_signal().await {
            say(&format!("cannot watch for signals: {error}"));
        }
    });
    let folder = match &arguments.directory {
        Some(folder) => folder.clone(),
        None => programs::cache("demo")?,
    };
    std::fs::create_dir_all(&folder)
        .and_then(|()| folder.canonicalize())
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    env_file::remove(&folder);
    let mut cluster = lay_out(arguments, &folder)?;
    if start(&mut cluster, &shutdown)? {
        env_file::write(&mut cluster)?;
        show(&cluster);
        watch::until_requested(&mut cluster, &shutdown).await?;
    }
    env_file::remove(&folder);
    watch::end(&mut cluster)
}

fn lay_out(arguments: &Arguments, folder: &Path) -> Result<Cluster> {
    let port = arguments.port;
    let ports = Ports {
        balancer: port,
        master: port + 10,
        relays: vec![port + 11, port + 12],
    };
    let all = [ports.balancer, ports.master].into_iter();
    for port in all.chain(ports.relays.iter().copied()) {
        if !ports::is_free(port) {
            bail!("port {port} is busy; take others with: make demo PORT=9000");
        }
    }
    let sound = match &arguments.file {
        Some(file) => Sound::File(
            file.canonicalize()
                .with_context(|| format!("cannot play {}", file.display()))?,
        ),
        None => built_in(),
    };
    Cluster::lay_out(ports, &sound, None, folder)
}

/// Somebody who says what this is; where nobody can speak, a tone.
fn built_in() -> Sound {
    let can_speak = ["espeak-ng", "sox"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").output().is_ok());
    if !can_speak {
        say("espeak-ng or sox is missing: playing a tone");
        return Sound::Tone;
    }
    match speech::demo() {
        Ok(file) => Sound::File(file),
        Err(error) => {
            say(&format!(
                "nobody can speak here ({error:#}): playing a tone"
            ));
            Sound::Tone
        }
    }
}

/// Starts everything, one after the other. `false`: told to stop before all of it was up.
fn start(cluster: &mut Cluster, shutdown: &Shutdown) -> Result<bool> {
    for role in ORDER {
        if shutdown.is_requested() {
            return Ok(false);
        }
        cluster.start_program(role)?;
        say(&format!("starting {:<9} ok", name(role)));
    }
    for (n, role) in [Role::Relay(0), Role::Relay(1)].into_iter().enumerate() {
        let url = cluster.mount_at(role);
        cluster.wait_until_plays(&url, PLAY_MAX)?;
        say(&format!("relay {} plays    ok", n + 1));
    }
    cluster.wait_until_playing(PLAY_MAX)?;
    Ok(!shutdown.is_requested())
}

fn show(cluster: &Cluster) {
    let ports = cluster.ports();
    say(&format!(
        "\nOpen this link in a player (mpv, VLC, a browser):\n\n    {}\n\n\
         master {}{MOUNT}\nrelays {}\n\
         passwords, process numbers and how to restart a program: {}\n\
         logs: {}/*.log\n\n\
         Ctrl-C stops all of it.",
        cluster.link(),
        ports.master_url(),
        ports.relay_urls().join(" "),
        cluster.folder().join("demo.env").display(),
        cluster.folder().display(),
    ));
}

/// What people call it.
fn name(role: Role) -> String {
    match role {
        Role::Source => "source".to_owned(),
        Role::Master => "master".to_owned(),
        Role::Balancer => "balancer".to_owned(),
        Role::Relay(n) => format!("relay {}", n + 1),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a demo talks to the person who started it"
)]
fn say(line: &str) {
    println!("{line}");
}
