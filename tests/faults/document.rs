//! `docs/faults.md`: what was broken, what had to hold, what was measured. Pure.

use std::fmt::Write as _;

use crate::list::{AT_ICECAST, FAULTS, Fault, Kind};
use crate::record::Record;

const HEAD: &str = "\
# Faults

What breaks, what must hold then, and what was measured: sample by sample, on networks that are not there.
`make faults` runs all of it as root (a quarter of an hour), `make faults ONLY=F11,F17` some; `FULL=1` makes the long breaks as long as they are called; `RANDOM=10` breaks something every five seconds for ten minutes; `ICECAST=1` does the same to Debian's icecast2; `DOCS=1` writes this page.
What each break looks like in logs, status and metrics, and what to do about it, stands in [operate.md](operate.md#what-a-break-looks-like).

";

const WORDS: &str = "\
*R0*: no sample lost, none doubled, none that the source did not record, no break in the page numbers, nobody disconnected.
*bridged*: nobody disconnected, no break in the page numbers, silence in the same stream for what is missing, and the programme goes on where time is, to a page (0.25 s).
*disconnects*: connections that ended; *resumed*: who went on over another one at the next byte.
*silence*: what listeners heard that the source did not record.
*stall*: how long a player would have been silent that begins when it has a second of sound and keeps the rest of its burst.
*back*: from the end of the fault until the slowest listener got the next page of the programme.
*lost* and *doubled* are samples of 48,000 a second, where several listened those of the worst.
";

const METHOD: &str = "\
Source, master, two relays and a balancer run in network namespaces of their own around a router, and the listeners in one more; unless it says otherwise one listens at the master, two at the first relay and one at the second.
A way is cut by a rule in the router that swallows packets: nobody is told, connections stay open, nothing arrives, as when a cable is pulled somewhere.
A router that forgets is the same rule for the ports of the connections that are there.
A process stands still by SIGSTOP, dies by SIGKILL, has a full disk by a tmpfs of 300 KiB (a relay: 4 KiB), few descriptors by a resource limit; the time of day is set by libfaketime, under which the monotonic clock stays right, as it does when a machine's clock is set.
The kernel here has no netem: delay and loss are made by a TCP proxy that hands on slices of 1,448 bytes 100 ms later, one in fifty of them, with all behind it, another 400 ms later.
The sound is one minute of noise, repeated, at 96 kbit/s: every second of it can be told from every other.
Each listener keeps all it gets; at the end it is decoded by libvorbis and compared with the decoded recording of the source, and the bytes of all listeners of one log are compared with each other at their offsets.
Players have ten seconds in hand and silence stands in after eight: `burst_seconds = 10`, `filler_after_seconds = 8`; a master remembers 120 s, relays keep a mount 120 s.
Where a break is scaled, the break, what a server remembers and how long it waits are a tenth of what is written there, and at most ten seconds are sent late instead of sixty.

Icecast has the settings that Debian ships, among them a burst of 65,535 bytes (6 s of this sound, where Plenum here has 10 s), is fed by our source, and its listeners ask again once a second when they are sent away; what is lost and doubled counts over all their connections.
";

/// The page.
pub(crate) fn document(records: &[Record], random: &[Record]) -> String {
    let mut text = HEAD.to_owned();
    text += "## Results\n\n| fault | what | must hold | measured | |\n| --- | --- | --- | --- | --- |\n";
    for fault in FAULTS {
        let found = find(records, fault.id);
        let (measured, verdict) = match (fault.kind, found) {
            (Kind::Where(..) | Kind::ScaledWhere(..), None) => (String::new(), "not built"),
            (_, None) => (String::new(), "not run"),
            (_, Some(record)) if record.report.has_passed() => (measured(record), "passed"),
            (_, Some(record)) => (measured(record), "**failed**"),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {measured} | {verdict} |",
            fault.id, fault.what, fault.criterion
        );
    }
    if !random.is_empty() {
        text += "\nA fault every five seconds, drawn by a number, with twenty listeners at a master and three relays:\n\n";
    }
    for record in random {
        let verdict = if record.report.has_passed() {
            "passed"
        } else {
            "**failed**"
        };
        let _ = writeln!(text, "- {}: {verdict}.", record.report);
    }
    text += "\n";
    text += WORDS;
    text += &beside_icecast(records);
    text += "\n## Method\n\n";
    text += METHOD;
    text += "\n## Machine\n\n";
    let mut machines: Vec<_> = records
        .iter()
        .chain(random)
        .map(|record| format!("- {}: {}\n", record.date, record.machine))
        .collect();
    machines.sort();
    machines.dedup();
    text += &machines.concat();
    text
}

fn find<'a>(records: &'a [Record], id: &str) -> Option<&'a Record> {
    records.iter().find(|record| record.id == id)
}

fn measured(record: &Record) -> String {
    let scaled = if record.is_scaled {
        "scaled 1:10; "
    } else {
        ""
    };
    format!("{scaled}{}", record.report)
}

fn beside_icecast(records: &[Record]) -> String {
    let pairs: Vec<_> = AT_ICECAST
        .iter()
        .filter_map(|fault| Some((fault, find(records, fault.id)?)))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    let mut text =
        "\n## The same at Debian's icecast2\n\n| what | Plenum | icecast2 |\n| --- | --- | --- |\n"
            .to_owned();
    for (fault, icecast) in pairs {
        let ours = find(records, &ours(fault)).map(brief);
        let ours = ours.unwrap_or_else(|| "not run".to_owned());
        let _ = writeln!(text, "| {} | {ours} | {} |", fault.what, brief(icecast));
    }
    text
}

fn ours(fault: &Fault) -> String {
    fault.id.replace('I', "F")
}

fn brief(record: &Record) -> String {
    let m = &record.report.measured;
    let seconds = |n: usize| n as f64 / 48_000.0;
    let back = match m.back {
        Some(back) => format!("back after {back:.1} s"),
        None => "not back within 150 s".to_owned(),
    };
    let mut text = format!("{} of {} disconnected", m.n_disconnected, m.n_listeners);
    if m.n_resumed > 0 {
        let _ = write!(text, ", {} resumed at the next byte", m.n_resumed);
    }
    if m.filler > 0.0 {
        let _ = write!(text, ", {:.1} s of silence stood in", m.filler);
    }
    let _ = write!(
        text,
        ", {:.1} s lost, {:.1} s doubled, players silent for {:.1} s, {back}",
        seconds(m.n_lost),
        seconds(m.n_doubled),
        m.stall
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn record(id: &str, failures: &[&str]) -> Record {
        Record {
            id: id.to_owned(),
            report: Report {
                failures: failures.iter().map(ToString::to_string).collect(),
                ..Report::default()
            },
            is_scaled: false,
            seconds: 1.0,
            date: "2026-11-24".to_owned(),
            machine: "a machine".to_owned(),
        }
    }

    #[test]
    fn the_page_says_what_passed_what_failed_and_what_was_not_tried() {
        let records = [record("F17", &[]), record("F18", &["no sample lost"])];
        let page = document(&records, &[]);
        let line = |id: &str| {
            let start = format!("| {id} |");
            page.lines()
                .find(|line| line.starts_with(&start))
                .unwrap_or_default()
        };
        assert!(line("F17").ends_with("| passed |"));
        assert!(line("F18").ends_with("| **failed** |"));
        assert!(line("F19").ends_with("| not run |"));
        assert!(line("F29").ends_with("| not built |"));
        assert!(!page.contains("icecast2 |"), "nothing of it was measured");
    }
}
