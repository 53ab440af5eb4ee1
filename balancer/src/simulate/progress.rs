//! A bar on the terminal for what takes longer than two seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far something is.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    n_steps: usize,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many steps; 0: nobody knows.
    pub(crate) fn new(what: &'static str, n_steps: usize) -> Self {
        Self {
            what,
            n_steps,
            began: Instant::now(),
            bar: None,
        }
    }

    /// So many are done.
    pub(crate) fn step(&mut self, n_done: usize) {
        if self.began.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| match self.n_steps {
            0 => ProgressBar::new_spinner().with_message(self.what),
            n_steps => ProgressBar::new(n_steps as u64)
                .with_message(self.what)
                .with_style(style()),
        });
        match self.n_steps {
            0 => bar.tick(),
            _ => bar.set_position(n_done as u64),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {eta} to go")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
