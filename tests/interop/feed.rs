//! A file that is sent at the speed of time, again and again, to whoever reads: for source programs
//! that do not keep time themselves.

use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often something of it is sent.
const PACE: Duration = Duration::from_millis(100);

/// A file that is being sent, until this is dropped.
pub(super) struct Feed {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    reader: Option<Child>,
}

impl Feed {
    /// Sends a file that lasts so long. `reader`: the process that reads it.
    pub(super) fn start(
        file: &Path,
        lasts: Duration,
        mut to: impl Write + Send + 'static,
        reader: Option<Child>,
    ) -> Result<Self> {
        let bytes = std::fs::read(file)?;
        let n_steps = usize::try_from(lasts.as_millis() / PACE.as_millis())?;
        let step = bytes.len().div_ceil(n_steps);
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            for (n, piece) in (0u32..).zip(bytes.chunks(step).cycle()) {
                if told.load(Ordering::Relaxed) || to.write_all(piece).is_err() {
                    return;
                }
                std::thread::sleep((PACE * (n + 1)).saturating_sub(began.elapsed()));
            }
        });
        Ok(Self {
            is_over,
            thread: Some(thread),
            reader,
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reader) = &mut self.reader {
            let _ = reader.kill();
            let _ = reader.wait();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
