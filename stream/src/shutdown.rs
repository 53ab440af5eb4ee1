//! How a program ends: one value that everybody holds, and the only place that starts tasks.
//!
//! Does not decide what is worth finishing: each task watches `requested` and ends itself.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug_span, info};

use crate::handover::Freeze;

/// How long a program lets its tasks finish after it was told to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A handle on the end of the program. Cheap to clone; all clones are the same end.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    freeze: Freeze,
    is_handed_over: Arc<AtomicBool>,
}

/// What became of the tasks when the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every task ended by itself.
    Clean,
    /// This many tasks were still running at the deadline and are cut.
    Cut {
        /// How many.
        n_tasks: usize,
    },
}

impl Shutdown {
    /// A program that has not been told to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// The end of a part of the program: it ends with the program, or before it.
    #[must_use]
    pub fn of_part(&self) -> Self {
        Self {
            token: self.token.child_token(),
            tasks: TaskTracker::new(),
            freeze: self.freeze.clone(),
            is_handed_over: Arc::clone(&self.is_handed_over),
        }
    }

    /// Starts a task that `drain` will wait for. `name` appears in the log beside its lines.
    pub fn spawn<F>(&self, name: &str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task.instrument(debug_span!("task", name)));
    }

    /// Tells every holder to stop. Calling it again changes nothing.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Tells every holder to stop because another program goes on with everything.
    pub fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
        self.request();
    }

    /// Whether another program goes on with everything: then nobody is told that this one stops.
    pub fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Acquire)
    }

    /// How everything comes to a stop for a moment, to be handed over.
    pub fn freeze(&self) -> Freeze {
        self.freeze.clone()
    }

    /// Whether somebody has told the program to stop.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until somebody tells the program to stop. Cancel safe.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work` until it is done (`Some`) or the program is told to stop (`None`).
    pub async fn unless_requested<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
    }

    /// Waits for SIGTERM or SIGINT, then tells every holder to stop.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub async fn on_signal(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = self.requested() => return Ok(()),
        };
        info!("{name} received, stopping");
        self.request();
        Ok(())
    }

    /// Tells every holder to stop and waits for the tasks, at most `deadline`.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.request();
        self.tasks.close();
        match tokio::time::timeout(deadline, self.tasks.wait()).await {
            Ok(()) => Drained::Clean,
            Err(_) => Drained::Cut {
                n_tasks: self.tasks.len(),
            },
        }
    }
}

impl std::fmt::Display for Drained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clean => f.write_str("everything finished"),
            Self::Cut { n_tasks } => write!(f, "deadline passed, {n_tasks} tasks cut"),
        }
    }
}

/// Tells systemd that the program is up. Does nothing when systemd did not start it.
pub fn notify_ready() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd that the settings are being read again; [`notify_ready`] says that it is done.
pub fn notify_reloading() {
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading, now]);
    }
}

/// Tells systemd that the program is on its way out.
pub fn notify_stopping() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_part_ends_before_the_program_or_with_it() {
        let program = Shutdown::new();
        let (before, with) = (program.of_part(), program.of_part());
        for part in [&before, &with] {
            let ends = part.clone();
            part.spawn("part", async move { ends.requested().await });
        }
        assert_eq!(before.drain(PATIENCE).await, Drained::Clean);
        assert!(!program.is_requested() && !with.is_requested());
        program.request();
        assert!(with.is_requested());
        assert_eq!(with.drain(PATIENCE).await, Drained::Clean);
    }
}
