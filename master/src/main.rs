//! plenum-master: takes streams from sources and fans them out to relays and listeners.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use master::config::Config;
use master::import::Import;
use master::promote::Promote;
use stream::config::{EXIT_CONFIG, default_file};
use stream::{handover, log_setup};
use tracing::{error, warn};

/// Takes streams from sources and fans them out to relays and listeners.
#[derive(Debug, Parser)]
#[command(
    name = "plenum-master",
    version,
    after_help = "Examples:\n  \
        plenum-master --config master.toml           run with these settings\n  \
        plenum-master --config master.toml --check   are the settings right? (exit code 0 or 2)\n  \
        plenum-master promote --config master.toml   tell this standby to take over\n  \
        plenum-master import icecast.xml             Icecast's settings as a master.toml\n  \
        PLENUM_MASTER__LISTEN=127.0.0.1:9000 plenum-master --config master.toml\n\n\
        Every setting is explained in the master.toml that comes with the program; each can be\n\
        overridden by an environment variable: PLENUM_MASTER__RELAY__PASSWORD is `password` in\n\
        [relay]. PLENUM_LOG=debug says more. SIGTERM or Ctrl-C stops it;\n\
        SIGHUP has the settings read again, SIGUSR2 puts a new version in its place, and no\n\
        listener notices.\n\n\
        Exit codes: 0 stopped as told, 1 could not run, 2 the settings are wrong."
)]
struct Arguments {
    /// File with the settings [default: /etc/plenum/master.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Checks the settings, prints nothing if they are right, and exits
    #[arg(long)]
    check: bool,
    /// Takes over from the program that started it
    #[arg(long, hide = true)]
    take_over: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells a standby that runs to take over from the master it stands by
    Promote(Promote),
    /// Makes a master.toml out of an icecast.xml
    Import(Import),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_setup::start();
    match arguments.command {
        Some(Command::Promote(promote)) => return promote.run().await,
        Some(Command::Import(import)) => return import.run(),
        None => {}
    }
    let file = arguments.config.or_else(|| default_file("master"));
    let config = match Config::load(file.as_deref()) {
        Ok(config) => config,
        Err(complaint) => {
            error!("{complaint}");
            return EXIT_CONFIG.into();
        }
    };
    for remark in config.remarks() {
        warn!("{remark}");
    }
    if arguments.check {
        return ExitCode::SUCCESS;
    }
    let (listen, takes_over) = (config.listen.clone(), arguments.take_over);
    handover::live(
        master::PROGRAM,
        &listen,
        takes_over,
        |listeners, succession, shutdown| {
            master::run(listeners, (config, file), succession, shutdown)
        },
    )
    .await
}
