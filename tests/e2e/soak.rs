//! The long run, short: the same code that `make soak` runs for half an hour.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::cluster::Sound;
use tests::figures::note;
use tests::speech;

#[test]
fn twenty_seconds_of_speech_arrive_at_two_relays_without_a_flaw() -> Result<()> {
    let sound = Sound::File(speech::sitting()?);
    for outcome in tests::soak::run(&sound, Duration::from_secs(20), |_| {})? {
        note(&outcome.to_string());
        ensure!(outcome.is_perfect(), "{outcome}");
    }
    Ok(())
}
