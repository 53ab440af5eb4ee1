//! `docs/benchmarks.md`: method, machine, tables, and what they say. Pure.

use std::fmt::Write as _;

use crate::memory::Trend;
use crate::records::{Records, Scenario};
use crate::subjects::Subject;
use crate::table::{ratio, tables};

const METHOD: &str = "\
One server at a time on one core, the load (`plenum-swarm`, one thread) on another, over the loopback of one machine.
The servers take turns: each round runs all of them once, so that a machine that changes its speed does not favour one.
All send the same sound: one minute of Ogg Vorbis at a constant bitrate, repeated without an end in one logical stream, to Plenum and icecast2 from a source in real time, to the bare loop from its own memory, to nginx as a long file throttled to its bitrate.
All give a joiner four seconds of sound at once.
The *bare loop* is the least a server can do: one thread, one array of listeners, one write for each of them per pace; it is in `tests/bench/bare_loop.rs`.

Processor time is what the kernel booked on the server's process, its own and the kernel's work in its name, while everybody was listening, divided by listeners and seconds.
The loopback charges the receiver's share of TCP to the sender, so on real networks a listener costs less; ratios within one table are what counts.
The swarm sleeps 5 ms between two looks, so that servers are not charged for waking it; times are that coarse.
Fifty listeners are checked page by page: checksum, sequence, and, among each other, bytes and offsets.
*Wrong pages* counts what failed there; *stalls* is how often a player that starts with one second of sound would have fallen silent; *lag* is how long after the first listener who got it a page came.

While listeners go and come, the server's memory (`VmRSS`) is looked at every 10 s; the slope is that of the line that fits the second half best (least squares).
Memory is called flat if this slope, over the whole time, adds no more than 2 % of the memory or 1 MiB, whichever is more.

Numbers are the median of the rounds, with the least and the most in parentheses; *heard* is the fewest of all rounds.
";

/// The whole document.
pub(crate) fn document(all: &[Records], has_plot: bool) -> String {
    let mut text = String::from(
        "# Benchmarks\n\nWhat a listener costs, and how long a crowd waits: Plenum, icecast2, nginx \
         and a bare loop side by side.\n`make bench` makes the tables on your machine, \
         `make bench FULL=1` and `make churn` those of this page.\n\n",
    );
    if has_plot {
        text.push_str(
            "![Processor time per listener, waiting time in a crowd, memory over time](benchmarks.svg)\n\n",
        );
    }
    text.push_str("## What the numbers say\n\n");
    for sentence in all.iter().flat_map(says) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "- {sentence}");
    }
    text.push_str("\n## Results\n\n");
    for records in all {
        text.push_str(&tables(records));
    }
    text.push_str("## Method\n\n");
    text.push_str(METHOD);
    text.push_str("\n## Machine\n\n");
    for records in all {
        let machine = &records.machine;
        let _ = writeln!(
            text,
            "- {}: {}, {} × {}, Linux {}; {}; rounds: {}, of {} s.",
            records.scenario.name(),
            machine.date,
            machine.n_processors,
            machine.processor,
            machine.kernel,
            machine.programs.join(", "),
            records.n_rounds(),
            records.seconds,
        );
    }
    text
}

/// What a scenario shows, in sentences.
pub(crate) fn says(records: &Records) -> Vec<String> {
    let mut sentences = Vec::new();
    let n = records.n_listeners;
    for (kbits, group) in records.groups() {
        for subject in [Subject::Plenum500ms, Subject::Plenum1s, Subject::Plenum2s] {
            let name = subject.name();
            let outcomes = group.iter().find(|(s, _)| *s == subject).map(|(_, o)| o);
            let Some(outcomes) = outcomes else { continue };
            match records.scenario {
                Scenario::Steady | Scenario::Held => {
                    let peers = [
                        (Some(Subject::Icecast2), "icecast2"),
                        (subject.bare(), "a bare loop"),
                    ];
                    let shares = peers.iter().filter_map(|(peer, called)| {
                        let ratio = ratio(&group, subject, (*peer)?)?;
                        Some(format!("{ratio:.2} of what {called} does"))
                    });
                    let shares: Vec<_> = shares.collect();
                    if !shares.is_empty() {
                        sentences.push(format!(
                            "{n} listeners at {kbits} kbit/s: {name}, costs {}.",
                            shares.join(" and ")
                        ));
                    }
                }
                Scenario::Crowd => {
                    let slowest = outcomes.iter().map(|o| o.first_audio.max_ms);
                    let fewest = outcomes.iter().map(|o| o.n_heard).min().unwrap_or(0);
                    sentences.push(format!(
                        "{n} at once: {name}, lets the slowest wait {:.0} ms; {fewest} of {} \
                         heard sound.",
                        slowest.fold(0.0, f64::max),
                        outcomes.first().map_or(0, |o| o.n_asked),
                    ));
                }
                Scenario::Churn => {
                    let trends = outcomes.iter().filter_map(|o| Trend::of(o));
                    sentences.extend(trends.map(|trend| trend.sentence(name, n)));
                }
                Scenario::Idle => {
                    let servers = outcomes.iter().filter_map(|o| o.hold.server.as_ref());
                    let most = servers.map(|s| s.core_share * 100.0).fold(0.0, f64::max);
                    sentences.push(format!(
                        "With a source and no listener Plenum uses {most:.2} % of a core."
                    ));
                }
            }
        }
    }
    sentences
}
