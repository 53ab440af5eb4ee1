//! plenum-balancer: read the settings, open the door, run, and leave when told to.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use balancer::config::Config;
use balancer::desk::keeping::Desk;
use balancer::geo::{Geo, embedded, pack};
use balancer::simulate;
use clap::{Parser, Subcommand};
use stream::config::{ConfigError, EXIT_CONFIG, default_file};
use stream::http::door;
use stream::shutdown::{DRAIN_MAX, Drained, Shutdown, notify_stopping};
use tracing::{error, info, warn};

/// Sends each listener to a relay near him that has room.
///
/// Listeners know one link, http://balancer:8000/live.ogg, and are redirected (302) to a
/// relay that carries the mount, has a free place, and is near. Relays report to the
/// balancer once a second, each with a token of its own.
#[derive(Debug, Parser)]
#[command(name = "plenum-balancer", version = embedded::version(), after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The settings [default: /etc/plenum/balancer.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the settings and geo files, print nothing, and exit: 0 good, 2 not
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    GeoPack(pack::Arguments),
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Box<simulate::Arguments>),
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  Would my relays carry 100,000 listeners within a minute, most of them in Germany?
    curl -s http://localhost:8000/api/v1/status > live.json
    plenum-balancer simulate --relays live.json --listeners 100000 --in 60s --from DE=85
  This balancer and others, in a scene that is built in:
    plenum-balancer simulate --scene a --report-age 5s,60s --policy plenum,django2011,random
  The same as a picture:
    plenum-balancer simulate --scene a --svg a.svg";

const EXAMPLES: &str = "\
Examples:
  Make a token for a relay, to stand in balancer.toml and in relay.toml:
    openssl rand -base64 24
  The smallest balancer.toml:
    [[relay]]
    name = \"berlin-1\"
    token = \"the token\"
  Check and run:
    plenum-balancer --config balancer.toml --check && plenum-balancer --config balancer.toml
  Any setting from the environment:
    PLENUM_BALANCER__LISTEN=127.0.0.1:9000 plenum-balancer --config balancer.toml
  Where would I be sent, and why?
    curl 'http://localhost:8000/api/v1/explain?mount=/live.ogg'
  Are there enough slots for 100,000 listeners?
    plenum-balancer simulate --help

PLENUM_LOG=debug shows more in the log. SIGHUP reads settings and geo files again.
SIGTERM or Ctrl-C stops it.
Exit codes: 0 stopped as told, 1 it failed while running, 2 the settings are wrong.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stream::log_setup::start();
    let outcome = match &arguments.command {
        Some(Command::GeoPack(arguments)) => pack::run(arguments).map_err(anyhow::Error::msg),
        Some(Command::Simulate(arguments)) => return answer(simulate::run(arguments)),
        None => settings(&arguments).and_then(|config| match arguments.check {
            true => Ok(()),
            false => start(config, settings_file(&arguments)),
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is::<ConfigError>() => {
            complain(&failure);
            ExitCode::from(EXIT_CONFIG)
        }
        Err(failure) => {
            error!("{failure:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a subcommand says is its answer, not an event.
#[expect(clippy::print_stdout, reason = "the answer is what was asked for")]
fn answer(outcome: anyhow::Result<String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// The reason alone, without time and level: it is an answer, not an event.
#[expect(clippy::print_stderr, reason = "the reason is the program's answer")]
fn complain(failure: &anyhow::Error) {
    eprintln!("plenum-balancer: {failure:#}");
}

fn settings_file(arguments: &Arguments) -> Option<PathBuf> {
    let named = arguments.config.clone();
    named.or_else(|| default_file("balancer"))
}

fn settings(arguments: &Arguments) -> anyhow::Result<Config> {
    let config = Config::load(settings_file(arguments).as_deref())?;
    if arguments.check {
        Geo::open(&config.geo_files).map_err(ConfigError::new)?;
        if let Some(directory) = config.state_directory() {
            Desk::check(directory).map_err(ConfigError::new)?;
        }
    }
    Ok(config)
}

#[tokio::main]
async fn start(config: Config, file: Option<PathBuf>) -> anyhow::Result<()> {
    let listener = door::bind(config.listen)
        .map_err(|error| anyhow!("{error}; set `listen` to another address"))?;
    let shutdown = Shutdown::new();
    let at_signal = shutdown.clone();
    shutdown.spawn("signals", async move {
        if let Err(error) = at_signal.on_signal().await {
            warn!("signals cannot be received, so only SIGKILL will stop this: {error}");
        }
    });
    let outcome = balancer::run(listener, (config, file), shutdown.clone()).await;
    notify_stopping();
    match shutdown.drain(DRAIN_MAX).await {
        Drained::Clean => info!("balancer stopped, everything finished"),
        drained @ Drained::Cut { .. } => warn!("balancer stopped, {drained}"),
    }
    outcome
}
