//! The short ones of the fault laboratory: the same code that `make faults` runs.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::figures::note;
use tests::tools::finish;

const LABORATORY_MAX: Duration = Duration::from_secs(180);

/// Runs these, side by side.
fn must_hold(faults: &str) -> Result<()> {
    let mut laboratory = Command::new(env!("CARGO_BIN_EXE_plenum-faults"));
    laboratory.args(["--only", faults, "--jobs", "3"]);
    let output = finish(&mut laboratory, LABORATORY_MAX)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in said.lines().filter(|line| line.contains(" | ")) {
        note(line);
    }
    ensure!(output.status.success(), "{said}");
    Ok(())
}

#[test]
fn relays_lose_nothing_when_their_way_is_cut_or_forgotten_or_lies_to_them() -> Result<()> {
    must_hold("F17,F22,F30")
}

#[test]
fn nobody_misses_a_sample_when_a_relay_dies_or_can_write_nothing_or_all_clocks_are_set()
-> Result<()> {
    must_hold("F15,F27,F39")
}

#[test]
fn a_radio_with_a_small_buffer_that_reads_as_it_plays_is_not_taken_for_gone() -> Result<()> {
    must_hold("F34r")
}
