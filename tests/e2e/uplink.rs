//! Relays first on a full uplink, short: the same code that `make uplink` runs for minutes.

use std::time::Duration;

use anyhow::Result;
use tests::figures::note;
use tests::uplink::{Plan, run};

fn check(is_configured: bool) -> Result<()> {
    let outcome = run(Plan {
        megabits: 20.0,
        is_configured,
        asked: 2.0,
        length: Duration::from_secs(20),
        congestion: None,
    })?;
    note(&outcome.to_string());
    outcome.check()
}

#[test]
fn at_twice_a_configured_uplink_listeners_give_way_and_relays_lose_nothing() -> Result<()> {
    check(true)
}

#[test]
fn at_twice_an_uplink_of_unknown_size_listeners_give_way_and_relays_lose_nothing() -> Result<()> {
    check(false)
}
