//! Is what was heard what was sent, sample by sample? Pure.
//!
//! Finds the heard samples inside the recording and says what was lost, doubled or
//! strange. Works on decoded sound, so it does not matter which way the sound went.

use std::fmt;

/// A mid-stream start or an end cut by a decoder may differ for this many samples: the
/// first block a decoder sees has no predecessor to overlap with (Vorbis I §1.3.2).
pub const EDGE_MAX: usize = 8192;
/// So many samples in a row are searched for.
const WINDOW: usize = 2048;
/// A window with fewer different values is silence: it could be anywhere.
const DIFFERENT_VALUES_MIN: usize = 200;
/// So many places where a window could belong are looked at.
const CANDIDATES_MAX: usize = 16;

/// How heard samples relate to the recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Samples heard in all.
    pub n_heard: usize,
    /// Heard samples that are equal to the recording's, in order.
    pub n_same: usize,
    /// Samples of the recording that are missing in the middle of what was heard.
    pub n_lost: usize,
    /// Samples that were heard again.
    pub n_doubled: usize,
    /// Samples, other than at the edges, that are not in the recording.
    pub n_strange: usize,
    /// Samples at the beginning and the end that differ, at most [`EDGE_MAX`] each.
    pub n_edge: usize,
    /// The place in the recording where listening began.
    pub starts_at: usize,
}

impl Comparison {
    /// Whether every sample between the edges is the recording's.
    pub fn is_exact(&self) -> bool {
        self.n_same > 0 && self.n_lost == 0 && self.n_doubled == 0 && self.n_strange == 0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} samples heard, {} the same, {} lost, {} doubled, {} strange, {} at the edges, \
             from sample {} of the recording",
            self.n_heard,
            self.n_same,
            self.n_lost,
            self.n_doubled,
            self.n_strange,
            self.n_edge,
            self.starts_at
        )
    }
}

/// Compares what was heard with the recording of what was sent.
pub fn compare(recording: &[i16], heard: &[i16]) -> Comparison {
    let mut found = Comparison {
        n_heard: heard.len(),
        ..Comparison::default()
    };
    let Some((mut at_heard, mut at_recording)) = first_anchor(recording, heard) else {
        found.n_strange = heard.len();
        return found;
    };
    let n_before = same_before(&recording[..at_recording], &heard[..at_heard]);
    at_heard -= n_before;
    at_recording -= n_before;
    found.starts_at = at_recording;
    count_edge(&mut found, at_heard);
    loop {
        let n_same = same_after(&recording[at_recording..], &heard[at_heard..]);
        found.n_same += n_same;
        at_heard += n_same;
        at_recording += n_same;
        let left = heard.len() - at_heard;
        if left == 0 {
            return found;
        }
        let Some((next_heard, next_recording)) =
            next_anchor(recording, heard, at_heard, at_recording)
        else {
            count_edge(&mut found, left);
            return found;
        };
        // Walk back over what is the same, so that the break is counted to the sample.
        let n_back = same_before(&recording[..next_recording], &heard[at_heard..next_heard]);
        let (next_heard, next_recording) = (next_heard - n_back, next_recording - n_back);
        count_break(
            &mut found,
            next_heard - at_heard,
            at_recording,
            next_recording,
        );
        (at_heard, at_recording) = (next_heard, next_recording);
    }
}

/// After `n_between` samples that fit nowhere, hearing goes on at `now`, where `expected`
/// would have been next.
fn count_break(found: &mut Comparison, n_between: usize, expected: usize, now: usize) {
    let due = expected + n_between;
    found.n_lost += now.saturating_sub(due);
    found.n_doubled += due.saturating_sub(now);
    found.n_strange += n_between;
}

fn count_edge(found: &mut Comparison, n_samples: usize) {
    if n_samples <= EDGE_MAX {
        found.n_edge += n_samples;
    } else {
        found.n_strange += n_samples;
    }
}

