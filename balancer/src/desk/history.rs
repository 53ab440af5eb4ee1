//! The last day, a sample a minute. Pure.
//!
//! Holds sums only, nothing of any listener.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// One day of minutes. The oldest sample makes room.
pub const SAMPLES_MAX: usize = 24 * 60;

/// One minute.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Sample {
    /// Minutes since 1970.
    pub minute: u64,
    /// Listeners in the last reports of relays that reported lately.
    pub listeners: u64,
    /// Places neither taken nor promised.
    pub free: u64,
    /// Listeners sent to a relay or the master in this minute.
    pub redirects: u64,
    /// Listeners sent nowhere in this minute.
    pub rejected: u64,
    /// Mean distance of the last redirects; none: nobody was sent, or nobody's place is known.
    pub mean_km: Option<f64>,
    /// By how many kilometres that mean could have been less.
    pub regret_km: Option<f64>,
}

/// The samples, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(from = "Vec<Sample>", into = "Vec<Sample>")]
pub struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// One more minute. A second sample of the same minute (the program was restarted) is added
    /// to the first, and one of an earlier minute (the clock was set back) drops those after it.
    pub fn add(&mut self, mut sample: Sample) {
        while self
            .samples
            .back()
            .is_some_and(|last| last.minute >= sample.minute)
        {
            let last = self.samples.pop_back();
            if let Some(last) = last.filter(|last| last.minute == sample.minute) {
                sample.redirects = sample.redirects.saturating_add(last.redirects);
                sample.rejected = sample.rejected.saturating_add(last.rejected);
            }
        }
        self.samples.push_back(sample);
        self.forget_before(sample.minute.saturating_sub(SAMPLES_MAX as u64 - 1));
    }

    /// The samples of the day that ends with `minute`, the oldest first.
    pub fn day(&self, minute: u64) -> impl Iterator<Item = &Sample> {
        let first = minute.saturating_sub(SAMPLES_MAX as u64 - 1);
        self.samples
            .iter()
            .filter(move |sample| (first..=minute).contains(&sample.minute))
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    fn forget_before(&mut self, first: u64) {
        while self
            .samples
            .front()
            .is_some_and(|sample| sample.minute < first)
            || self.samples.len() > SAMPLES_MAX
        {
            self.samples.pop_front();
        }
    }
}

/// A file may hold anything: order and number are made right again.
impl From<Vec<Sample>> for History {
    fn from(samples: Vec<Sample>) -> Self {
        let mut history = Self::default();
        for sample in samples {
            history.add(sample);
        }
        history
    }
}

impl From<History> for Vec<Sample> {
    fn from(history: History) -> Self {
        history.samples.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: u64) -> Sample {
        Sample {
            minute,
            listeners: minute,
            free: 0,
            redirects: 0,
            rejected: 0,
            mean_km: None,
            regret_km: Some(1.5),
        }
    }

    fn minutes(history: &History) -> Vec<u64> {
        history.samples.iter().map(|one| one.minute).collect()
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let mut history = History::default();
        for minute in 0..5_000 {
            history.add(sample(minute));
        }
        assert_eq!(history.samples.len(), SAMPLES_MAX);
        assert_eq!(history.day(4_999).count(), SAMPLES_MAX);
        assert_eq!(history.day(4_999 + 60).count(), SAMPLES_MAX - 60);
        assert_eq!(history.last(), Some(&sample(4_999)));
    }

    #[test]
    fn a_minute_with_a_restart_in_it_counts_both_halves() {
        let mut history = History::default();
        for redirects in [3, 4] {
            history.add(Sample {
                redirects,
                ..sample(7)
            });
        }
        assert_eq!(history.samples.len(), 1);
        assert_eq!(history.last().unwrap().redirects, 7);
    }

    #[test]
    fn what_a_file_says_is_put_in_order_and_bounded() {
        let text = serde_json::to_string(&(0..3_000).map(sample).collect::<Vec<_>>()).unwrap();
        let read: History = serde_json::from_str(&text).unwrap();
        assert_eq!(read.samples.len(), SAMPLES_MAX);
        let again: History = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        let jumbled = History::from([5, 9, 7, 7, 8].map(sample).to_vec());
        assert_eq!(minutes(&jumbled), [5, 7, 8]);
        let far = History::from([sample(5), sample(u64::MAX)].to_vec());
        assert_eq!(minutes(&far), [u64::MAX]);
    }
}
