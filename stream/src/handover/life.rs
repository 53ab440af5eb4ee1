//! The life of a program that can be replaced, from its door to its end. Which settings it has, and
//! what it does with them, is its own affair.

use std::future::Future;
use std::io;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tracing::{error, info};

use super::heir::listen;
use super::launch::{Ready, Succession};
use crate::config::command_line;
use crate::listen::Listen;
use crate::shutdown::{DRAIN_MAX, Shutdown, notify_stopping};

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
    let shutdown = Shutdown::new();
    let signals = shutdown.clone();
    shutdown.spawn("signals", async move {
        if let Err(complaint) = signals.on_signal().await {
            error!("cannot listen for signals: {complaint}");
        }
    });
    let ready = Ready {
        line: Some(format!("{program} {version} listens on {addresses}")),
        is_told: heir.is_none(),
    };
    let succession = Succession {
        launch: command_line(),
        heir,
        ready,
    };
    let result = run(listeners, succession, shutdown.clone()).await;
    if let Err(complaint) = result {
        error!("cannot serve: {complaint}");
        // What was begun ends with the program; only the complaint is news.
        let _ = shutdown.drain(DRAIN_MAX).await;
        return ExitCode::FAILURE;
    }
    if !shutdown.is_handed_over() {
        notify_stopping();
    }
    info!("stopped: {}", shutdown.drain(DRAIN_MAX).await);
    ExitCode::SUCCESS
}
