//! The result for a person. Pure.

use std::fmt::Write as _;

use crate::outcome::{Outcome, Spread};

/// All of it, one fact a line.
pub(crate) fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |name: &str, facts: String| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name:<26}{facts}");
    };
    let sample = &outcome.sample;
    let Outcome {
        n_asked,
        n_heard,
        n_at_end,
        ..
    } = outcome;
    line("listened to", outcome.url.clone());
    line(
        "listeners",
        format!("{n_heard} of {n_asked} heard sound, {n_at_end} at the end"),
    );
    line("answers", answers(outcome));
    line(
        "lost",
        format!(
            "{} dropped, {} closed before sound, {} not connected",
            outcome.n_dropped, outcome.n_closed_early, outcome.n_not_connected
        ),
    );
    if outcome.n_churned > 0 {
        let facts = format!(
            "{}, {} heard sound",
            outcome.n_churned, outcome.n_churned_heard
        );
        line("came for others", facts);
    }
    line("first byte", spread(&outcome.first_byte));
    line("first page with sound", spread(&outcome.first_audio));
    for (name, lag) in [
        ("lag, relays", &outcome.lag.relays),
        ("lag, before the crowd", &outcome.lag.before_alone),
        ("lag, with the crowd", &outcome.lag.before),
        ("lag, in the crowd", &outcome.lag.crowd),
    ] {
        if lag.n > 0 {
            line(name, spread(lag));
        }
    }
    line(
        "pages checked",
        format!(
            "{} of {} listeners: {} bad, {} gaps, {} different",
            sample.n_pages, sample.n_listeners, sample.n_bad, sample.n_gaps, sample.n_different
        ),
    );
    line(
        "players",
        format!(
            "{} stalls, {:.1} s silent",
            sample.n_stalls, sample.stalled_seconds
        ),
    );
    text + &hold(outcome)
}

fn hold(outcome: &Outcome) -> String {
    let hold = &outcome.hold;
    let megabits = hold.n_bytes as f64 * 8.0 / 1e6 / hold.seconds.max(f64::MIN_POSITIVE);
    let mut text = format!(
        "{:<26}{:.1} s, {:.0} listeners, {megabits:.1} Mbit/s\n{:<26}{:.1} % of a core\n",
        "measured",
        hold.seconds,
        hold.n_listeners,
        "the swarm itself",
        hold.own_core_share * 100.0
    );
    if let Some(server) = &hold.server {
        let _ = writeln!(
            text,
            "{:<26}{:.2} % of a core, {:.2} µs per listener-second",
            "server, time",
            server.core_share * 100.0,
            server.us_per_listener_second,
        );
        let _ = writeln!(
            text,
            "{:<26}{} KiB empty, {} then, {} at the end: {:.2} per listener",
            "server, memory",
            server.rss_kib_empty,
            server.rss_kib_at_start,
            server.rss_kib_at_end,
            server.rss_kib_per_listener,
        );
    }
    text
}

fn answers(outcome: &Outcome) -> String {
    let counts = outcome.statuses.iter();
    let counts: Vec<_> = counts
        .map(|(status, n)| format!("{n} x {status}"))
        .collect();
    let redirects = match outcome.n_redirects {
        0 => String::new(),
        n => format!(" ({n} redirects followed)"),
    };
    format!("{}{redirects}", counts.join(", "))
}

fn spread(spread: &Spread) -> String {
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        spread.p50_ms, spread.p99_ms, spread.max_ms
    )
}
