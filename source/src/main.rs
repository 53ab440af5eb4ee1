//! plenum-source: from the command line to the last page sent.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use source::options::Options;
use source::{Outcome, config, hangup, input, progress};
use stream::config::{ConfigError, EXIT_CONFIG, default_file, environment, load};
use stream::shutdown::{DRAIN_MAX, Drained, Shutdown, notify_stopping};
use tracing::{error, info, warn};

fn main() -> ExitCode {
    let options = Options::parse();
    progress::start_log();
    match live(&options) {
        Ok(code) => code,
        Err(error) => {
            if error.is::<ConfigError>() {
                let _ = writeln!(std::io::stderr(), "plenum-source: {error:#}");
                return ExitCode::from(EXIT_CONFIG);
            }
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Settings, input, runtime, and then `run` until the end.
fn live(options: &Options) -> anyhow::Result<ExitCode> {
    if options.list_devices {
        let devices = input::card::devices::list()?;
        let text = input::card::devices::describe(&devices);
        let _ = writeln!(std::io::stdout(), "{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let file = options.config.clone().or_else(|| default_file("source"));
    let mut config: config::Config = load(file.as_deref(), config::PREFIX, environment())?;
    options.apply(&mut config);
    let device = config.device.clone();
    let mut settings = config.check()?;
    settings.find_spool(environment());
    if options.check {
        options.input.as_ref().map_or(Ok(()), source::check)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(wish) = &options.input else {
        return Err(ConfigError::new(NO_INPUT).into());
    };
    let source = source::open(settings, &device, wish)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(until_drained(source));
    // A name lookup that hangs must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

const NO_INPUT: &str = "say what to send: `card`, `file FILES…` or `tone`; see --help";

async fn until_drained(source: source::Source) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::new();
    let signalled = shutdown.clone();
    shutdown.spawn("signals", async move {
        if let Err(error) = signalled.on_signal().await {
            warn!("signals cannot be caught ({error}): ending is abrupt");
        }
    });
    let closed = shutdown.clone();
    shutdown.spawn("hangup", async move {
        if let Err(error) = hangup::watch(&closed).await {
            warn!("SIGHUP cannot be caught ({error}): a closed terminal ends the stream abruptly");
        }
    });
    let mut running = std::pin::pin!(source::run(source, shutdown.clone()));
    let outcome = tokio::select! {
        outcome = &mut running => Some(outcome),
        () = drain_deadline(&shutdown) => None,
    };
    notify_stopping();
    let drained = shutdown.drain(std::time::Duration::from_secs(1)).await;
    Ok(match outcome.transpose()? {
        Some(Outcome::Complete) => {
            info!("stopped: {}", said(drained));
            ExitCode::SUCCESS
        }
        Some(Outcome::Cut {
            n_pages,
            is_spooled: true,
        }) => {
            warn!(
                n_pages,
                "stopped: {n_pages} pages did not reach the server and stay in the spool"
            );
            ExitCode::SUCCESS
        }
        Some(Outcome::Cut { n_pages, .. }) => {
            warn!(n_pages, "stopped: {n_pages} pages never reached the server");
            ExitCode::FAILURE
        }
        None => {
            warn!("stopped: {}", said(Drained::Cut { n_tasks: 1 }));
            ExitCode::FAILURE
        }
    })
}

/// Ends when the program was told to stop and has had its time.
async fn drain_deadline(shutdown: &Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(DRAIN_MAX).await;
}

fn said(drained: Drained) -> String {
    drained.to_string()
}
