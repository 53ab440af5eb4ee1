//! plenum-relay: mirrors a master and serves listeners.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use relay::config::Config;
use stream::config::{EXIT_CONFIG, default_file};
use stream::{handover, log_setup};
use tracing::{error, warn};

/// Mirrors every stream of a master and serves it to listeners.
#[derive(Debug, Parser)]
#[command(
    name = "plenum-relay",
    version,
    after_help = "Examples:\n  \
        plenum-relay --config relay.toml           run with these settings\n  \
        plenum-relay --config relay.toml --check   are the settings right? (exit code 0 or 2)\n  \
        PLENUM_RELAY__LISTEN=127.0.0.1:9000 plenum-relay --config relay.toml\n\n\
        Every setting is explained in the relay.toml that comes with the program; each can be\n\
        overridden by an environment variable: PLENUM_RELAY__MASTER__PASSWORD is `password` in\n\
        [master]. PLENUM_LOG=debug says more. SIGTERM or Ctrl-C stops it;\n\
        SIGHUP has the settings read again, SIGUSR2 puts a new version in its place, and no\n\
        listener notices.\n\n\
        Exit codes: 0 stopped as told, 1 could not run, 2 the settings are wrong."
)]
struct Arguments {
    /// File with the settings [default: /etc/plenum/relay.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Checks the settings, prints nothing if they are right, and exits
    #[arg(long)]
    check: bool,
    /// Takes over from the program that started it
    #[arg(long, hide = true)]
    take_over: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_setup::start();
    let file = arguments.config.or_else(|| default_file("relay"));
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
        relay::PROGRAM,
        &listen,
        takes_over,
        |listeners, succession, shutdown| {
            relay::run(listeners, (config, file), succession, shutdown)
        },
    )
    .await
}