/// A place in what was heard, and the place in the recording where the same sound is.
/// Where there are several, the one after which most is the same.
fn first_anchor(recording: &[i16], heard: &[i16]) -> Option<(usize, usize)> {
    let start = (EDGE_MAX / 2).min(heard.len() / 4);
    rich_windows(heard, start).find_map(|at| {
        places(recording, &heard[at..at + WINDOW])
            .take(CANDIDATES_MAX)
            .max_by_key(|place| same_after(&recording[*place..], &heard[at..]))
            .map(|place| (at, place))
    })
}

/// As [`first_anchor`], from `start` on; of several places the one nearest to `expected`.
fn next_anchor(
    recording: &[i16],
    heard: &[i16],
    start: usize,
    expected: usize,
) -> Option<(usize, usize)> {
    rich_windows(heard, start).find_map(|at| {
        let expected = expected + (at - start);
        places(recording, &heard[at..at + WINDOW])
            .min_by_key(|place| place.abs_diff(expected))
            .map(|place| (at, place))
    })
}

/// Where windows begin that are no silence, from `start` on.
fn rich_windows(samples: &[i16], start: usize) -> impl Iterator<Item = usize> {
    let last = (samples.len() + 1).saturating_sub(WINDOW);
    (start..last)
        .step_by(WINDOW / 2)
        .filter(|at| is_rich(&samples[*at..*at + WINDOW]))
}

fn is_rich(window: &[i16]) -> bool {
    let mut values = window.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len() >= DIFFERENT_VALUES_MIN
}

/// Everywhere in the recording where exactly these samples are.
fn places(recording: &[i16], window: &[i16]) -> impl Iterator<Item = usize> {
    recording
        .windows(window.len())
        .enumerate()
        .filter(move |(_, samples)| samples[0] == window[0] && *samples == window)
        .map(|(at, _)| at)
}

fn same_after(one: &[i16], other: &[i16]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn same_before(one: &[i16], other: &[i16]) -> usize {
    let pairs = one.iter().rev().zip(other.iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise with a pause of digital silence in the middle.
    fn recording() -> Vec<i16> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut samples: Vec<i16> = (0..200_000).map(|_| random.i16(-9000..9000)).collect();
        samples[90_000..130_000].fill(0);
        samples
    }

    fn check(heard: &[i16], lost: usize, doubled: usize, strange: usize) -> Comparison {
        let found = compare(&recording(), heard);
        assert_eq!(
            (found.n_lost, found.n_doubled, found.n_strange),
            (lost, doubled, strange),
            "{found}"
        );
        found
    }

    #[test]
    fn a_part_of_the_recording_is_exact_and_its_place_is_found() {
        let found = check(&recording()[20_000..180_000], 0, 0, 0);
        assert!(found.is_exact());
        assert_eq!(found.starts_at, 20_000);
        assert_eq!(found.n_same, 160_000);
    }

    #[test]
    fn the_first_samples_of_a_listener_who_joined_may_differ() {
        let mut heard = recording()[20_000..180_000].to_vec();
        heard[..300].fill(7);
        let found = check(&heard, 0, 0, 0);
        assert_eq!(found.n_edge, 300);
        assert!(found.is_exact());
    }

    #[test]
    fn a_single_lost_sample_is_seen_even_in_silence() {
        for at in [50_000, 100_000] {
            let mut heard = recording()[20_000..180_000].to_vec();
            heard.remove(at);
            assert!(!check(&heard, 1, 0, 0).is_exact());
        }
    }

    #[test]
    fn doubled_samples_are_counted_even_in_silence() {
        for at in [50_000, 100_000] {
            let mut heard = recording()[20_000..180_000].to_vec();
            let again = heard[at - 500..at].to_vec();
            heard.splice(at..at, again);
            check(&heard, 0, 500, 0);
        }
    }

    #[test]
    fn samples_from_elsewhere_are_strange() {
        let mut heard = recording()[20_000..180_000].to_vec();
        heard[50_000..50_010].fill(12_345);
        check(&heard, 0, 0, 10);
        let found = compare(&recording(), &vec![0; 50_000]);
        assert!(!found.is_exact(), "silence alone proves nothing");
    }
}
