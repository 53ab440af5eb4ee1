//! Where log lines go: to stderr, one line an event, filtered by `PLENUM_LOG`. One that cannot be
//! written, because the disk is full, is lost.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr. `PLENUM_LOG` filters (`info` by default; `debug`,
/// `stream=debug,info` and so on). A second call in one process does nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env("PLENUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Else it complains of itself on stderr, and panics where that fails, too.
        .log_internal_errors(false)
        .try_init();
}
