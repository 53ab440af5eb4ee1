//! SIGHUP: the terminal was closed, and nobody could see or stop the program after that. It ends
//! as when it is told to: what it has is sent, and the stream has its last page.

use stream::shutdown::Shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// The place of SIGHUP in the mask of signals.
const HANGUP_BIT: u64 = 1;

/// Waits for SIGHUP, then tells every holder to stop. Who was started with `nohup` goes on.
///
/// # Errors
/// When the signal cannot be caught.
pub async fn watch(shutdown: &Shutdown) -> std::io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if is_ignored(&status) {
        return Ok(());
    }
    let mut hangup = signal(SignalKind::hangup())?;
    if let Some(Some(())) = shutdown.unless_requested(hangup.recv()).await {
        info!("SIGHUP received (its terminal was closed), stopping");
        shutdown.request();
    }
    Ok(())
}

/// Whether SIGHUP is among the signals that the process ignores (proc_pid_status(5)).
fn is_ignored(status: &str) -> bool {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP_BIT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_noticed() {
        let status = |mask: &str| format!("Name:\tsleep\nSigIgn:\t{mask}\nSigCgt:\t{mask}1\n");
        assert!(is_ignored(&status("0000000000001001")));
        assert!(!is_ignored(&status("0000000000001000")));
        assert!(!is_ignored("SigIgn:\tnothing") && !is_ignored(""));
    }
}
