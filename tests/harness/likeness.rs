//! Is it the same programme, although it was encoded in between? Pure.
//!
//! Compares how loud it is over time, so that a lossy codec does not matter but another
//! programme, another speed or a hole does.

/// Loudness is taken over so many samples: 10 ms at 48 kHz.
const BLOCK: usize = 480;

/// How alike the loudness of `heard` is to a stretch of `played` as long, from −1 (opposite)
/// to 1 (the same): the best over all places in `played`, which is taken as a loop.
pub fn likeness(played: &[i16], heard: &[i16]) -> f64 {
    let (played, heard) = (loudness(played), loudness(heard));
    if played.is_empty() || heard.is_empty() {
        return 0.0;
    }
    let n_blocks = heard.len().min(played.len());
    (0..played.len())
        .map(|start| {
            let stretch = played.iter().cycle().skip(start).take(n_blocks);
            correlation(stretch.copied(), &heard[..n_blocks])
        })
        .fold(-1.0, f64::max)
}

fn loudness(samples: &[i16]) -> Vec<f64> {
    let energy = |block: &[i16]| block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    samples
        .chunks_exact(BLOCK)
        .map(|block| energy(block).sqrt())
        .collect()
}

/// Pearson's coefficient.
fn correlation(one: impl Iterator<Item = f64> + Clone, other: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand blocks")]
    let n = other.len() as f64;
    let mean_one = one.clone().sum::<f64>() / n;
    let mean_other = other.iter().sum::<f64>() / n;
    let (mut both, mut square_one, mut square_other) = (0.0, 0.0, 0.0);
    for (a, b) in one.zip(other) {
        let (a, b) = (a - mean_one, b - mean_other);
        both += a * b;
        square_one += a * a;
        square_other += b * b;
    }
    both / (square_one * square_other).sqrt().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that is loud and quiet by turns, in its own rhythm for each seed.
    fn programme(seed: u64) -> Vec<i16> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut samples = Vec::new();
        while samples.len() < 480_000 {
            let level = random.i16(1..9000);
            let length = random.usize(2000..20_000);
            samples.extend((0..length).map(|_| random.i16(-level..=level)));
        }
        samples
    }

    #[test]
    fn a_stretch_of_the_programme_is_like_it_and_another_programme_is_not() {
        let played = programme(1);
        let quieter: Vec<i16> = played[100_000..300_000].iter().map(|s| s / 2 + 3).collect();
        assert!(likeness(&played, &quieter) > 0.95);
        assert!(likeness(&played, &programme(2)[..200_000]) < 0.8);
    }
}
