//! Holds sound back until it is due, as if it were being recorded now.

use std::time::{Duration, Instant};

use super::WAIT_MAX;

/// Later than this (the laptop slept, say) the clock is set anew: listeners get the
/// programme from where it stopped, not a heap of it at once.
const LATE_MAX: Duration = Duration::from_secs(2);

/// A clock that sound is measured against. Monotonic: it does not jump.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the sound so far will all have been heard.
    due: Option<Instant>,
}

impl Pace {
    /// A clock that starts with the first sound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts sound of this length; it is due when it has all been "recorded".
    pub fn add(&mut self, length: Duration, now: Instant) {
        let before = match self.due {
            Some(due) if due + LATE_MAX > now => due,
            _ => now,
        };
        self.due = Some(before + length);
    }

    /// Sleeps until the sound that was added is due, at most [`WAIT_MAX`]. True: it is due.
    pub fn wait(&self) -> bool {
        let Some(due) = self.due else {
            return true;
        };
        let left = due.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(WAIT_MAX));
        left <= WAIT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_clock_catches_up_and_a_very_late_one_starts_anew() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new();
        pace.add(second, start);
        assert_eq!(pace.due, Some(start + second));
        pace.add(second, start + second * 2);
        assert_eq!(pace.due, Some(start + second * 2));
        pace.add(second, start + second * 60);
        assert_eq!(pace.due, Some(start + second * 61));
    }
}
