//! The life of a program that can be replaced, from its door to its end. Which settings it has, and
//! what it does with them, is its own affair.

use std::future::Future;
use std::io;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tracing::{error, info};

use super::heir::listen;
use super::launch::Succession;
use crate::config::command_line;
use crate::listen::Listen;
use crate::shutdown::{DRAIN_MAX, Shutdown, notify_ready, notify_stopping};

/// Listens at these addresses, or where the program listens that it takes over from, has the program
/// `run` until a signal ends it, and waits for what is still going on.
pub async fn live<R>(
    program: &str,
    addresses: &Listen,
    takes_over: bool,
    run: impl FnOnce(Vec<TcpListener>, Succession, Shutdown) -> R,
) -> ExitCode
where
    R: Future<Output = io::Result<()>>,
{
    let (listeners, heir) = match listen(program, addresses, takes_over) {
        Ok(found) => found,
        Err(complaint) => {
            error!("{complaint}");
            return ExitCode::FAILURE;
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    info!("{program} {version} listens on {addresses}");
    let shutdown = Shutdown::new();
    let signals = shutdown.clone();
    shutdown.spawn("signals", async move {
        if let Err(complaint) = signals.on_signal().await {
            error!("cannot listen for signals: {complaint}");
        }
    });
    // systemd is told of an heir by the program before it.
    if heir.is_none() {
        notify_ready();
    }
    let succession = Succession {
        launch: command_line(),
        heir,
    };
    let result = run(listeners, succession, shutdown.clone()).await;
    if !shutdown.is_handed_over() {
        notify_stopping();
    }
    info!("stopped: {}", shutdown.drain(DRAIN_MAX).await);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            error!("cannot serve: {complaint}");
            ExitCode::FAILURE
        }
    }
}
