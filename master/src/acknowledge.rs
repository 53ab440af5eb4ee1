//! Tells our own source, while it sends, what the master has: an interim answer at most four
//! times a second, as the draft of resumable uploads has it. The source keeps on disk what it has
//! not been told, and sees by it at once when an uplink stands still.

use std::time::{Duration, Instant};

use stream::http::answer::SERVER;
use stream::mount::Publisher;

/// At most this often.
const EVERY: Duration = Duration::from_millis(250);

/// What one source was told.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    /// Its logical stream, if it is one that wants to be told.
    serial: Option<u32>,
    said: Option<u32>,
    when: Option<Instant>,
    /// Something new waits for its time.
    is_due: bool,
}

impl Acknowledgements {
    /// Nothing was said yet to the source of this logical stream.
    pub(crate) fn new(serial: Option<u32>) -> Self {
        Self {
            serial,
            said: None,
            when: None,
            is_due: false,
        }
    }

    /// What to say now, if anything.
    pub(crate) fn next(&mut self, publisher: &Publisher, now: Instant) -> Option<String> {
        self.step(publisher.wanted(self.serial?)?.sequence, now)
    }

    fn step(&mut self, wanted: u32, now: Instant) -> Option<String> {
        self.is_due = self.said != Some(wanted);
        let is_early = self.when.is_some_and(|when| now < when + EVERY);
        if !self.is_due || is_early {
            return None;
        }
        self.is_due = false;
        self.said = Some(wanted);
        self.when = Some(now);
        Some(format!(
            "HTTP/1.1 104 Upload Resumption Supported\r\nServer: {SERVER}\r\n\
             Stream-Sequence: {wanted}\r\n\r\n"
        ))
    }

    /// When there is something to say again. Cancel safe.
    pub(crate) async fn due(&self) {
        match self.when.filter(|_| self.is_due) {
            Some(when) => tokio::time::sleep_until((when + EVERY).into()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_four_times_a_second_what_is_new() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut acknowledgements = Acknowledgements::new(Some(1));
        let said = acknowledgements.step(7, at(0)).unwrap();
        assert!(said.starts_with("HTTP/1.1 104 "), "{said}");
        assert!(said.ends_with("\r\nStream-Sequence: 7\r\n\r\n"), "{said}");
        assert_eq!(acknowledgements.step(9, at(249)), None);
        assert!(acknowledgements.is_due);
        assert!(acknowledgements.step(12, at(250)).is_some());
        assert_eq!(acknowledgements.step(12, at(5_000)), None);
        assert!(!acknowledgements.is_due);
    }
}
